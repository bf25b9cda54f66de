//! Nix's database of valid store paths, as a file of an image.
//!
//! | what | where |
//! |---|---|
//! | the bytes of a database, from records | `write` |
//! | the records of a database that exists | `read` |
//! | a database whose records are complete when layers are made | `late` |
//! | the outputs of a derivation, which the database lists | `derivation` |
//! | the union of two databases | here |
//!
//! The same records make the same bytes on every machine: SQLite itself is part of terrine, ids
//! follow the order of the paths, and nothing tells when or by which version it was written.

mod derivation;
mod error;
mod late;
mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use terrine_oci::Digest;

pub use derivation::outputs;
pub use error::Error;
pub use late::LateDatabase;
pub use read::{Image, read};
pub use write::write;

/// The content of the file `schema` beside the database: the version of all Nix 2.x.
pub const SCHEMA: &str = "10";

/// The digits of Nix's base 32.
const DIGITS: &str = "0123456789abcdfghijklmnpqrsvwxyz";
/// The number of them in a store path's name, before a `-`.
const HASH: usize = 32;
/// The longest name that Nix takes after the hash and the `-`, in bytes.
const LONGEST_NAME: usize = 211;

/// Records by their store paths.
pub type Records = BTreeMap<String, Record>;

/// The row of a store path, with its references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The digest of its NAR.
    pub nar_hash: Digest,
    /// The size of its NAR in bytes, at most `i64::MAX`; 0 where it is not known.
    pub nar_size: u64,
    /// The paths that it refers to. It may be one itself.
    pub references: BTreeSet<String>,
    /// Its signatures, as `key:base64`.
    pub signatures: BTreeSet<String>,
    /// Its content address, where it has one.
    pub content_address: Option<String>,
    /// The outputs of a derivation by their names.
    pub outputs: BTreeMap<String, String>,
}

/// Tells whether Nix takes a path for one of the store `store_dir`: its name has a hash, and a
/// name of its own.
pub fn is_valid_path(path: &str, store_dir: &str) -> bool {
    let name = path
        .strip_prefix(store_dir)
        .and_then(|rest| rest.strip_prefix('/'));
    let Some((hash, rest)) = name.and_then(|name| name.split_at_checked(HASH)) else {
        return false;
    };
    let own = rest.strip_prefix('-').unwrap_or_default();
    let in_name = |c: char| c.is_ascii_alphanumeric() || "+-._?=".contains(c);
    // A name that a shell or a URL could take for a directory.
    let is_dots = matches!(own.split('-').next(), Some("." | ".."));
    !is_dots
        && hash.chars().all(|c| DIGITS.contains(c))
        && (1..=LONGEST_NAME).contains(&own.len())
        && own.chars().all(in_name)
}

/// Leaves out the paths that `keep` does not want, and all that refer to them: what refers to a
/// path that is missing is not valid.
pub fn retain(records: &mut Records, mut keep: impl FnMut(&str) -> bool) {
    records.retain(|path, _| keep(path));
    let mut referrers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut open: Vec<String> = vec![];
    for (path, record) in &*records {
        for reference in &record.references {
            referrers.entry(reference).or_default().push(path);
            if !records.contains_key(reference) {
                open.push(path.clone());
            }
        }
    }
    let mut removed = BTreeSet::new();
    while let Some(path) = open.pop() {
        let above = referrers.get(path.as_str()).into_iter().flatten();
        let above: Vec<String> = above.map(|path| (*path).to_owned()).collect();
        if removed.insert(path) {
            open.extend(above);
        }
    }
    records.retain(|path, _| !removed.contains(path));
}

/// Adds the records of a database below. Where both have a path, `prefer_other` tells which record
/// counts; signatures add up if both speak of the same NAR.
pub fn merge(records: &mut Records, other: Records, prefer_other: impl Fn(&str) -> bool) {
    for (path, mut below) in other {
        match records.get_mut(&path) {
            Some(own) => {
                let same = own.nar_hash == below.nar_hash;
                if prefer_other(&path) {
                    std::mem::swap(own, &mut below);
                }
                if same {
                    own.signatures.append(&mut below.signatures);
                    own.content_address = own.content_address.take().or(below.content_address);
                }
            }
            None => drop(records.insert(path, below)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(hash: &[u8], references: &[&str]) -> Record {
        Record {
            nar_hash: Digest::of(hash),
            nar_size: 1,
            references: references.iter().map(ToString::to_string).collect(),
            signatures: BTreeSet::from([format!("{}:x", hash.escape_ascii())]),
            content_address: None,
            outputs: BTreeMap::new(),
        }
    }

    fn records(all: &[(&str, &[&str])]) -> Records {
        all.iter()
            .map(|(path, references)| ((*path).to_owned(), record(path.as_bytes(), references)))
            .collect()
    }

    #[test]
    fn a_path_that_nix_takes_has_a_hash_and_a_name() {
        let hash = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g";
        for (name, valid) in [
            (format!("{hash}-hello-1.0"), true),
            (format!("{hash}-+-._?=Z"), true),
            (format!("{hash}-{}", "x".repeat(211)), true),
            (format!("{hash}-{}", "x".repeat(212)), false),
            (format!("{hash}-"), false),
            (format!("{hash}-.config"), true),
            (format!("{hash}-..-x"), false),
            (format!("{hash}-."), false),
            (hash.to_owned(), false),
            (format!("{hash}_x"), false),
            (format!("{hash}-a b"), false),
            (format!("{hash}-a/b"), false),
            (format!("{}-x", hash.replace('y', "e")), false),
            ("site".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(
                is_valid_path(&format!("/nix/store/{name}"), "/nix/store"),
                valid,
                "{name}"
            );
        }
        assert!(!is_valid_path(
            &format!("/nix/store2/{hash}-x"),
            "/nix/store"
        ));
    }

    #[test]
    fn what_refers_to_a_missing_path_goes_with_it() {
        let mut all = records(&[
            ("a", &["b"]),
            ("b", &["c", "b"]),
            ("c", &[]),
            ("d", &["a"]),
            ("e", &["e"]),
            ("f", &["nowhere"]),
        ]);
        retain(&mut all, |path| path != "c");
        assert_eq!(all.keys().collect::<Vec<_>>(), ["e"]);
    }

    #[test]
    fn the_record_of_the_content_that_is_there_counts() {
        let own = records(&[("a", &[]), ("b", &[])]);
        let below = Records::from([
            ("b".to_owned(), record(b"other", &["c"])),
            ("c".to_owned(), record(b"c", &[])),
        ]);
        for prefer_other in [false, true] {
            let mut all = own.clone();
            merge(&mut all, below.clone(), |_| prefer_other);
            assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
            let expected = if prefer_other { &below } else { &own };
            assert_eq!(all["b"], expected["b"]);
        }
        let mut signed = own.clone();
        for record in signed.values_mut() {
            record.signatures = BTreeSet::from(["k:y".to_owned()]);
        }
        let mut all = own;
        merge(&mut all, signed, |_| true);
        assert_eq!(all["a"].signatures.len(), 2);
    }
}
