//! Compiles the built-in planner for the machines that the program is built for.

use wasmtime::{Config, Engine};

use engine::Space;

#[allow(
    clippy::duplicate_mod,
    reason = "the tests of the crate have this file as a module, too"
)]
#[path = "../src/engine.rs"]
mod engine;
#[allow(
    clippy::duplicate_mod,
    reason = "the tests of the crate have this file as a module, too"
)]
#[path = "../src/fuel.rs"]
mod fuel;

/// The features of x86-64 processors since 2009, from the list of x86-64-v2 in the System V ABI. Without `popcnt`, the
/// policy `least-pull` takes twice as long. Newer features gain nothing.
const X86_64_V2: [&str; 5] = [
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
];

/// Returns the code of a component for `target`, a triple of Rust. Nothing of the machine that compiles has a part in
/// it.
///
/// # Errors
///
/// A target that the compiler does not support, and bytes that are not a component.
pub(super) fn precompile(component: &[u8], target: &str) -> wasmtime::Result<Vec<u8>> {
    let mut settings = engine::settings(Space::Ample);
    // A target that is named has only the features that all of its processors have.
    settings.target(target)?;
    if target.starts_with("x86_64-") {
        enable(&mut settings, &X86_64_V2);
    }
    Engine::new(&settings)?.precompile_component(component)
}

fn enable(settings: &mut Config, features: &[&str]) {
    for feature in features {
        // Safety: nothing is run here. The engine that loads the code checks that the processor has its features.
        #[allow(unsafe_code)]
        unsafe {
            settings.cranelift_flag_enable(feature);
        }
    }
}
