//! Layers that are yet to be made: known, taken from where others have them, or made and shared with
//! others.

use std::cmp::Reverse;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use terrine_oci::Digest;
use terrine_support::chain;
use terrine_support::hint::Hint;

use super::super::{Destination, Reporter, SharedLayers};
use super::claimed::{About, Taken};
use super::fan::{Fan, Landed};
use super::make::MadeOf;
use super::{Carried, Carrier, CarryError, Part, Shipped};
use crate::cache::{LayerKey, Plain};
use crate::claims::{Holder, Leased, Turn};
use crate::parallel::each;

/// The number of layers that repositories of layers are asked about at once.
const LOOK_UPS: NonZeroUsize = NonZeroUsize::new(16).unwrap();
/// The most machines that are waited for, one after another.
const MOST_HOLDERS: usize = 3;
/// The time between two questions about a layer that another machine is making.
const POLL: Duration = Duration::from_millis(250);

/// The remedy of false entries.
const FALSE: &str = "find out who wrote it; `terrine verify --against-store` finds images that have the false layer, and `--layers-key` keeps others from writing entries";

/// The machine that is waited for.
#[derive(Default)]
struct Waiting {
    holder: Option<(Holder, Instant)>,
    /// The number of machines that were waited for.
    holders: usize,
}

impl Waiting {
    /// Returns true if a machine that makes a layer is waited for any longer. If one does not
    /// succeed in its time, another one takes its place; of those, a few are waited for.
    fn is_patient(&mut self, holder: Holder, patience: Duration) -> bool {
        let since = match self.holder {
            Some((known, since)) if known == holder => since,
            _ => {
                self.holders += 1;
                Instant::now()
            }
        };
        self.holder = Some((holder, since));
        // Its clock may be wrong.
        since.elapsed() <= patience * 2 && self.holders <= MOST_HOLDERS
    }
}

/// A layer that is wanted at destinations.
pub(super) struct Wanted<'w> {
    /// The layer, as it is made.
    pub(super) made: &'w MadeOf<'w>,
    /// The approximate size of it in bytes.
    pub(super) weight: u64,
    /// True if nothing else is left to do than to wait for it, if another machine is making it.
    pub(super) waits: bool,
    /// Called with the size of the layer when it is made or read.
    pub(super) begin: &'w dyn Fn(u64),
}

impl Fan<'_, '_> {
    /// Puts layers into an order of this run's own, if it takes turns with others, so that not all begin
    /// with the same layer. Large ones still come first.
    pub(super) fn take_turns(&self, wanted: &mut [usize], weights: &[u64]) {
        let holder = |carrier: &Carrier<'_>| carrier.shared.and_then(SharedLayers::holder);
        if let Some(holder) = self.carriers.iter().find_map(holder) {
            let class = |index: usize| Reverse(weights[index].checked_ilog2());
            wanted.sort_by_key(|&index| (class(index), holder.shuffle(index)));
        }
    }

    /// Asks repositories of layers about all layers that this machine does not know, many at once.
    pub(super) fn look_up_all(
        &self,
        parts: &[Part<'_>],
        reporter: &dyn Reporter,
    ) -> Result<(), CarryError> {
        let claims = self.carriers.first().and_then(|carrier| carrier.claims);
        let Some(claims) = claims.filter(|claims| claims.has_repositories()) else {
            return Ok(());
        };
        each(parts, LOOK_UPS, |_, part| -> Result<(), CarryError> {
            let Carried::New(layer) = part.layer else {
                return Ok(());
            };
            let made = MadeOf::new(&self.carriers[0], layer)?;
            let Some(key) = made.portable_key() else {
                return Ok(());
            };
            let known = made.known_plain();
            let is_unknown = |&lane: &usize| {
                let blob = known.and_then(|plain| self.carriers[lane].stored_blob(plain));
                blob.is_none()
            };
            let mut lanes = self.images((0..self.carriers.len()).collect());
            lanes.retain(is_unknown);
            let about = About { claims, key, known };
            self.look_up(&lanes, &about, reporter);
            Ok(())
        })?;
        Ok(())
    }

    /// Copies a layer that is yet to be made to destinations: takes it from where it is, or makes it. Returns none
    /// if another machine is making it, and it is not to be waited for.
    pub(super) fn take_or_make(
        &self,
        lanes: &[usize],
        wanted: &Wanted<'_>,
        reporter: &dyn Reporter,
    ) -> Result<Option<Landed>, CarryError> {
        let is_shared = |&lane: &usize| self.carriers[lane].shared.is_some();
        let (shared, images): (Vec<usize>, Vec<usize>) =
            lanes.iter().partition(|lane| is_shared(lane));
        let (made, begin) = (wanted.made, wanted.begin);
        let Some(key) = made.portable_key() else {
            return self.make(&images, made, begin, reporter).map(Some);
        };
        let (mut landed, mut rest) = self.known_or_taken(&images, key, wanted, reporter)?;
        let mut waiting = Waiting::default();
        while self.waits(&rest, &shared, (key, wanted), &mut waiting, reporter) {
            if !wanted.waits {
                return Ok(None);
            }
            thread::sleep(POLL);
            let (taken, left) = self.known_or_taken(&rest, key, wanted, reporter)?;
            landed.extend(taken);
            rest = left;
        }
        let (there, lacking) = self.known(&shared, made);
        // A signature is for what this run has seen: a cache may come from another machine.
        let is_signing = |lane: usize| {
            self.carriers[lane]
                .shared
                .is_some_and(SharedLayers::is_signing)
        };
        landed.extend(there.into_iter().filter(|(lane, _)| !is_signing(*lane)));
        let mut is_told = false;
        if !rest.is_empty() {
            rest.extend(lacking);
            let now = self.make_for(&rest, made, begin, reporter)?;
            is_told = self.refute(key, &now, reporter);
            let wrong = taken_wrongly(&mut landed, &now);
            landed.extend(now);
            landed.extend(self.make(&wrong, made, begin, reporter)?);
        }
        self.announce(key, &landed, is_told, reporter);
        Ok(Some(landed))
    }

    /// Returns the destinations that have a layer already, or can take it from where it is claimed to be.
    fn known_or_taken(
        &self,
        lanes: &[usize],
        key: &LayerKey,
        wanted: &Wanted<'_>,
        reporter: &dyn Reporter,
    ) -> Result<Taken, CarryError> {
        let made = wanted.made;
        let about = self.carriers[0].claims.map(|claims| About {
            claims,
            key,
            known: made.known_plain(),
        });
        let Some(about) = about else {
            return Ok(self.known(lanes, made));
        };
        for &lane in lanes {
            // What this machine knows contradicts some claims.
            self.usable(lane, &about, reporter);
        }
        let (mut landed, rest) = self.known(lanes, made);
        let (taken, rest) = self.take(&rest, &about, wanted.begin, reporter)?;
        landed.extend(taken);
        Ok((landed, rest))
    }

    /// Returns true if another machine is making a layer for some destinations, and is waited for.
    fn waits(
        &self,
        lanes: &[usize],
        shared: &[usize],
        (key, wanted): (&LayerKey, &Wanted<'_>),
        waiting: &mut Waiting,
        reporter: &dyn Reporter,
    ) -> bool {
        let claims = self.carriers[0].claims;
        let (Some((lane, layers)), true) = (
            self.taking_turns(lanes, shared),
            claims.is_some_and(|claims| claims.may_come(key)),
        ) else {
            return false;
        };
        let setting = self.carriers[lane].setting.describe();
        let leased = Leased {
            key: key.digest(),
            setting: &setting,
            weight: wanted.weight,
        };
        match layers.turn(leased) {
            Ok(Turn::Own) => false,
            Ok(Turn::Other(holder)) => {
                if wanted.waits && waiting.holder.is_none() {
                    reporter.waits(&layers.name());
                }
                waiting.is_patient(holder, leased.patience())
            }
            Err(error) => {
                // Leases only save work.
                if layers.stop_turns() {
                    let (name, why) = (layers.name(), chain(&error));
                    let what = format!("builds do not wait for each other in `{name}`: {why}");
                    reporter.disbelieved(&what, error.hint().as_deref());
                }
                false
            }
        }
    }

    /// Returns the repository of layers that gets what is made for some destinations, if machines take
    /// turns there.
    fn taking_turns(
        &self,
        lanes: &[usize],
        shared: &[usize],
    ) -> Option<(usize, &SharedLayers<'_>)> {
        let &lane = shared.first()?;
        let carrier = &self.carriers[lane];
        let layers = carrier.shared.filter(|layers| layers.holder().is_some())?;
        let is_same = |&lane: &usize| self.carriers[lane].setting == carrier.setting;
        lanes.iter().any(is_same).then_some((lane, layers))
    }

    /// Reports the claims that turn out to be false because the layer is made. Returns true if there
    /// are any.
    fn refute(&self, key: &LayerKey, made: &Landed, reporter: &dyn Reporter) -> bool {
        let Some((claims, (_, shipped))) = self.carriers[0].claims.zip(made.first()) else {
            return false;
        };
        let mut any = false;
        for author in claims.refuted(key, shipped.diff_id) {
            let what = format!(
                "`{author}` claims another layer than the one that was made: `{}`",
                shipped.diff_id
            );
            reporter.disbelieved(&what, Some(FALSE));
            any = true;
        }
        any
    }

    /// Writes entries about a layer to repositories of layers that have it. Reports a false one that
    /// is replaced, unless it is reported already.
    fn announce(&self, key: &LayerKey, landed: &Landed, is_told: bool, reporter: &dyn Reporter) {
        for (lane, shipped) in landed {
            let carrier = &self.carriers[*lane];
            let Some((layers, plain)) = carrier.shared.zip(plain(shipped)) else {
                continue;
            };
            let setting = carrier.setting.describe();
            let announced = layers.announce(key.digest(), &setting, plain, &shipped.descriptor);
            if let Some(Some(author)) = self.step(*lane, announced)
                && !is_told
            {
                let what = format!(
                    "`{author}` claimed another layer than the one that was made, `{}`, and is replaced",
                    shipped.diff_id
                );
                reporter.disbelieved(&what, Some(FALSE));
            }
        }
    }
}

/// Removes the layers that were taken and are not what was made now. Returns their destinations.
fn taken_wrongly(landed: &mut Landed, now: &Landed) -> Vec<usize> {
    let Some((_, made)) = now.first() else {
        return vec![];
    };
    let wrong = landed.extract_if(.., |(_, shipped)| shipped.diff_id != made.diff_id);
    wrong.map(|(lane, _)| lane).collect()
}

/// Returns the plain layer that a destination has.
fn plain(shipped: &Shipped) -> Option<Plain> {
    let (diff_id, size): (Digest, u64) = (shipped.diff_id, shipped.size?);
    Some(Plain { diff_id, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_machines_are_waited_for_and_each_for_a_time() {
        const LONG: Duration = Duration::from_secs(3600);
        let mut waiting = Waiting::default();
        let holders = [(); MOST_HOLDERS + 1].map(|()| Holder::random());
        for holder in &holders[..MOST_HOLDERS] {
            assert!(waiting.is_patient(*holder, LONG) && waiting.is_patient(*holder, LONG));
        }
        assert!(!waiting.is_patient(holders[MOST_HOLDERS], LONG));
        let mut waiting = Waiting::default();
        waiting.is_patient(holders[0], LONG);
        thread::sleep(Duration::from_millis(2));
        assert!(!waiting.is_patient(holders[0], Duration::ZERO));
    }
}
