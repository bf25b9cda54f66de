//! The image's own `config`: the settings of its containers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::spec::json::{optional_object, unique_map, unique_objects};

/// An empty object. Docker writes it for each member of a set.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// Settings of containers, by their names in the OCI image specification and in Docker. terrine
/// checks them and writes them unchanged to the configuration of the image, with sorted keys.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Config {
    /// Command to run: a program and its arguments. If `Entrypoint` is set, these are further
    /// arguments of it.
    #[schemars(extend("examples" = [["/bin/web", "--port", "80"]]))]
    pub cmd: Option<Vec<String>>,
    /// Program to run and its first arguments, which precede those of `Cmd`.
    #[schemars(extend("examples" = [["/bin/init", "--"]]))]
    pub entrypoint: Option<Vec<String>>,
    /// Environment variables, each as `NAME=VALUE`. They are added to those of the base image, and
    /// replace variables of the same name.
    #[schemars(extend("examples" = [["PATH=/bin", "LANG=C.UTF-8"]]))]
    pub env: Option<Vec<String>>,
    /// User to run as: `USER` or `USER:GROUP`, each a name or a number.
    #[schemars(extend("examples" = ["app", "1000:1000"]))]
    pub user: Option<String>,
    /// Working directory of the command, as an absolute path.
    #[schemars(extend("examples" = ["/srv"]))]
    pub working_dir: Option<String>,
    /// Labels of the image. See also `labels` of the specification.
    #[schemars(extend("examples" = [{"org.opencontainers.image.version": "1.2"}]))]
    #[serde(deserialize_with = "optional_map")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Ports that the program listens on, each as a key `PORT/PROTOCOL` with an empty object.
    #[schemars(extend("examples" = [{"80/tcp": {}}]))]
    #[serde(deserialize_with = "optional_set")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// Directories whose content is kept outside of the container, each as an absolute path with an
    /// empty object.
    #[schemars(extend("examples" = [{"/data": {}}]))]
    #[serde(deserialize_with = "optional_set")]
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// Signal that asks the program to stop, by its name or number.
    #[schemars(extend("examples" = ["SIGINT"]))]
    pub stop_signal: Option<String>,
    /// Time in seconds from `StopSignal` until the container is killed. Not part of the OCI image
    /// specification.
    #[schemars(extend("examples" = [30]))]
    pub stop_timeout: Option<i64>,
    /// Check that shows whether the program is healthy. The OCI image specification reserves it for
    /// compatibility with Docker.
    #[schemars(extend("examples" = [{"Test": ["CMD", "/bin/web", "--check"]}]))]
    #[serde(deserialize_with = "optional_object")]
    pub healthcheck: Option<Healthcheck>,
    /// Shell that runs commands in the shell form of a Dockerfile and of `Healthcheck`. Not part of
    /// the OCI image specification.
    #[schemars(extend("examples" = [["/bin/bash", "-c"]]))]
    pub shell: Option<Vec<String>>,
    /// Instructions that run first in a Dockerfile that builds on this image. Not part of the OCI
    /// image specification.
    #[schemars(extend("examples" = [["RUN /bin/setup"]]))]
    pub on_build: Option<Vec<String>>,
    /// True if the command is a single string that is already escaped, in images for Windows.
    /// Deprecated in the OCI image specification.
    #[schemars(extend("examples" = [false]))]
    pub args_escaped: Option<bool>,
    /// Host name of the container. Not part of the OCI image specification.
    #[schemars(extend("examples" = ["web"]))]
    pub hostname: Option<String>,
    /// Domain name of the container. Not part of the OCI image specification.
    #[schemars(extend("examples" = ["example.org"]))]
    pub domainname: Option<String>,
    /// True to give the program a terminal. Not part of the OCI image specification.
    #[schemars(extend("examples" = [true]))]
    pub tty: Option<bool>,
    /// True to keep standard input open. Not part of the OCI image specification.
    #[schemars(extend("examples" = [true]))]
    pub open_stdin: Option<bool>,
    /// True to close standard input after the first client disconnects. Not part of the OCI image
    /// specification.
    #[schemars(extend("examples" = [true]))]
    pub stdin_once: Option<bool>,
    /// True to attach standard input. Not part of the OCI image specification.
    #[schemars(extend("examples" = [true]))]
    pub attach_stdin: Option<bool>,
    /// True to attach standard output. Not part of the OCI image specification.
    #[schemars(extend("examples" = [true]))]
    pub attach_stdout: Option<bool>,
    /// True to attach standard error. Not part of the OCI image specification.
    #[schemars(extend("examples" = [true]))]
    pub attach_stderr: Option<bool>,
    /// True to run without a network. Not part of the OCI image specification.
    #[schemars(extend("examples" = [true]))]
    pub network_disabled: Option<bool>,
    /// MAC address of the container. Not part of the OCI image specification.
    #[schemars(extend("examples" = ["02:42:ac:11:00:02"]))]
    pub mac_address: Option<String>,
    /// Image that this one was made from. Not part of the OCI image specification.
    #[schemars(extend("examples" = ["debian:12"]))]
    pub image: Option<String>,
    /// Memory limit in bytes. The OCI image specification reserves it for compatibility with
    /// Docker.
    #[schemars(extend("examples" = [536_870_912]))]
    pub memory: Option<i64>,
    /// Limit of memory and swap together, in bytes. The OCI image specification reserves it for
    /// compatibility with Docker.
    #[schemars(extend("examples" = [1_073_741_824]))]
    pub memory_swap: Option<i64>,
    /// Share of processor time, relative to other containers. The OCI image specification reserves
    /// it for compatibility with Docker.
    #[schemars(extend("examples" = [512]))]
    pub cpu_shares: Option<i64>,
    /// Processors to run on, as a list of numbers and ranges. Not part of the OCI image
    /// specification.
    #[schemars(extend("examples" = ["0-3"]))]
    pub cpuset: Option<String>,
}

/// Check that shows whether the program is healthy. Times are in nanoseconds, and at least a
/// millisecond; 0 means the default of the container engine.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Healthcheck {
    /// Command of the check: `["CMD", PROGRAM, ARGUMENT...]`, `["CMD-SHELL", COMMAND]`, or
    /// `["NONE"]` for no check. The program is healthy if the command exits with status 0.
    #[schemars(extend("examples" = [["CMD", "/bin/web", "--check"]]))]
    pub test: Option<Vec<String>>,
    /// Time between two checks.
    #[schemars(extend("examples" = [30_000_000_000_i64]))]
    pub interval: Option<i64>,
    /// Time after which a check has failed.
    #[schemars(extend("examples" = [5_000_000_000_i64]))]
    pub timeout: Option<i64>,
    /// Time after the start of the container in which failures do not count.
    #[schemars(extend("examples" = [10_000_000_000_i64]))]
    pub start_period: Option<i64>,
    /// Time between two checks during `StartPeriod`.
    #[schemars(extend("examples" = [1_000_000_000]))]
    pub start_interval: Option<i64>,
    /// Number of consecutive failures after which the program is unhealthy.
    #[schemars(extend("examples" = [3]))]
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
