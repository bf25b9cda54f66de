//! Compiles the built-in planner for the machines that the program is built for.

use wasmtime::Engine;

use engine::Space;

#[path = "../src/engine.rs"]
mod engine;
#[path = "../src/fuel.rs"]
mod fuel;

/// Returns the code of a component for every processor of `target`, a triple of Rust. Nothing of the machine that
/// compiles has a part in it.
///
/// # Errors
///
/// A target that the compiler does not support, and bytes that are not a component.
pub(super) fn precompile(component: &[u8], target: &str) -> wasmtime::Result<Vec<u8>> {
    let mut settings = engine::settings(Space::Ample);
    // A target that is named has the features that all of its processors have.
    let engine = Engine::new(settings.target(target)?)?;
    engine.precompile_component(component)
}
