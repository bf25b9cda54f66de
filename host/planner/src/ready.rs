//! The code of the built-in planner, compiled when this crate was built.

use wasmtime::Engine;
use wasmtime::component::Component;

#[cfg(all(test, feature = "precompiled"))]
#[path = "../build/precompile.rs"]
mod precompile;

/// The code, compressed. There is none if this crate was built without the feature `precompiled`, or for a target that
/// the compiler does not support.
const CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/planner.cwasm.zst"));

/// The size of the code in bytes.
const SIZE: &str = env!("PLANNER_CODE_SIZE");

/// Loads the built-in planner. Returns `None` if the code is not for this engine: for another machine, or other
/// settings.
pub(super) fn component(engine: &Engine) -> Option<Component> {
    let code = code()?;
    // Safety: the build script made these bytes with the engine's own compiler, and they are a part of this program.
    // So they deserve the trust that the program itself has. The engine refuses code of another version, for another
    // machine, or with settings that differ.
    #[allow(unsafe_code)]
    let loaded = unsafe { Component::deserialize(engine, &code) };
    loaded.ok()
}

/// Unpacks the code, which the engine then copies.
fn code() -> Option<Vec<u8>> {
    let size = SIZE.parse().ok()?;
    zstd::bulk::decompress(CODE, size).ok()
}

#[cfg(test)]
#[cfg(feature = "precompiled")]
mod tests {
    use wasmtime::Engine;

    use super::*;
    use crate::EMBEDDED;
    use crate::engine::{Space, settings};

    fn engine(space: Space) -> Engine {
        Engine::new(&settings(space)).unwrap()
    }

    #[test]
    fn the_code_is_taken_on_this_machine() {
        assert!(component(&engine(Space::Ample)).is_some());
    }

    #[test]
    fn other_settings_do_not_take_it() {
        assert!(component(&engine(Space::Scarce)).is_none());
        let mut watched = settings(Space::Ample);
        let watched = Engine::new(watched.epoch_interruption(true)).unwrap();
        assert!(component(&watched).is_none());
        let mut costs = settings(Space::Ample);
        let costs = Engine::new(costs.operator_cost(wasmtime::OperatorCost::new())).unwrap();
        assert!(component(&costs).is_none());
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_processor_without_its_features_does_not_take_it() {
        let mut settings = settings(Space::Ample);
        // Safety: code is refused if a feature is missing, so a missing one is not dangerous.
        #[allow(unsafe_code)]
        unsafe {
            settings.detect_host_feature(|feature| Some(feature != "popcnt"));
        }
        assert!(component(&Engine::new(&settings).unwrap()).is_none());
    }

    #[test]
    fn the_code_is_the_component_s_and_depends_on_nothing_else() {
        let again = precompile::precompile(EMBEDDED, env!("PLANNER_TARGET")).unwrap();
        let code = code().unwrap();
        assert!(again == code, "{} and {} bytes", again.len(), code.len());
    }
}
