//! Help for authors of policies, besides a compiler: the text of the contract, and a component
//! out of the module that a compiler writes.

use std::borrow::Cow;

use terrine_support::hint::Hint;
use wit_component::{ComponentEncoder, metadata};

use super::Cause;

/// The files of the contract [`super::CONTRACT`]: name and text of each, sorted by name.
pub const WIT: [(&str, &str); 3] = [
    ("image.wit", include_str!("../../../wit/0.1.0/image.wit")),
    (
        "layering.wit",
        include_str!("../../../wit/0.1.0/layering.wit"),
    ),
    ("worlds.wit", include_str!("../../../wit/0.1.0/worlds.wit")),
];

/// A module that is no component yet, and cannot be made one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentizeError {
    /// It is something else.
    #[error("`{module}` is not a WebAssembly module")]
    NotAModule {
        /// The file's name, as the user knows it.
        module: String,
    },
    /// It is already a component.
    #[error("`{module}` is already a component")]
    Component {
        /// The module's name, as the user knows it.
        module: String,
    },
    /// It does not say which world it is of, as bindings generated from WIT do.
    #[error("`{module}` does not declare which contract it implements")]
    NoContract {
        /// The module's name, as the user knows it.
        module: String,
    },
    /// It is broken, or does not fit the world that it says it is of.
    #[error("`{module}` cannot be converted to a component")]
    Unfit {
        /// The module's name, as the user knows it.
        module: String,
        /// The error of the encoder.
        #[source]
        source: Cause,
    },
}

impl Hint for ComponentizeError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Component { .. } => Some("use it as it is".into()),
            Self::NoContract { .. } => Some(
                "generate its bindings with wit-bindgen, as a library of the crate type `cdylib`, and do not strip its custom sections".into(),
            ),
            Self::Unfit { source, .. } if source.to_string().contains("import") => Some(
                "build it for `wasm32-unknown-unknown`, which imports nothing outside the contract".into(),
            ),
            Self::NotAModule { .. } | Self::Unfit { .. } => None,
        }
    }
}

/// The first bytes of everything that is WebAssembly.
const MAGIC: [u8; 4] = *b"\0asm";

/// The first bytes of a component: the magic number, then version and layer of the
/// component model's binary format.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// Makes a component of a WebAssembly module, such as compilers write for
/// `wasm32-unknown-unknown`. `name` is what errors call the module. The same module always
/// makes the same component.
///
/// # Errors
///
/// Bytes that are no module, a module without the custom section in which bindings name their
/// world, and one that does not fit that world, because it imports something else, for instance.
pub fn componentize(name: &str, module: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    let module_name = || name.to_owned();
    if !module.starts_with(&MAGIC) {
        return Err(ComponentizeError::NotAModule {
            module: module_name(),
        });
    }
    if module.starts_with(&COMPONENT) {
        return Err(ComponentizeError::Component {
            module: module_name(),
        });
    }
    let unfit = |error: anyhow::Error| {
        let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
        let source = wasmtime::Error::msg(chain.join(": ")).into();
        ComponentizeError::Unfit {
            module: module_name(),
            source,
        }
    };
    if metadata::decode(module).map_err(unfit)?.0.is_none() {
        return Err(ComponentizeError::NoContract {
            module: module_name(),
        });
    }
    let encoder = ComponentEncoder::default().validate(true).module(module);
    encoder
        .and_then(|mut encoder| encoder.encode())
        .map_err(unfit)
}
