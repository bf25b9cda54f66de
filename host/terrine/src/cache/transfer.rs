//! A cache in a file, for machines that begin without one: the runners of a CI.
//!
//! In it is what the cache can check, and nothing else: what layers are and what they are compressed to, each with what
//! says the same the other way round. What a registry has, and facts about store paths, stay here. What is imported is
//! believed no more than what is in the cache anyway, and never in the place of what that knows.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use terrine_oci::Digest;
use terrine_support::hint::Hint;

use super::agreed;
use super::file::File;
use super::report::check;
use super::row::{Id, Kind, Value};
use super::{Cache, CacheOptions, Error, Plain, Stored};

/// The first field of a file.
const FORMAT: &str = "terrine layer cache";
/// The version of such files. A file of another one is refused.
pub const EXPORT_VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
}

/// A line of those between the first and the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
enum Entry {
    /// A layer, by what it is made of.
    Layer {
        key: Digest,
        diff_id: Digest,
        size: u64,
        /// The digest of the list of its paths.
        paths: Digest,
    },
    /// A layer as it is compressed by some setting.
    Compressed {
        key: Digest,
        digest: Digest,
        size: u64,
        /// The layer that it unpacks to.
        diff_id: Digest,
    },
}

/// The last line, by which a file is known to be whole.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    entries: usize,
    /// The digest of everything before this line.
    digest: Digest,
}

/// Entries that were exported or imported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transferred {
    /// The number of layers.
    pub layers: usize,
    /// The number of compressed layers.
    pub compressed: usize,
    /// The number of entries that were left out, because the cache knows them already.
    pub known: usize,
}

/// A file that cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The cache itself cannot be used.
    #[error(transparent)]
    Cache(#[from] Error),
    /// It is something else.
    #[error("`{}` is not an exported layer cache", path.display())]
    NotOne {
        /// The file.
        path: PathBuf,
    },
    /// It is of another version.
    #[error("`{}` is an exported layer cache of version {version}, and this terrine reads version {EXPORT_VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// It was cut off or changed.
    #[error("the exported layer cache `{}` is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        why: String,
    },
}

impl Hint for ImportError {
    fn hint(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Self::Cache(error) => error.hint(),
            Self::NotOne { .. } | Self::Version { .. } => {
                Some("`terrine cache export` writes such a file".into())
            }
            Self::Damaged { .. } => {
                Some("export it again; images are the same without it, but take longer".into())
            }
        }
    }
}

/// Returns what is in the cache of a folder as a file: the same entries make the same bytes.
///
/// # Errors
///
/// A cache that cannot be read.
pub fn export(directory: &Path) -> Result<(Vec<u8>, Transferred), Error> {
    check(directory)?;
    let entries = match File::existing(directory)? {
        Some(file) => entries(&file).map_err(Error::database(file.path()))?,
        None => vec![],
    };
    let mut text = line(&Header {
        format: FORMAT.to_owned(),
        version: EXPORT_VERSION,
    });
    let mut told = Transferred::default();
    for entry in &entries {
        told.count(entry);
        text.push_str(&line(entry));
    }
    let end = End {
        entries: entries.len(),
        digest: Digest::of(text.as_bytes()),
    };
    text.push_str(&line(&end));
    Ok((text.into_bytes(), told))
}

/// Adds what a file holds to the cache of a folder, which is made if need be. All of the file is checked first.
///
/// # Errors
///
/// A file that [`export`] did not write or that was changed since, and a cache that cannot be written.
pub fn import(
    directory: &Path,
    options: CacheOptions,
    name: &Path,
    text: &[u8],
) -> Result<Transferred, ImportError> {
    let entries = parse(text, name)?;
    let cache = Cache::open(directory, options)?;
    let mut told = Transferred::default();
    for entry in &entries {
        if cache.learn(entry) {
            told.count(entry);
        } else {
            told.known += 1;
        }
    }
    cache.flush();
    match cache.complaint() {
        None => Ok(told),
        Some(why) => Err(Error::Refused {
            why: why.to_owned(),
        }
        .into()),
    }
}

impl Transferred {
    fn count(&mut self, entry: &Entry) {
        match entry {
            Entry::Layer { .. } => self.layers += 1,
            Entry::Compressed { .. } => self.compressed += 1,
        }
    }
}

/// Returns the entries that say the same both ways, in the order of their keys.
fn entries(file: &File) -> rusqlite::Result<Vec<Entry>> {
    let said = |kind, of, size| -> rusqlite::Result<Option<Digest>> {
        let said = file.fact(kind, of)?;
        let agreed = said.and_then(|said| agreed::parse(&said));
        Ok(agreed
            .filter(|(_, same)| *same == size)
            .map(|(digest, _)| digest))
    };
    let mut entries = vec![];
    for (Id { key, .. }, value) in file.rows(Kind::Plain)? {
        if let Some(Plain { diff_id, size }) = Plain::decode(&value)
            && let Some(paths) = said(agreed::PATHS, diff_id, size)?
        {
            entries.push(Entry::Layer {
                key,
                diff_id,
                size,
                paths,
            });
        }
    }
    for (Id { key, .. }, value) in file.rows(Kind::Blob)? {
        if let Some(Stored { digest, size }) = Stored::decode(&value)
            && let Some(diff_id) = said(agreed::UNPACKED, digest, size)?
        {
            entries.push(Entry::Compressed {
                key,
                digest,
                size,
                diff_id,
            });
        }
    }
    Ok(entries)
}

impl Cache {
    /// Remembers an entry, unless something is known of what it is about. Tells whether it did.
    fn learn(&self, entry: &Entry) -> bool {
        let (id, value, kind, of, said) = match *entry {
            Entry::Layer {
                key,
                diff_id,
                size,
                paths,
            } => {
                let value = Plain { diff_id, size }.encode();
                let id = Id::plain(key);
                (id, value, agreed::PATHS, diff_id, agreed::said(paths, size))
            }
            Entry::Compressed {
                key,
                digest,
                size,
                diff_id,
            } => {
                let value = Stored { digest, size }.encode();
                let id = Id {
                    kind: Kind::Blob,
                    key,
                };
                (
                    id,
                    value,
                    agreed::UNPACKED,
                    digest,
                    agreed::said(diff_id, size),
                )
            }
        };
        let known = self.get::<Vec<u8>>(id).is_some();
        let other = self.facts(kind, &[of]).pop().flatten();
        if known || other.is_some_and(|other| other != said) {
            return false;
        }
        self.put([(id, &value)]);
        self.remember_facts(kind, &[(of, said)]);
        true
    }
}

/// A value as a line of its own.
fn line(value: &impl Serialize) -> String {
    // Numbers and digests can always be written as JSON.
    serde_json::to_string(value).map_or_else(|_| String::new(), |line| line + "\n")
}

/// Reads all entries of a file that is whole.
fn parse(text: &[u8], name: &Path) -> Result<Vec<Entry>, ImportError> {
    let not_one = || ImportError::NotOne {
        path: name.to_owned(),
    };
    let damaged = |why: &str| ImportError::Damaged {
        path: name.to_owned(),
        why: why.to_owned(),
    };
    let text = std::str::from_utf8(text).map_err(|_| not_one())?;
    let first = text.lines().next().unwrap_or_default();
    let header: Header = serde_json::from_str(first).map_err(|_| not_one())?;
    if header.format != FORMAT {
        return Err(not_one());
    }
    if header.version != EXPORT_VERSION {
        return Err(ImportError::Version {
            path: name.to_owned(),
            version: header.version,
        });
    }
    let cut_off = || damaged("its last line is missing");
    let body = text.strip_suffix('\n').ok_or_else(cut_off)?;
    let at = body.rfind('\n').ok_or_else(cut_off)? + 1;
    let end: End = serde_json::from_str(&body[at..]).map_err(|_| cut_off())?;
    if Digest::of(&text.as_bytes()[..at]) != end.digest {
        return Err(damaged("it was changed"));
    }
    let lines = text[..at].lines().skip(1);
    let entries: Result<Vec<Entry>, _> = lines.map(serde_json::from_str).collect();
    let entries = entries.map_err(|_| damaged("an entry is invalid"))?;
    if entries.len() != end.entries {
        return Err(damaged("entries are missing"));
    }
    Ok(entries)
}
