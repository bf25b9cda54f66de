//! An image that is made, at its destinations: what is where, and what failed.

use terrine::assemble::{NewImage, Outcome};
use terrine::plan::DestinationFacts;

use super::exit;
use super::failure::{Context, Failure, Result};
use super::printer::Printer;
use super::target::{Place, Target, is_stdout};

/// The name of a destination, with a flag that is true if its tag was generated.
#[derive(Debug)]
struct Title {
    text: String,
    generated: bool,
}

/// An image at its destinations.
pub(super) struct Shipped {
    /// The outcome of making the image; none if all destinations failed.
    pub(super) outcome: Option<Outcome>,
    /// The destinations that have the image.
    pub(super) landed: Vec<DestinationFacts>,
    /// The tag that was generated, which nobody could know.
    pub(super) generated: Option<String>,
    /// The names of the destinations that have the image.
    titles: Vec<Title>,
    /// The failures of the other destinations.
    pub(super) failures: Vec<Failure>,
}

impl Shipped {
    /// Nowhere yet. `generated` is the tag that was generated, if one was.
    pub(super) fn nowhere(generated: Option<String>) -> Self {
        Self {
            outcome: None,
            landed: vec![],
            generated,
            titles: vec![],
            failures: vec![],
        }
    }

    /// Finishes a destination, and writes down what came of it. The failure of the only one is
    /// that of the run.
    pub(super) fn take(
        &mut self,
        (place, target): (Place, Target<'_>),
        outcome: Result<Outcome>,
        image: &NewImage<'_>,
        alone: bool,
    ) -> Result<()> {
        let finished = outcome.and_then(|outcome| target.commit().map(|()| outcome));
        let outcome = match finished {
            Ok(outcome) => outcome,
            Err(failure) if alone => return Err(failure),
            Err(failure) => {
                let cannot = format!("cannot write to `{}`", place.title());
                self.failures
                    .push(Err(failure).context(cannot).unwrap_or_else(|f| f));
                return Ok(());
            }
        };
        let manifest = outcome
            .published
            .as_ref()
            .map(|published| &published.manifest);
        let own = image.references();
        self.landed.push(place.landed(manifest, &own));
        let names = if place.names.is_empty() {
            &own
        } else {
            &place.names
        };
        let tag = self.generated.as_deref();
        let is_generated = |name: &String| tag.is_some_and(|tag| name.ends_with(tag));
        let text = match place.names.is_empty() {
            true if is_stdout(&place.reference) => own.join(", "),
            true => format!("{} in {}", own.join(", "), place.title()),
            false => place.title(),
        };
        self.titles.push(Title {
            text,
            generated: names.iter().any(is_generated),
        });
        // Of several, one with a manifest says more.
        if self
            .outcome
            .as_ref()
            .is_none_or(|known| known.published.is_none())
        {
            self.outcome = Some(outcome);
        }
        Ok(())
    }

    /// Says what is where, and what failed.
    pub(super) fn tell(self, summary: &str, printer: &Printer) -> Result<()> {
        if let Some(outcome) = &self.outcome {
            for (number, Title { text, generated }) in self.titles.iter().enumerate() {
                let note = if *generated { " (tag generated)" } else { "" };
                let summary = if number + 1 == self.titles.len() {
                    format!(", {summary}")
                } else {
                    String::new()
                };
                let line = format!("{text}: image id {}{note}{summary}", outcome.id);
                if *generated {
                    // Nobody could know it otherwise, so it is said to those who want quiet as well.
                    printer.result(&line);
                } else {
                    printer.status(&line);
                }
            }
        }
        exit::several(&self.failures, printer)
    }
}
