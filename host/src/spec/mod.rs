//! What the user asks for.

mod conf;
mod time;

pub use conf::{Conf, ConfError};
pub use time::{ParseTimeError, Time};
