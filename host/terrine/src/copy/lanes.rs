//! The destinations of one copy: which of them still get something, and why the others do not.

use std::collections::BTreeMap;

use terrine_oci::Document;

use super::Error;
use crate::destination::Carrier;

/// Something that each destination has, by its number.
pub(super) type ByLane<T> = BTreeMap<usize, T>;

/// Destinations, each with its own fate.
pub(super) struct Lanes<'c, 'a> {
    carriers: &'c [Carrier<'a>],
    /// The error of each destination that gets nothing more; none for the others.
    failed: Vec<Option<Error>>,
}

impl<'c, 'a> Lanes<'c, 'a> {
    pub(super) fn new(carriers: &'c [Carrier<'a>]) -> Self {
        Self {
            carriers,
            failed: carriers.iter().map(|_| None).collect(),
        }
    }

    /// Returns what brings layers to a destination.
    pub(super) fn carrier(&self, lane: usize) -> &'c Carrier<'a> {
        &self.carriers[lane]
    }

    /// Returns the numbers of the destinations that have not failed, and what brings layers there.
    pub(super) fn alive(&self) -> (Vec<usize>, Vec<Carrier<'a>>) {
        let lanes = (0..self.failed.len()).filter(|&lane| self.failed[lane].is_none());
        lanes.map(|lane| (lane, self.carriers[lane])).unzip()
    }

    /// Returns what came of a step of one destination. After a failure it gets nothing more.
    pub(super) fn step<T, E: Into<Error>>(
        &mut self,
        lane: usize,
        outcome: Result<T, E>,
    ) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed[lane].get_or_insert_with(|| error.into());
                None
            }
        }
    }

    /// Returns the document that each destination has in the end, or why it has none.
    pub(super) fn finish(self, mut documents: ByLane<Document>) -> Vec<Result<Document, Error>> {
        let failed = self.failed.into_iter().enumerate();
        failed
            .map(|(lane, failed)| match (failed, documents.remove(&lane)) {
                (None, Some(document)) => Ok(document),
                (Some(error), _) => Err(error),
                (None, None) => Err(Error::NoImages),
            })
            .collect()
    }
}
