//! What every crate of the host may need: files that are read whole, up to a limit.

pub mod file;
