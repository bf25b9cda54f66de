//! The state of one call.

use super::limits::{Limiter, Limits};
use super::sealed::Sealed;

/// The state that the host keeps for one call, and drops with it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) limiter: Limiter,
    /// Used only by components that import it.
    pub(super) sealed: Sealed,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limiter: Limiter::new(limits),
            sealed: Sealed::default(),
        }
    }
}
