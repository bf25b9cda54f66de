//! The arguments of the benchmark.

use std::ffi::OsString;
use std::path::PathBuf;

use super::size::{self, Size};

/// The usage text.
pub(super) const USAGE: &str = "usage: bench [--store DIR] [--small] [--rounds N] [--skopeo PROGRAM] \
     [--only stream|plan|commands|nix|layout|ship|binary-cache]";

/// The parts that are measured, how often and on what.
#[derive(Debug)]
pub(super) struct Args {
    /// A directory of store paths to use instead of made ones.
    pub(super) store: Option<PathBuf>,
    /// The size of everything that is made.
    pub(super) size: &'static Size,
    /// The number of times that each thing is measured; the size's, if none is given.
    rounds: Option<usize>,
    /// A skopeo to compare with, in addition to the one of the machine.
    pub(super) skopeo: Option<PathBuf>,
    /// The one part that is measured; all, if none is named.
    only: Option<Part>,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Archives to a pipe.
    Stream,
    /// Plans of large closures.
    Plan,
    /// Commands at the root.
    Commands,
    /// Images that Nix builds.
    Nix,
    /// Layouts and archives in files.
    Layout,
    /// Pushes to a registry.
    Ship,
    /// Images out of a binary cache.
    BinaryCache,
}

impl Part {
    /// All parts in the order in which they are measured, and their names.
    pub(super) const ALL: [(Self, &str); 7] = [
        (Self::Stream, "stream"),
        (Self::Plan, "plan"),
        (Self::Commands, "commands"),
        (Self::Nix, "nix"),
        (Self::Layout, "layout"),
        (Self::Ship, "ship"),
        (Self::BinaryCache, "binary-cache"),
    ];
}

impl Args {
    /// Reads the arguments, without the program's own name.
    pub(super) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut args = Self {
            store: None,
            size: &size::FULL,
            rounds: None,
            skopeo: None,
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
                Some("--small") => args.size = &size::SMALL,
                Some("--rounds") => args.rounds = Some(rounds(&value()?)?),
                Some("--skopeo") => args.skopeo = Some(value()?.into()),
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

    /// Returns the number of times that each thing is measured.
    pub(super) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(self.size.rounds)
    }
}

/// A part, by its name.
fn part(text: &OsString) -> Result<Part, String> {
    let mut all = Part::ALL.iter();
    all.find(|(_, name)| text == name)
        .map(|(part, _)| *part)
        .ok_or(format!(
            "`{}` is not a part of the benchmark",
            text.display()
        ))
}

/// A number of rounds: at least one, for there is no median of nothing.
fn rounds(text: &OsString) -> Result<usize, String> {
    text.to_str()
        .and_then(|text| text.parse().ok())
        .filter(|&number| number > 0)
        .ok_or(format!("`{}` is not a number of rounds", text.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Args, String> {
        Args::parse(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn arguments_choose_parts_sizes_and_rounds() {
        for (text, parts, rounds, folder) in [
            ("", 7, 5, ""),
            ("--small", 7, 1, "small"),
            ("--rounds 2 --only binary-cache --small", 1, 2, "small"),
            (
                "--only ship --skopeo /opt/skopeo --store /gnu/store",
                1,
                5,
                "",
            ),
        ] {
            let args = parsed(text).unwrap();
            let wanted = Part::ALL.iter().filter(|(part, _)| args.wants(*part));
            assert_eq!(
                (wanted.count(), args.rounds(), args.size.folder),
                (parts, rounds, folder),
                "{text}"
            );
            assert_eq!(args.skopeo.is_some(), text.contains("skopeo"), "{text}");
            assert!(USAGE.contains(text.split(' ').next().unwrap()), "{text}");
        }
        for (_, name) in Part::ALL {
            assert!(USAGE.contains(name), "{name}");
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (text, expected) in [
            ("--rounds 0", "`0` is not a number of rounds"),
            ("--rounds", "--rounds needs a value"),
            ("--only tar", "`tar` is not a part of the benchmark"),
            ("x", "`x` is not an option"),
        ] {
            assert_eq!(parsed(text).unwrap_err(), expected);
        }
    }
}
