//! Parts that every crate of the host may need: files that are read whole, up to a limit, folders that are the user's
//! own or that no link leads out of, errors that know a remedy, and remarks about what is made all the same.

pub mod beneath;
mod chain;
pub mod file;
pub mod folder;
pub mod hint;
pub mod json;
pub mod remark;

pub use chain::chain;
