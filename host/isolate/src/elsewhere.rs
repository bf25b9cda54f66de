//! The helper on systems other than Linux: it runs nothing.
//!
//! Its interface is that of the module for Linux, so that a program is the same on each system.

/// The argument by which a program is asked to be the helper. No program is asked on this system.
pub const ARGUMENT: &str = "__root";

/// Returns that nothing could be run.
pub fn main() -> bool {
    false
}
