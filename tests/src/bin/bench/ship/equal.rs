//! Pushes at equal size: a level of terrine is compared with a skopeo only if it stores no more bytes.

use std::time::Duration;

use super::tasks::{self, By};
use super::{Measured, Skopeo};
use crate::table::{Budget, Row, Value};

/// The levels that are compared, and the multiple of the newest skopeo's time that the fastest may take, by
/// compression.
const LIMITS: [(&str, &[&str], f64); 2] =
    [("zstd", &tasks::ZSTD, 0.45), ("gzip", &tasks::GZIP, 0.5)];

/// Prints a row for each compression: the fastest level that stores no more than a skopeo, by its number.
pub(super) fn print(number: usize, skopeo: &Skopeo, all: &[Measured]) {
    for (compression, levels, most) in LIMITS {
        let Some(theirs) = Measured::find(all, By::Skopeo(number, compression)) else {
            continue;
        };
        let pushes = levels
            .iter()
            .filter_map(|&level| Measured::find(all, By::Stream(level)))
            .filter_map(|ours| Some((ours, ours.samples.median(), ours.stored?)));
        let fastest = theirs.stored.and_then(|size| fastest(pushes, size));
        row(fastest, theirs, compression, &skopeo.version, most).print();
    }
}

/// The row of a compression.
fn row(
    fastest: Option<&Measured>,
    theirs: &Measured,
    compression: &str,
    version: &str,
    most: f64,
) -> Row {
    let Some(ours) = fastest else {
        return Row::new(
            &format!("{compression}, no larger than {version}"),
            Value::Word("none"),
        )
        .budget(Budget::new(format!("{most} x"), false));
    };
    let ratio = ours.samples.ratio(&theirs.samples);
    let level = ours.task.what.trim_start_matches("push ");
    ours.row(&format!("{level}, no larger than {version}"))
        .ratio(ratio)
        .budget(Budget::times(ratio, most))
}

/// Returns the fastest of some pushes, with their times and the bytes that they store, that store at most so many.
fn fastest<T>(pushes: impl Iterator<Item = (T, Duration, u64)>, most: u64) -> Option<T> {
    pushes
        .filter(|(_, _, stored)| *stored <= most)
        .min_by_key(|(_, time, _)| *time)
        .map(|(push, ..)| push)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_is_one_of_those_that_store_no_more() {
        let pushes = || {
            [
                ("gzip:1", 98, 854),
                ("gzip:2", 108, 820),
                ("gzip", 130, 805),
            ]
            .map(|(level, time, stored)| (level, Duration::from_millis(time), stored))
            .into_iter()
        };
        for (most, expected) in [
            (900, Some("gzip:1")),
            (854, Some("gzip:1")),
            (853, Some("gzip:2")),
            (819, Some("gzip")),
            (804, None),
        ] {
            assert_eq!(fastest(pushes(), most), expected, "{most}");
        }
    }
}
