//! Small NARs that are fetched before they are read.
//!
//! A layer may have hundreds of small store paths. Their NARs are read one after another, but if they
//! were requested one after another, each would take a round trip to the server.

use std::io::{Cursor, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use terrine_binary_cache::{NarError, NarStream};

use super::{Error, Substitute, Substitutes};

/// The largest compressed NAR that is fetched before it is read, in bytes.
const LARGEST: u64 = 256 << 10;
/// The number of NARs that wait to be read at most, for each layer: 4 MiB at most.
const WINDOW: usize = 16;
/// The number of NARs that are fetched at once, for each layer.
const AT_ONCE: usize = 4;

/// The NARs of some paths, in the order in which they are read.
pub(crate) struct ReadAhead<'a> {
    substitutes: &'a Substitutes,
    /// The paths whose NARs are small.
    small: Vec<&'a Substitute>,
    state: Mutex<State>,
    changed: Condvar,
}

/// The progress of the small NARs.
#[derive(Default)]
struct State {
    /// The number of NARs whose requests are made.
    requested: usize,
    /// The number of NARs that were read.
    read: usize,
    /// True if no more are read.
    is_closed: bool,
    /// True if a thread that fetches has ended before its time.
    has_failed: bool,
    /// The answers that wait to be read, each with its number.
    answers: Vec<(usize, Result<Vec<u8>, Error>)>,
}

impl<'a> ReadAhead<'a> {
    /// Returns the NARs of paths; none is fetched yet.
    pub(crate) fn new(
        substitutes: &'a Substitutes,
        paths: impl Iterator<Item = &'a Substitute>,
    ) -> Self {
        let is_small = |path: &&Substitute| {
            let size = path.info().file_size;
            size.is_some_and(|size| size <= LARGEST)
        };
        Self {
            substitutes,
            small: paths.filter(is_small).collect(),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Starts to fetch small NARs, until [`Self::close`].
    pub(crate) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        // A single one is not waited for longer if it is requested when it is read.
        let threads = AT_ONCE.min(self.small.len().saturating_sub(1));
        for _ in 0..threads {
            scope.spawn(|| self.fetch());
        }
    }

    /// Fetches no more.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    /// Begins to read the NAR of a path. Paths are read in the order in which they were given.
    ///
    /// # Errors
    ///
    /// As [`Substitutes::nar`], and a NAR that breaks off.
    pub(crate) fn nar(&self, path: &Substitute) -> Result<NarStream, Error> {
        let Some(number) = self.next_if(path) else {
            return self.substitutes.nar(path);
        };
        let Some(answer) = self.wait_for(number) else {
            return self.substitutes.nar(path);
        };
        let bytes = answer?;
        let failed = |source| self.substitutes.broken(path, source);
        let trust = path.found.trust.as_ref();
        NarStream::new(Box::new(Cursor::new(bytes)), path.info(), trust).map_err(failed)
    }

    /// Returns the number of a path if its NAR is fetched by other threads.
    fn next_if(&self, path: &Substitute) -> Option<usize> {
        let state = self.state();
        let next = self.small.get(state.read)?;
        (self.small.len() > 1 && next.path() == path.path()).then_some(state.read)
    }

    /// Returns the answer about a NAR; none if it does not come.
    fn wait_for(&self, number: usize) -> Option<Result<Vec<u8>, Error>> {
        let mut state = self.state();
        loop {
            let mut answers = state.answers.iter();
            if let Some(position) = answers.position(|(other, _)| *other == number) {
                let (_, answer) = state.answers.swap_remove(position);
                state.read = number + 1;
                self.changed.notify_all();
                return Some(answer);
            }
            if state.has_failed {
                state.read = number + 1;
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Fetches NARs that are near enough to what is read.
    fn fetch(&self) {
        let _failing = Failing(self);
        while let Some(number) = self.next() {
            let answer = self.whole(self.small[number]);
            self.state().answers.push((number, answer));
            self.changed.notify_all();
        }
    }

    /// Returns the number of the next NAR that is to be fetched, when there is room for it.
    fn next(&self) -> Option<usize> {
        let mut state = self.state();
        loop {
            if state.is_closed || state.requested == self.small.len() {
                return None;
            }
            if state.requested < state.read + WINDOW {
                state.requested += 1;
                return Some(state.requested - 1);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reads the compressed NAR of a path; of one that is larger than it should be, the beginning.
    fn whole(&self, path: &Substitute) -> Result<Vec<u8>, Error> {
        let file = self.substitutes.caches().nar_file(&path.found)?;
        let mut bytes = vec![];
        let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
        read.map_err(|error| {
            let source = NarError::from_io(error).unwrap_or_else(|source| NarError::Io {
                path: String::new(),
                source,
            });
            self.substitutes.broken(path, source)
        })?;
        Ok(bytes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // An answer is never left half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the reader of NARs if a thread that fetches them panics, so that it does not wait for ever.
struct Failing<'a, 's>(&'a ReadAhead<'s>);

impl Drop for Failing<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().has_failed = true;
            self.0.changed.notify_all();
        }
    }
}

/// Closes NARs that are fetched ahead, whatever happens to their layer.
pub(crate) struct Closing<'a, 's>(pub(crate) &'a ReadAhead<'s>);

impl Drop for Closing<'_, '_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
