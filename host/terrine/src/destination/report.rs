//! Reports on an image that is being written.

use super::Presence;
use crate::layer::LayerOrigin;
use crate::pipe::Observer;

/// A receiver of reports on an image that is being written.
pub trait Reporter: Observer {
    /// A layer begins: its number, counted from 1, and its size in bytes; 0 where that is not
    /// known yet.
    fn layer(&self, number: usize, origin: LayerOrigin<'_>, size: u64);
    /// Returns true if somebody looks at how many bytes there are to be, which may take a look at all files.
    fn wants_total(&self) -> bool {
        false
    }
    /// So many more bytes of layers will be written, about: of those that are there already as well, of which
    /// [`Reporter::skipped`] tells.
    fn expected(&self, _bytes: u64) {}
    /// So many of the bytes that were expected are not written, because they are where they should be.
    fn skipped(&self, _bytes: u64) {}
    /// So many more bytes will go to a registry.
    fn to_send(&self, _bytes: u64) {}
    /// So many more bytes of layers have been read, where they are all read before anything is
    /// written.
    fn read(&self, _bytes: u64) {}
    /// So many more bytes of layers have come from a registry.
    fn received(&self, _bytes: u64) {}
    /// So many more bytes have gone to a registry.
    fn sent(&self, _bytes: u64) {}
    /// A layer is done.
    fn finished(&self, _number: usize, _outcome: LayerOutcome) {}
    /// A claim about a layer is not used: its author, the reason, and a hint if there is one.
    fn disbelieved(&self, _what: &str, _hint: Option<&str>) {}
    /// A layer is waited for that another machine makes, for a repository of layers of this name.
    fn waits(&self, _repository: &str) {}
    /// Something stays behind: what it is, and why.
    fn left_out(&self, _what: &str) {}
}

/// The end that a layer has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerOutcome {
    /// It has come to where it should be, at one place at least.
    Brought,
    /// It was copied from an image that claims to have it, and not made.
    Fetched,
    /// Earlier runs knew it, and it was where it should be before.
    Cached,
    /// It was where it should be before.
    WasThere,
    /// The destination has taken it over from another repository of its registry.
    Mounted,
    /// It is left where it is: it is not distributed with its image.
    Left,
}

impl LayerOutcome {
    /// Returns the end of a layer that a destination was asked for: one that earlier runs knew if
    /// `is_known`.
    pub(super) fn of_presence(presence: Presence, is_known: bool) -> Self {
        match presence {
            Presence::Missing => Self::Brought,
            Presence::Mounted => Self::Mounted,
            Presence::Present if is_known => Self::Cached,
            Presence::Present => Self::WasThere,
        }
    }

    /// Returns true if the layer was neither made nor read.
    pub fn was_there(self) -> bool {
        matches!(self, Self::Cached | Self::WasThere | Self::Mounted)
    }

    /// Returns the end of a layer at several places, taken together.
    pub(super) fn of_all(outcomes: impl Iterator<Item = Self>) -> Self {
        let all: Vec<Self> = outcomes.collect();
        // What took more work says more.
        let order = [
            Self::Brought,
            Self::Fetched,
            Self::Mounted,
            Self::WasThere,
            Self::Cached,
        ];
        let first = order.into_iter().find(|outcome| all.contains(outcome));
        first.unwrap_or(Self::Left)
    }
}

/// Nobody wants to know.
impl Reporter for () {
    fn layer(&self, _: usize, _: LayerOrigin<'_>, _: u64) {}
}
