//! The component that a specification names for its layers.

use terrine_planner_host::{ComponentFile, Imports, Planner, Runtime};

use super::{Error, place};
use crate::spec::ImageSpec;

/// Loads the component that a specification names for its layers; none where it names none.
///
/// # Errors
///
/// A file that cannot be read, is not the one that is pinned, or is no planner.
pub fn component<'r>(spec: &ImageSpec, runtime: &'r Runtime) -> Result<Option<Planner<'r>>, Error> {
    let Some((planner, component)) = spec
        .planner
        .as_ref()
        .and_then(|p| Some((p, p.component.as_ref()?)))
    else {
        return Ok(None);
    };
    let file = ComponentFile {
        path: place::existing(spec, "planner.component", component)?,
        digest: planner.digest,
    };
    let imports = if planner.sealed_wasi {
        Imports::SealedWasi
    } else {
        Imports::Nothing
    };
    Ok(Some(runtime.load_file(&file, imports)?))
}
