//! The `conf.json` of an image that is planned.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::assemble::NewImage;
use crate::layer::StorePath;
use crate::spec::{BaseConfig, ImageSpec, Json, PermissionSpec};

/// The name of the archive in the directory of a customisation layer, beside `checksum`.
pub const LAYER: &str = "layer.tar";
/// The time that stands for none.
const NO_TIME: &str = "1970-01-01T00:00:01+00:00";

/// The fields of `conf.json` in the order in which dockerTools writes them.
#[derive(Serialize)]
struct Fields<'a> {
    architecture: &'a str,
    config: Box<RawValue>,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    store_dir: &'a str,
    from_image: Option<&'a str>,
    store_layers: Vec<Vec<&'a str>>,
    customisation_layer: &'a str,
    repo_tag: String,
    created: String,
    mtime: String,
    uid: String,
    gid: String,
    uname: &'a str,
    gname: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    permissions: &'a [PermissionSpec],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

/// Returns the `conf.json` of an image that was planned from a specification, whose uppermost layer is in the
/// directory `layer`.
///
/// # Errors
///
/// A configuration that is no JSON, which no planner returns.
pub fn describe(
    image: &NewImage<'_>,
    spec: &ImageSpec,
    layer: &str,
) -> Result<String, serde_json::Error> {
    let time = |field: Option<crate::spec::TimeField>| {
        field.map_or_else(|| NO_TIME.to_owned(), |field| field.0.to_string())
    };
    let ownership = &image.ownership;
    let fields = Fields {
        architecture: &image.resolved.architecture,
        config: config(image, spec)?,
        os: &image.resolved.os,
        variant: image.resolved.variant.as_deref(),
        store_dir: image.store.dir(),
        from_image: spec.from_image.as_deref(),
        store_layers: image
            .layers
            .iter()
            .map(|layer| layer.paths.iter().map(StorePath::as_str).collect())
            .collect(),
        customisation_layer: layer,
        repo_tag: image.reference(),
        created: time(spec.created),
        mtime: time(spec.mtime),
        uid: ownership.uid.to_string(),
        gid: ownership.gid.to_string(),
        uname: &ownership.uname,
        gname: &ownership.gname,
        permissions: &spec.permissions,
        annotations: &spec.annotations,
    };
    serde_json::to_string(&fields)
}

/// The configuration as it was given, or, where it holds what `conf.json` has no field for, as it is
/// in the image.
fn config(image: &NewImage<'_>, spec: &ImageSpec) -> Result<Box<RawValue>, serde_json::Error> {
    let is_plain = spec.labels.is_empty() && spec.base_config == BaseConfig::Environment;
    let text = if is_plain {
        Json::Object(spec.config_json.clone().unwrap_or_default()).to_string()
    } else {
        image.resolved.config.clone()
    };
    RawValue::from_string(text)
}
