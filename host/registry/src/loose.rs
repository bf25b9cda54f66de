//! JSON as registries, token services and logins write it: a field that is null or of another
//! type than usual costs that field and not the document.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Reads a document, with or without a byte order mark; none if it is not JSON.
pub(super) fn parse(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(without_mark(bytes)).ok()
}

/// Returns a field, whose name may be written in other letters: Go reads it so. Null if it is not there.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    let named = || {
        let mut fields = value.as_object()?.iter();
        Some(fields.find(|(key, _)| key.eq_ignore_ascii_case(name))?.1)
    };
    value.get(name).or_else(named).unwrap_or(&Value::Null)
}

/// Reads an object as Go does: `names` are found in other letters as well, and one that is there twice has what both
/// have. A field that is null says nothing.
pub(super) fn object(bytes: &[u8], names: &[&str]) -> Option<Map<String, Value>> {
    let Fields(fields) = serde_json::from_slice(without_mark(bytes)).ok()?;
    let mut object = Map::new();
    for (key, value) in fields {
        let known = names.iter().find(|name| key.eq_ignore_ascii_case(name));
        let key = known.map_or(key, |name| (*name).to_owned());
        match (object.get_mut(&key), value) {
            (Some(_), Value::Null) => {}
            (Some(Value::Object(first)), Value::Object(second)) => first.extend(second),
            (Some(first), second) => *first = second,
            (None, value) => drop(object.insert(key, value)),
        }
    }
    Some(object)
}

/// The fields of an object as they are written.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = vec![];
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Drops the byte order mark that some editors write.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Returns a text that is not blank.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// Returns a number, also one that is written as a text.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    number.filter(|number: &f64| number.is_finite())
}
