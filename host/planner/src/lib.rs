//! Running planner components: the only module that knows wasmtime.
//!
//! A component gets no imports, or a [sealed WASI](Imports::SealedWasi) where the user says so:
//! either way there is nothing it can reach. What is left to
//! bound is what it uses up, and that is [`Limits`]. Every call runs in a store of
//! its own, so no call can see another, and a plan is checked before it is used
//! ([`validate`]). What it says is made fit to be shown.

mod author;
mod bindings;
pub mod check;
mod clock;
pub mod compile;
mod component;
mod contract;
mod describe;
mod engine;
mod error;
mod extent;
mod file;
mod fuel;
#[doc(hidden)]
pub mod fuzz;
mod limits;
mod options;
mod planners;
mod ready;
mod record;
mod runtime;
mod sanitize;
mod sealed;
mod state;
mod store_name;
mod validate;
mod watch;

pub use author::{ComponentizeError, WIT, componentize};
pub use bindings::{image, layering};
pub use component::Planner;
pub use contract::CONTRACT;
pub use describe::DescriptionFault;
pub use error::{Cause, Error};
pub use file::ComponentFile;
pub(crate) use file::MAX_SIZE;
pub use limits::{Limits, Usage};
pub use planners::Planners;
pub use record::request_digest;
pub use runtime::{Imports, Runtime};
pub use store_name::{is_hashed, name, store_path};
pub use validate::{EmptyLayers, Violation, validate};
pub use watch::{AtWork, Work};

/// The built-in planner, as embedded at build time.
pub const EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/planner.wasm"));
