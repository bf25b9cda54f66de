//! The side of terrine that Nix sees: a builder of derivations, and an interpreter of the programs that
//! they hold.
//!
//! | what | where |
//! |---|---|
//! | programs that are arguments of terrine | `program` |
//! | the attributes of a derivation | `attributes` |
//! | what is built of them | `builder` |
//!
//! Both are for the Nix library in `nix/`, and no command for people.

mod attributes;
mod builder;
mod program;

use std::ffi::OsString;

pub(super) use builder::run;
pub(super) use program::arguments;

/// The argument that makes this process build a derivation.
const BUILD: &str = "__nix-build";

/// Returns whether this process was started to build a derivation.
pub(super) fn is_wanted(arguments: &[OsString]) -> bool {
    matches!(arguments, [_, only] if only == BUILD)
}
