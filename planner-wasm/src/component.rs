//! The component's exports: a thin shell around the pure functions.

use crate::bindings::{image, layering};

/// The built-in planner.
#[derive(Debug)]
pub struct Planner;

impl layering::Guest for Planner {
    fn describe() -> layering::Info {
        crate::layering::describe()
    }

    fn plan(request: layering::Request) -> Result<layering::Planned, layering::Error> {
        crate::layering::plan(&request)
    }
}

impl image::Guest for Planner {
    fn resolve(request: image::ResolveRequest) -> Result<image::Resolved, image::Error> {
        crate::image::resolve(&request)
    }

    fn render(request: image::RenderRequest) -> Result<String, image::Error> {
        crate::image::render(&request)
    }
}
