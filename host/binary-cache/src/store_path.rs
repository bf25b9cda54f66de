//! The names of store paths (Nix manual, "Store Path"; `checkName` in Nix's `path.cc`).

use std::borrow::Cow;

use terrine_support::hint::Hint;

use crate::excerpt::excerpt;
use crate::hash::is_nix32_digit;

/// The number of digits in the hash part of a store path.
pub const HASH_LENGTH: usize = 32;
/// The longest name, in characters: with the hash part and the dash, 244 characters.
const LONGEST_NAME: usize = 211;

/// The last component of a store path: `HASH-NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaseName<'a> {
    text: &'a str,
}

impl<'a> BaseName<'a> {
    /// Parses `HASH-NAME`.
    ///
    /// # Errors
    ///
    /// A hash part that is not 32 digits of Nix's base 32, and a name that Nix does not allow.
    pub fn parse(text: &'a str) -> Result<Self, StorePathError> {
        let fault = |fault| StorePathError::Name {
            name: excerpt(text.as_bytes()),
            fault,
        };
        let bytes = text.as_bytes();
        let is_hashed = bytes.get(HASH_LENGTH) == Some(&b'-')
            && bytes[..HASH_LENGTH].iter().copied().all(is_nix32_digit);
        if !is_hashed {
            return Err(fault(NameFault::HashPart));
        }
        check_name(&text[HASH_LENGTH + 1..]).map_err(fault)?;
        Ok(Self { text })
    }

    /// Parses the path of an entry directly below the store's directory.
    ///
    /// # Errors
    ///
    /// A path that is elsewhere, and a base name that is none.
    pub fn of_path(path: &'a str, store_dir: &str) -> Result<Self, StorePathError> {
        let base = path
            .strip_prefix(store_dir)
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|base| !base.contains('/'))
            .ok_or_else(|| StorePathError::Elsewhere {
                path: excerpt(path.as_bytes()),
                store_dir: store_dir.to_owned(),
            })?;
        Self::parse(base)
    }

    /// The 32 digits before the dash.
    pub fn hash_part(self) -> &'a str {
        &self.text[..HASH_LENGTH]
    }

    /// The text after the dash.
    pub fn name(self) -> &'a str {
        &self.text[HASH_LENGTH + 1..]
    }

    /// The whole base name.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// The path of this name in a store.
    pub fn in_store(self, store_dir: &str) -> String {
        format!("{store_dir}/{}", self.text)
    }
}

/// Checks the part of a base name after the hash.
fn check_name(name: &str) -> Result<(), NameFault> {
    if !(1..=LONGEST_NAME).contains(&name.len()) {
        return Err(NameFault::Length(name.len()));
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "+-._?=".contains(c);
    if let Some(character) = name.chars().find(|&c| !is_allowed(c)) {
        return Err(NameFault::Character(character));
    }
    match name.split('-').next() {
        Some(first @ ("." | "..")) => Err(NameFault::Dots(first.to_owned())),
        _ => Ok(()),
    }
}

/// Text that is not a store path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorePathError {
    /// A path outside of the store's directory, or deeper in it.
    #[error("`{path}` is not a path directly below `{store_dir}`")]
    Elsewhere {
        /// The path.
        path: String,
        /// The store's directory.
        store_dir: String,
    },
    /// A base name that is not one of a store path.
    #[error("`{name}` is not the name of a store path")]
    Name {
        /// The base name.
        name: String,
        /// The fault in it.
        #[source]
        fault: NameFault,
    },
}

impl Hint for StorePathError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Elsewhere { .. } => {
                Some("the store directory is in the cache's `nix-cache-info`, as `StoreDir`".into())
            }
            Self::Name { .. } => Some(
                "a store path is named `HASH-NAME`, such as `094qif9n4cq4fdg459qzbhg1c6wywaww-hello-2.12`"
                    .into(),
            ),
        }
    }
}

/// The fault of a base name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// It does not begin with 32 digits and a dash.
    #[error(
        "it must begin with {HASH_LENGTH} characters of `0123456789abcdfghijklmnpqrsvwxyz` and a `-`"
    )]
    HashPart,
    /// The name after the hash is too long, or empty.
    #[error("the part after the hash has {0} characters; it must have 1 to {LONGEST_NAME}")]
    Length(usize),
    /// A character that no name has.
    #[error("the character {0:?} is not allowed")]
    Character(char),
    /// A name that begins with a component of dots.
    #[error("the part after the hash must not be `{0}` or begin with `{0}-`")]
    Dots(String),
}

impl Hint for NameFault {}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "094qif9n4cq4fdg459qzbhg1c6wywaww";

    #[test]
    fn a_base_name_has_two_parts() {
        let text = format!("{HASH}-hello-2.12");
        let base = BaseName::parse(&text).unwrap();
        assert_eq!((base.hash_part(), base.name()), (HASH, "hello-2.12"));
        assert_eq!(base.in_store("/nix/store"), format!("/nix/store/{text}"));
        let path = base.in_store("/gnu/store");
        assert_eq!(BaseName::of_path(&path, "/gnu/store"), Ok(base));
    }

    /// The rules of `checkName`; each pair is one side of a limit.
    #[test]
    fn names_are_those_that_nix_allows() {
        let allowed = [
            "a",
            "-",
            "...",
            ".a",
            "..a",
            ".a-",
            "...-",
            "A0+-._?=z",
            &"x".repeat(211),
        ];
        for name in allowed {
            let text = format!("{HASH}-{name}");
            assert!(BaseName::parse(&text).is_ok(), "{name}");
        }
        let refused = [
            ("", NameFault::Length(0)),
            (&"x".repeat(212), NameFault::Length(212)),
            (".", NameFault::Dots(".".into())),
            ("..", NameFault::Dots("..".into())),
            (".-a", NameFault::Dots(".".into())),
            ("..-a", NameFault::Dots("..".into())),
            ("a b", NameFault::Character(' ')),
            ("a/b", NameFault::Character('/')),
            ("é", NameFault::Character('é')),
            ("a\0", NameFault::Character('\0')),
        ];
        for (name, expected) in refused {
            let text = format!("{HASH}-{name}");
            match BaseName::parse(&text) {
                Err(StorePathError::Name { fault, .. }) => assert_eq!(fault, expected, "{name:?}"),
                other => panic!("{name:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_hash_part_is_32_digits_and_a_dash() {
        for text in [
            "",
            HASH,
            &format!("{HASH}_a"),
            &format!("{}-a", &HASH[1..]),
            &format!("0{HASH}-a"),
            &format!("{}e-a", &HASH[1..]),
            &format!("{}-a", HASH.to_uppercase()),
            &format!("{}é-a", &HASH[2..]),
        ] {
            let expected = NameFault::HashPart;
            match BaseName::parse(text) {
                Err(StorePathError::Name { fault, .. }) => assert_eq!(fault, expected, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_store_path_is_directly_below_the_store() {
        for path in [
            "",
            "/nix/store",
            "/nix/store/",
            &format!("/nix/store//{HASH}-a"),
            &format!("/nix/store/{HASH}-a/b"),
            &format!("/nix/store2/{HASH}-a"),
            &format!("{HASH}-a"),
        ] {
            assert!(BaseName::of_path(path, "/nix/store").is_err(), "{path}");
        }
        let error = BaseName::of_path("/x/y", "/nix/store").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`/x/y` is not a path directly below `/nix/store`"
        );
    }
}
