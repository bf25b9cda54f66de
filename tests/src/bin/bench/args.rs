//! What the benchmark can be told.

use std::ffi::OsString;
use std::path::PathBuf;

/// How it is called.
pub(super) const USAGE: &str = "usage: bench [--store DIR] [--rounds N]";

/// What is measured, and how often.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Args {
    /// A directory of store paths to use instead of made ones.
    pub(super) store: Option<PathBuf>,
    /// How often each thing is measured, after one time that does not count.
    pub(super) rounds: usize,
}

impl Args {
    /// Reads the arguments, without the program's own name.
    pub(super) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut args = Self { store: None, rounds: 5 };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{} needs a value", name.display()));
            match name.to_str() {
                Some("--store") => args.store = Some(value()?.into()),
                Some("--rounds") => args.rounds = rounds(&value()?)?,
                _ => return Err(format!("`{}` is not an option", name.display())),
            }
        }
        Ok(args)
    }
}

/// A number of rounds: at least one, for there is no median of nothing.
fn rounds(text: &OsString) -> Result<usize, String> {
    let number = text.to_str().and_then(|text| text.parse().ok()).filter(|&number| number > 0);
    number.ok_or(format!("`{}` is not a number of rounds", text.display()))
}
