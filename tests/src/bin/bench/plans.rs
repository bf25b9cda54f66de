//! The time that closures of many paths take to be planned.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::random::Random;
use super::table::{self, Budget, Row, Value};
use super::{Result, measure};

/// The milliseconds that closures of 1,000, 10,000 and 100,000 paths may take to be planned by a
/// policy, from the start of the process to its end.
const BUDGETS: &[(&str, [u64; 3])] = &[
    ("auto", [1_000, 3_000, 30_000]),
    ("least-pull", [100, 1_000, 30_000]),
    ("popularity", [1_000, 1_000, 30_000]),
    ("path-per-layer", [1_000, 1_000, 30_000]),
    ("single", [1_000, 1_000, 30_000]),
];
/// The most layers that there may be.
const LAYERS: &str = "100";
/// The most references that a path has.
const REFERENCES: usize = 6;

/// Plans made-up closures by each policy that needs no options, from the graph's file to the list
/// of layers.
pub(super) fn plan(closures: &[usize], rounds: usize) -> Result<()> {
    let folder = terrine_tests::temporary();
    let built_in = terrine_tests::built_in();
    for (size, &paths) in closures.iter().enumerate() {
        let graph = folder.path().join("graph.json");
        write(&graph, paths)?;
        table::section(&format!(
            "a closure of {paths} paths in {LAYERS} layers, {rounds} rounds"
        ));
        for policy in built_in.without_options() {
            let (_, budgets) = BUDGETS
                .iter()
                .find(|(name, _)| *name == policy)
                .ok_or_else(|| format!("`{policy}` has no budget"))?;
            let budget = Duration::from_millis(budgets[size]);
            let times: Vec<Duration> = (0..rounds)
                .map(|_| run(&graph, policy))
                .collect::<Result<_>>()?;
            let median = measure::median(&times);
            Row::new(policy, Value::Times(measure::best(&times), median))
                .budget(Budget::time(median, budget))
                .print();
        }
    }
    Ok(())
}

fn run(graph: &Path, policy: &str) -> Result<Duration> {
    let mut command: Command = terrine_tests::terrine();
    command
        .args([
            "layers",
            "--max-layers",
            LAYERS,
            "--policy",
            policy,
            "--graph",
        ])
        .arg(graph);
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).status()?;
    let time = start.elapsed();
    if status.success() {
        Ok(time)
    } else {
        Err("`terrine layers` failed".into())
    }
}

/// A closure in which a path refers to a few of those before it, to early ones most often: as
/// wide at its top, and no deeper, than closures are.
fn write(graph: &Path, paths: usize) -> Result<()> {
    let _ = fs::remove_file(graph);
    let mut random = Random::new(1);
    let mut out = BufWriter::new(File::create(graph)?);
    let name = |i: usize| format!("/nix/store/{i:032}-{i}-1.0");
    for i in 0..paths {
        let other = |_| {
            let reach = 1 + random.below(i);
            random.below(reach)
        };
        let references: Vec<usize> = (0..REFERENCES.min(i)).map(other).collect();
        let references: Vec<String> = references
            .into_iter()
            .map(|other| format!("\"{}\"", name(other)))
            .collect();
        let (start, size) = (if i == 0 { "[" } else { "," }, 1 + random.below(10_000_000));
        let (path, references) = (name(i), references.join(","));
        write!(
            out,
            "{start}{{\"path\":\"{path}\",\"narSize\":{size},\"references\":[{references}]}}"
        )?;
    }
    writeln!(out, "]")?;
    Ok(out.flush()?)
}
