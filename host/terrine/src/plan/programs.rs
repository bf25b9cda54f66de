//! The programs in store paths that tell the architecture of an image.
//!
//! Neither the layer cache nor the place of a path decides what they tell. Those of the paths that a specification names
//! are looked at together. If they have none, the other paths follow by their distance, until one has programs. A path in a binary
//! cache that nobody has looked at is fetched when its turn comes.

use std::num::NonZeroUsize;

use super::Error;
use super::claimed::{self, Claimed};
use super::context::Context;
use crate::layer::{Fetch, Store, StorePath};
use crate::parallel;
use crate::platform::{self, Findings};

/// The number of paths that are fetched at once.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

/// The answer of an image's programs about its architecture.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The programs that tell the architecture. Without any, it is what an image without programs is for.
    pub(super) findings: Findings,
    /// The existing image that has the same programs, and tells their architecture.
    pub(super) claimed: Option<Claimed>,
    /// The first path whose programs may tell another one, but must not be fetched.
    pub(super) unseen: Option<String>,
}

impl Told {
    /// Reports whether the architecture is known, or is a guess.
    fn is_decided(&self) -> bool {
        self.findings.architecture().is_some() || self.claimed.is_some() || self.unseen.is_some()
    }
}

/// The programs of some store paths, as far as somebody has looked at them.
pub(super) struct Programs<'c, 'o, 's> {
    context: &'s Context<'c, 'o>,
    store: &'s Store,
    paths: Vec<StorePath>,
    /// The findings on each path; none if they are in a binary cache and nobody has looked.
    found: Vec<Option<Findings>>,
    may_fetch: bool,
}

impl<'c, 'o, 's> Programs<'c, 'o, 's> {
    /// Looks at the programs of paths as far as they need not be fetched.
    pub(super) fn of(
        context: &'s Context<'c, 'o>,
        store: &'s Store,
        paths: Vec<StorePath>,
        may_fetch: bool,
    ) -> Result<Self, Error> {
        let found = platform::scan(store, &paths, context.options.cache)?;
        Ok(Self {
            context,
            store,
            paths,
            found,
            may_fetch,
        })
    }

    /// Returns what the programs of `named` tell, with those `at_root`. An existing image may tell that they are for the
    /// architecture of an image without programs, `otherwise`: then they need not be looked at.
    pub(super) fn named(
        &mut self,
        named: &[usize],
        at_root: Findings,
        otherwise: &str,
    ) -> Result<Told, Error> {
        let mut told = Told {
            findings: at_root,
            ..Told::default()
        };
        if self.is_unread(named) {
            if !self.may_fetch {
                told.unseen = self.unseen(named);
                return Ok(told);
            }
            told.claimed = self.claimed(named, &told.findings, otherwise)?;
            if told.claimed.is_some() {
                told.findings = Findings::default();
                return Ok(told);
            }
        }
        self.add(&mut told.findings, named)?;
        Ok(told)
    }

    /// Returns what is told already, or what the first group of paths with programs tells.
    pub(super) fn else_first(
        &mut self,
        mut told: Told,
        groups: impl IntoIterator<Item = Vec<usize>>,
    ) -> Result<Told, Error> {
        for group in groups {
            if told.is_decided() {
                break;
            }
            if self.is_unread(&group) && !self.may_fetch {
                told.unseen = self.unseen(&group);
            } else {
                self.add(&mut told.findings, &group)?;
            }
        }
        Ok(told)
    }

    fn is_unread(&self, paths: &[usize]) -> bool {
        paths.iter().any(|&index| self.found[index].is_none())
    }

    /// Returns the first path that nobody has looked at.
    fn unseen(&self, paths: &[usize]) -> Option<String> {
        let unread = paths.iter().find(|&&index| self.found[index].is_none());
        unread.map(|&index| self.paths[index].as_str().to_owned())
    }

    /// Asks the existing images for those of the paths that are in binary caches, unless other programs tell something else.
    fn claimed(
        &self,
        named: &[usize],
        at_root: &Findings,
        otherwise: &str,
    ) -> Result<Option<Claimed>, Error> {
        let mut elsewhere = vec![];
        let mut here = at_root.clone();
        for &index in named {
            if self.store.substituted(&self.paths[index])?.is_some() {
                elsewhere.push(&self.paths[index]);
            }
            if let Some(found) = &self.found[index] {
                here.merge(found.clone());
            }
        }
        if here
            .architecture()
            .is_some_and(|(architecture, _)| architecture != otherwise)
        {
            return Ok(None);
        }
        let claimed = claimed::architecture(self.context, &elsewhere);
        Ok(claimed.filter(|claimed| claimed.architecture == otherwise))
    }

    /// Adds the findings on paths, and fetches those that nobody has looked at.
    fn add(&mut self, findings: &mut Findings, paths: &[usize]) -> Result<(), Error> {
        let unread: Vec<usize> = paths
            .iter()
            .copied()
            .filter(|&index| self.found[index].is_none())
            .collect();
        if !unread.is_empty() {
            self.fetch(&unread)?;
        }
        for &index in paths {
            if let Some(found) = &self.found[index] {
                findings.merge(found.clone());
            }
        }
        Ok(())
    }

    /// Fetches paths and looks at their programs.
    fn fetch(&mut self, unread: &[usize]) -> Result<(), Error> {
        let paths: Vec<StorePath> = unread
            .iter()
            .map(|&index| self.paths[index].clone())
            .collect();
        let store = self.store;
        parallel::each(&paths, AT_ONCE, |_, path| store.fetch(path, Fetch::Whole))?;
        let found = platform::scan(store, &paths, self.context.options.cache)?;
        for (&index, found) in unread.iter().zip(found) {
            self.found[index] = found;
        }
        Ok(())
    }

    /// Returns all findings, and the paths that nobody has looked at.
    pub(super) fn into_findings(self) -> (Findings, Vec<StorePath>) {
        let mut findings = Findings::default();
        let mut unread = vec![];
        for (path, found) in self.paths.into_iter().zip(self.found) {
            match found {
                Some(found) => findings.merge(found),
                None => unread.push(path),
            }
        }
        (findings, unread)
    }
}
