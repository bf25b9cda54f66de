//! What every crate of the host may need: files that are read whole, up to a limit, folders that are the user's
//! own, and errors that know a remedy.

pub mod file;
pub mod folder;
pub mod hint;
