//! The shapes that fields of an image specification have.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::spec::When;

/// One string or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(OneOrMany(vec![]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(Strings)
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {"type": "null"},
        ], "default": []})
    }
}

/// Something that is off, on, or on with settings of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Switch<T> {
    /// `false`, `null`, or not there.
    #[default]
    Off,
    /// `true`.
    On,
    /// On, and how.
    With(T),
}

impl<T: Default + Clone> Switch<T> {
    /// The settings, where it is on.
    pub fn settings(&self) -> Option<T> {
        match self {
            Self::Off => None,
            Self::On => Some(T::default()),
            Self::With(settings) => Some(settings.clone()),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = Switch<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or an object")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
                Ok(if on { Switch::On } else { Switch::Off })
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Switch::Off)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Switch::With)
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Switch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Switch_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let settings = generator.subschema_for::<T>();
        json_schema!({"anyOf": [{"type": ["boolean", "null"]}, settings], "default": false})
    }
}

/// Something that is off, on with what can be found, or on with a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PathSwitch {
    /// `false`, `null`, or not there.
    #[default]
    Off,
    /// `true`.
    On,
    /// This one.
    Path(String),
}

impl<'de> Deserialize<'de> for PathSwitch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = PathSwitch;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or a path")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
                Ok(if on { PathSwitch::On } else { PathSwitch::Off })
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(PathSwitch::Off)
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Self::Value, E> {
                Ok(PathSwitch::Path(path.to_owned()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for PathSwitch {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PathSwitch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["boolean", "string", "null"], "default": false})
    }
}

/// A point in time, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeField(pub When);

impl<'de> Deserialize<'de> for TimeField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        When::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for TimeField {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "string", "format": "date-time", "description": "Time as in RFC 3339."},
            {"type": "string", "format": "date", "description": "Date as in RFC 3339, at 00:00 UTC."},
            {"type": "string", "pattern": "^@-?[0-9]+$", "description": "`@` and seconds since 1970."},
            {"const": "now", "description": "Time of the run."},
        ]})
    }
}

/// Permission bits as octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModeField(pub u32);

impl Serialize for ModeField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

impl<'de> Deserialize<'de> for ModeField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Octal;
        impl Visitor<'_> for Octal {
            type Value = ModeField;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("octal digits as a string, such as \"0755\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ModeField, E> {
                let octal =
                    (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
                let mode = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
                mode.filter(|&mode| mode <= 0o7777)
                    .map(ModeField)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Octal)
    }
}

impl JsonSchema for ModeField {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^0?[0-7]{1,4}$"})
    }
}
