//! The fields that decide about layers: `planner` and `layeringPipeline`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use terrine_oci::Digest;

use crate::spec::Json;

/// The policy that groups the store paths into layers, its component and its options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlannerSpec {
    /// The component's file, relative to the specification; the built-in one if none.
    pub component: Option<String>,
    /// The digest that the file has to have. Not without a component.
    pub digest: Option<Digest>,
    /// True if the component is given a sealed WASI. Not without a component.
    pub sealed_wasi: bool,
    /// The policy's name; if empty, the default of `build` or the component's first.
    pub policy: String,
    /// Its options, as a JSON object.
    pub options: Option<Json>,
}

/// Planner that groups store paths into layers, its policy, and the options of the policy.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Planner")]
struct PlannerFields {
    /// File of a WebAssembly component of the world `terrine:planner/policy@0.1.0`, relative to the
    /// specification.
    ///
    /// Default: the built-in planner.
    #[serde(default)]
    #[schemars(extend("examples" = ["./policy.wasm"]))]
    component: Option<String>,
    /// Digest of the file of the component. A file with another digest is an error. It requires
    /// `component`.
    #[serde(default)]
    #[schemars(
        with = "Option<String>",
        extend(
            "pattern" = "^sha256:[0-9a-f]{64}$",
            "examples" = ["sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"]
        )
    )]
    digest: Option<Digest>,
    /// True to give the component a sealed WASI: no files, no network, no environment, clocks that
    /// stand still, and the same random numbers in every call. It requires `component`.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    sealed_wasi: bool,
    /// Name of the policy.
    ///
    /// Default: `least-pull`, or the first policy of `component`.
    #[serde(default)]
    #[schemars(extend("examples" = ["popularity"]))]
    policy: String,
    /// Options of the policy. `terrine planner describe` lists them.
    #[serde(default)]
    #[schemars(
        with = "Option<serde_json::Map<String, serde_json::Value>>",
        extend("examples" = [{"spread": 3}])
    )]
    options: Option<Json>,
}

impl<'de> Deserialize<'de> for PlannerSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = PlannerSpec;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a policy, or an object")
            }

            fn visit_str<E: Error>(self, policy: &str) -> Result<Self::Value, E> {
                Ok(PlannerSpec {
                    policy: policy.to_owned(),
                    ..PlannerSpec::default()
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let PlannerFields {
                    component,
                    digest,
                    sealed_wasi,
                    policy,
                    options,
                } = Deserialize::deserialize(MapAccessDeserializer::new(map))?;
                match (&component, digest, sealed_wasi) {
                    (None, Some(_), _) => Err(A::Error::custom("`digest` needs a `component`")),
                    (None, _, true) => Err(A::Error::custom("`sealedWasi` needs a `component`")),
                    _ => Ok(PlannerSpec {
                        component,
                        digest,
                        sealed_wasi,
                        policy,
                        options,
                    }),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for PlannerSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PolicyOrPlanner".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fields = generator.subschema_for::<PlannerFields>();
        json_schema!({"anyOf": [
            {"type": "string", "description": "Name of a policy of the built-in planner."},
            fields,
            {"type": "null"},
        ]})
    }
}

/// A layering pipeline of dockerTools: its steps, or a JSON file that has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pipeline {
    /// The steps.
    Steps(Vec<Json>),
    /// The file.
    File(String),
}

impl<'de> Deserialize<'de> for Pipeline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Pipeline;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of steps, or the path of a file")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Self::Value, E> {
                Ok(Pipeline::File(path.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(Pipeline::Steps)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Pipeline {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pipeline".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {
                "type": "array",
                "description": "Steps, each a list of the name of an operation and its arguments.",
                "items": {
                    "type": "array",
                    "prefixItems": [{"type": "string", "description": "Name of the operation."}],
                },
            },
            {"type": "string", "description": "Path of a JSON file with the steps."},
            {"type": "null"},
        ]})
    }
}
