//! What every crate of the host may need: files that are read whole, up to a limit, and errors
//! that know a remedy.

pub mod file;
pub mod hint;
