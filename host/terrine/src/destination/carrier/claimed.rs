//! Layers that others claim to have: taken from where they are, in place of being made.

use std::sync::Arc;

use terrine_oci::{Descriptor, MediaType, Repository};
use terrine_support::chain;

use super::super::{LayerOutcome, Presence, Reporter};
use super::fan::{self, Fan, Landed};
use super::{Carrier, CarryError};
use crate::cache::{LayerKey, Plain};
use crate::claims::{Claim, Claims, OwnFacts};
use crate::source;

/// The destinations that have a layer now, and the numbers of those that do not have it.
pub(super) type Taken = (Landed, Vec<usize>);

/// A layer that claims are about.
pub(super) struct About<'c> {
    pub(super) claims: &'c Claims,
    pub(super) key: &'c LayerKey,
    /// The layer, where this machine knows it.
    pub(super) known: Option<Plain>,
}

impl About<'_> {
    /// Returns true if this machine knows the blob for a destination itself.
    fn is_stored(&self, carrier: &Carrier<'_>) -> bool {
        self.known
            .is_some_and(|plain| carrier.stored_blob(plain).is_some())
    }
}

/// A destination without the blob of a layer, and the claims about the layer in the order in which they
/// are tried.
type Lacking = (usize, Vec<Arc<Claim>>);

impl Fan<'_, '_> {
    /// Takes a layer from where claims say that it is, for the destinations that they are good
    /// for.
    /// The failure of an image that claims the layer is reported, and is no error.
    pub(super) fn take(
        &self,
        lanes: &[usize],
        about: &About<'_>,
        begin: &dyn Fn(u64),
        reporter: &dyn Reporter,
    ) -> Result<Taken, CarryError> {
        self.look_up(lanes, about, reporter);
        let (mut landed, mut rest, mut lacking) = (vec![], vec![], vec![]);
        for &lane in lanes {
            let usable = self.usable(lane, about, reporter);
            let Some(claim) = usable.first() else {
                rest.push(lane);
                continue;
            };
            let carrier = &self.carriers[lane];
            let origins: Vec<Repository> = usable
                .iter()
                .filter_map(|claim| claim.layer.repository().cloned())
                .collect();
            let blob = blob_of(carrier, claim);
            match self.step(lane, carrier.is_there(&blob, &origins)) {
                Some(Presence::Missing) => lacking.push((lane, usable)),
                Some(presence) => {
                    let outcome = LayerOutcome::of_presence(presence, about.is_stored(carrier));
                    landed.push(taken(lane, claim, &blob, claim.plain.size, outcome));
                }
                None => {}
            }
        }
        let (copied, left) = self.copied(&lacking, about.claims, begin, reporter)?;
        landed.extend(copied);
        rest.extend(left);
        rest.sort_unstable();
        Ok((landed, rest))
    }

    /// Asks repositories of layers about a layer.
    pub(super) fn look_up(&self, lanes: &[usize], about: &About<'_>, reporter: &dyn Reporter) {
        for group in self.by_setting(lanes) {
            let setting = self.carriers[group[0]].setting.describe();
            for told in about.claims.look_up(about.key, &setting) {
                reporter.disbelieved(&told.what, told.hint.as_deref());
            }
        }
    }

    /// Returns the claims that a destination may use. Reports contradictions.
    pub(super) fn usable(
        &self,
        lane: usize,
        about: &About<'_>,
        reporter: &dyn Reporter,
    ) -> Vec<Arc<Claim>> {
        let carrier = &self.carriers[lane];
        let own = OwnFacts {
            plain: about.known,
            stored: about.known.and_then(|plain| carrier.stored_blob(plain)),
        };
        let setting = carrier.setting.describe();
        let usable = about.claims.usable(about.key, &setting, own);
        if let Some(contradiction) = usable.contradiction {
            reporter.disbelieved(&contradiction, None);
        }
        usable.claims
    }

    /// Copies a layer from images that claim it to destinations, once for each setting. Returns the destinations
    /// that have it now, and those for which no claim holds.
    fn copied(
        &self,
        lacking: &[Lacking],
        claims: &Claims,
        begin: &dyn Fn(u64),
        reporter: &dyn Reporter,
    ) -> Result<Taken, CarryError> {
        let (mut landed, mut left) = (vec![], vec![]);
        let lanes: Vec<usize> = lacking.iter().map(|(lane, _)| *lane).collect();
        for group in self.by_setting(&lanes) {
            let usable = lacking.iter().find(|(lane, _)| *lane == group[0]);
            let usable = usable.map_or(&[][..], |(_, usable)| usable);
            match self.first_that_holds(&group, usable, claims, begin, reporter)? {
                Some(copied) => landed.extend(copied),
                None => left.extend(group),
            }
        }
        Ok((landed, left))
    }

    /// Copies a layer from the first image whose claim holds.
    fn first_that_holds(
        &self,
        lanes: &[usize],
        usable: &[Arc<Claim>],
        claims: &Claims,
        begin: &dyn Fn(u64),
        reporter: &dyn Reporter,
    ) -> Result<Option<Landed>, CarryError> {
        for claim in usable {
            begin(claim.blob.size);
            match self.copy_claimed(lanes, claim, reporter) {
                Err(CarryError::Source(error)) => {
                    claims.reject(claim);
                    let (author, digest) = (&claim.author, claim.blob.digest);
                    let what = format!(
                        "`{author}` claims the layer `{digest}`, which cannot be used: {}",
                        chain(&error)
                    );
                    reporter.disbelieved(&what, None);
                }
                copied => return copied.map(Some),
            }
        }
        Ok(None)
    }

    /// Copies a layer from the image that claims it, and verifies what comes.
    fn copy_claimed(
        &self,
        lanes: &[usize],
        claim: &Claim,
        reporter: &dyn Reporter,
    ) -> Result<Landed, CarryError> {
        let carrier = &self.carriers[lanes[0]];
        let stored = claim.layer.open()?;
        // Its first bytes may not be what the manifest says.
        let (found, wanted) = (claim.layer.compression(), carrier.setting.compression());
        if found != wanted {
            let fault = source::Fault::OtherCompression { found, wanted };
            return Err(source::Error::fault(&claim.author, fault).into());
        }
        let copied = self.as_stored(lanes, &claim.author, &claim.layer, stored, reporter)?;
        let blob = blob_of(carrier, claim);
        let copied = copied.into_iter().map(|(lane, shipped)| {
            let size = shipped.size.unwrap_or(claim.plain.size);
            taken(lane, claim, &blob, size, LayerOutcome::Fetched)
        });
        Ok(copied.collect())
    }
}

/// Returns the blob of a claim as a manifest of this run lists it: with nothing of what the other image says of it.
fn blob_of(carrier: &Carrier<'_>, claim: &Claim) -> Descriptor {
    let media_type = carrier.setting.compression().media_type();
    Descriptor::new(
        media_type.unwrap_or(MediaType::OciLayer),
        claim.blob.digest,
        claim.blob.size,
    )
}

fn taken(
    lane: usize,
    claim: &Claim,
    blob: &Descriptor,
    size: u64,
    outcome: LayerOutcome,
) -> (usize, super::Shipped) {
    fan::landed(lane, blob, claim.plain.diff_id, Some(size), outcome)
}
