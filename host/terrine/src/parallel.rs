//! Several layers at once.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Does `work` for every item, several at a time, and returns what came of each in the order of
/// the items. After a failure no more are begun.
///
/// # Errors
///
/// The failure of the first item that failed.
pub fn each<T: Sync, R: Send, E: Send>(
    items: &[T],
    jobs: NonZeroUsize,
    work: impl Fn(usize, &T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let run = || {
        let mut done = vec![];
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let outcome = work(index, item);
            if outcome.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            done.push((index, outcome));
        }
        done
    };
    let mut done: Vec<(usize, Result<R, E>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.get().min(items.len()))
            .map(|_| scope.spawn(run))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().flat_map(join).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    // All items before a failure were begun, and so came to an end.
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: NonZeroUsize = NonZeroUsize::new(3).unwrap();

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..100).collect();
        let doubled = each(&items, JOBS, |index, item| Ok::<_, ()>(index + item));
        assert_eq!(doubled, Ok((0..100).map(|i| 2 * i).collect()));
        assert_eq!(each(&[(); 0], JOBS, |_, ()| Ok::<_, ()>(())), Ok(vec![]));
    }

    #[test]
    fn the_first_failure_counts() {
        let items: Vec<usize> = (0..100).collect();
        let outcome = each(
            &items,
            JOBS,
            |_, &item| if item >= 7 { Err(item) } else { Ok(item) },
        );
        assert_eq!(outcome, Err(7));
    }
}
