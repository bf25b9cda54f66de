//! The settings of the engine that decide about compiled code.
//!
//! The build script has this file as a module of its own, so that the built-in planner is compiled with the settings
//! that it runs with.

use wasmtime::Config;

use super::fuel;

/// The bytes that a memory gets at once where address space is scarce, beside what it asks for.
const GROWTH: u64 = 16 << 20;
/// The bytes that stay free behind such a memory.
const GUARD: u64 = 64 << 10;

/// The address space of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// Enough to give each memory 4 GiB, of which it uses little. Checks of bounds cost nothing then.
    Ample,
    /// Less. Code checks bounds itself, and a memory moves when it grows.
    Scarce,
}

/// Returns the settings for components whose code is known. Nothing of the machine has a part in them.
pub(super) fn settings(space: Space) -> Config {
    let mut config = Config::new();
    // Same component, same request, same plan, on every machine: one spelling
    // of NaN, and nothing whose results the hardware may choose.
    config.cranelift_nan_canonicalization(true);
    config.wasm_relaxed_simd(false);
    // Bounds a call's run time; costs about a tenth of it.
    config.consume_fuel(true);
    config.operator_cost(fuel::costs());
    if space == Space::Scarce {
        config.memory_reservation(0);
        config.memory_reservation_for_growth(GROWTH);
        config.memory_guard_size(GUARD);
    }
    config
}
