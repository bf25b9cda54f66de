//! Fields of documents that terrine knows nothing of: who rewrites a document keeps them.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use terrine_support::json::{in_words, read};

/// The fields of an object beyond those that are known, by name, as they are written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OtherFields(BTreeMap<String, Box<RawValue>>);

impl OtherFields {
    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leaves out a field.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Takes a field out. None if there is none, or if its value is no `T`.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.0.remove(name)?;
        serde_json::from_str(value.get()).ok()
    }

    /// Adds a field whose value terrine cannot use.
    pub(super) fn insert(&mut self, name: &str, value: Box<RawValue>) {
        self.0.insert(name.to_owned(), value);
    }
}

impl PartialEq for OtherFields {
    fn eq(&self, other: &Self) -> bool {
        let text = |fields: &'_ Self| -> Vec<(String, String)> {
            let fields = fields.0.iter();
            fields
                .map(|(name, value)| (name.clone(), value.get().to_owned()))
                .collect()
        };
        text(self) == text(other)
    }
}

impl Eq for OtherFields {}

/// Reads an object: the fields that are known as a `T`, and all others as they are.
pub(super) fn split<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
    known: &'static [&'static str],
) -> Result<(T, OtherFields), D::Error> {
    deserializer.deserialize_map(Split(known, PhantomData))
}

/// Tells what is wrong with the fields that are known.
fn wrong<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> String {
    let (field, why) = match read::<T>(text.as_bytes()) {
        Err(fault) => (fault.field, fault.why),
        Ok(_) => (String::new(), in_words(&error.to_string())),
    };
    // The place is one in a text that nobody sees.
    let why = why.split(" at line ").next().unwrap_or_default();
    if field.is_empty() {
        why.to_owned()
    } else {
        format!("`{field}`: {why}")
    }
}

struct Split<T>(&'static [&'static str], PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for Split<T> {
    type Value = (T, OtherFields);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: BTreeMap<&'static str, Box<RawValue>> = BTreeMap::new();
        let mut other = OtherFields::default();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            match self.0.iter().find(|known| **known == name) {
                Some(known) => {
                    // Readers do not agree on which of two counts.
                    if fields.insert(known, value).is_some() {
                        return Err(A::Error::custom(format!("duplicate field `{name}`")));
                    }
                }
                None => other.insert(&name, value),
            }
        }
        let text = serde_json::to_string(&fields).map_err(A::Error::custom)?;
        match serde_json::from_str(&text) {
            Ok(known) => Ok((known, other)),
            Err(error) => Err(A::Error::custom(wrong::<T>(&text, &error))),
        }
    }
}
