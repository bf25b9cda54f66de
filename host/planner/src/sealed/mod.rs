//! A WASI for those who cannot do without one: the runtimes of some languages import files,
//! clocks and randomness whether or not the program uses them.
//!
//! It is WASI 0.2 with nothing behind it: no files, no arguments, no environment, an empty
//! standard input, clocks that stand still, random numbers that are the same in every call, and
//! waiting that ends at once. What is written goes nowhere, but for the end of standard error,
//! which is said where the component fails. So a plan is a function of the request, as it is
//! without.
//!
//! By hand and not by the crate `wasmtime-wasi`: that one is made for hosts that give something,
//! and brings some fifty crates along, tokio among them. Here a function that would have to reach something
//! is one that fails when it is called.

mod cli;
mod clocks;
mod files;
mod io;
mod random;
mod state;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};
use wasmtime::{Engine, Result, StoreContextMut, Trap};

use super::state::State;
pub(super) use state::Sealed;

/// The version of WASI, without its last number: those of one minor version go together.
const VERSION: &str = "0.2.";

/// The interfaces that there are. Sockets, HTTP and the rest are not, and are refused by name.
const INTERFACES: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// The cost of a call of a function in fuel, beside the instructions of the caller: the host
/// works as well, and fuel is all that ends a call.
const CALL: u64 = 100;

/// Returns true if the sealed WASI has an interface.
pub(super) fn has(import: &str) -> bool {
    interface(import).is_some()
}

/// An interface without its version, if it is one of [`INTERFACES`].
fn interface(import: &str) -> Option<&'static str> {
    let (name, version) = import.split_once('@')?;
    if !version.starts_with(VERSION) {
        return None;
    }
    INTERFACES
        .iter()
        .copied()
        .find(|&interface| interface == name)
}

/// Defines what a component imports of it, under the very versions that it names.
pub(super) fn define(
    linker: &mut Linker<State>,
    engine: &Engine,
    component: &Component,
) -> Result<()> {
    // What is known is put over the stubs.
    linker.allow_shadowing(true);
    for (import, item) in component.component_type().imports(engine) {
        let (Some(interface), ComponentItem::ComponentInstance(ty)) = (interface(import), item.ty)
        else {
            continue;
        };
        let mut instance = linker.instance(import)?;
        for (name, item) in ty.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => stub(&mut instance, interface, name)?,
                ComponentItem::Resource(_) => resource(&mut instance, name)?,
                _ => {}
            }
        }
        match interface.split('/').next() {
            Some("wasi:cli") => cli::define(&mut instance, interface)?,
            Some("wasi:clocks") => clocks::define(&mut instance, interface)?,
            Some("wasi:filesystem") => files::define(&mut instance, interface)?,
            Some("wasi:io") => io::define(&mut instance, interface)?,
            _ => random::define(&mut instance, interface)?,
        }
    }
    Ok(())
}

/// A function that fails when it is called: there is nothing that it could work on.
fn stub(
    instance: &mut LinkerInstance<'_, State>,
    interface: &'static str,
    name: &str,
) -> Result<()> {
    let message = format!("the sealed WASI does not support `{interface}` `{name}`");
    instance.func_new(name, move |_, _, _, _| {
        Err(wasmtime::Error::msg(message.clone()))
    })
}

/// A kind of thing that there is a handle to. All of them are without content: which stream it
/// is stands in the handle itself.
fn resource(instance: &mut LinkerInstance<'_, State>, name: &str) -> Result<()> {
    let ty = match name {
        "pollable" => ResourceType::host::<io::Pollable>(),
        "error" => ResourceType::host::<io::IoError>(),
        "input-stream" => ResourceType::host::<io::InputStream>(),
        "output-stream" => ResourceType::host::<io::OutputStream>(),
        "descriptor" => ResourceType::host::<files::Descriptor>(),
        "directory-entry-stream" => ResourceType::host::<files::DirectoryEntryStream>(),
        "terminal-input" => ResourceType::host::<cli::TerminalInput>(),
        "terminal-output" => ResourceType::host::<cli::TerminalOutput>(),
        // Left undefined, it is reported as a component that does not fit.
        _ => return Ok(()),
    };
    instance.resource(name, ty, |_, _| Ok(()))
}

/// Takes fuel for what the host does: for a call, and for each byte or item that it handles.
fn charge(store: &mut StoreContextMut<'_, State>, items: u64) -> Result<()> {
    let left = store.get_fuel()?.checked_sub(CALL.saturating_add(items));
    store.set_fuel(left.unwrap_or(0))?;
    left.map(|_| ()).ok_or_else(|| Trap::OutOfFuel.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_these_interfaces_of_this_version_are_there() {
        for import in [
            "wasi:io/streams@0.2.0",
            "wasi:cli/stderr@0.2.12",
            "wasi:random/random@0.2.3",
        ] {
            assert!(has(import), "{import}");
        }
        for import in [
            "wasi:sockets/tcp@0.2.0",
            "wasi:http/types@0.2.0",
            "wasi:io/streams@0.3.0",
            "wasi:io/streams@0.1.0",
            "wasi:io/streams",
            "wasi:clocks/timezone@0.2.0",
            "mine:io/streams@0.2.0",
            "run",
        ] {
            assert!(!has(import), "{import}");
        }
        assert!(INTERFACES.is_sorted());
    }
}
