//! The components that decide: the layers may be another component's business than the image.

use super::Planner;

/// The components that decide about an image.
#[derive(Debug, Clone, Copy)]
pub struct Planners<'p> {
    /// Decides on name, platform and configuration.
    pub image: &'p Planner<'p>,
    /// Decides which store path goes into which layer. Trusted by nobody.
    pub layering: &'p Planner<'p>,
}

impl<'p> Planners<'p> {
    /// One component for everything.
    pub fn one(planner: &'p Planner<'p>) -> Self {
        Self {
            image: planner,
            layering: planner,
        }
    }

    /// The same with another component for the layers, where there is one.
    #[must_use]
    pub fn with_layering(self, layering: Option<&'p Planner<'p>>) -> Self {
        Self {
            layering: layering.unwrap_or(self.layering),
            ..self
        }
    }
}
