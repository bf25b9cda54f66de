//! The parts of an image specification that have fields of their own.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use terrine_oci::Digest;

use super::values::{ModeField, OneOrMany};
use crate::spec::Json;

/// What an image takes over from the configuration of its base.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaseConfig {
    /// `Env` alone, as dockerTools does.
    #[default]
    Environment,
    /// What `FROM` in a Dockerfile takes over: `Env`, `Cmd`, `Entrypoint`, `User`,
    /// `WorkingDir`, `Labels`, `Volumes`, `ExposedPorts`, `StopSignal`, `Healthcheck` and
    /// `Shell`.
    All,
}

/// What becomes of files below a link of the base image to a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaseLinksSpec {
    /// They are put where the link leads.
    #[default]
    Follow,
    /// A directory takes the place of the link, and hides what the base has there.
    Replace,
}

/// Lines to add to the users and groups of `fakeNss`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FakeNss {
    /// Lines of `/etc/passwd`: `name:x:uid:gid:comment:home:shell`.
    pub extra_passwd_lines: Vec<String>,
    /// Lines of `/etc/group`: `name:x:gid:members`.
    pub extra_group_lines: Vec<String>,
}

/// What commands at the root are run with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CommandsSpec {
    /// Packages with the tools that commands use: store paths, or directories of this machine. Of
    /// each, `bin` is on the path, or the directory itself where it has none. They are not in the
    /// image unless it mentions them.
    pub path: OneOrMany,
    /// The shell: a program in a store path, in one of the directories of `path`, or in the image.
    /// If not given, the first `bash` or `sh` on the path.
    pub shell: Option<String>,
}

/// A file, a link or a directory at the image's root. One of `text`, `source`, `link` and
/// `directory` says which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FileSpec {
    /// The file's content.
    pub text: Option<String>,
    /// A file of this machine whose content it gets; relative to the specification. Links on its path
    /// are followed.
    pub source: Option<String>,
    /// The target of a symbolic link.
    pub link: Option<String>,
    /// Whether it is a directory.
    pub directory: bool,
    /// Permission bits, in octal digits. `0644` for `text`, those of the file for
    /// `source` as `keepModes` has it, `0755` for a directory.
    pub mode: Option<ModeField>,
    /// Numeric owner; 0 if not given.
    pub uid: u32,
    /// Numeric group; 0 if not given.
    pub gid: u32,
}

/// Owner of the Nix database and of the directories that Nix writes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NixDatabaseSpec {
    /// Numeric owner; 0 if not given.
    pub uid: u32,
    /// Numeric group; 0 if not given.
    pub gid: u32,
}

/// Permissions and owners of what matches a pattern. One of `path` and `regex` is
/// needed; what is not given stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PermissionSpec {
    /// A shell pattern for the whole absolute path in the image: `*` and `?` stop at
    /// slashes, `**` does not.
    pub path: Option<String>,
    /// A regular expression that is looked for in the absolute path in the image.
    pub regex: Option<String>,
    /// Permission bits, in octal digits. Symbolic links keep theirs.
    pub mode: Option<ModeField>,
    /// Numeric owner.
    pub uid: Option<u32>,
    /// Numeric group.
    pub gid: Option<u32>,
    /// Name of the owner, in layers of store paths.
    pub uname: Option<String>,
    /// Name of the group, in layers of store paths.
    pub gname: Option<String>,
    /// Capabilities of programs, as `setcap` takes them: `cap_net_bind_service=ep`.
    pub capabilities: Option<String>,
}

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlannerFields {
    #[serde(default)]
    component: Option<String>,
    #[serde(default)]
    digest: Option<Digest>,
    #[serde(default)]
    sealed_wasi: bool,
    #[serde(default)]
    policy: String,
    #[serde(default)]
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
                    (None, Some(_), _) => Err(A::Error::custom(
                        "`digest` is that of a `component`, and there is none",
                    )),
                    (None, _, true) => Err(A::Error::custom(
                        "`sealedWasi` is for a `component`, and there is none",
                    )),
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
        "Planner".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "string", "description": "the name of a policy"},
            {"type": "null"},
            {
                "type": "object",
                "properties": {
                    "component": {
                        "type": "string",
                        "description": "the file of a component of the world terrine:planner/policy@0.1.0, \
                                        relative to the specification; the built-in one if not given",
                    },
                    "digest": {
                        "type": "string",
                        "pattern": "^sha256:[0-9a-f]{64}$",
                        "description": "the digest that the component's file has to have",
                    },
                    "sealedWasi": {
                        "type": "boolean",
                        "description": "whether the component is given a WASI in which nothing can be \
                                        read or reached; false if not given",
                    },
                    "policy": {
                        "type": "string",
                        "description": "the name of a policy; the component's first if not given",
                    },
                    "options": {"type": "object", "description": "the policy's own options"},
                },
                "additionalProperties": false,
            },
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
            {"type": "string", "description": "the path of a JSON file"},
            {"type": "array", "items": {
                "type": "array",
                "prefixItems": [{"type": "string", "description": "the operation"}],
            }},
        ]})
    }
}
