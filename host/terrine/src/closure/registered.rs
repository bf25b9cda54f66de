//! Registrations of store paths: all that Nix's database has of them beside references.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::OptionalExtension;
use serde::Deserialize;
use terrine_binary_cache::Hash;
use terrine_oci::Digest;

use super::{Database, Error, Fault};

const REGISTERED: &str = "SELECT hash, narSize, sigs, ca FROM ValidPaths WHERE path = ?1";

/// Everything that Nix registers of a store path beside its references.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// The SHA-256 digest of the path's NAR; none where it is not known.
    pub nar_hash: Option<Digest>,
    /// The size of the path's NAR in bytes; none where it is not known.
    pub nar_size: Option<u64>,
    /// Its signatures, as `key:base64`.
    pub signatures: BTreeSet<String>,
    /// Its content address, as Nix's database has it.
    pub content_address: Option<String>,
}

impl Registration {
    /// Checks what Nix's database has in the columns `hash`, `sigs` and `ca` of a path.
    ///
    /// # Errors
    ///
    /// A value that Nix does not write there.
    pub fn of_columns(
        path: &str,
        hash: Option<String>,
        signatures: Option<String>,
        content_address: Option<String>,
    ) -> Result<Self, Fault> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let list = |text: String| {
            let words: Vec<&str> = text.split_ascii_whitespace().collect();
            serde_json::Value::from(words).to_string()
        };
        let unchecked = Unchecked {
            hash,
            signatures: given(signatures).map(list),
            content_address: given(content_address)
                .map(|text| serde_json::Value::from(text).to_string()),
        };
        unchecked.check(path, 0)
    }
}

/// Registrations by store paths.
pub type Registrations = BTreeMap<String, Registration>;

/// The same as a source writes it, which nobody may need.
#[derive(Debug, Clone, Default)]
pub(super) struct Unchecked {
    /// A hash, with its algorithm or without.
    pub(super) hash: Option<String>,
    /// Signatures as JSON.
    pub(super) signatures: Option<String>,
    /// A content address as JSON.
    pub(super) content_address: Option<String>,
}

impl Unchecked {
    /// Checks what is said of a path.
    pub(super) fn check(&self, path: &str, size: u64) -> Result<Registration, Fault> {
        let bad = |what, value: &str| Fault::Registration {
            path: path.to_owned(),
            what,
            value: value.chars().take(100).collect(),
        };
        let nar_hash = self.hash.as_deref().map(|text| {
            let hash = Hash::parse(text, "sha256").and_then(|hash| hash.sha256());
            hash.ok_or_else(|| bad("NAR hash", text))
        });
        let signatures = self.signatures.as_deref().map(|text| {
            signatures(text)
                .filter(|all| all.iter().all(|one| is_signature(one)))
                .ok_or_else(|| bad("signatures", text))
        });
        let content_address = self
            .content_address
            .as_deref()
            .map(|text| content_address(text).ok_or_else(|| bad("content address", text)));
        Ok(Registration {
            nar_hash: nar_hash.transpose()?,
            nar_size: (size > 0).then_some(size),
            signatures: signatures.transpose()?.unwrap_or_default(),
            content_address: content_address.transpose()?.flatten(),
        })
    }
}

/// Adds a registration. Signatures of different sources add up.
///
/// # Errors
///
/// Another registration of the same path that says something else.
pub(super) fn add(
    all: &mut Registrations,
    path: &str,
    registration: Registration,
) -> Result<(), Fault> {
    let known = all.entry(path.to_owned()).or_default();
    let conflict = |what| Fault::Conflict {
        path: path.to_owned(),
        what,
    };
    let Registration {
        nar_hash,
        nar_size,
        signatures,
        content_address,
    } = registration;
    known.nar_hash = agree(known.nar_hash, nar_hash).ok_or_else(|| conflict("NAR hashes"))?;
    known.nar_size = agree(known.nar_size, nar_size).ok_or_else(|| conflict("sizes"))?;
    known.content_address = agree(known.content_address.take(), content_address)
        .ok_or_else(|| conflict("content addresses"))?;
    known.signatures.extend(signatures);
    Ok(())
}

/// Adds the registrations of another source.
///
/// # Errors
///
/// Two registrations of one path that contradict each other.
pub fn merge(all: &mut Registrations, other: Registrations) -> Result<(), Fault> {
    other
        .into_iter()
        .try_for_each(|(path, registration)| add(all, &path, registration))
}

/// Joins the values of two sources; none if they contradict each other.
fn agree<T: PartialEq>(known: Option<T>, new: Option<T>) -> Option<Option<T>> {
    match (known, new) {
        (Some(known), Some(new)) if known != new => None,
        (known, new) => Some(known.or(new)),
    }
}

/// Signatures as `nix path-info` writes them: texts, or objects from format 3 on.
fn signatures(text: &str) -> Option<BTreeSet<String>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Signature {
        Text(String),
        #[serde(rename_all = "camelCase")]
        Object {
            key_name: String,
            sig: String,
        },
    }
    let all: Option<Vec<Signature>> = serde_json::from_str(text).ok()?;
    let text = |signature| match signature {
        Signature::Text(text) => text,
        Signature::Object { key_name, sig } => format!("{key_name}:{sig}"),
    };
    Some(all.into_iter().flatten().map(text).collect())
}

/// The database separates signatures by spaces.
fn is_signature(text: &str) -> bool {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    printable
        && text
            .split_once(':')
            .is_some_and(|(key, signature)| !key.is_empty() && !signature.is_empty())
}

/// A content address as `nix path-info` writes it: text, or an object from format 2 on. The outer
/// option is none if it is neither.
fn content_address(text: &str) -> Option<Option<String>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Address {
        Text(String),
        Object { method: String, hash: Written },
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Object { algorithm: String, hash: String },
    }
    let address: Option<Address> = serde_json::from_str(text).ok()?;
    let (method, hash) = match address {
        None => return Some(None),
        Some(Address::Text(text)) => return is_content_address(&text).then_some(Some(text)),
        Some(Address::Object { method, hash }) => (method, hash),
    };
    let hash = match hash {
        Written::Text(text) => Hash::parse(&text, "")?,
        Written::Object { algorithm, hash } => Hash::parse(&hash, &algorithm)?,
    };
    let prefix = match method.as_str() {
        "flat" => "fixed:",
        "nar" => "fixed:r:",
        "git" => "fixed:git:",
        "text" => "text:",
        _ => return None,
    };
    Some(Some(format!("{prefix}{}", hash.to_nix32())))
}

/// A word after `fixed:` or `text:`.
fn is_content_address(text: &str) -> bool {
    (text.starts_with("fixed:") || text.starts_with("text:"))
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Database {
    /// Returns the registrations of some paths. Paths that the store does not know are left out.
    ///
    /// # Errors
    ///
    /// A database that cannot be read, and a registration that is none.
    pub fn registrations<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p str>,
    ) -> Result<Registrations, Error> {
        let failed = |source| self.failed(source);
        let mut statement = self.connection().prepare(REGISTERED).map_err(failed)?;
        let mut all = Registrations::new();
        for path in paths {
            let row = statement.query_row([path], |row| {
                let texts: [Option<String>; 3] = [row.get(0)?, row.get(2)?, row.get(3)?];
                Ok((texts, row.get::<_, Option<i64>>(1)?))
            });
            let Some(([hash, signatures, address], size)) = row.optional().map_err(failed)? else {
                continue;
            };
            let size = u64::try_from(size.unwrap_or(0)).unwrap_or(0);
            let registration = Registration::of_columns(path, hash, signatures, address)
                .map(|registration| Registration {
                    nar_size: (size > 0).then_some(size),
                    ..registration
                })
                .map_err(|fault| self.fault(fault))?;
            all.insert(path.to_owned(), registration);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic";

    fn check(hash: &str, signatures: &str, address: &str) -> Result<Registration, String> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Unchecked {
            hash: given(hash),
            signatures: given(signatures),
            content_address: given(address),
        }
        .check("/nix/store/a", 7)
        .map_err(|fault| fault.to_string())
    }

    #[test]
    fn every_format_of_nix_says_the_same() {
        let expected = check(HASH, r#"["k-1:c2ln"]"#, &format!("\"fixed:r:{HASH}\"")).unwrap();
        assert_eq!(expected.nar_hash, Some(Digest::of(b"hello")));
        let sri = "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
        let digits = &sri[7..];
        for (signatures, address) in [
            (
                r#"["k-1:c2ln", "k-1:c2ln"]"#,
                format!(r#"{{"method":"nar","hash":"{sri}"}}"#),
            ),
            (
                r#"[{"keyName":"k-1","sig":"c2ln"}]"#,
                format!(
                    r#"{{"method":"nar","hash":{{"algorithm":"sha256","format":"base64","hash":"{digits}"}}}}"#
                ),
            ),
        ] {
            assert_eq!(check(sri, signatures, &address).as_ref(), Ok(&expected));
        }
        let nothing = check("", "null", "null").unwrap();
        assert_eq!(nothing.nar_size, Some(7));
        assert_eq!(check("", "[]", ""), Ok(nothing));
    }

    #[test]
    fn a_value_that_is_none_is_named_with_its_path() {
        for (hash, signatures, address, what) in [
            ("sha256-m7o=", "", "", "NAR hash `sha256-m7o=`"),
            ("md5:x", "", "", "NAR hash `md5:x`"),
            ("", "[\"a b:c\"]", "", "signatures `[\"a b:c\"]`"),
            ("", "[\"key\"]", "", "signatures `[\"key\"]`"),
            ("", "[7]", "", "signatures `[7]`"),
            ("", "", "\"odd:x\"", "content address `\"odd:x\"`"),
            ("", "", "7", "content address `7`"),
        ] {
            let expected = format!("`/nix/store/a` has the {what}, which is not in Nix's form");
            assert_eq!(check(hash, signatures, address), Err(expected));
        }
    }

    #[test]
    fn sources_add_up_unless_they_contradict_each_other() {
        let one = check(HASH, r#"["a:x"]"#, "").unwrap();
        let other = check("", r#"["b:x"]"#, "").unwrap();
        let mut all = Registrations::from([("/nix/store/a".to_owned(), one.clone())]);
        let more = Registrations::from([("/nix/store/a".to_owned(), other)]);
        merge(&mut all, more).unwrap();
        let together = &all["/nix/store/a"];
        assert_eq!(together.nar_hash, one.nar_hash);
        assert_eq!(together.signatures.len(), 2);
        let wrong = Registration {
            nar_hash: Some(Digest::of(b"")),
            ..Registration::default()
        };
        let fault = merge(
            &mut all,
            Registrations::from([("/nix/store/a".to_owned(), wrong)]),
        );
        assert_eq!(
            fault.unwrap_err().to_string(),
            "`/nix/store/a` appears twice, with different NAR hashes"
        );
    }
}
