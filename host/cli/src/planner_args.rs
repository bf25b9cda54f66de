//! Arguments for the planner that groups store paths into layers, its policy and its options.

use clap::builder::NonEmptyStringValueParser;
use terrine::planner::{ComponentFile, Imports};
use terrine::spec::{ImageSpec, Json, PlannerSpec};

use super::argument;
use super::exit::Usage;
use super::failure::{Failure, Result};
use super::flag_names::FlagNames;
use super::headings;
use super::image_args::{here, pair};
use super::limit_args::LimitArgs;
use super::stdin;

/// Options for the planner, its policy and its limits.
#[derive(Debug, clap::Args)]
pub(super) struct PlannerArgs {
    /// Planner component to use instead of the built-in one
    ///
    /// The component runs in a sandbox and cannot access anything outside it. `@sha256:HEX` pins
    /// the file to a digest; a file with another digest is an error. With this option, the policy
    /// and its options come from the flags, not from the specification.
    #[arg(long, value_name = "FILE[@sha256:HEX]", value_parser = component, help_heading = headings::LAYERS, conflicts_with = "pipeline")]
    pub(super) planner: Option<ComponentFile>,

    /// Policy that groups store paths into layers
    ///
    /// By default, `build` and `plan` use `least-pull`, and `layers` uses the planner's first
    /// policy, `auto`, as dockerTools does. With `--planner`, the default is the first policy of
    /// the component. `terrine planner list` lists the built-in policies.
    #[arg(
        long,
        value_name = "POLICY",
        value_parser = NonEmptyStringValueParser::new(),
        help_heading = headings::LAYERS,
        conflicts_with = "pipeline"
    )]
    pub(super) policy: Option<String>,

    /// Option of the policy; may be repeated
    ///
    /// VALUE is JSON, or a string if it is not valid JSON. If a name is repeated, its last value is
    /// used.
    #[arg(
        long,
        value_name = "NAME=VALUE",
        help_heading = headings::LAYERS,
        conflicts_with = "pipeline"
    )]
    pub(super) option: Vec<String>,

    /// Give the component a WASI without access to anything
    ///
    /// Use this for components in languages that require WASI. This WASI has no files, network or
    /// environment. Its clocks stand still, and its random numbers are the same in every call. If
    /// the component fails, terrine shows the end of its stderr.
    #[arg(long, help_heading = headings::LAYERS, conflicts_with = "pipeline")]
    pub(super) sealed_wasi: bool,

    #[command(flatten)]
    pub(super) limits: LimitArgs,
}

/// Reads `FILE[@sha256:HEX]`.
pub(super) fn component(text: &str) -> Result<ComponentFile, String> {
    let text = stdin::component(text)?;
    ComponentFile::parse(&text).map_err(|error| argument::explain(&error))
}

/// Returns the imports that a component gets: a sealed WASI with `--sealed-wasi`, else nothing.
pub(super) fn imports(sealed_wasi: bool) -> Imports {
    if sealed_wasi {
        Imports::SealedWasi
    } else {
        Imports::Nothing
    }
}

impl PlannerArgs {
    /// Changes what a specification says by what the flags say.
    pub(super) fn apply(&self, spec: &mut ImageSpec, names: &mut FlagNames) -> Result<()> {
        self.note(names);
        if let Some(ComponentFile { path, digest }) = &self.planner {
            let component = Some(here(path)?);
            spec.planner = Some(PlannerSpec {
                component,
                digest: *digest,
                ..PlannerSpec::default()
            });
            spec.layering_pipeline = None;
        }
        if let Some(policy) = &self.policy {
            let before = spec.planner.take().unwrap_or_default();
            spec.planner = Some(PlannerSpec {
                policy: policy.clone(),
                options: None,
                ..before
            });
            spec.layering_pipeline = None;
        }
        if self.sealed_wasi {
            let planner = spec
                .planner
                .as_mut()
                .filter(|planner| planner.component.is_some())
                .ok_or_else(not_for_the_built_in)?;
            planner.sealed_wasi = true;
        }
        if !self.option.is_empty() {
            let planner = spec.planner.get_or_insert_default();
            let options = planner
                .options
                .take()
                .unwrap_or(Json::Object(Default::default()));
            planner.options = Some(merge(options, &self.option)?);
        }
        Ok(())
    }

    /// Notes which flags gave which fields.
    fn note(&self, names: &mut FlagNames) {
        let component = self.planner.as_ref();
        let file = component.map(|component| component.path.display());
        names.note_given("planner.component", "--planner", &file);
        names.note_given("planner.policy", "--policy", &self.policy);
        if self.sealed_wasi {
            names.note("planner.sealedWasi", "--sealed-wasi", None);
        }
        for option in &self.option {
            let name = option.split('=').next().unwrap_or_default();
            let field = format!("planner.options.{name}");
            names.note(field, "--option", Some(option.clone()));
        }
    }
}

/// The built-in planner imports nothing, so there is nothing to give it.
pub(super) fn not_for_the_built_in() -> Failure {
    Usage {
        message: "`--sealed-wasi` needs a component from a file".to_owned(),
        hint: "name the file of one, or leave the flag out",
    }
    .into()
}

/// Options with those of flags put over them.
pub(super) fn merge(options: Json, flags: &[String]) -> Result<Json> {
    let Json::Object(mut options) = options else {
        return Err(Failure::new(
            "the policy's options are not a JSON object, so none can be added",
        ));
    };
    for flag in flags {
        let (name, value) = pair(flag, "--option")?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Json::string(value));
        options.insert(name.to_owned(), value);
    }
    Ok(Json::Object(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_where_they_can_be() {
        let merged = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
            let options = serde_json::from_str(r#"{"a": 1, "b": [2]}"#).unwrap();
            merge(options, &flags)
                .map(|options| options.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            merged(&["a=3", "c=x", "d=01"]).unwrap(),
            r#"{"a":3,"b":[2],"c":"x","d":"01"}"#
        );
        assert_eq!(
            merged(&["a=x=y", "b=", "c=\"7\"", "d={\"e\":null}"]).unwrap(),
            r#"{"a":"x=y","b":"","c":"7","d":{"e":null}}"#
        );
        assert_eq!(merged(&["a=1", "a=true"]).unwrap(), r#"{"a":true,"b":[2]}"#);
        assert!(merged(&["a"]).unwrap_err().contains("NAME=VALUE"));
        assert!(merge(Json::Array(vec![]), &[]).is_err());
    }
}
