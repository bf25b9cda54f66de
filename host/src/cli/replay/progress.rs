//! How far a replay is: a bar on a terminal, and a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use terrine::replay::Observer;

use super::super::printer::Printer;

/// How often the bar is drawn at most.
const DRAWS_PER_SECOND: u8 = 10;
/// How long nothing is said where there is no bar.
const SILENCE: Duration = Duration::from_secs(5);

/// Shows how many steps have been planned.
pub(super) struct Plans<'p> {
    printer: &'p Printer,
    steps: usize,
    planned: AtomicUsize,
    said: Mutex<Instant>,
    bar: Option<ProgressBar>,
}

impl<'p> Plans<'p> {
    pub(super) fn new(printer: &'p Printer, steps: usize) -> Self {
        let wanted = !printer.is_quiet() && std::io::stderr().is_terminal();
        let (planned, said) = (AtomicUsize::new(0), Mutex::new(Instant::now()));
        Self { printer, steps, planned, said, bar: wanted.then(|| bar(steps)) }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Plans<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}

fn bar(steps: usize) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} steps planned") {
        bar.set_style(style);
    }
    bar
}

impl Observer for Plans<'_> {
    fn planned(&self) {
        let planned = 1 + self.planned.fetch_add(1, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(1);
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() >= SILENCE {
            *said = Instant::now();
            self.printer.status(&format!("so far {planned} of {} steps planned", self.steps));
        }
    }
}
