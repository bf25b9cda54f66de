//! The table that is printed, row by row.

#![allow(clippy::print_stdout, reason = "the table is what the program is for")]

use std::time::Duration;

/// The value that a row tells.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// The best time and the median.
    Times(Duration, Duration),
    /// Bytes.
    Memory(u64),
    /// Something as a multiple of another thing.
    Factor(f64),
}

/// The limit that a value is meant to stay within.
#[derive(Debug)]
pub(super) struct Budget {
    limit: String,
    kept: bool,
}

impl Budget {
    /// A limit in words, and whether it is kept.
    pub(super) fn new(limit: String, kept: bool) -> Self {
        Self { limit, kept }
    }
}

/// One row.
#[derive(Debug, Default)]
pub(super) struct Row([String; 6]);

impl Row {
    /// A row with a value and nothing to compare it with.
    pub(super) fn new(what: &str, value: Value) -> Self {
        let (best, value) = match value {
            Value::Times(best, median) => (time(best), time(median)),
            Value::Memory(bytes) => (String::new(), format!("{:.1} MB", bytes as f64 / 1e6)),
            Value::Factor(factor) => (String::new(), format!("{factor:.1} x")),
        };
        Self([
            what.to_owned(),
            best,
            value,
            String::new(),
            String::new(),
            String::new(),
        ])
    }

    /// A row for what could not be measured.
    pub(super) fn failed(what: &str) -> Self {
        let mut row = Self::default();
        row.0[..3].clone_from_slice(&[what.to_owned(), String::new(), "failed".to_owned()]);
        row
    }

    /// The same with a ratio of medians.
    pub(super) fn ratio(mut self, ratio: f64) -> Self {
        self.0[3] = format!("{ratio:.2}");
        self
    }

    /// The same with a budget.
    pub(super) fn budget(mut self, budget: &Budget) -> Self {
        self.0[4].clone_from(&budget.limit);
        self.0[5] = if budget.kept { "yes" } else { "NO" }.to_owned();
        self
    }

    /// Prints it.
    pub(super) fn print(&self) {
        let [what, best, value, ratio, budget, within] = &self.0;
        let row = format!("{what:<24}{best:>10}{value:>12}{ratio:>8}{budget:>12}{within:>8}");
        println!("{}", row.trim_end());
    }
}

/// Prints the names of the columns.
pub(super) fn heading() {
    let names = ["what", "best", "median/most", "ratio", "budget", "within"];
    Row(names.map(str::to_owned)).print();
}

/// Prints what the rows that follow are about.
pub(super) fn section(what: &str) {
    println!("\n{what}");
}

/// Says what has to be known before the table.
pub(super) fn note(what: &str) {
    println!("{what}");
}

/// A time with three digits that matter.
fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.9995 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}
