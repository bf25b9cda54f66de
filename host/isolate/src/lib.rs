//! Commands on a tree of files.
//!
//! Commands run in name spaces of their own, see of the machine only what they are given, and
//! leave a tree whose owners, permissions and devices are what they asked for, also where the
//! kernel grants none of that. Neither root is needed, nor a virtual machine, nor a library that
//! programs would have to load.
//!
//! | what | module |
//! |---|---|
//! | what is asked and answered | [`Job`], [`Changes`] |
//! | how much the kernel grants | [`Level`] |
//! | running a job in another process, from the program's side | [`run`] |
//! | the other process | [`helper`] |
//! | the calls that it is asked about | `seccomp` |
//! | what it answers | `emulate` |
//!
//! The other process is the same program, started again: it has to call [`helper::main`] where
//! its only argument is [`helper::ARGUMENT`].
//!
//! All of this is Linux's. On other systems the crate has the same interface, and refuses each
//! job ([`Error::NoLinux`]), so that programs need no code of their own for them.
#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
mod emulate;
mod error;
#[cfg(target_os = "linux")]
pub mod helper;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
pub mod helper;
mod kept;
mod level;
mod output;
mod request;
mod run;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod sys;
mod wire;

pub use error::Error;
pub use level::{Level, UnknownLevel};
pub use output::Tail;
pub use request::{
    Changes, Directory, Ending, Entry, Failure, Identity, Job, Kind, Place, Step, Xattrs,
};
pub use run::{OpenBase, Outcome, Print, Runner};

/// Leaves this process what it needs to compute, to read and write what is open, and to end: any other
/// system call ends it. For processes that handle what nobody vouches for. On systems other than Linux
/// nothing is done.
///
/// # Errors
///
/// A kernel without filters of system calls.
pub fn confine() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    seccomp::confine()?;
    Ok(())
}
