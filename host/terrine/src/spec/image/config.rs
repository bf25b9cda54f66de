//! The image's own `config`: how its containers run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::spec::json::{optional_object, unique_map, unique_objects};

/// An object without a key: what Go writes for the members of a set.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// How containers run, in the terms of the OCI image specification and of Docker. It
/// is checked against these fields, and then goes into the image as it was written,
/// with its keys in order.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Config {
    /// The program and its arguments; or the arguments, where there is an `Entrypoint`.
    pub cmd: Option<Vec<String>>,
    /// The program and its first arguments.
    pub entrypoint: Option<Vec<String>>,
    /// Environment variables, each as `NAME=value`.
    pub env: Option<Vec<String>>,
    /// The user and group to run as: names or numbers, as `user` or `user:group`.
    pub user: Option<String>,
    /// The directory to start in.
    pub working_dir: Option<String>,
    /// Labels of the image.
    #[serde(deserialize_with = "optional_map")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Ports that the program listens on: `{"80/tcp": {}}`.
    #[serde(deserialize_with = "optional_set")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// Directories that are to outlive a container: `{"/data": {}}`.
    #[serde(deserialize_with = "optional_set")]
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// The signal that asks the program to stop.
    pub stop_signal: Option<String>,
    /// How many seconds it is given to do so.
    pub stop_timeout: Option<i64>,
    /// How to see whether the program is well.
    #[serde(deserialize_with = "optional_object")]
    pub healthcheck: Option<Healthcheck>,
    /// The shell that commands given as text are run by.
    pub shell: Option<Vec<String>>,
    /// What builds on top of this image run first.
    pub on_build: Option<Vec<String>>,
    /// Whether the command is one string that is already escaped; for Windows.
    pub args_escaped: Option<bool>,
    /// The container's name for itself.
    pub hostname: Option<String>,
    /// The container's domain.
    pub domainname: Option<String>,
    /// Whether a terminal is given to the program.
    pub tty: Option<bool>,
    /// Whether standard input is kept open.
    pub open_stdin: Option<bool>,
    /// Whether standard input is closed after its first use.
    pub stdin_once: Option<bool>,
    /// Whether standard input is attached.
    pub attach_stdin: Option<bool>,
    /// Whether standard output is attached.
    pub attach_stdout: Option<bool>,
    /// Whether standard error is attached.
    pub attach_stderr: Option<bool>,
    /// Whether there is no network.
    pub network_disabled: Option<bool>,
    /// The network card's address.
    pub mac_address: Option<String>,
    /// The image that this one was made from.
    pub image: Option<String>,
    /// Memory limit in bytes.
    pub memory: Option<i64>,
    /// Limit of memory and swap together, in bytes.
    pub memory_swap: Option<i64>,
    /// Share of the processor's time, relative to that of others.
    pub cpu_shares: Option<i64>,
    /// The processors to run on, such as `0-3` or `0,1`.
    pub cpuset: Option<String>,
}

/// How to see whether the program is well. Times are in nanoseconds.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", program, argument...]` or `["CMD-SHELL", command]`.
    pub test: Option<Vec<String>>,
    /// Time from one check to the next.
    pub interval: Option<i64>,
    /// Time after which a check has failed.
    pub timeout: Option<i64>,
    /// Time in which failures do not count.
    pub start_period: Option<i64>,
    /// Time from one check to the next during that period.
    pub start_interval: Option<i64>,
    /// How many failures it takes.
    pub retries: Option<i64>,
}

fn optional_set<'de, D>(deserializer: D) -> Result<Option<BTreeMap<String, Empty>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    struct Set(BTreeMap<String, Empty>);
    impl<'de> Deserialize<'de> for Set {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            unique_objects(deserializer).map(Self)
        }
    }
    Ok(Option::<Set>::deserialize(deserializer)?.map(|Set(set)| set))
}

fn optional_map<'de, D, V>(deserializer: D) -> Result<Option<BTreeMap<String, V>>, D::Error>
where
    D: serde::Deserializer<'de>,
    V: Deserialize<'de>,
{
    struct Map<V>(BTreeMap<String, V>);
    impl<'de, V: Deserialize<'de>> Deserialize<'de> for Map<V> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            unique_map(deserializer).map(Self)
        }
    }
    Ok(Option::<Map<V>>::deserialize(deserializer)?.map(|Map(map)| map))
}
