//! Listing an image in a layout's index, which others write, too: what is not ours stays as it
//! is, to the last space.

use std::collections::BTreeMap;
use std::io::Write;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use terrine_oci::{Descriptor, MAX_DOCUMENT};

use super::{Error, INDEX, Layout, MARKER, WRITING, lock};

/// The annotation that is an image's name in a layout (OCI image specification, "Pre-Defined
/// Annotation Keys").
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The field of an index that lists manifests.
const MANIFESTS: &str = "manifests";

impl Layout {
    /// Lists an image, by a name or without one. It takes the place of the one that has the
    /// name, or, without one, of the same image without a name. All others stay.
    ///
    /// Waits for others who do the same, as long as [`Layout::with_wait`] says. When it returns, the index is on the disk.
    ///
    /// # Errors
    ///
    /// A name that other tools do not take, a manifest that is not there, an index that cannot
    /// be read or written, a file system without locks, and a lock that others hold for too long.
    pub fn tag(&self, mut descriptor: Descriptor, name: Option<&str>) -> Result<(), Error> {
        name.map_or(Ok(()), check_name)?;
        self.blob(&descriptor)?;
        descriptor.annotations.remove(REF_NAME);
        if let Some(name) = name {
            descriptor
                .annotations
                .insert(REF_NAME.to_owned(), name.to_owned());
        }
        let _lock = lock::take(&self.path.join(MARKER), &self.wait)?;
        let before = self.index_text()?;
        let mut index: Fields =
            serde_json::from_slice(&before).map_err(|error| self.json(&error))?;
        index
            .list(&descriptor, name)
            .map_err(|error| self.json(&error))?;
        let after = serde_json::to_vec(&index).map_err(|error| self.json(&error))?;
        if after == before {
            return Ok(());
        }
        self.replace_index(&after)
    }

    fn replace_index(&self, text: &[u8]) -> Result<(), Error> {
        let path = self.path.join(INDEX);
        let size = text.len() as u64;
        if size > MAX_DOCUMENT {
            return Err(Error::TooLarge {
                path,
                size,
                limit: MAX_DOCUMENT,
            });
        }
        let mut staged = self.stage()?;
        let write = || {
            staged.write_all(text)?;
            staged.file()?.sync_all()?;
            staged.publish(&path)
        };
        write().map_err(|source| Error::io(WRITING, &path, source))?;
        self.sync()
    }
}

/// The fields of a JSON object, in order, as they are written.
struct Fields(Vec<(String, Box<RawValue>)>);

/// The fields of an index entry that are read.
#[derive(Deserialize)]
struct IndexEntry {
    digest: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Fields {
    /// Lists an image in place of the one that it replaces, or at the end.
    fn list(&mut self, descriptor: &Descriptor, name: Option<&str>) -> serde_json::Result<()> {
        let ours = serde_json::value::to_raw_value(descriptor)?;
        let digest = descriptor.digest.to_string();
        let replaced = |entry: &RawValue| {
            // What is no descriptor is left alone.
            let Ok(entry) = serde_json::from_str::<IndexEntry>(entry.get()) else {
                return false;
            };
            let annotations = entry.annotations.unwrap_or_default();
            match (annotations.get(REF_NAME), name) {
                (Some(other), Some(name)) => other == name,
                (None, None) => entry.digest == digest,
                _ => false,
            }
        };
        let position = match self.0.iter().position(|(key, _)| key == MANIFESTS) {
            Some(position) => position,
            None => {
                self.0
                    .push((MANIFESTS.to_owned(), serde_json::value::to_raw_value(&())?));
                self.0.len() - 1
            }
        };
        let value = &mut self.0[position].1;
        let entries =
            serde_json::from_str::<Option<Vec<Box<RawValue>>>>(value.get())?.unwrap_or_default();
        let place = entries
            .iter()
            .position(|entry| replaced(entry))
            .unwrap_or(entries.len());
        let mut kept: Vec<_> = entries
            .into_iter()
            .filter(|entry| !replaced(entry))
            .collect();
        kept.insert(place, ours);
        *value = serde_json::value::to_raw_value(&kept)?;
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((key, value)) = map.next_entry()? {
                    // Readers would differ in which one counts.
                    if key == MANIFESTS && fields.iter().any(|(other, _)| *other == key) {
                        return Err(serde::de::Error::duplicate_field(MANIFESTS));
                    }
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Checks that an image can have a name in a layout.
///
/// # Errors
///
/// A name that other tools do not take.
pub fn check_name(name: &str) -> Result<(), Error> {
    if is_ref_name(name) {
        Ok(())
    } else {
        Err(Error::Name(name.to_owned()))
    }
}

/// Reports whether a text may be a [`REF_NAME`] by the specification's grammar. Skopeo and
/// umoci check names against the same grammar.
fn is_ref_name(text: &str) -> bool {
    text.split('/').all(|text| {
        let text = text.replace("--", "-");
        text.split(['-', '.', '_', ':', '@', '+'])
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
    })
}
