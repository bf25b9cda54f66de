//! Reports on an image that is being written.

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
    /// So many more bytes have gone to a registry.
    fn sent(&self, _bytes: u64) {}
    /// A layer is done.
    fn finished(&self, _number: usize, _outcome: LayerOutcome) {}
    /// A claim of an existing image about a layer is not used: the image, and why.
    fn disbelieved(&self, _what: &str) {}
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
    /// It was where it should be before.
    WasThere,
    /// It is left where it is: it is not distributed with its image.
    Left,
}

impl LayerOutcome {
    /// Returns the end of a layer that was there before, or not.
    pub(super) fn of_present(was_there: bool) -> Self {
        if was_there {
            Self::WasThere
        } else {
            Self::Brought
        }
    }

    /// Returns the end of a layer at several places, taken together.
    pub(super) fn of_all(outcomes: impl Iterator<Item = Self>) -> Self {
        let all: Vec<Self> = outcomes.collect();
        if all.contains(&Self::Brought) {
            Self::Brought
        } else if all.contains(&Self::Fetched) {
            Self::Fetched
        } else if all.contains(&Self::WasThere) {
            Self::WasThere
        } else {
            Self::Left
        }
    }
}

/// Nobody wants to know.
impl Reporter for () {
    fn layer(&self, _: usize, _: LayerOrigin<'_>, _: u64) {}
}
