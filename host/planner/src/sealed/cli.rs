//! `wasi:cli`: a program without arguments, environment and terminal.

use wasmtime::component::{LinkerInstance, Resource};
use wasmtime::{Result, StoreContextMut};

use super::super::state::State;
use super::{charge, io};

/// A terminal to read from. There is none.
pub(super) enum TerminalInput {}
/// A terminal to write to. There is none.
pub(super) enum TerminalOutput {}

type Store<'a> = StoreContextMut<'a, State>;

/// Defines an interface of `wasi:cli`.
pub(super) fn define(instance: &mut LinkerInstance<'_, State>, interface: &str) -> Result<()> {
    match interface {
        "wasi:cli/environment" => {
            instance.func_wrap("get-environment", |mut store: Store<'_>, (): ()| {
                charge(&mut store, 0)?;
                Ok((Vec::<(String, String)>::new(),))
            })?;
            instance.func_wrap("get-arguments", |mut store: Store<'_>, (): ()| {
                charge(&mut store, 0)?;
                Ok((Vec::<String>::new(),))
            })?;
            instance.func_wrap("initial-cwd", |mut store: Store<'_>, (): ()| {
                charge(&mut store, 0)?;
                Ok((None::<String>,))
            })
        }
        "wasi:cli/exit" => {
            instance.func_wrap(
                "exit",
                |_: Store<'_>, (status,): (std::result::Result<(), ()>,)| {
                    gone(u8::from(status.is_err()))
                },
            )?;
            instance.func_wrap("exit-with-code", |_: Store<'_>, (code,): (u8,)| gone(code))
        }
        "wasi:cli/stdin" => instance.func_wrap("get-stdin", |mut store: Store<'_>, (): ()| {
            charge(&mut store, 0)?;
            Ok((Resource::<io::InputStream>::new_own(0),))
        }),
        "wasi:cli/stdout" => stream(instance, "get-stdout", io::STDOUT),
        "wasi:cli/stderr" => stream(instance, "get-stderr", io::STDERR),
        "wasi:cli/terminal-stdin" => {
            instance.func_wrap("get-terminal-stdin", |mut store: Store<'_>, (): ()| {
                charge(&mut store, 0)?;
                Ok((None::<Resource<TerminalInput>>,))
            })
        }
        "wasi:cli/terminal-stdout" => no_terminal(instance, "get-terminal-stdout"),
        "wasi:cli/terminal-stderr" => no_terminal(instance, "get-terminal-stderr"),
        _ => Ok(()),
    }
}

fn stream(instance: &mut LinkerInstance<'_, State>, name: &str, handle: u32) -> Result<()> {
    instance.func_wrap(name, move |mut store: Store<'_>, (): ()| {
        charge(&mut store, 0)?;
        Ok((Resource::<io::OutputStream>::new_own(handle),))
    })
}

fn no_terminal(instance: &mut LinkerInstance<'_, State>, name: &str) -> Result<()> {
    instance.func_wrap(name, |mut store: Store<'_>, (): ()| {
        charge(&mut store, 0)?;
        Ok((None::<Resource<TerminalOutput>>,))
    })
}

/// Returns an error: a component that ends itself has not answered.
fn gone(code: u8) -> Result<()> {
    Err(wasmtime::Error::msg(format!("it exited with code {code}")))
}
