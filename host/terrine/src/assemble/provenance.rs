//! The metadata of a manifest that says how an image was made.

use terrine_oci::{Annotations, Digest, annotation};
use terrine_planner_host::{Planner, layering};

use crate::base::Base;

/// The planner that grouped the store paths of an image, and what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOrigin {
    /// The component's name and version, as it says itself.
    pub planner: String,
    /// The component's digest.
    pub component: Digest,
    /// True if it is the built-in one. Not said in a manifest, where its digest tells.
    pub built_in: bool,
    /// The policy's name.
    pub policy: String,
    /// The digest of what it was asked.
    pub request: Digest,
}

impl PlanOrigin {
    /// The origin of a plan of `planner`, which says of itself `info`.
    pub fn new(
        planner: &Planner<'_>,
        info: &layering::Info,
        policy: &str,
        request: Digest,
    ) -> Self {
        Self {
            planner: format!("{} {}", info.name, info.version),
            component: planner.digest(),
            built_in: planner.is_embedded(),
            policy: policy.to_owned(),
            request,
        }
    }
}

/// Returns what an image says of how it was made: the policy that grouped its store paths, the name
/// and digest of the component and the digest of what that was asked, so that anyone can make the
/// same plan again; and what it is built on. None of it is part of the image id.
pub fn provenance(origin: Option<&PlanOrigin>, base: Option<&Base>) -> Annotations {
    let mut annotations = Annotations::new();
    if let Some(origin) = origin {
        annotations.insert(annotation::POLICY.to_owned(), origin.policy.clone());
        annotations.insert(annotation::PLANNER.to_owned(), origin.planner.clone());
        annotations.insert(
            annotation::COMPONENT.to_owned(),
            origin.component.to_string(),
        );
        annotations.insert(annotation::REQUEST.to_owned(), origin.request.to_string());
    }
    if let Some((name, digest)) = base.and_then(Base::published) {
        if let Some(name) = name {
            annotations.insert(annotation::BASE_NAME.to_owned(), name.to_owned());
        }
        annotations.insert(annotation::BASE_DIGEST.to_owned(), digest.to_string());
    }
    annotations
}

/// The standard annotations that an image has as labels of its configuration: its source, its
/// revision, its licences, or whatever else was given.
pub fn labels(config: &str) -> Annotations {
    #[derive(serde::Deserialize)]
    struct Config {
        #[serde(rename = "Labels", default)]
        labels: Option<Annotations>,
    }
    let config: Option<Config> = serde_json::from_str(config).unwrap_or_default();
    let labels = config.and_then(|config| config.labels).unwrap_or_default();
    labels
        .into_iter()
        .filter(|(name, _)| name.starts_with(annotation::STANDARD))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_labels_are_annotations() {
        let config = r#"{"Labels":{"org.opencontainers.image.source":"x","mine":"y"}}"#;
        assert_eq!(
            labels(config).into_iter().collect::<Vec<_>>(),
            [("org.opencontainers.image.source".to_owned(), "x".to_owned())]
        );
        for config in ["null", "{}", r#"{"Labels":null}"#, r#"{"Labels":{"a":1}}"#] {
            assert!(labels(config).is_empty(), "{config}");
        }
    }
}
