//! `nix.conf`: the settings of Nix (Nix manual, "nix.conf"; `parseConfigFiles` in Nix's
//! `configuration.cc`).

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use terrine_support::hint::Hint;

/// The depth up to which files may include each other.
const DEEPEST: usize = 16;

/// Settings, in the order in which they apply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NixConf {
    settings: Vec<(String, String)>,
}

impl NixConf {
    /// Adds the settings of a file, and of those that it includes. `path` is that of the file: names of
    /// included files are relative to its directory. `read` returns the content of a file; nothing
    /// if it does not exist.
    ///
    /// # Errors
    ///
    /// A line that is not `NAME = VALUE`, and an included file that is missing or cannot be read.
    pub fn add(
        &mut self,
        text: &str,
        path: &Path,
        read: &mut dyn FnMut(&Path) -> io::Result<Option<String>>,
    ) -> Result<(), NixConfError> {
        self.add_at(text, path, read, 0)
    }

    fn add_at(
        &mut self,
        text: &str,
        path: &Path,
        read: &mut dyn FnMut(&Path) -> io::Result<Option<String>>,
        depth: usize,
    ) -> Result<(), NixConfError> {
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [include @ ("include" | "!include"), name] => {
                    let included = path.parent().unwrap_or(Path::new("")).join(name);
                    let text = read(&included).map_err(|source| NixConfError::Read {
                        path: included.clone(),
                        source,
                    })?;
                    match text {
                        Some(_) if depth == DEEPEST => {
                            return Err(NixConfError::TooDeep { path: included });
                        }
                        Some(text) => self.add_at(&text, &included, read, depth + 1)?,
                        None if *include == "include" => {
                            return Err(NixConfError::Missing {
                                path: included,
                                by: path.to_owned(),
                            });
                        }
                        None => {}
                    }
                }
                [name, "=", values @ ..] if !matches!(*name, "include" | "!include") => {
                    self.settings.push(((*name).to_owned(), values.join(" ")));
                }
                _ => {
                    return Err(NixConfError::Line {
                        path: path.to_owned(),
                        line: index + 1,
                    });
                }
            }
        }
        Ok(())
    }

    /// Returns the value of a setting; none if it is not set. The last one counts.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.settings
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the words of a setting that is a list: those of the last line that sets it, or of
    /// `default`, and those of each later line `extra-NAME`. `aliases` are other names of the setting.
    pub fn words<'a>(&'a self, name: &str, aliases: &[&str], default: &'a str) -> Vec<&'a str> {
        let is_it = |known: &str| known == name || aliases.contains(&known);
        let mut words: Vec<&str> = default.split_ascii_whitespace().collect();
        for (known, value) in &self.settings {
            if is_it(known) {
                words.clear();
            } else if !known.strip_prefix("extra-").is_some_and(is_it) {
                continue;
            }
            words.extend(value.split_ascii_whitespace());
        }
        words
    }
}

/// A fault of `nix.conf`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NixConfError {
    /// A line in another form. It may have a token, and is not shown.
    #[error("line {line} of `{}` is not `NAME = VALUE`", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
    /// A missing file that must be there.
    #[error("`{}`, which `{}` includes, does not exist", path.display(), by.display())]
    Missing {
        /// The missing file.
        path: PathBuf,
        /// The file that includes it.
        by: PathBuf,
    },
    /// A file that cannot be read.
    #[error("reading `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Files that include each other, probably in a circle.
    #[error("`{}` is included by more than {DEEPEST} files, one inside the other", path.display())]
    TooDeep {
        /// The file.
        path: PathBuf,
    },
}

impl Hint for NixConfError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Line { .. } => {
                "correct the line: `nix config show` reports the same fault".into()
            }
            Self::Missing { .. } => "`!include` instead of `include` ignores missing files".into(),
            Self::Read { source, .. } => return source.hint(),
            Self::TooDeep { .. } => "remove the circle of includes".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<NixConf, NixConfError> {
        let mut conf = NixConf::default();
        conf.add(
            text,
            Path::new("/etc/nix/nix.conf"),
            &mut |path| match path.to_str() {
                Some("/etc/nix/other.conf") => Ok(Some("b = 2\n!include /x/deep.conf".into())),
                Some("/x/deep.conf") => Ok(Some("c = 3".into())),
                Some("/etc/nix/circle.conf") => Ok(Some("include circle.conf".into())),
                Some("/etc/nix/secret.conf") => Err(io::ErrorKind::PermissionDenied.into()),
                _ => Ok(None),
            },
        )?;
        Ok(conf)
    }

    #[test]
    fn settings_and_included_ones() {
        let conf =
            parse("# comment\n\n a =  1  2 # x\ninclude other.conf\n!include none\nempty =\na = 4")
                .unwrap();
        let table = [
            ("a", Some("4")),
            ("b", Some("2")),
            ("c", Some("3")),
            ("empty", Some("")),
            ("d", None),
        ];
        for (name, expected) in table {
            assert_eq!(conf.get(name), expected, "{name}");
        }
    }

    #[test]
    fn lists_are_set_and_extended() {
        for (text, expected) in [
            ("", "d"),
            ("l = a b", "a b"),
            ("l = a\nextra-l = b\nextra-l = c", "a b c"),
            ("extra-l = b", "d b"),
            ("extra-l = b\nl = a", "a"),
            ("old = a\nextra-old = b", "a b"),
            ("l =", ""),
        ] {
            let conf = parse(text).unwrap();
            assert_eq!(conf.words("l", &["old"], "d").join(" "), expected, "{text}");
        }
    }

    #[test]
    fn faults_are_found() {
        for text in [
            "a",
            "a 1",
            "a=1",
            "include",
            "include = x",
            "include a b",
            "include none",
            "include circle.conf",
            "include secret.conf",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let message = parse("a = 1\n b").unwrap_err().to_string();
        assert_eq!(
            message,
            "line 2 of `/etc/nix/nix.conf` is not `NAME = VALUE`"
        );
    }
}
