//! The differences between two configurations.

use std::collections::BTreeMap;

use serde::Serialize;
use terrine_oci::RunConfig;

use crate::inspect::Inspection;

/// Something that two images say differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The name of the setting: `User`, `Env PATH`.
    pub what: String,
    /// The value in the old image; none if it is not set there.
    pub old: Option<String>,
    /// The value in the new image; none if it is not set there.
    pub new: Option<String>,
}

/// Compares two configurations.
pub(super) fn compare(old: &Inspection, new: &Inspection) -> Vec<Difference> {
    let (before, after) = (said(old), said(new));
    let mut differences = Vec::new();
    // In the order in which things are said, those that only the old image says last.
    let others = before
        .iter()
        .filter(|(what, _)| !after.iter().any(|(other, _)| other == what));
    for (what, _) in after.iter().chain(others) {
        let find = |list: &[(String, String)]| {
            list.iter()
                .find(|(other, _)| other == what)
                .map(|(_, value)| value.clone())
        };
        let (old, new) = (find(&before), find(&after));
        if old != new {
            differences.push(Difference {
                what: what.clone(),
                old,
                new,
            });
        }
    }
    differences
}

/// All that an image says, as names and values.
fn said(image: &Inspection) -> Vec<(String, String)> {
    let RunConfig {
        user,
        working_dir,
        entrypoint,
        cmd,
        stop_signal,
        healthcheck,
        ..
    } = &image.config;
    let list = |list: &Option<Vec<String>>| list.as_ref().map(|list| format!("{list:?}"));
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let single = [
        ("platform", Some(image.platform.clone())),
        ("created", image.created.clone()),
        ("Entrypoint", list(entrypoint)),
        ("Cmd", list(cmd)),
        ("User", text(user)),
        ("WorkingDir", text(working_dir)),
        ("StopSignal", text(stop_signal)),
        (
            "Healthcheck",
            healthcheck.as_ref().map(|json| json.get().to_owned()),
        ),
    ];
    let mut said: Vec<(String, String)> = single
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    // Of several values the last one counts.
    let env: BTreeMap<&str, &str> = image
        .config
        .env
        .iter()
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    said.extend(
        env.into_iter()
            .map(|(name, value)| (format!("Env {name}"), value.to_owned())),
    );
    for (kind, names) in [
        ("ExposedPorts", &image.config.exposed_ports),
        ("Volumes", &image.config.volumes),
    ] {
        said.extend(
            names
                .keys()
                .map(|name| (format!("{kind} {name}"), "yes".to_owned())),
        );
    }
    for (kind, pairs) in [
        ("label", &image.config.labels),
        ("annotation", &image.annotations),
    ] {
        said.extend(
            pairs
                .iter()
                .map(|(name, value)| (format!("{kind} {name}"), value.clone())),
        );
    }
    said
}
