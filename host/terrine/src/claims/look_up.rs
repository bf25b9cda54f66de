//! Claims that are looked up when they are wanted: those of repositories of layers.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use terrine_oci::Digest;
use terrine_support::chain;
use terrine_support::hint::Hint;

use super::{Claim, Claims, EntryError, LayerRepository};
use crate::cache::LayerKey;

/// A source of claims that is asked for each key.
pub(super) trait LookUp: fmt::Debug + Send + Sync {
    /// Returns the reference of the source.
    fn name(&self) -> String;

    /// Returns the claim about the layer with a key, compressed with a setting.
    fn find(&self, key: Digest, setting: &str) -> Result<Option<Claim>, EntryError>;
}

/// A claim, or a source of claims, that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The source or its claim, and the reason.
    pub what: String,
    /// The remedy, if there is one.
    pub hint: Option<String>,
}

impl LookUp for LayerRepository {
    fn name(&self) -> String {
        Self::name(self)
    }

    fn find(&self, key: Digest, setting: &str) -> Result<Option<Claim>, EntryError> {
        Self::find(self, key, setting)
    }
}

impl Claims {
    /// Adds a repository of layers.
    pub fn add_repository(&mut self, repository: Arc<LayerRepository>) {
        self.sources.push(repository);
    }

    /// Returns true if claims are looked up in repositories of layers.
    pub fn has_repositories(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Asks the repositories of layers about a layer, those that have not made a claim about it yet.
    /// Returns what has to be reported: entries that cannot be used, and repositories that do not answer.
    pub fn look_up(&self, key: &LayerKey, setting: &str) -> Vec<Told> {
        let mut told = vec![];
        for (number, source) in self.sources.iter().enumerate() {
            if !key.is_portable() || self.is_answered(number, key, setting) {
                continue;
            }
            match source.find(key.digest(), setting) {
                Ok(None) => {}
                Ok(Some(claim)) => self.found(number, key, claim),
                Err(error) => told.extend(self.failed(number, key, &error)),
            }
        }
        told
    }

    /// Keeps the claim of a repository, unless it is known and false.
    fn found(&self, number: usize, key: &LayerKey, claim: Claim) {
        let mut state = self.state();
        if !state.has_rejected(&claim) {
            let found = state.found.entry(key.digest()).or_default();
            found.push((number, Arc::new(claim)));
        }
    }

    /// Returns true if a repository need not be asked, because it has answered before, or does not
    /// answer.
    fn is_answered(&self, number: usize, key: &LayerKey, setting: &str) -> bool {
        let state = self.state();
        let is_by = |(by, claim): &(usize, Arc<Claim>)| {
            *by == number && claim.setting == setting && !state.has_rejected(claim)
        };
        let mut found = state.found.get(&key.digest()).into_iter().flatten();
        state.silent.contains(&number) || found.any(is_by)
    }

    /// Writes down that a repository has failed. Returns what has to be reported of it.
    fn failed(&self, number: usize, key: &LayerKey, error: &EntryError) -> Option<Told> {
        let mut state = self.state();
        let why = chain(error);
        let what = if error.is_of_registry() {
            if !state.silent.insert(number) {
                return None;
            }
            let name = self.sources[number].name();
            format!("the layers of `{name}` are not used: {why}")
        } else {
            state.unusable.insert(key.digest());
            format!("a layer is not used: {why}")
        };
        let hint = error.hint().map(Cow::into_owned);
        let is_new = state.told.insert(what.clone());
        is_new.then_some(Told { what, hint })
    }
}
