//! Bytes on their way out of this process, or into a hash.
//!
//! A [`Feeder`] takes bytes in buffers, and a way leads the buffers on. There are two:
//!
//! - [`run`]: bytes are read on one thread, hashed on another, and written on a third. The slowest of them sets
//!   the pace. This is for one stream at a time.
//! - [`here`]: all of it happens on one thread, with one buffer that stays in the processor's cache. This is for
//!   several streams at a time.
//!
//! In both, streams that are hashed at the same time are hashed two by two (`pairs`). Memory does not
//! depend on how much goes through.

mod buffer;
mod feeder;
mod here;
mod moved;
mod outlet;
mod pairs;
mod stamps;
mod threads;

use terrine_support::hint::Hint;

pub use feeder::Feeder;
pub(crate) use here::here;
pub(crate) use moved::{FileFailure, FileFault, MovedFile};
pub use outlet::Outlet;
pub(crate) use stamps::{Stamp, Stamps};
pub use threads::run;
pub(crate) use threads::run_to;

/// The output does not take any more: it failed, and [`run`] says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the output was closed")]
pub struct Closed;

impl Hint for Closed {}

/// An observer to which bytes are reported that have left.
pub trait Observer: Sync {
    /// So many more bytes have been written. Called from the writing thread.
    fn written(&self, bytes: u64);
}

/// An observer that ignores everything.
impl Observer for () {
    fn written(&self, _: u64) {}
}
