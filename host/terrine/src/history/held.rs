//! The layers that clients hold: those of an image that exists, or of a plan.

use serde::Deserialize;
use terrine_planner_host::layering::{HeldImage, HeldLayer, HeldPath};
use terrine_planner_host::store_path;
use terrine_support::json;

use crate::inspect::Inspection;

/// The version of plans and summaries that is read: the one that `build` writes.
const PLAN_VERSION: u32 = 1;

/// The layers of store paths of an image that exists, as its annotations or its history name
/// them; none where they name none. The sizes of the paths are not known, those of the layers
/// are as they are stored.
pub fn of_image(image: &Inspection) -> Option<HeldImage> {
    let layers: Vec<HeldLayer> = image
        .layers
        .iter()
        .filter_map(|layer| {
            let paths = layer
                .store_paths
                .as_ref()
                .filter(|paths| !paths.is_empty())?
                .iter()
                .map(|path| held(path, 0))
                .collect();
            Some(HeldLayer {
                paths,
                transfer_size: layer.size,
            })
        })
        .collect();
    (!layers.is_empty()).then_some(HeldImage { layers })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlanDocument {
    schema_version: u32,
    layers: Vec<PlanLayer>,
}

#[derive(Deserialize)]
struct PlanLayer {
    #[serde(default)]
    paths: Vec<PathSize>,
    #[serde(default)]
    blob: Option<Blob>,
}

#[derive(Deserialize)]
struct PathSize {
    path: String,
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize)]
struct Blob {
    size: u64,
}

/// The layers of store paths in what `terrine plan` prints as JSON and `terrine build` writes
/// as a summary. A layer's size is known where it was shipped.
///
/// # Errors
///
/// Text that is not of that form, or of a later version.
pub fn of_plan(text: &[u8]) -> Result<HeldImage, String> {
    let plan: PlanDocument = json::read(text).map_err(|fault| match &*fault.field {
        "" => fault.why,
        field => format!("`{field}`: {}", fault.why),
    })?;
    if plan.schema_version != PLAN_VERSION {
        return Err(format!("its `schemaVersion` is {}", plan.schema_version));
    }
    let layers = plan
        .layers
        .into_iter()
        .filter(|layer| !layer.paths.is_empty())
        .map(|layer| HeldLayer {
            paths: layer
                .paths
                .iter()
                .map(|path| held(&path.path, path.size))
                .collect(),
            transfer_size: layer.blob.map_or(0, |blob| blob.size),
        });
    Ok(HeldImage {
        layers: layers.collect(),
    })
}

/// A path that clients hold.
pub(crate) fn held(path: &str, size: u64) -> HeldPath {
    let terrine_planner_host::layering::StorePath {
        path,
        name,
        package,
        size,
        ..
    } = store_path(path, size, vec![]);
    HeldPath {
        path,
        name,
        package,
        size,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_written_is_what_is_read() {
        assert_eq!(super::PLAN_VERSION, crate::plan::SCHEMA_VERSION);
    }
}
