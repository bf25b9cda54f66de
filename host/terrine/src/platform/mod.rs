//! The machines that the programs of an image are made for.
//!
//! A kernel tells what a file is by its first bytes ([`inspect`]); [`scan`] does so for
//! every executable of some store paths, and [`Findings`] says what that makes of the
//! image.

mod bytes;
mod findings;
mod loader;
mod machine;
mod passing;
mod program;
mod scan;
mod shared;
mod whole;

pub use bytes::Bytes;
pub use findings::{Example, Findings, Foreign};
pub use loader::{Interpreter, Unusable, loader, unusable};
pub use machine::{Machine, this_machine};
pub use passing::Passing;
pub use program::{HEAD, Program, inspect, interpreter};
pub use scan::scan;
pub use shared::{Shared, shared};
pub use whole::{ElfDefect, elf_defect};
