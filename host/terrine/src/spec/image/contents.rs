//! The shape of `contents`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Directories that are joined at the root: one, or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents(pub Vec<ContentsSpec>);

/// A directory that is joined at the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentsSpec {
    /// The name of the store path that a directory of this machine becomes.
    pub name: Option<String>,
    /// The store path, or the directory.
    pub path: String,
}

impl From<String> for ContentsSpec {
    fn from(path: String) -> Self {
        Self { name: None, path }
    }
}

/// Directory of this machine, and the name of its store path in the image.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NamedContents")]
struct Named {
    /// Name of the store path that the directory becomes: letters, digits and `+-._?=`. It must not
    /// begin with a dot or a Nix hash.
    ///
    /// Default: `contents`, `contents-2` and so on.
    #[schemars(extend("examples" = ["site"]))]
    name: Option<String>,
    /// Path of the directory, relative to the specification.
    #[schemars(extend("examples" = ["./site"]))]
    path: String,
}

impl<'de> Deserialize<'de> for ContentsSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = ContentsSpec;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path, or an object with `name` and `path`")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Self::Value, E> {
                Ok(path.to_owned().into())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let Named { name, path } = Named::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ContentsSpec { name, path })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Contents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Contents;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path, an object with `name` and `path`, or a list of them")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Self::Value, E> {
                Ok(Contents(vec![path.to_owned().into()]))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Contents::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let one = ContentsSpec::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Contents(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(Contents)
            }
        }
        deserializer.deserialize_any(List)
    }
}

impl JsonSchema for Contents {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Contents".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let named = generator.subschema_for::<Named>();
        json_schema!({"anyOf": [
            {"type": "string"},
            named,
            {"type": "array", "items": {"anyOf": [{"type": "string"}, named]}},
            {"type": "null"},
        ], "default": []})
    }
}
