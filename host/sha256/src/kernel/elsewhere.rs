//! Processors without a kernel.

use super::{Block, State};

/// A kernel that no processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kernel {}

impl Kernel {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    /// Returns the kernel of a processor that has the fewest extensions.
    #[cfg(test)]
    pub(crate) fn simplest(self) -> Self {
        self
    }

    pub(crate) fn compress<'a, const N: usize>(
        self,
        _: [&mut State; N],
        _: impl Iterator<Item = [&'a Block; N]>,
    ) {
        match self {}
    }
}
