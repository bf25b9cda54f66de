//! Images that exist at their destinations: what is where, and what failed.

use terrine::copy;
use terrine::oci::{Digest, Document};
use terrine::plan::DestinationFacts;

use super::exit::{self, Usage};
use super::failure::{Context, Failure, Result};
use super::landing::Landings;
use super::printer::Printer;
use super::target::{BlobTarget, Place, Target};

/// Copies that are done, and the failures of the others.
#[derive(Default)]
pub(super) struct Copied {
    landed: Vec<DestinationFacts>,
    /// The message about each copy, which names its destination and its digest or id.
    lines: Vec<String>,
    /// The id, where one image is copied.
    pub(super) id: Option<Digest>,
    failures: Vec<Failure>,
    /// Warnings about copies that differ from the original.
    warnings: Vec<String>,
    /// True if there is only one destination. Its failure is then the failure of the run.
    alone: bool,
}

impl Copied {
    /// Opens places by `open`. What one fails to do is told in the end; `cannot` says what was to be done.
    pub(super) fn open<'c>(
        &mut self,
        places: Vec<Place>,
        open: impl Fn(&Place) -> Result<Target<'c>>,
        cannot: impl Fn(&Place) -> String,
    ) -> Result<Vec<(Place, Target<'c>)>> {
        self.alone = places.len() == 1;
        let mut targets = vec![];
        for place in places {
            match open(&place).with_context(|| cannot(&place)) {
                Ok(target) => targets.push((place, target)),
                Err(failure) => self.fail(failure)?,
            }
        }
        Ok(targets)
    }

    fn fail(&mut self, failure: Failure) -> Result<()> {
        if self.alone || failure.is::<Usage>() {
            return Err(failure);
        }
        self.failures.push(failure);
        Ok(())
    }

    /// Writes down what came of one destination for blobs, after writing what was gathered for it.
    pub(super) fn blobs(
        &mut self,
        place: &Place,
        target: BlobTarget<'_>,
        outcome: Result<Document, copy::Error>,
        cannot: impl Fn(&Place) -> String,
    ) -> Result<()> {
        let outcome = outcome.map_err(Failure::from);
        let outcome = outcome.and_then(|document| target.commit().map(|()| document));
        match outcome.with_context(|| cannot(place)) {
            Ok(document) => {
                let (title, digest) = (place.title(), document.digest());
                self.lines.push(format!("{title}: manifest {digest}"));
                self.landed
                    .push(place.landed(Some(&document.descriptor()), &[]));
                Ok(())
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// Warns in the end, after what is where.
    pub(super) fn warn(&mut self, warning: Option<String>) {
        self.warnings.extend(warning);
    }

    /// Writes down what came of one docker-archive: the names that the image has there, and its id.
    pub(super) fn archive(
        &mut self,
        place: &Place,
        written: Result<(Vec<String>, Digest)>,
        cannot: impl Fn(&Place) -> String,
    ) -> Result<()> {
        match written.with_context(|| cannot(place)) {
            Ok((names, id)) => {
                self.id = Some(id);
                self.lines.push(format!("{}: image id {id}", place.title()));
                self.landed.push(place.landed(None, &names));
                Ok(())
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// Says what is where.
    pub(super) fn finish(self, landings: Landings, summary: &str, printer: &Printer) -> Result<()> {
        if let Some((last, lines)) = self.lines.split_last() {
            lines.iter().for_each(|line| printer.status(line));
            printer.status(&format!("{last}, {summary}"));
        }
        for warning in &self.warnings {
            printer.warning(warning);
        }
        landings.tell(&self.landed, printer)?;
        if self.failures.is_empty() || !self.landed.is_empty() {
            landings.write(&self.landed, self.id, None)?;
        }
        exit::several(&self.failures, printer)
    }
}
