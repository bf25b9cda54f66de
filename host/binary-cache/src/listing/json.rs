//! The JSON of a listing. Fields come in any order, and a file may be as deep as the parser allows, so
//! entries are added as they are read.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::entries::Entries;
use super::{DEEPEST, MOST_ENTRIES};
use crate::excerpt::excerpt;
use crate::nar::{NarKind, is_name, is_target};

/// The version of the format.
const VERSION: u64 = 1;

/// Reads a document.
pub(super) fn parse(text: &[u8]) -> Result<Entries, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let entries = deserializer.deserialize_map(Document)?;
    deserializer.end()?;
    Ok(entries)
}

/// The document around the entries.
struct Document;

impl<'de> Visitor<'de> for Document {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `version` and `root`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let (mut version, mut entries) = (None, None);
        while let Some(Bytes(key)) = map.next_key()? {
            match key.as_slice() {
                b"version" if version.is_none() => version = Some(map.next_value()?),
                b"root" if entries.is_none() => {
                    let mut top = Entries::default();
                    let place = add(&mut top, 0, b"")?;
                    map.next_value_seed(Node {
                        entries: &mut top,
                        place,
                        depth: 0,
                    })?;
                    entries = Some(top);
                }
                b"version" | b"root" => return Err(twice(&key)),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match version {
            Some(VERSION) => entries.ok_or_else(|| Error::missing_field("root")),
            Some(other) => Err(Error::custom(format_args!(
                "its version is {other}, not {VERSION}"
            ))),
            None => Err(Error::missing_field("version")),
        }
    }
}

/// An entry, which is already in the list without its kind.
struct Node<'a> {
    entries: &'a mut Entries,
    place: usize,
    depth: usize,
}

/// The fields of an entry.
#[derive(Default)]
struct Fields {
    kind: Option<Vec<u8>>,
    size: Option<u64>,
    executable: Option<bool>,
    target: Option<Vec<u8>>,
    has_entries: bool,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `type`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut fields = Fields::default();
        while let Some(Bytes(key)) = map.next_key()? {
            match key.as_slice() {
                b"type" => once(&mut fields.kind, map.next_value::<Bytes>()?.0, &key)?,
                b"size" => once(&mut fields.size, map.next_value()?, &key)?,
                b"executable" => once(&mut fields.executable, map.next_value()?, &key)?,
                b"target" => once(&mut fields.target, map.next_value::<Bytes>()?.0, &key)?,
                b"entries" if fields.has_entries => return Err(twice(&key)),
                b"entries" => {
                    fields.has_entries = true;
                    map.next_value_seed(Directory {
                        entries: &mut *self.entries,
                        depth: self.depth + 1,
                    })?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let kind = fields.kind()?;
        self.entries
            .set(self.place, kind)
            .ok_or_else(|| Error::custom("its targets are too long"))
    }
}

impl Fields {
    /// The kind, which needs exactly the fields that it has.
    fn kind<E: Error>(&self) -> Result<NarKind<'_>, E> {
        let missing = Error::missing_field;
        let kind = self.kind.as_deref().ok_or_else(|| missing("type"))?;
        match kind {
            b"directory" if self.has_entries => return Ok(NarKind::Directory),
            b"directory" => return Err(missing("entries")),
            _ if self.has_entries => {
                return Err(Error::custom(format_args!(
                    "a `{}` has entries",
                    excerpt(kind)
                )));
            }
            _ => {}
        }
        match kind {
            b"regular" => Ok(NarKind::Regular {
                executable: self.executable.unwrap_or(false),
                size: self.size.ok_or_else(|| missing("size"))?,
            }),
            b"symlink" => {
                let target = self.target.as_deref().ok_or_else(|| missing("target"))?;
                let fault = || format!("`{}` is not the target of a link", excerpt(target));
                is_target(target)
                    .then_some(NarKind::Symlink { target })
                    .ok_or_else(|| Error::custom(fault()))
            }
            other => Err(Error::custom(format_args!(
                "`{}` is not a type of entry",
                excerpt(other)
            ))),
        }
    }
}

/// The entries of a directory.
struct Directory<'a> {
    entries: &'a mut Entries,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Directory<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Directory<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of entries by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut places = vec![];
        while let Some(Bytes(name)) = map.next_key()? {
            if !is_name(&name) {
                let name = excerpt(&name);
                return Err(Error::custom(format_args!(
                    "`{name}` is not the name of a file"
                )));
            }
            let place = add(self.entries, self.depth, &name)?;
            places.push(place);
            map.next_value_seed(Node {
                entries: &mut *self.entries,
                place,
                depth: self.depth,
            })?;
        }
        self.entries.sort(&places).map_err(|name| twice(&name))
    }
}

/// Adds an entry without its kind. Returns its place.
fn add<E: Error>(entries: &mut Entries, depth: usize, name: &[u8]) -> Result<usize, E> {
    if entries.len() == MOST_ENTRIES {
        let fault = format_args!("it has more than {MOST_ENTRIES} entries");
        return Err(Error::custom(fault));
    }
    entries
        .push(depth, name)
        .filter(|_| depth <= DEEPEST)
        .ok_or_else(|| Error::custom(format_args!("an entry is more than {DEEPEST} deep")))
}

fn once<T, E: Error>(field: &mut Option<T>, value: T, key: &[u8]) -> Result<(), E> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(twice(key)),
    }
}

fn twice<E: Error>(key: &[u8]) -> E {
    Error::custom(format_args!("`{}` appears twice", excerpt(key)))
}

/// A text of JSON as bytes: it may not be UTF-8.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes(text.as_bytes().to_vec()))
    }
}
