//! Checks for the targets of `tests/fuzz`, which no other crate needs: those that come before a component is
//! compiled, and those of what it says. They are here without a feature, which would compile this crate and all that
//! use it twice.

use super::layering::{Info, PolicyInfo};
use super::{Error, contract, describe, extent, options, sanitize};

/// Checks a component's bytes before anything compiles them.
///
/// # Errors
///
/// What is not a component, or more than can be compiled.
pub fn check(bytes: &[u8]) -> Result<(), Box<Error>> {
    contract::check_kind("component", bytes)?;
    Ok(extent::check("component", bytes)?)
}

/// Tells whether a component's description keeps the rules.
pub fn is_description(info: &Info) -> bool {
    describe::check(info).is_ok()
}

/// Tells whether a policy has the options that a user gives.
pub fn has_options(policy: &PolicyInfo, given: &str) -> bool {
    options::check_options(policy, given).is_ok()
}

/// Makes what a component says fit to be shown.
pub fn shown(text: &str) -> String {
    sanitize::plain(text)
}
