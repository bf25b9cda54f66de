//! How far an image is: a bar on a terminal, a line for each layer elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use terrine::pack::{Reporter, Source};

use super::printer::Printer;

/// How often the bar is drawn at most.
const DRAWS_PER_SECOND: u8 = 10;

/// Shows how far an image is.
pub(super) struct Progress<'a> {
    printer: &'a Printer,
    layers: usize,
    bar: Option<ProgressBar>,
    written: AtomicU64,
    start: Instant,
}

impl<'a> Progress<'a> {
    pub(super) fn new(printer: &'a Printer, layers: usize) -> Self {
        let wanted = !printer.is_quiet() && std::io::stderr().is_terminal();
        let bar = wanted.then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
            let bar = ProgressBar::with_draw_target(Some(layers as u64), target);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} layer {pos} of {len}, {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { printer, layers, bar, written: AtomicU64::new(0), start: Instant::now() }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// How much has been written, and how fast.
    pub(super) fn summary(&self) -> String {
        let written = self.written.load(Ordering::Relaxed);
        let seconds = self.start.elapsed().max(Duration::from_millis(1)).as_secs_f64();
        let speed = DecimalBytes((written as f64 / seconds) as u64);
        format!("{} at {speed}/s", DecimalBytes(written))
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Reporter for Progress<'_> {
    fn layer(&self, number: usize, source: Source<'_>, size: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(number as u64);
            return;
        }
        let what = match source {
            Source::Base(member) => format!("`{member}` of the base image"),
            Source::Store(1) => "1 store path".to_owned(),
            Source::Store(paths) => format!("{paths} store paths"),
            Source::Customisation => "customisation".to_owned(),
        };
        let size = DecimalBytes(size);
        self.printer.status(&format!("layer {number} of {}: {what}, {size}", self.layers));
    }

    fn written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_message(self.summary());
        }
    }
}
