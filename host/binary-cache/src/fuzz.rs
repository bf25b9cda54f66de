//! A decision for the targets of `tests/fuzz`, which no other crate needs. It is here without a feature, which would
//! compile this crate and all that use it twice.

pub use crate::client::NarTarget;
use crate::location::Location;

/// Returns the target of the URL of a NAR in a cache; none if it must not be followed.
pub fn nar_target(location: &Location, url: &str) -> Option<NarTarget> {
    crate::client::nar_target(location, url)
}
