//! `wasi:clocks`: clocks that stand still. A component that waits until they show something else
//! waits for the end of the fuel; one that asks to be woken is woken at once.

#![allow(
    unsafe_code,
    reason = "derived: what a record of the contract is in memory"
)]

use wasmtime::component::{ComponentType, LinkerInstance, Lower};
use wasmtime::{Result, StoreContextMut};

use super::super::state::State;
use super::{charge, io};

/// The time of the clock on the wall, in seconds since 1970: 1980-01-01T00:00:00Z, the time of
/// files that have none in the images of this program.
const NOW: u64 = 315_532_800;
/// The time of the clock that only goes forward, in nanoseconds: a second, because some
/// runtimes take 0 for a clock that is broken.
const INSTANT: u64 = 1_000_000_000;

/// A time (`datetime` of `wasi:clocks/wall-clock`).
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    #[component(name = "seconds")]
    seconds: u64,
    #[component(name = "nanoseconds")]
    nanoseconds: u32,
}

/// Defines an interface of `wasi:clocks`.
pub(super) fn define(instance: &mut LinkerInstance<'_, State>, interface: &str) -> Result<()> {
    if interface == "wasi:clocks/wall-clock" {
        for (name, seconds, nanoseconds) in [("now", NOW, 0), ("resolution", 0, 1)] {
            instance.func_wrap(
                name,
                move |mut store: StoreContextMut<'_, State>, (): ()| {
                    charge(&mut store, 0)?;
                    Ok((Datetime {
                        seconds,
                        nanoseconds,
                    },))
                },
            )?;
        }
        return Ok(());
    }
    for (name, value) in [("now", INSTANT), ("resolution", 1)] {
        instance.func_wrap(
            name,
            move |mut store: StoreContextMut<'_, State>, (): ()| {
                charge(&mut store, 0)?;
                Ok((value,))
            },
        )?;
    }
    for name in ["subscribe-instant", "subscribe-duration"] {
        instance.func_wrap(
            name,
            |mut store: StoreContextMut<'_, State>, (_,): (u64,)| {
                charge(&mut store, 0)?;
                Ok((io::pollable(),))
            },
        )?;
    }
    Ok(())
}
