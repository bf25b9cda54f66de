//! The answer of a destination that is asked for a blob.

/// The way in which a destination has a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It does not have it.
    Missing,
    /// It had it before.
    Present,
    /// It has taken it over from another repository, which moved no bytes.
    Mounted,
}

impl Presence {
    /// Returns the answer of a destination that takes nothing over.
    pub(super) fn of_held(is_held: bool) -> Self {
        if is_held {
            Self::Present
        } else {
            Self::Missing
        }
    }

    /// Returns true if the destination has the blob now.
    pub fn is_there(self) -> bool {
        self != Self::Missing
    }
}
