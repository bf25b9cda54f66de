//! The interface `image`: what an image is called, what platform it is for, and
//! what its configuration says.

mod budget;
mod config;
mod environment;
mod platform;
mod python;
mod reference;
mod render;
mod resolve;
mod tag;

pub use render::render;
pub use resolve::resolve;

use crate::bindings::image::{Error, ErrorKind};

/// An error about one field, without a hint.
fn error(kind: ErrorKind, field: impl Into<String>, message: impl Into<String>) -> Error {
    Error {
        kind,
        message: message.into(),
        field: Some(field.into()),
        hint: None,
    }
}

impl Error {
    /// The same error with a remedy.
    fn with_hint(self, hint: impl Into<String>) -> Self {
        Error {
            hint: Some(hint.into()),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::bindings::image::{Inheritance, ResolveRequest};

    /// A request that can be met, for tests to change.
    pub(super) fn request() -> ResolveRequest {
        ResolveRequest {
            reference: "hello".to_owned(),
            tag: None,
            platform: "amd64".to_owned(),
            variant: None,
            config: "{}".to_owned(),
            base: None,
            inherit: Inheritance::Environment,
            labels: vec![],
            max_layers: None,
            other_layers: 1,
            has_store_paths: true,
            identity: vec!["/nix/store/a".to_owned()],
        }
    }
}
