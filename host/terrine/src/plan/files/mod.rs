//! The files of an image that is planned, as far as they are known, for the check of what keeps it from starting.

mod archived;
mod below;
mod planned;

pub(super) use archived::ArchivedFiles;
pub(super) use below::{BaseFiles, Held, StoreFiles};
pub(super) use planned::PlannedFiles;
