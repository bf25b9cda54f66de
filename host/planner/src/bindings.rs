//! The contract's records and the calls into a component, generated from `wit/`.

#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::semicolon_if_nothing_returned,
    reason = "generated: the documentation is in wit/, the unsafe code is the canonical ABI's"
)]

wasmtime::component::bindgen!({
    path: "../../wit/0.1.0",
    world: "planner",
    additional_derives: [PartialEq],
});

pub use exports::terrine::planner::{image, layering};
