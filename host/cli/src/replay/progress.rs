//! Progress of a replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use terrine::replay::Observer;

use super::super::meter::Meter;
use super::super::printer::{Figures, Printer};

/// Shows how many steps have been planned.
pub(super) struct Plans {
    planned: Arc<AtomicUsize>,
    meter: Meter,
}

impl Plans {
    pub(super) fn new(printer: &Printer, steps: usize) -> Self {
        let planned = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&planned);
        let template = "{bar:30} {pos} of {len} steps planned";
        let meter = Meter::new(printer, steps as u64, template, move || {
            let planned = count.load(Ordering::Relaxed);
            let figures = Figures {
                done: Some(planned as u64),
                total: Some(steps as u64),
                ..Figures::default()
            };
            Some((format!("{planned} of {steps} steps planned"), figures))
        });
        Self { planned, meter }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.meter.finish();
    }
}

impl Observer for Plans {
    fn planned(&self) {
        self.planned.fetch_add(1, Ordering::Relaxed);
        if let Some(bar) = self.meter.bar() {
            bar.inc(1);
        }
    }
}
