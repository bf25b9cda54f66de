//! The process in which commands run.
//!
//! The program starts itself again, so that a process with one thread can move to name spaces. That
//! process makes another one in them, which is the first there: it puts the tree in place,
//! supervises the commands, and reads back what they leave. When it ends, all that it started ends.
//!
//! The program holds the other end of standard input for as long as it lives. Where that is
//! closed, the program is gone, and the helper ends with all that it started and made.

mod archive;
mod child;
mod foreign;
mod ids;
mod listing;
mod outer;
mod processes;
mod room;
mod supervisor;
mod tree;
mod world;

use rustix::io::Errno;

use crate::request::Refusal;

/// The argument by which a program is asked to be the helper.
pub const ARGUMENT: &str = "__root";

/// Runs the helper: reads a request from standard input, and writes the answer to standard output.
/// Returns whether that could be done.
pub fn main() -> bool {
    outer::main().is_ok()
}

/// Names what was tried when the system refused it.
trait Trying<T> {
    fn trying(self, action: impl Into<String>) -> Result<T, Refusal>;
}

impl<T> Trying<T> for Result<T, Errno> {
    fn trying(self, action: impl Into<String>) -> Result<T, Refusal> {
        self.map_err(|errno| Refusal {
            action: action.into(),
            errno: errno.raw_os_error(),
        })
    }
}

impl<T> Trying<T> for std::io::Result<T> {
    fn trying(self, action: impl Into<String>) -> Result<T, Refusal> {
        self.map_err(|error| Refusal {
            action: action.into(),
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        })
    }
}
