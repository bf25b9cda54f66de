//! Telling that a planner is still at work.

use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A planner that takes long.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AtWork<'a> {
    /// The component's name, as errors call it.
    pub component: &'a str,
    /// The work.
    pub work: Work,
    /// The time that it has been at it.
    pub elapsed: Duration,
    /// The time that it may be at it, where that is limited.
    pub limit: Option<Duration>,
}

/// The kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// Its code is compiled.
    Compile,
    /// It runs in this function.
    Call(&'static str),
}

/// Hears of planners that take long.
pub(super) struct Watch {
    every: Duration,
    tell: Box<dyn Fn(AtWork<'_>) + Send + Sync>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

impl Watch {
    /// Tells after so much time, and each time that it has gone by again.
    pub(super) fn new(every: Duration, tell: impl Fn(AtWork<'_>) + Send + Sync + 'static) -> Self {
        Self {
            every,
            tell: Box::new(tell),
        }
    }
}

/// Does some work of a planner, and tells while it takes long.
pub(super) fn during<T>(
    watch: Option<&Watch>,
    (component, work, limit): (&str, Work, Option<Duration>),
    run: impl FnOnce() -> T,
) -> T {
    let Some(watch) = watch else { return run() };
    let start = Instant::now();
    thread::scope(|scope| {
        let (over, ends) = channel::<()>();
        // A system that has no thread left has nobody who tells.
        let _ = thread::Builder::new().spawn_scoped(scope, move || {
            while ends.recv_timeout(watch.every) == Err(RecvTimeoutError::Timeout) {
                (watch.tell)(AtWork {
                    component,
                    work,
                    elapsed: start.elapsed(),
                    limit,
                });
            }
        });
        // Dropped when the work panics as well: the scope waits for the thread.
        let _over = over;
        run()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn long_work_is_told_until_it_is_over() {
        let (sender, told) = sync_channel(1000);
        let watch = Watch::new(Duration::from_millis(2), move |at: AtWork<'_>| {
            let _ = sender.try_send((at.component.to_owned(), at.work, at.limit));
        });
        let about = ("x.wasm", Work::Call("plan"), Some(Duration::from_secs(9)));
        let expected = ("x.wasm".to_owned(), about.1, about.2);
        // It is over when it was told twice.
        let heard = during(Some(&watch), about, || {
            [(); 2].map(|()| told.recv_timeout(Duration::from_secs(60)).unwrap())
        });
        assert_eq!(heard, [expected.clone(), expected]);
        while told.try_recv().is_ok() {}
        thread::sleep(Duration::from_millis(20));
        assert!(told.try_recv().is_err());
        assert_eq!(during(None, about, || 7), 7);
    }
}
