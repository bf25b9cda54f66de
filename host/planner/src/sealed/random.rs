//! `wasi:random`: numbers that look random, and are the same in every call.

use wasmtime::component::LinkerInstance;
use wasmtime::{Result, StoreContextMut};

use super::super::state::State;
use super::charge;

/// The most bytes at once. The contract knows no fewer than were asked for.
const MAX_BYTES: u64 = 1 << 20;

/// Defines an interface of `wasi:random`.
pub(super) fn define(instance: &mut LinkerInstance<'_, State>, interface: &str) -> Result<()> {
    match interface {
        "wasi:random/random" => numbers(instance, "get-random-u64", "get-random-bytes"),
        "wasi:random/insecure" => numbers(
            instance,
            "get-insecure-random-u64",
            "get-insecure-random-bytes",
        ),
        _ => instance.func_wrap(
            "insecure-seed",
            |mut store: StoreContextMut<'_, State>, (): ()| {
                charge(&mut store, 0)?;
                let sealed = &mut store.data_mut().sealed;
                Ok(((sealed.number(), sealed.number()),))
            },
        ),
    }
}

fn numbers(instance: &mut LinkerInstance<'_, State>, one: &str, many: &str) -> Result<()> {
    instance.func_wrap(one, |mut store: StoreContextMut<'_, State>, (): ()| {
        charge(&mut store, 0)?;
        Ok((store.data_mut().sealed.number(),))
    })?;
    instance.func_wrap(
        many,
        |mut store: StoreContextMut<'_, State>, (count,): (u64,)| {
            charge(&mut store, count)?;
            if count > MAX_BYTES {
                let message =
                    format!("it asked for {count} random bytes at once, the limit is {MAX_BYTES}");
                return Err(wasmtime::Error::msg(message));
            }
            let sealed = &mut store.data_mut().sealed;
            let bytes = (0..count.div_ceil(8)).flat_map(|_| sealed.number().to_le_bytes());
            Ok((bytes.take(count as usize).collect::<Vec<u8>>(),))
        },
    )
}
