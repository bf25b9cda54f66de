//! Patterns of files that are left out, as `.dockerignore` has them.

use regex::bytes::{Regex, RegexBuilder};
use terrine_support::hint::Hint;

/// What is left out unless a pattern asks for it.
const VERSION_CONTROL: [&str; 3] = ["**/.git", "**/.hg", "**/.svn"];
/// The most that a pattern may take when it is compiled, in bytes.
const MAX_SIZE: usize = 1 << 20;

/// Patterns in the order in which they are given: the last one that matches a path, or a directory that it
/// lies in, decides.
#[derive(Debug, Clone, Default)]
pub struct Exclude {
    patterns: Vec<Pattern>,
    /// How many of them come by themselves.
    built_in: usize,
}

#[derive(Debug, Clone)]
struct Pattern {
    regex: Regex,
    /// Whether it takes what matches back into the image.
    is_exception: bool,
}

/// Text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a pattern of files to leave out: {why}")]
pub struct ExcludeError {
    text: String,
    why: &'static str,
}

impl Hint for ExcludeError {
    fn hint(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("patterns are those of a `.dockerignore` file: `**/*.log`, `!keep.log`".into())
    }
}

impl Exclude {
    /// Reads patterns. Empty ones and those that start with `#` mean nothing. Directories of version control are
    /// left out unless an exception names them.
    ///
    /// # Errors
    ///
    /// A bracket that is not closed, a backslash at the end, and `!` alone.
    pub fn new<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, ExcludeError> {
        let mut exclude = Self::default();
        for text in VERSION_CONTROL {
            exclude.patterns.extend(read(text)?);
        }
        exclude.built_in = exclude.patterns.len();
        for text in texts {
            exclude.patterns.extend(read(text)?);
        }
        Ok(exclude)
    }

    /// Nothing is left out.
    pub fn none() -> Self {
        Self::default()
    }

    /// Says whether a path is left out. It is relative to the directory, without a slash at its start.
    pub fn matches(&self, path: &[u8]) -> bool {
        decide(&self.patterns, path)
    }

    /// Says whether a path is left out by what was given alone.
    pub fn is_asked_for(&self, path: &[u8]) -> bool {
        decide(&self.patterns[self.built_in..], path)
    }

    /// Says whether anything in a directory that is left out may be in the image all the same.
    pub fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exception)
    }
}

fn decide(patterns: &[Pattern], path: &[u8]) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let parents: Vec<&[u8]> = slashes.map(|(slash, _)| &path[..slash]).collect();
    patterns.iter().fold(false, |is_out, pattern| {
        if pattern.is_exception != is_out {
            return is_out;
        }
        let matches = |path: &&[u8]| pattern.regex.is_match(path);
        if matches(&path) || parents.iter().any(matches) {
            return !pattern.is_exception;
        }
        is_out
    })
}

/// Reads a line of the file.
fn read(text: &str) -> Result<Option<Pattern>, ExcludeError> {
    let error = |why| ExcludeError {
        text: text.to_owned(),
        why,
    };
    let line = text.trim();
    if line.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (is_exception, pattern) = match line.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, line),
    };
    if pattern.is_empty() {
        return Err(error("there is nothing after `!`"));
    }
    let regex = translate(&clean(pattern)).map_err(error)?;
    let regex = RegexBuilder::new(&regex)
        .size_limit(MAX_SIZE)
        .build()
        .map_err(|_| error("it has a range that is none, or is too long"))?;
    Ok(Some(Pattern {
        regex,
        is_exception,
    }))
}

/// Returns a path without slashes at its start and end, `.` and `..` as far as they cancel a name.
fn clean(pattern: &str) -> String {
    let mut names: Vec<&str> = vec![];
    for name in pattern.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|name| *name != "..") => {
                names.pop();
            }
            // Nothing lies above `/`.
            ".." if pattern.starts_with('/') => {}
            name => names.push(name),
        }
    }
    names.join("/")
}

/// Translates a pattern to a regular expression for bytes that need not be UTF-8.
fn translate(pattern: &str) -> Result<String, &'static str> {
    /// One character that is no slash, of UTF-8 where it is that.
    const ONE: &str = r"(?:[^/]|(?-u:[^/]))";
    const ALL: &str = r"(?s-u:.)*";
    if pattern.is_empty() {
        // The directory itself stays.
        return Ok("[^\\s\\S]".to_owned());
    }
    let mut regex = String::from(r"\A");
    let mut rest = pattern.chars().peekable();
    let mut is_first = true;
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                let slash = rest.next_if_eq(&'/').is_some();
                let literal = !rest.clone().any(|c| matches!(c, '*' | '?' | '[' | '\\'));
                if rest.peek().is_none() || (is_first && !slash && literal) {
                    regex.push_str(ALL);
                } else {
                    regex.push_str(&format!("(?:{ALL}/)?"));
                }
            }
            '*' => regex.push_str(&format!("{ONE}*")),
            '?' => regex.push_str(ONE),
            '[' => class(&mut rest, &mut regex)?,
            '\\' => {
                let escaped = rest.next().ok_or("it ends in a backslash")?;
                regex.push_str(&regex::escape(&escaped.to_string()));
            }
            c => regex.push_str(&regex::escape(&c.to_string())),
        }
        is_first = false;
    }
    regex.push_str(r"\z");
    Ok(regex)
}

/// Translates what stands in brackets.
fn class(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    regex: &mut String,
) -> Result<(), &'static str> {
    const OPEN: &str = "it has a bracket that is not closed";
    regex.push('[');
    if rest.next_if_eq(&'^').is_some() {
        regex.push('^');
    }
    let mut is_empty = true;
    loop {
        match rest.next().ok_or(OPEN)? {
            ']' if !is_empty => break,
            ']' => return Err("it has empty brackets"),
            '-' if !is_empty && rest.peek() != Some(&']') => regex.push('-'),
            '\\' => regex.push_str(&literal(rest.next().ok_or(OPEN)?)),
            c => regex.push_str(&literal(c)),
        }
        is_empty = false;
    }
    regex.push(']');
    Ok(())
}

/// Returns a character as it stands in brackets.
fn literal(c: char) -> String {
    if c.is_ascii_punctuation() {
        format!("\\{c}")
    } else {
        c.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of moby's patternmatcher 0.6 (`MatchesOrParentMatches`).
    #[test]
    fn patterns_are_those_of_dockerignore() {
        for (patterns, path, is_out) in [
            (&["*.log"][..], "a.log", true),
            (&["*.log"], "d/a.log", false),
            (&["*/*.log"], "d/a.log", true),
            (&["**/*.log"], "d/e/a.log", true),
            (&["**/*.log"], "a.log", true),
            (&["d"], "d/e/f", true),
            (&["d/"], "d", true),
            (&["d/"], "d/e", true),
            (&["/d"], "d/e", true),
            (&["./d//e/../e"], "d/e", true),
            (&["d"], "dd", false),
            (&["d"], "e/d", false),
            (&["d/**"], "d", false),
            (&["d/**"], "d/e/f", true),
            (&["**"], "d/e", true),
            (&["**/d"], "e/d/f", true),
            (&["**/d/**/f"], "x/d/y/z/f", true),
            (&["**/d/**/f"], "d/f", true),
            (&["**d"], "xd", true),
            (&["d**"], "de/f", true),
            (&["?"], "a", true),
            (&["?"], "é", true),
            (&["?"], "ab", false),
            (&["a?b"], "a/b", false),
            (&["[a-c]x"], "bx", true),
            (&["[^a-c]x"], "bx", false),
            (&["[^a-c]x"], "dx", true),
            (&["[]-]x"], "-x", false),
            (&["a.b"], "axb", false),
            (&["a+(b|c)"], "a+(b|c)", true),
            (&["a$b^"], "a$b^", true),
            (&[r"\*"], "*", true),
            (&[r"\*"], "x", false),
            (&[r"\!x"], "!x", true),
            (&[r"\#x"], "#x", true),
            (&["#x"], "#x", false),
            (&[" #x"], "#x", true),
            (&["", "  "], "x", false),
            (&["  x  "], "x", true),
            (&["."], "x", false),
            (&["/"], "x", false),
            (&["../x"], "x", false),
            // The last one that matches decides.
            (&["*", "!x"], "x", false),
            (&["*", "!x"], "y", true),
            (&["!x", "*"], "x", true),
            (&["d", "!d/e"], "d/e", false),
            (&["d", "!d/e"], "d/e/f", false),
            (&["d", "!d/e"], "d/g", true),
            (&["d", "!d/e", "d/e/f"], "d/e/f", true),
            (&["**", "!**/*.md", "secret.md"], "a/b.md", false),
            (&["**", "!**/*.md", "secret.md"], "secret.md", true),
            (&["*", "! x"], "x", false),
            (&["*", "!/x"], "x", false),
            // What is left out by itself.
            (&[], ".git/config", true),
            (&[], "d/.git", true),
            (&[], ".gitignore", false),
            (&["!.git"], ".git/config", false),
            (&["!.git"], "d/.git", true),
            (&["!**/.git"], "d/.git/x", false),
        ] {
            let Ok(exclude) = Exclude::new(patterns.iter().copied()) else {
                assert_eq!(patterns, ["[]-]x"]);
                continue;
            };
            assert_eq!(
                exclude.matches(path.as_bytes()),
                is_out,
                "{patterns:?} {path}"
            );
        }
        let all = Exclude::new(["*"]).unwrap();
        assert!(all.matches(b"\xff\xfe"));
        assert!(Exclude::new(["a/**/b"]).unwrap().matches(b"a/\xff/b"));
        assert!(all.is_asked_for(b".git"));
        assert!(!Exclude::new([]).unwrap().is_asked_for(b".git"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (text, why) in [
            ("[a", "it has a bracket that is not closed"),
            ("[]", "it has empty brackets"),
            ("[z-a]", "it has a range that is none, or is too long"),
            ("a\\", "it ends in a backslash"),
            ("!", "there is nothing after `!`"),
            (" ! ", "there is nothing after `!`"),
        ] {
            let error = Exclude::new([text]).unwrap_err();
            let message = format!("`{text}` is not a pattern of files to leave out: {why}");
            assert_eq!(error.to_string(), message);
        }
    }
}
