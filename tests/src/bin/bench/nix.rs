//! The cost of an image in Nix: evaluation and build, against derivations of dockerTools' shape.

use std::path::Path;
use std::process::Command;

use terrine_tests::{NixStore, binary, fixture, peer, workspace};

use super::Result;
use super::measure::{self, Samples};
use super::table::{self, Budget, Row, Value};

/// The attributes that are built, and what each of them is.
const BUILDS: [(&str, &str); 4] = [
    ("oursStream", "a stream by the library"),
    ("theirsStream", "one by shells and Python"),
    ("ours", "an archive by the library"),
    ("theirs", "one by shells and Python"),
];

/// Images of so many paths by the library and by derivations of dockerTools' shape, by turns.
pub(super) fn nix(paths: usize, rounds: usize) -> Result<()> {
    let (Some(store), Some(busybox)) = (NixStore::build(), peer::find("busybox")) else {
        table::note("without Nix and busybox, images in Nix are not measured");
        return Ok(());
    };
    table::section(&format!(
        "an image of {paths} paths in Nix, {rounds} rounds"
    ));
    let mut samples = [(); 4].map(|()| Samples::default());
    for round in 0..=rounds {
        for ((attribute, _), samples) in BUILDS.iter().zip(&mut samples) {
            let mut command = build(&store, &busybox, attribute, (paths, round));
            let sample = measure::pipeline(&mut command)?;
            // The first round makes what all share: the paths, and what terrine is.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    for ((_, title), samples) in BUILDS.iter().zip(&samples) {
        Row::of(title, samples).print();
    }
    for (ours, what) in [(0, "stream"), (2, "archive")] {
        let [ours, theirs] = [&samples[ours], &samples[ours + 1]];
        let ratio = ours.ratio(theirs);
        Row::new(
            &format!("the library's {what} / theirs"),
            Value::Factor(ratio),
        )
        .budget(Budget::times(ratio, 1.0))
        .print();
    }
    Ok(())
}

fn build(
    store: &NixStore,
    busybox: &Path,
    attribute: &str,
    (paths, round): (usize, usize),
) -> Command {
    let mut command = store.command("nix-build");
    command
        .arg(fixture("nix/time.nix"))
        .args(["--no-out-link", "--quiet", "-A", attribute])
        .args(["--argstr", "round", &format!("{attribute}-{round}")])
        .args(["--arg", "count", &paths.to_string()]);
    for (name, value) in [
        ("terrine", binary().to_owned()),
        ("library", workspace().join("nix")),
        ("busybox", busybox.to_owned()),
        ("script", fixture("oracle/stream.py")),
    ] {
        command.arg("--arg").arg(name).arg(value);
    }
    command
}
