//! The arguments of the benchmark.

use std::ffi::OsString;
use std::path::PathBuf;

/// The usage text.
pub(super) const USAGE: &str =
    "usage: bench [--store DIR] [--rounds N] [--only stream|plan|commands|nix|ship|binary-cache]";

/// The parts that are measured, and how often.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Args {
    /// A directory of store paths to use instead of made ones.
    pub(super) store: Option<PathBuf>,
    /// The number of times that each thing is measured, after one time that does not count.
    pub(super) rounds: usize,
    /// The one part that is measured; all, if none is named.
    pub(super) only: Option<Part>,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Streams of archives.
    Stream,
    /// Plans of large closures.
    Plan,
    /// Commands at the root.
    Commands,
    /// Images that Nix builds.
    Nix,
    /// Layouts and registries.
    Ship,
    /// Images out of a binary cache.
    BinaryCache,
}

impl Args {
    /// Reads the arguments, without the program's own name.
    pub(super) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut args = Self {
            store: None,
            rounds: 5,
            only: None,
        };
        while let Some(name) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("{} needs a value", name.display()))
            };
            match name.to_str() {
                Some("--store") => args.store = Some(value()?.into()),
                Some("--rounds") => args.rounds = rounds(&value()?)?,
                Some("--only") => args.only = Some(part(&value()?)?),
                _ => return Err(format!("`{}` is not an option", name.display())),
            }
        }
        Ok(args)
    }

    /// Returns true if a part is to be measured.
    pub(super) fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

/// A part, by its name.
fn part(text: &OsString) -> Result<Part, String> {
    match text.to_str() {
        Some("stream") => Ok(Part::Stream),
        Some("plan") => Ok(Part::Plan),
        Some("commands") => Ok(Part::Commands),
        Some("nix") => Ok(Part::Nix),
        Some("ship") => Ok(Part::Ship),
        Some("binary-cache") => Ok(Part::BinaryCache),
        _ => Err(format!(
            "`{}` is not a part of the benchmark",
            text.display()
        )),
    }
}

/// A number of rounds: at least one, for there is no median of nothing.
fn rounds(text: &OsString) -> Result<usize, String> {
    text.to_str()
        .and_then(|text| text.parse().ok())
        .filter(|&number| number > 0)
        .ok_or(format!("`{}` is not a number of rounds", text.display()))
}
