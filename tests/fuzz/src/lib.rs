//! Fuzzing of every parser that reads input of strangers.
//!
//! | part | module |
//! |---|---|
//! | the targets: seeds made in code, a parser, and what has to hold for each input | [`targets`] |
//! | the forms of inputs, and mutations that keep enough of them | [`format`] |
//! | short runs, the same each time, as ordinary tests | [`short`] |
//! | memory and time of each input | [`meter`] |
//!
//! Runs of hours are the binary of this package, which libFuzzer drives: see `run`.

pub mod draw;
pub mod format;
pub mod meter;
pub mod random;
pub mod scratch;
pub mod short;
pub mod strict;
pub mod targets;

use std::time::Duration;

use format::Format;

/// Parsers that read one kind of input, and what has to hold for them.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of its module, and for the command.
    pub name: &'static str,
    /// The form of its inputs.
    pub format: Format,
    /// Inputs to start from, which together reach most of the parser.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads an input, and returns whether it was accepted. A panic is a finding.
    pub run: fn(&[u8]) -> bool,
    /// The number of inputs of a short run.
    pub short: u64,
    /// The longest input, in bytes.
    pub longest: usize,
    /// The most that an input may cost.
    pub limit: Limit,
}

/// The most that an input may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Memory that any input may take, in bytes.
    pub memory: usize,
    /// Memory for each byte of an input, in bytes.
    pub memory_per_byte: usize,
    /// Time, on a machine that does little else.
    pub time: Duration,
}

impl Limit {
    /// The limit of parsers that hold some copies of their input, and compute for no longer than a moment.
    pub const USUAL: Self = Self {
        memory: 4 << 20,
        memory_per_byte: 64,
        time: Duration::from_millis(500),
    };

    /// Returns the memory that an input of so many bytes may take.
    pub fn memory_for(&self, length: usize) -> usize {
        self.memory + self.memory_per_byte * length
    }
}
