//! How far a replay is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use terrine::replay::Observer;

use super::super::meter::Meter;
use super::super::printer::Printer;

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
            Some(format!(
                "{} of {steps} steps planned",
                count.load(Ordering::Relaxed)
            ))
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
