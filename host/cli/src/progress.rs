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
    /// The number of bytes to send of the layers that are made so far.
    to_send: AtomicU64,
    finished: AtomicUsize,
    there: AtomicUsize,
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
            to_send: AtomicU64::new(0),
            finished: AtomicUsize::new(0),
            there: AtomicUsize::new(0),
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
        match there {
            0 => {}
            all if all == finished => parts.push("all layers already existed".to_owned()),
            some => parts.push(format!("{some} of {finished} layers already existed")),
        }
        if left > 0 {
            parts.push(format!("{left} of {finished} layers left where they are"));
        }
        if sent > 0 {
            parts.push(format!("{} sent", DecimalBytes(sent)));
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

    fn disbelieved(&self, what: &str) {
        self.printer.warning(what);
    }

    fn left_out(&self, what: &str) {
        self.printer.warning(&format!("left out: {what}"));
    }

    fn read(&self, bytes: u64) {
        self.add(&self.count.read, bytes);
    }

    fn sent(&self, bytes: u64) {
        self.add(&self.count.sent, bytes);
    }

    fn finished(&self, _: usize, outcome: LayerOutcome) {
        let finished = 1 + self.count.finished.fetch_add(1, Ordering::Relaxed);
        let count = match outcome {
            LayerOutcome::Brought | LayerOutcome::Fetched => None,
            LayerOutcome::WasThere => Some(&self.count.there),
            LayerOutcome::Left => Some(&self.count.left),
        };
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(bar) = self.meter.bar() {
            // Layers come to their ends in any order.
            bar.set_position(bar.position().max(finished as u64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(written: u64, sent: u64, finished: usize, there: usize) -> String {
        counts(0, written, sent, finished, there)
    }

    fn counts(read: u64, written: u64, sent: u64, finished: usize, there: usize) -> String {
        let count = Count::new();
        count.read.store(read, Ordering::Relaxed);
        count.written.store(written, Ordering::Relaxed);
        count.sent.store(sent, Ordering::Relaxed);
        count.finished.store(finished, Ordering::Relaxed);
        count.there.store(there, Ordering::Relaxed);
        count.over.store(true, Ordering::Relaxed);
        let text = count.summary();
        match (text.find(" at "), text.find("/s")) {
            (Some(start), Some(end)) => format!("{}{}", &text[..start], &text[end + 2..]),
            _ => text,
        }
    }

    #[test]
    fn a_summary_says_what_there_is_to_say() {
        assert_eq!(count(0, 0, 0, 0), "0 B");
        assert_eq!(count(1000, 0, 3, 0), "1.00 kB");
        assert_eq!(
            count(1000, 500, 3, 1),
            "1.00 kB, 1 of 3 layers already existed, 500 B sent"
        );
        assert_eq!(count(0, 0, 3, 3), "all layers already existed");
        assert_eq!(count(1000, 0, 3, 3), "1.00 kB, all layers already existed");
        let left = |written: u64, there: usize, left: usize| {
            let count = Count::new();
            count.written.store(written, Ordering::Relaxed);
            count.finished.store(3, Ordering::Relaxed);
            count.there.store(there, Ordering::Relaxed);
            count.left.store(left, Ordering::Relaxed);
            count.outcome(written)
        };
        let some = "1 of 3 layers already existed, 2 of 3 layers left where they are";
        assert_eq!(left(0, 1, 2), some);
        assert_eq!(left(0, 0, 3), "3 of 3 layers left where they are");
        assert!(left(5, 0, 1).ends_with("/s, 1 of 3 layers left where they are"));
        // What was read matters until something is written.
        assert_eq!(counts(2000, 0, 0, 0, 0), "2.00 kB read");
        assert_eq!(counts(2000, 1000, 0, 1, 0), "1.00 kB");
    }

    #[test]
    fn silence_is_broken_and_nothing_else() {
        let count = Count::new();
        // What was said before the first look is not silence.
        count.said.store(true, Ordering::Relaxed);
        assert_eq!(count.so_far(3), None);
        let (text, figures) = count.so_far(3).unwrap();
        assert!(text.starts_with("0 B at "), "{text}");
        assert_eq!((figures.bytes, figures.bytes_total), (Some(0), None));
        assert_eq!((figures.done, figures.total), (Some(0), Some(3)));
    }

    /// Returns the progress in words ten seconds after the start.
    fn told(written: u64, expected: u64, sent: u64, to_send: u64) -> String {
        let estimate = Estimate {
            seconds: 10.0,
            written,
            expected,
            sent,
            to_send,
        };
        estimate.to_string()
    }

    #[test]
    fn total_rate_and_rest_are_told_where_they_are_known() {
        const M: u64 = 1_000_000;
        for (written, expected, sent, to_send, told_of) in [
            (100 * M, 0, 0, 0, "100.00 MB at 10.00 MB/s"),
            (
                100 * M,
                400 * M,
                0,
                0,
                "100.00 MB of 400.00 MB at 10.00 MB/s, about 30 seconds left",
            ),
            // An estimate that is too small is no longer one.
            (
                401 * M,
                400 * M,
                0,
                0,
                "401.00 MB of 401.00 MB at 40.10 MB/s",
            ),
            (500 * M, 400 * M, 0, 0, "500.00 MB at 50.00 MB/s"),
            (
                400 * M,
                400 * M,
                50 * M,
                500 * M,
                "400.00 MB of 400.00 MB at 40.00 MB/s, 50.00 MB of 500.00 MB sent, about 2 minutes left",
            ),
            (
                400 * M,
                400 * M,
                500 * M,
                500 * M,
                "400.00 MB of 400.00 MB at 40.00 MB/s, 500.00 MB sent",
            ),
        ] {
            assert_eq!(told(written, expected, sent, to_send), told_of);
        }
    }

    #[test]
    fn layers_that_were_there_are_told_of_when_it_is_over() {
        let count = Count::new();
        count.expected.store(700, Ordering::Relaxed);
        count.skipped.store(200, Ordering::Relaxed);
        count.written.store(100, Ordering::Relaxed);
        count.finished.store(2, Ordering::Relaxed);
        count.there.store(2, Ordering::Relaxed);
        // The third one is on its way.
        let line = count.line(3);
        let figures = count.figures(3);
        assert_eq!((figures.bytes, figures.bytes_total), (Some(100), Some(500)));
        assert_eq!((figures.done, figures.bytes_sent), (Some(2), None));
        assert!(line.starts_with("100 B of 500 B at "), "{line}");
        assert!(line.ends_with(", 2 of 3 layers done"), "{line}");
        assert!(!line.contains("there"), "{line}");
        count.finished.store(3, Ordering::Relaxed);
        count.over.store(true, Ordering::Relaxed);
        assert!(count.summary().ends_with("2 of 3 layers already existed"));
    }
}
