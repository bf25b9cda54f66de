//! JSON in its canonical form: keys sorted, numbers as they were written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The depth to which values may be nested.
const MAX_DEPTH: usize = 100;

/// A JSON value whose text does not depend on the order of keys or on white space.
/// Nix writes JSON in this form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// A string, a number, a boolean or null, as it was written.
    Scalar(String),
    /// A list.
    Array(Vec<Json>),
    /// An object, each key once.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// A string.
    pub fn string(text: &str) -> Self {
        Self::Scalar(serde_json::Value::from(text).to_string())
    }

    /// A list of strings.
    pub fn strings(list: &[String]) -> Self {
        Self::Array(list.iter().map(|text| Self::string(text)).collect())
    }

    /// The value on several lines, indented by two spaces, with a newline at the end.
    pub fn pretty(&self) -> String {
        let mut text = String::new();
        self.indented(0, &mut text);
        text.push('\n');
        text
    }

    fn indented(&self, depth: usize, out: &mut String) {
        let line = |out: &mut String, first: bool, depth: usize| {
            out.push_str(if first { "\n" } else { ",\n" });
            out.push_str(&"  ".repeat(depth));
        };
        match self {
            Self::Array(items) if !items.is_empty() => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    line(out, i == 0, depth + 1);
                    item.indented(depth + 1, out);
                }
                line(out, true, depth);
                out.push(']');
            }
            Self::Object(entries) if !entries.is_empty() => {
                out.push('{');
                for (i, (key, value)) in entries.iter().enumerate() {
                    line(out, i == 0, depth + 1);
                    out.push_str(&format!("{}: ", serde_json::Value::from(key.as_str())));
                    value.indented(depth + 1, out);
                }
                line(out, true, depth);
                out.push('}');
            }
            _ => out.push_str(&self.to_string()),
        }
    }

    /// The value on one line, with a space after each comma and each colon.
    pub(super) fn spaced(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::Array(items) => {
                let items: Vec<String> = items.iter().map(Self::spaced).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Object(entries) => {
                let key = |key: &str| serde_json::Value::from(key);
                let entries = entries.iter();
                let entries =
                    entries.map(|(name, value)| format!("{}: {}", key(name), value.spaced()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Calls `visit` with each string in it, keys included.
    pub fn for_each_string(&self, visit: &mut dyn FnMut(&str)) {
        match self {
            Self::Scalar(text) => {
                if let Ok(text) = serde_json::from_str::<String>(text) {
                    visit(&text);
                }
            }
            Self::Array(items) => items.iter().for_each(|item| item.for_each_string(visit)),
            Self::Object(entries) => {
                for (key, value) in entries {
                    visit(key);
                    value.for_each_string(visit);
                }
            }
        }
    }

    fn parse(raw: &RawValue, depth: usize) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        if depth > MAX_DEPTH {
            return Err(serde_json::Error::custom(format!(
                "nested deeper than {MAX_DEPTH} levels"
            )));
        }
        match text.as_bytes().first() {
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(text)?;
                entries
                    .into_iter()
                    .map(|(key, value)| Ok((key, Self::parse(&value, depth + 1)?)))
                    .collect::<Result<_, _>>()
                    .map(Self::Object)
            }
            Some(b'[') => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text)?;
                items
                    .iter()
                    .map(|item| Self::parse(item, depth + 1))
                    .collect::<Result<_, _>>()
                    .map(Self::Array)
            }
            // One spelling for each string, whatever was escaped.
            Some(b'"') => serde_json::from_str::<String>(text).map(|text| Self::string(&text)),
            _ => Ok(Self::Scalar(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scalar(text) => f.write_str(text),
            Self::Array(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Object(entries) => {
                f.write_str("{")?;
                for (i, (key, value)) in entries.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(
                        f,
                        "{comma}{}:{value}",
                        serde_json::Value::from(key.as_str())
                    )?;
                }
                f.write_str("}")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(&raw, 0).map_err(D::Error::custom)
    }
}

/// The entries of an object, which has no key twice.
struct Entries(BTreeMap<String, Box<RawValue>>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unique_map(deserializer).map(Self)
    }
}

/// An object with fields, where the parser itself would also take a list of their values in order.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(std::marker::PhantomData))
    }
}

/// A field that is an object.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// A field that is an object or `null`.
pub(super) fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Option::<Object<T>>::deserialize(deserializer)?;
    Ok(value.map(|Object(value)| value))
}

/// A field that is a list of objects.
pub(super) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(list.into_iter().map(|Object(value)| value).collect())
}

/// A field that is a map of objects, each name once.
pub(super) fn unique_objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let map = unique_map::<_, Object<T>>(deserializer)?;
    let entries = map.into_iter().map(|(name, Object(value))| (name, value));
    Ok(entries.collect())
}

/// An object as a map, where a key that is there twice is an error: the parser itself
/// would take the last one in silence.
pub(super) fn unique_map<'de, D, V>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    struct Unique<V>(std::marker::PhantomData<V>);
    impl<'de, V: Deserialize<'de>> Visitor<'de> for Unique<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some(key) = access.next_key::<String>()? {
                let value = access.next_value()?;
                if map.insert(key.clone(), value).is_some() {
                    return Err(A::Error::custom(format!("`{key}` appears twice")));
                }
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Unique(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, String> {
        serde_json::from_str::<Json>(text)
            .map(|json| json.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn keys_are_sorted_and_numbers_stay_as_they_are() {
        let text = r#"{ "b": [1.50, 1e400, -0], "a": {"z": null, "y": "\u0041\n"}, "": true }"#;
        assert_eq!(
            canonical(text).unwrap(),
            r#"{"":true,"a":{"y":"A\n","z":null},"b":[1.50,1e400,-0]}"#
        );
        assert_eq!(canonical("[]").unwrap(), "[]");
        assert_eq!(canonical(" 3 ").unwrap(), "3");
    }

    #[test]
    fn a_line_for_people_has_spaces() {
        let json: Json = serde_json::from_str(r#"{"b":[1,"x"],"a":{"c":null}}"#).unwrap();
        assert_eq!(json.spaced(), r#"{"a": {"c": null}, "b": [1, "x"]}"#);
    }

    #[test]
    fn strings_are_found_wherever_they_are() {
        let json: Json = serde_json::from_str(r#"{"a": ["b", {"c": "d\u002fe"}, 7]}"#).unwrap();
        let mut found = vec![];
        json.for_each_string(&mut |text| found.push(text.to_owned()));
        assert_eq!(found, ["a", "b", "c", "d/e"]);
    }

    #[test]
    fn what_is_there_twice_or_too_deep_is_refused() {
        assert!(
            canonical(r#"{"a": {"b": 1, "b": 1}}"#)
                .unwrap_err()
                .contains("`b` appears twice")
        );
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(canonical(&deep(MAX_DEPTH)).is_ok());
        assert!(
            canonical(&deep(MAX_DEPTH + 2))
                .unwrap_err()
                .contains("nested deeper")
        );
        assert!(canonical(&deep(100_000)).is_err());
    }
}
