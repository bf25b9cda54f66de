//! The order in which caches are asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::BinaryCaches;
use super::error::ClientError;

/// The positions of caches in the order in which they are asked, once it is known.
#[derive(Debug, Default)]
pub(super) struct Order(Mutex<Option<Arc<[usize]>>>);

impl BinaryCaches {
    /// Returns the positions of all caches by priority, and then in the order in which they were given. The first call
    /// reads the caches' own descriptions.
    pub(super) fn order(&self) -> Result<Arc<[usize]>, ClientError> {
        let mut order = self.order.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(order) = &*order {
            return Ok(Arc::clone(order));
        }
        let priorities = self.priorities()?;
        let mut positions: Vec<usize> = (0..priorities.len()).collect();
        positions.sort_by_key(|position| priorities[*position]);
        let positions: Arc<[usize]> = positions.into();
        *order = Some(Arc::clone(&positions));
        Ok(positions)
    }

    /// Asks all caches at once.
    fn priorities(&self) -> Result<Vec<i64>, ClientError> {
        thread::scope(|scope| {
            let asked: Vec<_> = self
                .caches
                .iter()
                .map(|cache| {
                    scope.spawn(move || cache.priority(&self.web, &self.store_dir, &self.counters))
                })
                .collect();
            let answers = asked.into_iter().map(|thread| match thread.join() {
                Ok(answer) => answer,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            answers.collect()
        })
    }
}
