//! `wasi:io`: streams that are at their end or go nowhere, and waiting that ends at once.

#![allow(
    unsafe_code,
    reason = "derived: what a variant of the contract is in memory"
)]

use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource};
use wasmtime::{Result, StoreContextMut};

use super::super::state::State;
use super::charge;

/// Something that can be waited for. Nothing takes time here.
pub(super) enum Pollable {}
/// The reason why a stream failed. None does.
pub(super) enum IoError {}
/// Standard input.
pub(super) enum InputStream {}
/// Standard output and standard error.
pub(super) enum OutputStream {}

/// The handle of standard output.
pub(super) const STDOUT: u32 = 1;
/// The handle of standard error.
pub(super) const STDERR: u32 = 2;

/// The bytes that may be written at once.
const ROOM: u64 = 1 << 16;

/// The reason why a stream does not go on (`stream-error` of `wasi:io/streams`).
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "a case of the contract, and nothing fails")]
    Failed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = std::result::Result<T, StreamError>;
type Store<'a> = StoreContextMut<'a, State>;

/// Defines an interface of `wasi:io`.
pub(super) fn define(instance: &mut LinkerInstance<'_, State>, interface: &str) -> Result<()> {
    match interface {
        "wasi:io/poll" => poll(instance),
        "wasi:io/streams" => {
            input(instance)?;
            output(instance)
        }
        _ => Ok(()),
    }
}

/// Something to wait for, which has happened.
pub(super) fn pollable() -> Resource<Pollable> {
    Resource::new_own(0)
}

fn poll(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    instance.func_wrap(
        "[method]pollable.ready",
        |mut store: Store<'_>, (_,): (Resource<Pollable>,)| {
            charge(&mut store, 0)?;
            Ok((true,))
        },
    )?;
    instance.func_wrap(
        "[method]pollable.block",
        |mut store: Store<'_>, (_,): (Resource<Pollable>,)| charge(&mut store, 0),
    )?;
    instance.func_wrap(
        "poll",
        |mut store: Store<'_>, (list,): (Vec<Resource<Pollable>>,)| {
            charge(&mut store, list.len() as u64)?;
            // Waiting for nothing would have no end; the contract has it fail.
            if list.is_empty() {
                return Err(wasmtime::Error::msg("it waits for an empty list"));
            }
            Ok(((0..)
                .zip(&list)
                .map(|(index, _)| index)
                .collect::<Vec<u32>>(),))
        },
    )
}

fn input(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    for name in [
        "[method]input-stream.read",
        "[method]input-stream.blocking-read",
    ] {
        instance.func_wrap(
            name,
            |mut store: Store<'_>, _: (Resource<InputStream>, u64)| -> Result<_> {
                charge(&mut store, 0)?;
                Ok((Streamed::<Vec<u8>>::Err(StreamError::Closed),))
            },
        )?;
    }
    for name in [
        "[method]input-stream.skip",
        "[method]input-stream.blocking-skip",
    ] {
        instance.func_wrap(
            name,
            |mut store: Store<'_>, _: (Resource<InputStream>, u64)| -> Result<_> {
                charge(&mut store, 0)?;
                Ok((Streamed::<u64>::Err(StreamError::Closed),))
            },
        )?;
    }
    instance.func_wrap(
        "[method]input-stream.subscribe",
        |mut store: Store<'_>, _: (Resource<InputStream>,)| -> Result<_> {
            charge(&mut store, 0)?;
            Ok((pollable(),))
        },
    )
}

fn output(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    instance.func_wrap(
        "[method]output-stream.check-write",
        |mut store: Store<'_>, _: (Resource<OutputStream>,)| -> Result<_> {
            charge(&mut store, 0)?;
            Ok((Streamed::Ok(ROOM),))
        },
    )?;
    for name in [
        "[method]output-stream.write",
        "[method]output-stream.blocking-write-and-flush",
    ] {
        instance.func_wrap(
            name,
            |mut store: Store<'_>, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
                charge(&mut store, bytes.len() as u64)?;
                if stream.rep() == STDERR {
                    store.data_mut().sealed.write(&bytes);
                }
                Ok((Streamed::Ok(()),))
            },
        )?;
    }
    for name in [
        "[method]output-stream.flush",
        "[method]output-stream.blocking-flush",
    ] {
        instance.func_wrap(
            name,
            |mut store: Store<'_>, _: (Resource<OutputStream>,)| -> Result<_> {
                charge(&mut store, 0)?;
                Ok((Streamed::Ok(()),))
            },
        )?;
    }
    for name in [
        "[method]output-stream.write-zeroes",
        "[method]output-stream.blocking-write-zeroes-and-flush",
    ] {
        instance.func_wrap(
            name,
            |mut store: Store<'_>, _: (Resource<OutputStream>, u64)| -> Result<_> {
                charge(&mut store, 0)?;
                Ok((Streamed::Ok(()),))
            },
        )?;
    }
    for name in [
        "[method]output-stream.splice",
        "[method]output-stream.blocking-splice",
    ] {
        type Spliced = (Resource<OutputStream>, Resource<InputStream>, u64);
        instance.func_wrap(name, |mut store: Store<'_>, _: Spliced| -> Result<_> {
            charge(&mut store, 0)?;
            Ok((Streamed::<u64>::Err(StreamError::Closed),))
        })?;
    }
    instance.func_wrap(
        "[method]output-stream.subscribe",
        |mut store: Store<'_>, _: (Resource<OutputStream>,)| -> Result<_> {
            charge(&mut store, 0)?;
            Ok((pollable(),))
        },
    )
}
