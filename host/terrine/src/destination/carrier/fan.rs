//! Several destinations at once: each layer is read once, and compressed once for each setting.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use terrine_oci::Descriptor;

use super::make::{MadeOf, Reencoded};
use super::share::Wanted;
use super::{Carried, Carrier, CarryError, Part, Shipped};
use crate::destination::blob::Threads;
use crate::destination::{Destination, Error, LayerOutcome, Reporter, Staged, temporary_place};
use crate::layer;
use crate::parallel::each;
use crate::source::{Layer, Spooled};

/// A layer at the destinations that have it now, by the number of each.
pub(super) type Landed = Vec<(usize, Shipped)>;

/// Layers of an image at one destination, or why that has not got them.
pub type Brought = Result<Vec<Shipped>, Error>;

/// Carriers of the same layers, and the turn of one layer.
#[derive(Clone, Copy)]
pub(super) struct Fan<'c, 'a> {
    pub(super) carriers: &'c [Carrier<'a>],
    /// The failure that stopped each destination, by its number, and the turn in which it failed.
    /// Only the failure of the first turn is reported, in whatever order the layers finish.
    failed: &'c Mutex<Failed>,
    turn: usize,
    /// The number of threads that make the layer.
    pub(super) threads: Threads,
}

/// The work on a layer.
#[derive(Clone, Copy)]
struct Work {
    /// The approximate size of the layer in bytes.
    weight: u64,
    /// True if the layer is waited for, if another machine is making it.
    waits: bool,
}

/// Failures of destinations, and the turns in which they failed.
type Failed = Vec<Option<(usize, Error)>>;

/// The reason to begin no more layers.
enum Stop {
    /// A layer that cannot be made or read.
    Layer(CarryError),
    /// All destinations have failed.
    NobodyLeft,
}

/// Brings the layers of an image to the destinations of all carriers, `jobs` layers at once. What
/// one destination fails to do does not keep the layers from the others. Returns by carrier what
/// the layers are at its destination, in the order of `parts`.
///
/// # Errors
///
/// A layer that cannot be made or read, or is not what it should be.
pub fn all(
    carriers: &[Carrier<'_>],
    parts: &[Part<'_>],
    jobs: NonZeroUsize,
    reporter: &dyn Reporter,
) -> Result<Vec<Brought>, CarryError> {
    let failed = Mutex::new(carriers.iter().map(|_| None).collect());
    let fan = Fan::new(carriers, &failed);
    let first = super::firsts(parts);
    let mut wanted: Vec<usize> = (0..parts.len())
        .filter(|&index| first[index] == index)
        .collect();
    let weights = each(parts, jobs, |_, part| fan.weight(&part.layer))?;
    let total = wanted.iter().map(|&index| weights[index]);
    let total = total.fold(0, u64::saturating_add);
    reporter.expected(total);
    // The largest first, so that none is left alone at the end.
    wanted.sort_by_key(|&index| Reverse((weights[index], index)));
    fan.take_turns(&mut wanted, &weights);
    fan.look_up_all(parts, reporter)?;
    let (last, wanted): (Vec<usize>, Vec<usize>) = wanted
        .into_iter()
        .partition(|&index| parts[index].layer.comes_last());
    let mut landed: HashMap<usize, Landed> = HashMap::new();
    let mut groups = VecDeque::from([(wanted, false), (last, false)]);
    let mut before = 0;
    while let Some((group, waits)) = groups.pop_front() {
        let done = each(&group, jobs, |position, &index| {
            let weight = weights[index];
            let fan = Fan {
                turn: before + position,
                // No other layer keeps a processor busy as long as one that is larger than all others together.
                threads: if jobs.get() == 1 || weight > total / 2 {
                    Threads::Three
                } else {
                    Threads::One
                },
                ..fan
            };
            fan.one(index + 1, &parts[index], Work { weight, waits }, reporter)
        });
        let done = match done {
            Ok(done) => done,
            Err(Stop::Layer(error)) => return Err(error),
            Err(Stop::NobodyLeft) => break,
        };
        before += group.len();
        let (there, others): (Vec<_>, Vec<_>) = group
            .into_iter()
            .zip(done)
            .partition(|(_, landed)| landed.is_some());
        landed.extend(
            there
                .into_iter()
                .filter_map(|(index, landed)| Some((index, landed?))),
        );
        if !others.is_empty() {
            let others = others.into_iter().map(|(index, _)| index);
            groups.push_front((others.collect(), true));
        }
    }
    Ok(fan.outcomes(&first, &landed))
}

impl<'c, 'a> Fan<'c, 'a> {
    /// None of the carriers has failed yet.
    pub(super) fn new(carriers: &'c [Carrier<'a>], failed: &'c Mutex<Failed>) -> Self {
        Self {
            carriers,
            failed,
            turn: 0,
            threads: Threads::Three,
        }
    }
}

impl Fan<'_, '_> {
    /// Brings one layer to all destinations that have not failed. Returns none if another machine is
    /// making it.
    fn one(
        &self,
        number: usize,
        part: &Part<'_>,
        work: Work,
        reporter: &dyn Reporter,
    ) -> Result<Option<Landed>, Stop> {
        let begun = Cell::new(false);
        let landed = self.bring(number, part, work, &begun, reporter);
        let Some(landed) = landed.map_err(Stop::Layer)? else {
            return Ok(None);
        };
        // A repository of layers is no place of the image.
        let images = landed
            .iter()
            .filter(|(lane, _)| self.carriers[*lane].shared.is_none());
        let outcomes: Vec<LayerOutcome> = images.map(|(_, shipped)| shipped.outcome).collect();
        if outcomes.is_empty() {
            return Err(Stop::NobodyLeft);
        }
        if !begun.get() {
            reporter.skipped(work.weight);
        }
        reporter.finished(number, LayerOutcome::of_all(outcomes.into_iter()));
        Ok(Some(landed))
    }

    /// Brings one layer. The reporter is told only of one that is made or read, which is `begun` then.
    fn bring(
        &self,
        number: usize,
        part: &Part<'_>,
        work: Work,
        begun: &Cell<bool>,
        reporter: &dyn Reporter,
    ) -> Result<Option<Landed>, CarryError> {
        let begin = |size| {
            // A layer that is read for several settings is one all the same.
            if !begun.replace(true) {
                reporter.layer(number, part.origin, size);
            }
        };
        let lanes = self.alive();
        match part.layer {
            Carried::New(layer) => {
                let made = MadeOf::new(&self.carriers[0], layer)?;
                let wanted = Wanted {
                    made: &made,
                    weight: work.weight,
                    waits: work.waits,
                    begin: &begin,
                };
                self.take_or_make(&lanes, &wanted, reporter)
            }
            Carried::Existing(image, layer) => {
                let images = self.images(lanes);
                let existing = self.existing(images, image, layer, &begin, reporter);
                existing.map(Some)
            }
        }
    }

    /// Brings a layer of an existing image. `begin` is called when it is read.
    fn existing(
        &self,
        lanes: Vec<usize>,
        image: &str,
        layer: &Arc<dyn Layer>,
        begin: &dyn Fn(u64),
        reporter: &dyn Reporter,
    ) -> Result<Landed, CarryError> {
        let begun = Cell::new(false);
        let begin = &|size| {
            begun.set(true);
            begin(size);
        };
        if layer.is_foreign() {
            return self.foreign(&lanes, image, layer, begin, reporter);
        }
        self.see(layer.as_ref())?;
        let (stays, changes): (Vec<usize>, Vec<usize>) = lanes
            .into_iter()
            .partition(|&lane| self.carriers[lane].stays(layer.as_ref()));
        // One that is far away is read once, however many forms of it there are to be.
        let is_near = stays.is_empty() || changes.is_empty() || layer.repository().is_none();
        let spooled: Option<Arc<dyn Layer>> = (!is_near).then(|| {
            let (layer, image) = (Arc::clone(layer), image.to_owned());
            let spooled: Arc<dyn Layer> = Arc::new(Spooled::new(layer, image, Arc::default()));
            spooled
        });
        let layer = spooled.as_ref().unwrap_or(layer);
        let mut landed = vec![];
        if !stays.is_empty() {
            landed = self.fetch(&stays, image, layer, begin, reporter)?;
        }
        if !changes.is_empty() {
            let again = Reencoded { image, layer };
            landed.extend(self.make(&changes, &again, begin, reporter)?);
            if stays.is_empty() && begun.get() && layer.repository().is_some() {
                reporter.received(layer.stored_size());
            }
        }
        Ok(landed)
    }

    /// Returns the approximate size of a layer in bytes. Where nobody knows it, its files are
    /// looked at: that takes less than what is lost when a large one is left to the end.
    fn weight(&self, layer: &Carried<'_>) -> Result<u64, CarryError> {
        let layer = match layer {
            Carried::Existing(_, layer) => return Ok(layer.stored_size()),
            Carried::New(layer) => *layer,
        };
        if let Some(weight) = layer.weight() {
            return Ok(weight);
        }
        if layer.store_paths().is_empty() {
            return Ok(0);
        }
        if let Some(size) = MadeOf::new(&self.carriers[0], layer)?.size() {
            return Ok(size);
        }
        Ok(layer::measure(layer)?.size)
    }

    /// Returns what came of a step of one destination. After a failure it gets nothing more.
    pub(super) fn step<T>(&self, lane: usize, outcome: Result<T, Error>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                let known = &mut self.failed()[lane];
                if known.as_ref().is_none_or(|(turn, _)| self.turn < *turn) {
                    *known = Some((self.turn, error));
                }
                None
            }
        }
    }

    /// Gives up destinations for which a file could not be written.
    pub(super) fn unwritten(&self, lanes: &[usize], source: &io::Error) {
        for &lane in lanes {
            let place = match lanes {
                [_] => self.destination(lane).waiting_place(),
                _ => temporary_place(),
            };
            let source = again(source);
            self.step::<()>(lane, Err(Error::Staging { place, source }));
        }
    }

    /// Finds a place where bytes for some destinations wait: that of the only one, or a file that
    /// all of them read.
    pub(super) fn stage(&self, lanes: &[usize]) -> Option<Staged> {
        if let [lane] = lanes {
            return self.step(*lane, self.destination(*lane).stage());
        }
        match tempfile::tempfile() {
            Ok(file) => Some(Staged::File(file)),
            Err(error) => {
                self.unwritten(lanes, &error);
                None
            }
        }
    }

    /// Gives staged bytes to destinations by `keep`, which returns what became of the layer.
    pub(super) fn hand_out(
        &self,
        lanes: &[usize],
        staged: Staged,
        keep: impl Fn(&Carrier<'_>, Staged) -> Result<LayerOutcome, Error>,
    ) -> Vec<(usize, LayerOutcome)> {
        let mut kept = vec![];
        let mut staged = Some(staged);
        for (index, &lane) in lanes.iter().enumerate() {
            let is_last = index + 1 == lanes.len();
            let share = match (&staged, is_last) {
                (Some(staged), false) => staged.share().map(Some),
                _ => Ok(staged.take()),
            };
            match share {
                Ok(Some(share)) => {
                    let outcome = self.step(lane, keep(&self.carriers[lane], share));
                    kept.extend(outcome.map(|outcome| (lane, outcome)));
                }
                Ok(None) => {}
                Err(error) => {
                    self.step::<()>(lane, Err(Error::temporary(error)));
                }
            }
        }
        kept
    }

    fn destination(&self, lane: usize) -> &dyn Destination {
        self.carriers[lane].destination
    }

    /// Puts destinations together whose layers are compressed in the same way.
    pub(super) fn by_setting(&self, lanes: &[usize]) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = vec![];
        for &lane in lanes {
            let setting = self.carriers[lane].setting;
            let same = |group: &&mut Vec<usize>| self.carriers[group[0]].setting == setting;
            match groups.iter_mut().find(same) {
                Some(group) => group.push(lane),
                None => groups.push(vec![lane]),
            }
        }
        groups
    }

    /// Numbers of the destinations that have not failed in an earlier turn.
    fn alive(&self) -> Vec<usize> {
        let failed = self.failed();
        (0..self.carriers.len())
            .filter(|&lane| {
                let failed = failed[lane].as_ref();
                failed.is_none_or(|(turn, _)| self.turn <= *turn)
            })
            .collect()
    }

    /// Returns those of some destinations that get the image, and not only layers.
    pub(super) fn images(&self, mut lanes: Vec<usize>) -> Vec<usize> {
        lanes.retain(|&lane| self.carriers[lane].shared.is_none());
        lanes
    }

    fn failed(&self) -> MutexGuard<'_, Failed> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns why destinations have failed, by number.
    pub(super) fn failures(&self) -> Vec<Result<(), Error>> {
        let mut failed = self.failed();
        let failed = failed.iter_mut().map(Option::take);
        failed
            .map(|failed| failed.map_or(Ok(()), |(_, error)| Err(error)))
            .collect()
    }

    /// Returns what each destination has got in the end.
    fn outcomes(&self, first: &[usize], landed: &HashMap<usize, Landed>) -> Vec<Brought> {
        let mut failed = self.failed();
        let layers = |lane: usize| {
            let layer = |index: &usize| {
                let landed = landed.get(index)?;
                let (_, shipped) = landed.iter().find(|(number, _)| *number == lane)?;
                Some(shipped.clone())
            };
            first.iter().filter_map(layer).collect()
        };
        (0..self.carriers.len())
            .map(|lane| match failed[lane].take() {
                Some((_, error)) => Err(error),
                None => Ok(layers(lane)),
            })
            .collect()
    }
}

/// Returns the same failure of the system for another destination.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Returns the descriptor of an existing layer, as a destination has it.
pub(super) fn landed(
    lane: usize,
    descriptor: &Descriptor,
    diff_id: terrine_oci::Digest,
    size: Option<u64>,
    outcome: LayerOutcome,
) -> (usize, Shipped) {
    let descriptor = descriptor.clone();
    let shipped = Shipped {
        descriptor,
        diff_id,
        size,
        outcome,
    };
    (lane, shipped)
}
