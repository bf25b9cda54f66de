//! The records of the contract, generated from `wit/`.

#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::semicolon_if_nothing_returned,
    reason = "generated: the documentation is in wit/, the unsafe code is the canonical ABI's"
)]

wit_bindgen::generate!({
    path: "../wit/0.1.0",
    world: "planner",
    additional_derives: [PartialEq],
    pub_export_macro: false,
});

pub use exports::terrine::planner::{image, layering};

#[cfg(target_arch = "wasm32")]
export!(Planner);

#[cfg(target_arch = "wasm32")]
pub use crate::component::Planner;
