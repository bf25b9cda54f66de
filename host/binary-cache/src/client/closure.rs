//! The closure of paths: all that they refer to, directly and indirectly.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::BinaryCaches;
use super::error::ClientError;
use super::find::Found;

/// The answer for a path.
type PathAnswer = (String, Result<Option<Found>, ClientError>);

impl BinaryCaches {
    /// Finds store paths and all that they refer to, many at once. A path for which `is_local` returns true is neither
    /// looked for nor followed, and is not in the result.
    ///
    /// # Errors
    ///
    /// As [`Self::find`], a path that no cache has, and more paths than the options allow.
    pub fn closure(
        &self,
        roots: &[String],
        is_local: &dyn Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Found>, ClientError> {
        let mut walk = Walk::new(is_local, self.max_paths);
        for root in roots {
            walk.add(root)?;
        }
        if walk.queue.is_empty() {
            return Ok(walk.found);
        }
        // An error of a cache itself is reported once, and not for each path.
        self.order()?;
        let (ask, asked) = mpsc::channel();
        let (tell, answers) = mpsc::channel();
        let asked = Mutex::new(asked);
        thread::scope(|scope| {
            for _ in 0..self.requests {
                let (asked, tell) = (&asked, tell.clone());
                scope.spawn(move || self.serve(asked, &tell));
            }
            drop(tell);
            walk.run(&ask, &answers, self.requests);
            // So that the threads end before the scope waits for them.
            drop(ask);
        });
        walk.finish(self)
    }

    /// Finds the paths that are asked for, until there are no more.
    fn serve(&self, asked: &Mutex<Receiver<String>>, tell: &Sender<PathAnswer>) {
        loop {
            let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(path) = next else {
                return;
            };
            let found = self.find(&path);
            if tell.send((path, found)).is_err() {
                return;
            }
        }
    }
}

/// A breadth-first walk.
struct Walk<'a> {
    is_local: &'a dyn Fn(&str) -> bool,
    max_paths: usize,
    /// All paths that were met, local ones included.
    seen: BTreeSet<String>,
    queue: VecDeque<String>,
    found: BTreeMap<String, Found>,
    missing: BTreeSet<String>,
    failed: BTreeMap<String, ClientError>,
}

impl<'a> Walk<'a> {
    fn new(is_local: &'a dyn Fn(&str) -> bool, max_paths: usize) -> Self {
        Self {
            is_local,
            max_paths,
            seen: BTreeSet::new(),
            queue: VecDeque::new(),
            found: BTreeMap::new(),
            missing: BTreeSet::new(),
            failed: BTreeMap::new(),
        }
    }

    /// Adds a path that is to be found, unless it was met before.
    fn add(&mut self, path: &str) -> Result<(), ClientError> {
        if self.seen.contains(path) {
            return Ok(());
        }
        if self.seen.len() >= self.max_paths {
            return Err(ClientError::TooMany {
                limit: self.max_paths,
            });
        }
        self.seen.insert(path.to_owned());
        if !(self.is_local)(path) {
            self.queue.push_back(path.to_owned());
        }
        Ok(())
    }

    /// Asks for paths, so many at once, until there are no more or one failed.
    fn run(&mut self, ask: &Sender<String>, answers: &Receiver<PathAnswer>, at_once: usize) {
        let mut waiting = 0;
        loop {
            while waiting < at_once
                && self.failed.is_empty()
                && let Some(path) = self.queue.pop_front()
                && ask.send(path).is_ok()
            {
                waiting += 1;
            }
            if waiting == 0 {
                return;
            }
            let Ok((path, result)) = answers.recv() else {
                return;
            };
            waiting -= 1;
            match result {
                Ok(Some(found)) => self.follow(path, found),
                Ok(None) => drop(self.missing.insert(path)),
                Err(error) => drop(self.failed.insert(path, error)),
            }
        }
    }

    fn follow(&mut self, path: String, found: Found) {
        for reference in &found.info.references {
            if let Err(error) = self.add(reference) {
                self.failed.insert(path.clone(), error);
            }
        }
        self.found.insert(path, found);
    }

    /// Returns what was found, or the error of the first path in order of bytes.
    fn finish(mut self, caches: &BinaryCaches) -> Result<BTreeMap<String, Found>, ClientError> {
        if let Some((_, error)) = self.failed.pop_first() {
            return Err(error);
        }
        let Some(path) = self.missing.pop_first() else {
            return Ok(self.found);
        };
        let refers = |(_, found): &(&String, &Found)| found.info.references.contains(&path);
        let referrers = self.found.iter().filter(refers);
        Err(ClientError::Missing {
            referrers: referrers.map(|(path, _)| path.clone()).collect(),
            others: self.missing.len(),
            caches: caches
                .caches
                .iter()
                .map(|cache| cache.location.to_string())
                .collect(),
            path,
        })
    }
}
