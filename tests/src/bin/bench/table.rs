//! The table that is printed, row by row.

#![allow(clippy::print_stdout, reason = "the table is what the program is for")]

use std::time::Duration;

use super::machine::Machine;
use super::measure::Samples;

/// The value of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// The best time and the median.
    Times(Duration, Duration),
    /// Bytes.
    Memory(u64),
    /// Something as a multiple of another thing.
    Factor(f64),
    /// A word in place of a value: `failed`, `none`.
    Word(&'static str),
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

    /// The longest time.
    pub(super) fn time(time: Duration, most: Duration) -> Self {
        Self::new(format!("{} ms", most.as_millis()), time <= most)
    }

    /// The highest multiple of another time.
    pub(super) fn times(ratio: f64, most: f64) -> Self {
        Self::new(format!("{most} x"), ratio <= most)
    }

    /// The most memory, in bytes.
    pub(super) fn memory(bytes: u64, most: u64) -> Self {
        Self::new(format!("{} MB", most / 1_000_000), bytes <= most)
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    what: String,
    best: String,
    value: String,
    ratio: String,
    stored: String,
    memory: String,
    budgets: Vec<Budget>,
}

impl Row {
    /// A row with a value and nothing to compare it with.
    pub(super) fn new(what: &str, value: Value) -> Self {
        let (best, value) = match value {
            Value::Times(best, median) => (time(best), time(median)),
            Value::Memory(bytes) => (String::new(), megabytes(bytes)),
            Value::Factor(factor) => (String::new(), format!("{factor:.1} x")),
            Value::Word(word) => (String::new(), word.to_owned()),
        };
        Self {
            what: what.to_owned(),
            best,
            value,
            ratio: String::new(),
            stored: String::new(),
            memory: String::new(),
            budgets: vec![],
        }
    }

    /// A row with the times and the peak memory of some runs.
    pub(super) fn of(what: &str, samples: &Samples) -> Self {
        if samples.is_empty() {
            return Self::new(what, Value::Word(FAILED));
        }
        let mut row = Self::new(what, Value::Times(samples.best(), samples.median()));
        row.memory = megabytes(samples.peak());
        row
    }

    /// The same with a ratio of medians.
    pub(super) fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = format!("{ratio:.2}");
        self
    }

    /// The same with the number of bytes that are stored in the end.
    pub(super) fn stored(mut self, bytes: u64) -> Self {
        self.stored = megabytes(bytes);
        self
    }

    /// The same with one more budget.
    pub(super) fn budget(mut self, budget: Budget) -> Self {
        self.budgets.push(budget);
        self
    }

    /// Prints it.
    pub(super) fn print(&self) {
        println!("{}", self.line());
    }

    fn line(&self) -> String {
        let joined = |text: fn(&Budget) -> &str| {
            let texts: Vec<&str> = self.budgets.iter().map(text).collect();
            texts.join(", ")
        };
        let within = joined(|budget| if budget.kept { "yes" } else { "NO" });
        columns([
            &self.what,
            &self.best,
            &self.value,
            &self.ratio,
            &self.stored,
            &self.memory,
            &joined(|budget| &budget.limit),
            &within,
        ])
    }
}

/// The value of a row for something that could not be measured.
pub(super) const FAILED: &str = "failed";

/// Puts texts into the columns of the table.
fn columns(texts: [&str; 8]) -> String {
    let [what, best, value, ratio, stored, memory, budget, within] = texts;
    let row = format!(
        "{what:<34}{best:>10}{value:>10}{ratio:>7}{stored:>10}{memory:>10}{budget:>17}{within:>10}"
    );
    row.trim_end().to_owned()
}

/// Prints the machine, and the names of the columns.
pub(super) fn heading(machine: &Machine) {
    println!("{machine}");
    let names = [
        "what", "best", "median", "ratio", "stored", "memory", "budget", "within",
    ];
    println!("\n{}", columns(names));
}

/// Prints what the rows that follow are about.
pub(super) fn section(what: &str) {
    println!("\n== {what}");
}

/// Prints what has to be known about the rows.
pub(super) fn note(what: &str) {
    println!("note: {what}");
}

/// A time with three digits that matter.
fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.9995 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}

/// A number of bytes: three digits that matter, or all before the point.
fn megabytes(bytes: u64) -> String {
    match bytes as f64 / 1e6 {
        megabytes if megabytes < 99.95 => format!("{megabytes:.1} MB"),
        megabytes => format!("{megabytes:.0} MB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_each_value_in_its_column() {
        let value = Value::Times(Duration::from_millis(900), Duration::from_millis(1234));
        let line = Row::new("push gzip:2", value)
            .ratio(0.456)
            .stored(819_600_000)
            .budget(Budget::times(0.456, 0.45))
            .budget(Budget::memory(9_000_000, 10_000_000))
            .line();
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = "push gzip:2 900.0 ms 1.23 s 0.46 820 MB 0.45 x, 10 MB NO, yes";
        assert_eq!(words.join(" "), expected);
        assert_eq!(
            Row::of("a", &Samples::default())
                .line()
                .trim_start_matches("a")
                .trim(),
            FAILED
        );
    }

    #[test]
    fn numbers_have_three_digits() {
        let of = |bytes| megabytes(bytes);
        assert_eq!(
            [
                of(0),
                of(94_000),
                of(99_949_999),
                of(99_950_000),
                of(2_484_000_000)
            ],
            ["0.0 MB", "0.1 MB", "99.9 MB", "100 MB", "2484 MB"]
        );
        let of = |micros| time(Duration::from_micros(micros));
        assert_eq!(
            [of(50), of(999_400), of(999_500)],
            ["0.1 ms", "999.4 ms", "1.00 s"]
        );
    }
}
