//! Settings of the base image for its containers that the image does not take over.

use serde::Deserialize;
use terrine_oci::RunConfig;
use terrine_support::remark::Remark;

use crate::base::Base;
use crate::spec::{BaseConfig, ImageSpec};

/// Returns a remark where an image takes over the environment of its base alone, and the base has
/// a command, a user or a directory that the image does not set.
pub(super) fn dropped(spec: &ImageSpec, base: Option<&Base>) -> Option<Remark> {
    if spec.base_config_given || spec.base_config == BaseConfig::All {
        return None;
    }
    let fields = fields(spec, base?.configuration());
    if fields.is_empty() {
        return None;
    }
    let names = fields.join("`, `");
    let they = if fields.len() == 1 { "is" } else { "are" };
    let text = format!("`{names}` of the base image {they} not inherited, only its environment");
    Some(Remark::note(text).hint(
        "inherit all by `\"baseConfig\": \"all\"` or `--base-config all`; `environment` silences this note",
    ))
}

/// Returns the fields that the base has and the image does not.
fn fields(spec: &ImageSpec, configuration: &str) -> Vec<&'static str> {
    #[derive(Default, Deserialize)]
    struct Configuration {
        #[serde(default)]
        config: Option<RunConfig>,
    }
    let read: Configuration = serde_json::from_str(configuration).unwrap_or_default();
    let base = read.config.unwrap_or_default();
    let own = spec.config_json.as_ref();
    let sets = |field: &str| own.is_some_and(|own| own.contains_key(field));
    let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    // A command of its own stands for both.
    let command = sets("Cmd") || sets("Entrypoint");
    let is_root = matches!(base.user.as_str(), "" | "0" | "root" | "0:0" | "root:root");
    [
        ("Entrypoint", some(&base.entrypoint) && !command),
        ("Cmd", some(&base.cmd) && !command),
        ("User", !is_root && !sets("User")),
        (
            "WorkingDir",
            !matches!(base.working_dir.as_str(), "" | "/") && !sets("WorkingDir"),
        ),
    ]
    .into_iter()
    .filter_map(|(field, dropped)| dropped.then_some(field))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Json;

    #[test]
    fn what_the_image_sets_itself_is_not_missed() {
        let base = r#"{"config": {"Cmd": ["bash"], "Entrypoint": ["/init"], "User": "app", "WorkingDir": "/srv"}}"#;
        for (base, own, expected) in [
            (
                base,
                &[][..],
                &["Entrypoint", "Cmd", "User", "WorkingDir"][..],
            ),
            (base, &["Cmd"], &["User", "WorkingDir"]),
            (base, &["Entrypoint", "User", "WorkingDir"], &[]),
            (
                r#"{"config": {"User": "root", "WorkingDir": "/", "Cmd": []}}"#,
                &[],
                &[],
            ),
            (r#"{"config": null}"#, &[], &[]),
            ("{}", &[], &[]),
        ] {
            let config = own
                .iter()
                .map(|&field| (field.to_owned(), Json::string("x")));
            let spec = ImageSpec {
                config_json: Some(config.collect()),
                ..ImageSpec::default()
            };
            assert_eq!(fields(&spec, base), expected, "{base} {own:?}");
        }
    }
}
