//! Progress of an image: a bar on a terminal. Elsewhere it is a line for each layer that is made,
//! and one every few seconds while nothing else is written.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, HumanDuration};
use terrine::destination::{LayerOutcome, Reporter};
use terrine::layer::LayerOrigin;
use terrine::pipe::Observer;
use terrine::plan::Transferred;

use super::meter::Meter;
use super::printer::{Figures, Printer};

/// Shows how far an image is.
pub(super) struct Progress<'a> {
    printer: &'a Printer,
    layers: usize,
    count: Arc<Count>,
    meter: Meter,
}

/// Counts of the bytes and layers that are done so far.
#[derive(Debug)]
struct Count {
    start: Instant,
    read: AtomicU64,
    written: AtomicU64,
    /// The number of bytes to write, including layers that are skipped; 0 if it is not known.
    expected: AtomicU64,
    skipped: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    /// The number of bytes to send of the layers that are made so far.
    to_send: AtomicU64,
    finished: AtomicUsize,
    there: AtomicUsize,
    /// The number of layers among them that were mounted.
    mounted: AtomicUsize,
    /// The number of layers that were copied from other images.
    fetched: AtomicUsize,
    /// The number of layers that are left where they are.
    left: AtomicUsize,
    /// True if a line was written since the last call of `so_far`.
    said: AtomicBool,
    /// True if the image is finished.
    over: AtomicBool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(printer: &'a Printer, layers: usize) -> Self {
        let count = Arc::new(Count::new());
        let counted = Arc::clone(&count);
        let meter = Meter::new(printer, layers as u64, template(layers), move || {
            counted.so_far(layers)
        });
        Self {
            printer,
            layers,
            count,
            meter,
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.count.over.store(true, Ordering::Relaxed);
        self.meter.finish();
    }

    /// Returns the bytes that moved between this machine and registries.
    pub(super) fn transferred(&self) -> Transferred {
        Transferred {
            sent: load(&self.count.sent),
            received: load(&self.count.received),
        }
    }

    /// Counts some more bytes.
    fn add(&self, to: &AtomicU64, bytes: u64) {
        to.fetch_add(bytes, Ordering::Relaxed);
        if let Some(bar) = self.meter.bar() {
            bar.set_message(self.summary());
        }
    }

    /// Returns in words how much is done, and how fast.
    pub(super) fn summary(&self) -> String {
        self.count.summary()
    }
}

impl Count {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            expected: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            to_send: AtomicU64::new(0),
            finished: AtomicUsize::new(0),
            there: AtomicUsize::new(0),
            mounted: AtomicUsize::new(0),
            fetched: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            said: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    /// Returns the progress in words and in numbers, if no line was written since the last call.
    fn so_far(&self, layers: usize) -> Option<(String, Figures)> {
        let is_silent = !self.said.swap(false, Ordering::Relaxed);
        is_silent.then(|| (self.line(layers), self.figures(layers)))
    }

    /// Returns the progress in numbers.
    fn figures(&self, layers: usize) -> Figures {
        let (read, written) = (load(&self.read), load(&self.written));
        let estimate = self.estimate(written);
        let known = |number: u64| Some(number).filter(|number| *number > 0);
        // What is read matters until something is written.
        let bytes = if written > 0 { written } else { read };
        Figures {
            bytes: Some(bytes),
            bytes_total: estimate.total().filter(|_| read == 0 || written > 0),
            bytes_per_second: Some((bytes as f64 / estimate.seconds) as u64),
            bytes_received: known(load(&self.received)),
            bytes_sent: known(estimate.sent),
            bytes_to_send: known(estimate.to_send.max(estimate.sent)),
            seconds_left: estimate.rest(),
            done: Some(self.finished.load(Ordering::Relaxed) as u64),
            total: known(layers as u64),
        }
    }

    /// Returns the outcome in words once the image is finished, and the progress before that.
    fn summary(&self) -> String {
        let written = load(&self.written);
        let read = load(&self.read);
        if read > 0 && written == 0 {
            return format!("{} read at {}/s", DecimalBytes(read), self.speed(read));
        }
        if self.over.load(Ordering::Relaxed) {
            self.outcome(written)
        } else {
            self.estimate(written).to_string()
        }
    }

    fn outcome(&self, written: u64) -> String {
        let there = self.there.load(Ordering::Relaxed);
        let left = self.left.load(Ordering::Relaxed);
        let finished = self.finished.load(Ordering::Relaxed);
        let sent = load(&self.sent);
        let mut parts = vec![];
        if written > 0 || there + left == 0 {
            parts.push(format!(
                "{} at {}/s",
                DecimalBytes(written),
                self.speed(written)
            ));
        }
        let mounted = match self.mounted.load(Ordering::Relaxed) {
            0 => String::new(),
            mounted => format!(" ({mounted} mounted)"),
        };
        match there {
            0 => {}
            all if all == finished => parts.push(format!("all layers already existed{mounted}")),
            some => parts.push(format!(
                "{some} of {finished} layers already existed{mounted}"
            )),
        }
        let fetched = self.fetched.load(Ordering::Relaxed);
        if fetched > 0 {
            parts.push(format!(
                "{fetched} of {finished} layers copied from other images"
            ));
        }
        if left > 0 {
            parts.push(format!("{left} of {finished} layers left where they are"));
        }
        if sent > 0 {
            parts.push(format!("{} sent", DecimalBytes(sent)));
        }
        let received = load(&self.received);
        if received > 0 {
            parts.push(format!("{} received", DecimalBytes(received)));
        }
        parts.join(", ")
    }

    fn estimate(&self, written: u64) -> Estimate {
        Estimate {
            seconds: self
                .start
                .elapsed()
                .max(Duration::from_millis(1))
                .as_secs_f64(),
            written,
            expected: load(&self.expected).saturating_sub(load(&self.skipped)),
            sent: load(&self.sent),
            to_send: load(&self.to_send),
        }
    }

    /// Returns the progress in words with the number of layers, which a bar shows separately.
    fn line(&self, layers: usize) -> String {
        let finished = self.finished.load(Ordering::Relaxed);
        let mut line = self.summary();
        if finished > 0 {
            let of = if layers > 0 {
                format!(" of {layers}")
            } else {
                String::new()
            };
            line.push_str(&format!(", {finished}{of} layers done"));
        }
        line
    }

    /// So many bytes for each second so far.
    fn speed(&self, bytes: u64) -> DecimalBytes {
        let seconds = self
            .start
            .elapsed()
            .max(Duration::from_millis(1))
            .as_secs_f64();
        DecimalBytes((bytes as f64 / seconds) as u64)
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// The largest number of bytes of headers in an archive that the estimate does not include.
const HEADERS: u64 = 1 << 20;

/// The progress of an image, and an estimate of the time that it still takes.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    seconds: f64,
    written: u64,
    /// The number of bytes to write; 0 if it is not known.
    expected: u64,
    sent: u64,
    to_send: u64,
}

impl Estimate {
    /// Returns the number of seconds that are left, if it can be estimated.
    fn rest(&self) -> Option<u64> {
        let rest = |done: u64, all: u64| (all - done) as f64 * self.seconds / done as f64;
        let total = self.total().filter(|_| self.written > 0)?;
        let writes = rest(self.written, total);
        let sends = match self.sent {
            0 => 0.0,
            sent => rest(sent, self.to_send.max(sent)),
        };
        // Before that it says little.
        (self.seconds >= 1.0).then(|| writes.max(sends).ceil() as u64)
    }

    /// Returns the number of bytes to write, if it is known. Archives have headers beside the bytes
    /// that were expected. Returns none once more is written than headers can explain: the expected
    /// number was much too small then.
    fn total(&self) -> Option<u64> {
        let most = self.expected + self.expected / 20 + HEADERS;
        let is_known = self.expected > 0 && self.written <= most;
        is_known.then(|| self.expected.max(self.written))
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", DecimalBytes(self.written))?;
        if let Some(total) = self.total() {
            write!(f, " of {}", DecimalBytes(total))?;
        }
        write!(
            f,
            " at {}/s",
            DecimalBytes((self.written as f64 / self.seconds) as u64)
        )?;
        match (self.sent, self.to_send) {
            (0, 0) => {}
            (sent, all) if all > sent => {
                write!(f, ", {} of {} sent", DecimalBytes(sent), DecimalBytes(all))?;
            }
            (sent, _) => write!(f, ", {} sent", DecimalBytes(sent))?,
        }
        match self.rest() {
            Some(rest) if rest > 0 => write!(
                f,
                ", about {} left",
                HumanDuration(Duration::from_secs(rest))
            ),
            _ => Ok(()),
        }
    }
}

fn template(layers: usize) -> &'static str {
    match layers {
        // Several images at once: how many layers that are is not known.
        0 => "{spinner} {pos} layers done, {msg}",
        _ => "{bar:30} {pos} of {len} layers done, {msg}",
    }
}

impl Observer for Progress<'_> {
    fn written(&self, bytes: u64) {
        self.add(&self.count.written, bytes);
    }
}

impl Reporter for Progress<'_> {
    fn wants_total(&self) -> bool {
        !self.printer.is_quiet()
    }

    fn layer(&self, number: usize, source: LayerOrigin<'_>, size: u64) {
        if let Some(bar) = self.meter.bar() {
            bar.set_message(self.summary());
            return;
        }
        let what = match source {
            LayerOrigin::Base(member) => format!("`{member}` of the base image"),
            LayerOrigin::Existing(name) => format!("`{name}`"),
            LayerOrigin::Store(names) => names.to_owned(),
            LayerOrigin::Root => "root layer".to_owned(),
        };
        let size = if size > 0 {
            format!(", {}", DecimalBytes(size))
        } else {
            String::new()
        };
        let of = if self.layers > 0 {
            format!(" of {}", self.layers)
        } else {
            String::new()
        };
        self.printer
            .status(&format!("layer {number}{of}: {what}{size}"));
        self.count.said.store(true, Ordering::Relaxed);
    }

    fn expected(&self, bytes: u64) {
        self.add(&self.count.expected, bytes);
    }

    fn skipped(&self, bytes: u64) {
        self.add(&self.count.skipped, bytes);
    }

    fn to_send(&self, bytes: u64) {
        self.add(&self.count.to_send, bytes);
    }

    fn disbelieved(&self, what: &str, hint: Option<&str>) {
        self.printer.warning_with_hint(what, hint);
    }

    fn waits(&self, repository: &str) {
        let status = format!("waiting for a layer that another machine builds for `{repository}`");
        self.printer.status(&status);
    }

    fn left_out(&self, what: &str) {
        self.printer.warning(&format!("left out: {what}"));
    }

    fn read(&self, bytes: u64) {
        self.add(&self.count.read, bytes);
    }

    fn received(&self, bytes: u64) {
        self.add(&self.count.received, bytes);
    }

    fn sent(&self, bytes: u64) {
        self.add(&self.count.sent, bytes);
    }

    fn finished(&self, _: usize, outcome: LayerOutcome) {
        let finished = 1 + self.count.finished.fetch_add(1, Ordering::Relaxed);
        let count = |of: &AtomicUsize| {
            of.fetch_add(1, Ordering::Relaxed);
        };
        match outcome {
            LayerOutcome::Brought => {}
            LayerOutcome::Fetched => count(&self.count.fetched),
            LayerOutcome::Cached | LayerOutcome::WasThere => count(&self.count.there),
            LayerOutcome::Mounted => {
                count(&self.count.there);
                count(&self.count.mounted);
            }
            LayerOutcome::Left => count(&self.count.left),
        }
        if let Some(bar) = self.meter.bar() {
            // Layers come to their ends in any order.
            bar.set_position(bar.position().max(finished as u64));
        }
    }
}

#[cfg(test)]
mod tests;
