//! The command that containers of an image run, and its settings: the part of a configuration that
//! is called `config`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::descriptor::null_as_default;
use super::{Configuration, ConfigurationError};

/// The settings that containers of an image run with (OCI image specification, "Image
/// Configuration", `config`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// The user, by name or number, and possibly the group.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub user: String,
    /// The directory that programs start in.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub working_dir: String,
    /// The program and its first arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// More arguments, or the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// The environment: `NAME=VALUE`.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// The ports that programs listen on, `80/tcp`. The values mean nothing.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Names::is_empty"
    )]
    pub exposed_ports: Names,
    /// The directories that outlive a container. The values mean nothing.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Names::is_empty"
    )]
    pub volumes: Names,
    /// The signal that ends programs.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub stop_signal: String,
    /// Labels.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// The health check of a container, as Docker has it: JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Box<RawValue>>,
}

/// Names whose values are empty objects.
pub type Names = BTreeMap<String, Empty>;

/// `{}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

impl Configuration {
    /// Returns the settings that containers run with; empty if the configuration has none.
    ///
    /// # Errors
    ///
    /// Something in the place of a list of strings and the like.
    pub fn run_config(&self) -> Result<RunConfig, ConfigurationError> {
        #[derive(Deserialize)]
        struct View {
            #[serde(default, deserialize_with = "null_as_default")]
            config: RunConfig,
        }
        let view: View = serde_json::from_str(self.text()).map_err(ConfigurationError::new)?;
        Ok(view.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &str) -> Result<String, ConfigurationError> {
        let text = format!(r#"{{"rootfs":{{}},"config":{config}}}"#);
        let config = Configuration::parse(text.into_bytes())?.run_config()?;
        Ok(serde_json::to_string(&config).unwrap())
    }

    #[test]
    fn what_is_said_is_read_and_what_is_not_is_empty() {
        let all = r#"{"User":"a","WorkingDir":"/","Entrypoint":["/b"],"Cmd":[],"Env":["A=b"],"ExposedPorts":{"80/tcp":{}},"Volumes":{"/v":{}},"StopSignal":"SIGINT","Labels":{"l":"m"},"Healthcheck":{"Test":["NONE"]}}"#;
        assert_eq!(read(all).as_deref(), Ok(all));
        for nothing in [
            "null",
            "{}",
            r#"{"User":null,"Cmd":null,"Env":null,"Labels":null,"Volumes":null}"#,
        ] {
            assert_eq!(read(nothing).as_deref(), Ok("{}"), "{nothing}");
        }
        assert!(read(r#"{"Env":"A=b"}"#).is_err());
    }
}
