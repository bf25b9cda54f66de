//! The number of bytes that an archive will have, for the display of its progress.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use super::NewImage;
use crate::base::{Base, BaseLayer};
use crate::destination::Reporter;
use crate::layer::{self, NewLayer};

/// After so long somebody may want to know how long it takes.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does some work, and tells the reporter how many bytes there will be: at once where the sizes of layers are known, and
/// else as soon as all files have been looked at, on the side, unless it is over before.
pub(super) fn told<T>(
    image: &NewImage<'_>,
    new: &[Box<dyn NewLayer + '_>],
    reporter: &dyn Reporter,
    work: impl FnOnce() -> T,
) -> T {
    let base = of_base(image);
    let store = || new.iter().filter(|layer| !layer.store_paths().is_empty());
    let weights = store().map(|layer| layer.weight());
    if let Some(weights) = weights.collect::<Option<Vec<u64>>>() {
        reporter.expected(weights.into_iter().fold(base, u64::saturating_add));
        return work();
    }
    if !reporter.wants_total() {
        return work();
    }
    thread::scope(|scope| {
        let (end, ended) = channel::<()>();
        scope.spawn(move || {
            if let Some(size) = measured(&mut store(), &ended) {
                reporter.expected(size.saturating_add(base));
            }
        });
        let done = work();
        drop(end);
        done
    })
}

/// Looks at the files of layers for their sizes, unless the work ends first. The reader of a
/// file reports what is wrong with it.
fn measured(
    layers: &mut dyn Iterator<Item = &Box<dyn NewLayer + '_>>,
    ended: &Receiver<()>,
) -> Option<u64> {
    if ended.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
        return None;
    }
    let mut total: u64 = 0;
    for layer in layers {
        if ended.try_recv() != Err(TryRecvError::Empty) {
            return None;
        }
        let size = match layer.weight() {
            Some(weight) => weight,
            None => layer::measure(layer.as_ref()).ok()?.size,
        };
        total = total.saturating_add(size);
    }
    Some(total)
}

/// Returns the number of bytes of the layers of the base, each once.
fn of_base(image: &NewImage<'_>) -> u64 {
    let mut members = BTreeSet::new();
    let base = image.base.iter().flat_map(Base::layers);
    let base = base.filter(|layer| members.insert(&layer.name));
    base.map(BaseLayer::stored_size)
        .fold(0, u64::saturating_add)
}
