//! Terrine's decisions about a container image: the layer of each store path, the
//! name of the image, the platform that it is for and the content of its
//! configuration.
//!
//! The crate is pure logic. It reads no file, no clock and no environment, and it
//! is built twice: natively, where its unit tests run, and for
//! `wasm32-unknown-unknown`, where [`mod@component`] exports it as a component of the
//! world `terrine:planner/planner` that imports nothing at all.
//!
//! [`image`] and [`layering`] are the two interfaces of that world; the records in
//! [`bindings`] are generated from their definitions in `wit/`.

pub mod bindings;
#[cfg(target_arch = "wasm32")]
mod component;
pub mod image;
pub mod layering;
