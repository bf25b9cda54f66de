//! Store paths that a text mentions, as Nix's string context would have them.

use std::collections::BTreeSet;

use super::{Error, Graph};

/// The alphabet of hashes in names, Nix's and Guix's: without e, o, t and u.
const BASE32: &str = "0123456789abcdfghijklmnpqrsvwxyz";
/// The number of characters that a hash has in a name.
const HASH: usize = 32;
/// The longest name that is looked for, in bytes: no file system has longer ones.
const MAX_NAME: usize = 255;

/// A graph or a database that knows which store paths there are.
pub trait Names {
    /// Returns true if there is a path. Called once for most mentions, and some hundred times for
    /// one that is not known.
    ///
    /// # Errors
    ///
    /// If that cannot be told.
    fn contains(&self, path: &str) -> Result<bool, Error>;
}

impl Names for Graph {
    fn contains(&self, path: &str) -> Result<bool, Error> {
        Ok(self.find(path).is_some())
    }
}

/// The store paths that a text mentions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Paths that there are, ascending, each once.
    pub known: Vec<String>,
    /// Texts that have the form of a store path, hash and all, and are none that there is: as they
    /// are in the text, ascending, each once.
    pub unknown: Vec<String>,
}

/// Looks for store paths in a text: for each place where `store_dir` and a slash stand,
/// whatever is before, and for what may be a name after it.
///
/// Names that begin with a hash are known by it, so the longest known name that the text
/// goes on with is meant: `/nix/store/<hash>-a-1.0.` at the end of a sentence is
/// `<hash>-a-1.0`. Where the hash is no hash, as in what `nuke-refs` leaves, the name
/// has to be known as it stands or without punctuation at its end; it is no mention
/// otherwise.
///
/// # Errors
///
/// What `names` returns.
pub fn mentions(text: &str, store_dir: &str, names: &dyn Names) -> Result<Mentions, Error> {
    let prefix = format!("{}/", store_dir.trim_end_matches('/'));
    let words: BTreeSet<&str> = text
        .match_indices(&prefix)
        .map(|(start, _)| &text[start + prefix.len()..])
        .map(word)
        .filter(|word| !word.is_empty())
        .collect();
    let (mut known, mut unknown) = (BTreeSet::new(), Vec::new());
    for word in words {
        match longest(&prefix, word, names)? {
            Some(path) => drop(known.insert(path)),
            None if has_hash(word) => unknown.push(format!("{prefix}{word}")),
            None => {}
        }
    }
    Ok(Mentions {
        known: known.into_iter().collect(),
        unknown,
    })
}

/// The start of a text that may be a name.
fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !"+-._?=".contains(c))
        .next()
        .unwrap_or_default()
}

/// The path with the longest known name that a word starts with.
fn longest(prefix: &str, word: &str, names: &dyn Names) -> Result<Option<String>, Error> {
    let shortest = if has_hash(word) {
        HASH + 2
    } else {
        word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
            .len()
            .max(1)
    };
    for end in (shortest..=word.len().min(MAX_NAME)).rev() {
        let path = format!("{prefix}{}", &word[..end]);
        if names.contains(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Returns true if a word starts with a hash, a dash and a name.
fn has_hash(word: &str) -> bool {
    word.len() >= HASH + 2
        && word[..HASH].chars().all(|c| BASE32.contains(c))
        && word[HASH..].starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::super::GraphEntry;
    use super::*;

    const HASH_A: &str = "czdwrc68h50iivmdn00dcrkpn6px1bpz";
    const HASH_B: &str = "szib0aj2ipf0lhdd1na5jf41480mqbdk";

    /// `$A` and `$B` stand for hashes, `$S` for the store's directory.
    fn fill(text: &str, store_dir: &str) -> String {
        text.replace("$A", HASH_A)
            .replace("$B", HASH_B)
            .replace("$S", store_dir)
    }

    fn found(text: &str, known: &[&str], store_dir: &str) -> Mentions {
        let entries = known
            .iter()
            .map(|name| GraphEntry {
                path: format!("{store_dir}/{}", fill(name, store_dir)),
                size: 0,
                references: vec![],
            })
            .collect();
        let graph = Graph::build(entries).unwrap();
        mentions(&fill(text, store_dir), store_dir, &graph).unwrap()
    }

    #[test]
    fn names_with_a_hash_are_found_wherever_they_stand() {
        let known = ["$A-a", "$A-a-1.0", "$B-b"];
        let table: [(&str, &[&str]); 16] = [
            ("$S/$A-a-1.0", &["$A-a-1.0"]),
            ("$S/$A-a-1.0/bin/a", &["$A-a-1.0"]),
            ("It is in $S/$A-a-1.0.", &["$A-a-1.0"]),
            ("$S/$A-a.", &["$A-a"]),
            ("$S/$A-a-1", &["$A-a"]),
            ("PATH=$S/$B-b/bin:$S/$A-a/bin", &["$A-a", "$B-b"]),
            ("--prefix=$S/$B-b", &["$B-b"]),
            ("file://$S/$B-b?x=1", &["$B-b"]),
            ("{\"Cmd\":[\"$S/$B-b\",\"$S/$B-b\"]}", &["$B-b"]),
            ("/mnt$S/$B-b", &["$B-b"]),
            ("$S/$B-b\u{e9}", &["$B-b"]),
            ("$S/", &[]),
            ("$S", &[]),
            ("$S//$B-b", &[]),
            ("$B-b", &[]),
            ("", &[]),
        ];
        for store_dir in ["/nix/store", "/gnu/store"] {
            for (text, expected) in table {
                let expected: Vec<String> = expected
                    .iter()
                    .map(|name| format!("{store_dir}/{}", fill(name, "")))
                    .collect();
                let mentions = found(text, &known, store_dir);
                assert_eq!(
                    (mentions.known, mentions.unknown),
                    (expected, vec![]),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_hash_that_is_not_known_is_told() {
        let mentions = found(
            "$S/$A-a/x $S/$B-c $S/$B-b2 $S/$B-b2",
            &["$B-b2"],
            "/nix/store",
        );
        assert_eq!(mentions.known, [format!("/nix/store/{HASH_B}-b2")]);
        assert_eq!(
            mentions.unknown,
            [
                format!("/nix/store/{HASH_A}-a"),
                format!("/nix/store/{HASH_B}-c")
            ]
        );
    }

    #[test]
    fn what_is_no_hash_is_no_mention() {
        let nuked = format!("$S/{}-glibc", "e".repeat(32));
        let letters =
            ["e", "o", "t", "u", "A", "_"].map(|c| format!("$S/{}-a", HASH_A.replace('z', c)));
        let short = ["$S/$A", "$S/$A-", "$S/$Aa-a", "$S/abc-a"].map(str::to_owned);
        for text in [nuked].iter().chain(&letters).chain(&short) {
            assert_eq!(
                found(text, &["$B-b"], "/nix/store"),
                Mentions::default(),
                "{text}"
            );
        }
    }

    #[test]
    fn names_without_a_hash_have_to_be_whole() {
        let known = ["hello", "hello-1.0", "a=b"];
        for (text, expected) in [
            ("$S/hello/bin", Some("hello")),
            ("$S/hello.", Some("hello")),
            ("is it $S/hello-1.0?", Some("hello-1.0")),
            ("$S/hello-1.0...", Some("hello-1.0")),
            ("$S/a=b", Some("a=b")),
            ("$S/hello-1.1", None),
            ("$S/hello-world", None),
            ("$S/hell", None),
            ("$S/hellos", None),
        ] {
            let mentions = found(text, &known, "/opt/store");
            let expected: Vec<String> = expected
                .iter()
                .map(|name| format!("/opt/store/{name}"))
                .collect();
            assert_eq!(
                (mentions.known, mentions.unknown),
                (expected, vec![]),
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_of_any_length_is_looked_for_in_time() {
        let text = format!("/nix/store/{HASH_A}-{}", "a".repeat(1_000_000));
        let mentions = found(&text, &["$A-a"], "/nix/store");
        assert_eq!(mentions.known, [format!("/nix/store/{HASH_A}-a")]);
    }
}
