//! Files of credentials for servers, as curl and Nix read them (GNU inetutils manual, "The .netrc file"; curl's
//! documentation, "netrc").

use std::borrow::Cow;
use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use terrine_support::hint::Hint;

/// The credentials of a netrc file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Netrc {
    entries: Vec<Entry>,
}

/// A part of the file.
#[derive(Clone, Default, PartialEq, Eq)]
struct Entry {
    /// The host; none for the part `default`.
    machine: Option<String>,
    login: Option<String>,
    password: Option<String>,
}

/// A user name with a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NetrcLogin<'a> {
    /// The user name, which is empty if there is a token only.
    pub user: &'a str,
    /// The password, or a token.
    pub password: &'a str,
}

/// A fault of a netrc file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetrcError {
    /// A quotation mark without another.
    #[error("line {line} of the netrc file has a quotation mark that is not closed")]
    Quote {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A keyword at the end of the file.
    #[error("`{keyword}` at the end of the netrc file has no value")]
    Value {
        /// The keyword.
        keyword: &'static str,
    },
}

impl Hint for NetrcError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Quote { .. } => {
                r#"add the closing quotation mark; in a quoted value, write `\"` for a quotation mark"#
                    .into()
            }
            Self::Value { .. } => {
                "each server has a line `machine HOST login USER password PASSWORD`".into()
            }
        })
    }
}

impl Netrc {
    /// Parses the text of a netrc file. Unknown keywords are ignored, as curl does.
    ///
    /// # Errors
    ///
    /// A quoted value without an end, and a keyword without its value.
    pub fn parse(text: &str) -> Result<Self, NetrcError> {
        let mut tokens = Tokens::new(text);
        let mut entries: Vec<Entry> = vec![];
        while let Some(keyword) = tokens.next()? {
            let mut value = |keyword| tokens.next()?.ok_or(NetrcError::Value { keyword });
            match keyword.to_ascii_lowercase().as_str() {
                "machine" => entries.push(Entry {
                    machine: Some(value("machine")?),
                    ..Entry::default()
                }),
                "default" => entries.push(Entry::default()),
                "login" => {
                    let login = value("login")?;
                    if let Some(entry) = entries.last_mut() {
                        entry.login = Some(login);
                    }
                }
                "password" => {
                    let password = value("password")?;
                    if let Some(entry) = entries.last_mut() {
                        entry.password = Some(password);
                    }
                }
                "account" => drop(value("account")?),
                "macdef" => tokens.skip_macro(),
                _ => {}
            }
        }
        Ok(Self { entries })
    }

    /// Returns the credentials for a host, which is without its port: those of the first part that is
    /// for the host and has any, or those of `default` if that comes first.
    pub fn login(&self, host: &str) -> Option<NetrcLogin<'_>> {
        let is_for = |entry: &&Entry| match &entry.machine {
            Some(machine) => machine.eq_ignore_ascii_case(host),
            None => true,
        };
        let has_any = |entry: &&Entry| entry.login.is_some() || entry.password.is_some();
        let entry = self.entries.iter().filter(is_for).find(has_any)?;
        Some(NetrcLogin {
            user: entry.login.as_deref().unwrap_or_default(),
            password: entry.password.as_deref().unwrap_or_default(),
        })
    }
}

impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machines = self.entries.iter().map(|entry| &entry.machine);
        f.write_str("Netrc")?;
        f.debug_list().entries(machines).finish()
    }
}

impl fmt::Debug for NetrcLogin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetrcLogin({})", self.user)
    }
}

/// The words of a file.
struct Tokens<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    /// True up to the first word of a line.
    at_start: bool,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
            line: 1,
            at_start: true,
        }
    }

    fn advance(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.line += 1;
            self.at_start = true;
        }
        Some(next)
    }

    /// Returns the next word. A line that begins with `#` is a comment; elsewhere a word may begin so, as passwords do.
    fn next(&mut self) -> Result<Option<String>, NetrcError> {
        loop {
            match self.rest.peek() {
                None => return Ok(None),
                Some(space) if space.is_whitespace() => drop(self.advance()),
                Some('#') if self.at_start => self.skip_line(),
                Some(_) => break,
            }
        }
        self.at_start = false;
        if self.rest.next_if_eq(&'"').is_some() {
            return self.quoted().map(Some);
        }
        let mut word = String::new();
        while let Some(next) = self.rest.next_if(|next| !next.is_whitespace()) {
            word.push(next);
        }
        Ok(Some(word))
    }

    /// Returns what is left of a quoted word, in which a backslash escapes the next character.
    fn quoted(&mut self) -> Result<String, NetrcError> {
        let line = self.line;
        let mut word = String::new();
        loop {
            let next = match self.advance() {
                Some('"') => return Ok(word),
                Some('\\') => match self.advance() {
                    Some('n') => Some('\n'),
                    Some('r') => Some('\r'),
                    Some('t') => Some('\t'),
                    other => other,
                },
                other => other,
            };
            word.push(next.ok_or(NetrcError::Quote { line })?);
        }
    }

    fn skip_line(&mut self) {
        while self.advance().is_some_and(|next| next != '\n') {}
    }

    /// Skips a macro, which ends with an empty line.
    fn skip_macro(&mut self) {
        self.skip_line();
        while let Some(next) = self.rest.peek() {
            let is_empty = matches!(next, '\n' | '\r');
            self.skip_line();
            if is_empty {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::*;

    proptest! {
        #[test]
        fn quoted_values_are_read_back(user in ".*", password in "\\PC*") {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("machine a login \"{}\" password \"{}\"", quoted(&user), quoted(&password));
            assert_eq!(login(&text, "a"), Some((user, password)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(machine|default|login|password|macdef|a|\"|#|\\\\|\\PC|\\s)*") {
            if let Ok(netrc) = Netrc::parse(&text) {
                netrc.login("a");
            }
        }
    }

    fn login(text: &str, host: &str) -> Option<(String, String)> {
        let netrc = Netrc::parse(text).unwrap();
        let found = netrc.login(host)?;
        Some((found.user.to_owned(), found.password.to_owned()))
    }

    #[test]
    fn credentials_are_found_by_host() {
        let text = "# machine a login no password no\n\
                    machine a.example login one password #1\n\
                    machine b.example\n\tlogin two # password 2\n\tpassword 2\n\
                    macdef init\nmachine c.example login no password no\n\n\
                    machine c.example account x password t0ken\r\n\
                    machine d.example port 5 LOGIN \"a b\\\"\\\\\\t\" Password \"\"\n\
                    machine e.example\n\
                    machine b.example login other password other\n\
                    default login anyone password any\n\
                    machine late.example login late password late";
        for (host, user, password) in [
            ("a.example", "one", "#1"),
            ("A.Example", "one", "#1"),
            // `#` is a comment at the start of a line only.
            ("b.example", "two", "2"),
            ("c.example", "", "t0ken"),
            ("d.example", "a b\"\\\t", ""),
            ("e.example", "anyone", "any"),
            ("late.example", "anyone", "any"),
            ("a", "anyone", "any"),
        ] {
            let expected = Some((user.to_owned(), password.to_owned()));
            assert_eq!(login(text, host), expected, "{host}");
        }
        for text in [
            "",
            "machine b login x",
            "login x password y",
            "macdef x\ndefault login y",
        ] {
            assert_eq!(login(text, "a"), None, "{text}");
        }
    }

    #[test]
    fn faults_are_named() {
        for (text, expected) in [
            (
                "\n\nmachine a password \"x\n",
                NetrcError::Quote { line: 3 },
            ),
            ("machine a password \"x\\", NetrcError::Quote { line: 1 }),
            ("machine", NetrcError::Value { keyword: "machine" }),
            (
                "machine a login x password ",
                NetrcError::Value {
                    keyword: "password",
                },
            ),
        ] {
            assert_eq!(Netrc::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let netrc = Netrc::parse("machine a login u password s3cret").unwrap();
        let shown = format!("{netrc:?} {:?}", netrc.login("a"));
        assert_eq!(shown, "Netrc[Some(\"a\")] Some(NetrcLogin(u))");
    }
}
