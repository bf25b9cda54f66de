//! Owners and permissions by path, where the user wants others than the files have.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::Regex;

/// Rules for the entries of every layer; the first one that matches an entry's path
/// applies, and no other.
#[derive(Debug, Clone, Default)]
pub struct Permissions {
    rules: Vec<Rule>,
}

/// The owner, mode and attributes to set on entries whose paths match. What is `None` stays as it
/// is.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The pattern of the paths that the rule applies to.
    pub pattern: Pattern,
    /// Permission bits, 0 to 07777. Symbolic links have none, and keep theirs.
    pub mode: Option<u32>,
    /// Numeric owner.
    pub uid: Option<i64>,
    /// Numeric group.
    pub gid: Option<i64>,
    /// Name of the owner, in layers that have names.
    pub uname: Option<String>,
    /// Name of the group, in layers that have names.
    pub gname: Option<String>,
    /// Extended attributes of files: the capabilities of programs.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A pattern for absolute paths in the image, directories without a slash at the end.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// A shell pattern for the whole path: `*` and `?` stop at slashes, `**` does not.
    Glob(GlobMatcher),
    /// A regular expression, found anywhere in the path unless it is anchored.
    Regex(Regex),
}

/// Text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: {why}")]
pub struct PatternError {
    text: String,
    kind: &'static str,
    why: String,
}

impl Pattern {
    /// Reads a shell pattern.
    ///
    /// # Errors
    ///
    /// Unbalanced brackets and the like, and a pattern that can match no absolute path.
    pub fn glob(text: &str) -> Result<Self, PatternError> {
        let error = |why: String| PatternError {
            text: text.to_owned(),
            kind: "glob",
            why,
        };
        if !text.starts_with(['/', '*']) {
            return Err(error("paths in the image start with a slash".to_owned()));
        }
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .backslash_escape(true)
            .build();
        glob.map(|glob| Self::Glob(glob.compile_matcher()))
            .map_err(|e| error(e.kind().to_string()))
    }

    /// Reads a regular expression.
    ///
    /// # Errors
    ///
    /// Text that is none.
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        Regex::new(text).map(Self::Regex).map_err(|e| {
            // The last line says what is wrong; those before draw where.
            let said = e.to_string();
            let last = said.lines().last().unwrap_or_default();
            PatternError {
                text: text.to_owned(),
                kind: "regular expression",
                why: last.strip_prefix("error: ").unwrap_or(last).to_owned(),
            }
        })
    }

    /// Returns the text that it was read from.
    pub fn text(&self) -> &str {
        match self {
            Self::Glob(glob) => glob.glob().glob(),
            Self::Regex(regex) => regex.as_str(),
        }
    }

    /// Returns what every path starts with that it matches, and whether it is the whole path.
    pub fn prefix(&self) -> (&str, bool) {
        match self {
            Self::Glob(glob) => {
                let text = glob.glob().glob();
                let end = text.find(['*', '?', '[', '{', '\\']);
                (&text[..end.unwrap_or(text.len())], end.is_none())
            }
            Self::Regex(_) => ("", false),
        }
    }

    /// Says whether it matches an absolute path in the image.
    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Glob(glob) => glob.is_match(Path::new(OsStr::from_bytes(path))),
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

impl Permissions {
    /// Rules in the order in which they are tried.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// All that the rules say, as text that no other rules spell.
    pub fn describe(&self) -> String {
        self.rules
            .iter()
            .map(|rule| {
                let pattern = match &rule.pattern {
                    Pattern::Glob(glob) => ("glob", glob.glob().glob()),
                    Pattern::Regex(regex) => ("regex", regex.as_str()),
                };
                let Rule {
                    mode,
                    uid,
                    gid,
                    uname,
                    gname,
                    xattrs,
                    ..
                } = rule;
                let text = format!("{:?}", (pattern, mode, uid, gid, uname, gname));
                // Rules without them keep the text that they had before there were any.
                if xattrs.is_empty() {
                    text
                } else {
                    format!("{text}{xattrs:?}")
                }
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Returns the rules in the order in which they are tried.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule for an absolute path in the image, if there is one.
    pub fn find(&self, path: &[u8]) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.pattern.matches(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pattern: Pattern, uid: i64) -> Rule {
        Rule {
            pattern,
            mode: None,
            uid: Some(uid),
            gid: None,
            uname: None,
            gname: None,
            xattrs: vec![],
        }
    }

    #[test]
    fn the_first_rule_that_matches_applies() {
        let permissions = Permissions::new(vec![
            rule(Pattern::glob("/data/*").unwrap(), 1),
            rule(Pattern::glob("/data/**").unwrap(), 2),
            rule(Pattern::regex(r"\.key$").unwrap(), 3),
            rule(Pattern::glob("**/bin/su").unwrap(), 4),
        ]);
        let uid = |path: &str| permissions.find(path.as_bytes()).and_then(|rule| rule.uid);
        for (path, expected) in [
            ("/data/a", Some(1)),
            ("/data/a/b", Some(2)),
            ("/data", None),
            ("/etc/x.key", Some(3)),
            ("/etc/x.keys", None),
            ("/nix/store/x/bin/su", Some(4)),
            ("/bin/su", Some(4)),
        ] {
            assert_eq!(uid(path), expected, "{path}");
        }
        assert_eq!(
            permissions.find(b"/data/\xff").and_then(|rule| rule.uid),
            Some(1)
        );
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let glob = |text| Pattern::glob(text).unwrap_err().to_string();
        assert_eq!(
            glob("data"),
            "`data` is not a glob: paths in the image start with a slash"
        );
        assert!(
            glob("/[a").starts_with("`/[a` is not a glob: "),
            "{}",
            glob("/[a")
        );
        let regex = Pattern::regex("(").unwrap_err().to_string();
        assert_eq!(regex, "`(` is not a regular expression: unclosed group");
    }
}
