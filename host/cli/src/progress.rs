//! How far an image is: a bar on a terminal; elsewhere a line for each layer that is made, and
//! one every few seconds while nothing else is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::DecimalBytes;
use terrine::destination::Reporter;
use terrine::layer::LayerOrigin;
use terrine::pipe::Observer;

use super::meter::Meter;
use super::printer::Printer;

/// Shows how far an image is.
pub(super) struct Progress<'a> {
    printer: &'a Printer,
    layers: usize,
    count: Arc<Count>,
    meter: Meter,
}

/// What has been done so far.
#[derive(Debug)]
struct Count {
    start: Instant,
    read: AtomicU64,
    written: AtomicU64,
    sent: AtomicU64,
    finished: AtomicUsize,
    there: AtomicUsize,
    /// Whether anything was said since the last look.
    said: AtomicBool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(printer: &'a Printer, layers: usize) -> Self {
        let count = Arc::new(Count::new());
        let counted = Arc::clone(&count);
        let meter = Meter::new(printer, layers as u64, template(layers), move || {
            counted.so_far()
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
        self.meter.finish();
    }

    /// Counts some more bytes.
    fn add(&self, to: &AtomicU64, bytes: u64) {
        to.fetch_add(bytes, Ordering::Relaxed);
        if let Some(bar) = self.meter.bar() {
            bar.set_message(self.summary());
        }
    }

    /// How much has been done, and how fast.
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
            sent: AtomicU64::new(0),
            finished: AtomicUsize::new(0),
            there: AtomicUsize::new(0),
            said: AtomicBool::new(false),
        }
    }

    /// The summary, if nothing was said since the last look.
    fn so_far(&self) -> Option<String> {
        (!self.said.swap(false, Ordering::Relaxed)).then(|| self.summary())
    }

    fn summary(&self) -> String {
        let written = self.written.load(Ordering::Relaxed);
        let read = self.read.load(Ordering::Relaxed);
        if read > 0 && written == 0 {
            return format!("{} read at {}/s", DecimalBytes(read), self.speed(read));
        }
        let speed = self.speed(written);
        let there = self.there.load(Ordering::Relaxed);
        let finished = self.finished.load(Ordering::Relaxed);
        let sent = self.sent.load(Ordering::Relaxed);
        let mut parts = vec![];
        if written > 0 || there == 0 {
            parts.push(format!("{} at {speed}/s", DecimalBytes(written)));
        }
        match there {
            0 => {}
            all if all == finished => parts.push("all layers were there".to_owned()),
            some => parts.push(format!("{some} of {finished} layers were there")),
        }
        if sent > 0 {
            parts.push(format!("{} sent", DecimalBytes(sent)));
        }
        parts.join(", ")
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
    fn layer(&self, number: usize, source: LayerOrigin<'_>, size: u64) {
        if let Some(bar) = self.meter.bar() {
            bar.set_message(self.summary());
            return;
        }
        let what = match source {
            LayerOrigin::Base(member) => format!("`{member}` of the base image"),
            LayerOrigin::Existing(name) => format!("`{name}`"),
            LayerOrigin::Store(1) => "1 store path".to_owned(),
            LayerOrigin::Store(paths) => format!("{paths} store paths"),
            LayerOrigin::Customisation => "customisation".to_owned(),
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

    fn read(&self, bytes: u64) {
        self.add(&self.count.read, bytes);
    }

    fn sent(&self, bytes: u64) {
        self.add(&self.count.sent, bytes);
    }

    fn finished(&self, _: usize, was_there: bool) {
        let finished = 1 + self.count.finished.fetch_add(1, Ordering::Relaxed);
        if was_there {
            self.count.there.fetch_add(1, Ordering::Relaxed);
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
            "1.00 kB, 1 of 3 layers were there, 500 B sent"
        );
        assert_eq!(count(0, 0, 3, 3), "all layers were there");
        assert_eq!(count(1000, 0, 3, 3), "1.00 kB, all layers were there");
        // What was read matters until something is written.
        assert_eq!(counts(2000, 0, 0, 0, 0), "2.00 kB read");
        assert_eq!(counts(2000, 1000, 0, 1, 0), "1.00 kB");
    }

    #[test]
    fn silence_is_broken_and_nothing_else() {
        let count = Count::new();
        // What was said before the first look is not silence.
        count.said.store(true, Ordering::Relaxed);
        assert_eq!(count.so_far(), None);
        assert!(count.so_far().unwrap().starts_with("0 B at "));
    }
}
