//! Answers that are asked for once, however many threads want them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::credentials::CredentialsError;

/// The time for which an error counts. Threads that want the same must not all wait for the same
/// failure, one after another; and a process that lives long may ask again.
const ERROR: Duration = Duration::from_secs(60);

/// An answer, and when it came.
struct Known<T> {
    outcome: Result<T, CredentialsError>,
    at: Instant,
}

/// The answer to one question; none until it is there. Held while it is asked.
type Slot<T> = Arc<Mutex<Option<Known<T>>>>;

/// Answers by key. A key that takes long does not hold up another.
pub(super) struct Asked<T>(Mutex<BTreeMap<String, Slot<T>>>);

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Answers are secrets.
impl<T> fmt::Debug for Asked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}

impl<T: Clone> Asked<T> {
    /// Returns the answer that is known, or else the one that `ask` gives, while others who want it
    /// wait.
    pub(super) fn get(
        &self,
        key: &str,
        ask: impl FnOnce() -> Result<T, CredentialsError>,
    ) -> Result<T, CredentialsError> {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(key.to_owned()).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*slot
            && (known.outcome.is_ok() || known.at.elapsed() < ERROR)
        {
            return known.outcome.clone();
        }
        let outcome = ask();
        *slot = Some(Known {
            outcome: outcome.clone(),
            at: Instant::now(),
        });
        outcome
    }
}
