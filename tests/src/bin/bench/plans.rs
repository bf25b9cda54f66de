//! How long closures of many paths take to be planned.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::random::Random;
use super::table::{self, Budget, Row, Value};
use super::{Result, measure};

/// Sizes of closures, and how many milliseconds they may take to be planned by each of
/// [`POLICIES`], from the start of the process to its end.
const CLOSURES: &[(usize, [u64; 3])] = &[
    (1_000, [1_000, 1_000, 100]),
    (10_000, [3_000, 1_000, 1_000]),
    (100_000, [30_000, 30_000, 30_000]),
];
/// Those that are timed.
const POLICIES: [&str; 3] = ["auto", "popularity", "least-pull"];
/// How many layers there may be.
const LAYERS: &str = "100";
/// How many references a path has at most.
const REFERENCES: usize = 6;

/// Plans made-up closures by each of [`POLICIES`], from the graph's file to the list
/// of layers.
pub(super) fn plan(rounds: usize) -> Result<()> {
    let folder = terrine_tests::temporary();
    for &(paths, budgets) in CLOSURES {
        let graph = folder.path().join("graph.json");
        write(&graph, paths)?;
        table::section(&format!(
            "a closure of {paths} paths in {LAYERS} layers, {rounds} rounds"
        ));
        for (policy, budget) in POLICIES.into_iter().zip(budgets.map(Duration::from_millis)) {
            let times: Vec<Duration> = (0..rounds)
                .map(|_| run(&graph, policy))
                .collect::<Result<_>>()?;
            let median = measure::median(&times);
            Row::new(policy, Value::Times(measure::best(&times), median))
                .budget(&Budget::new(
                    format!("{} s", budget.as_secs_f64()),
                    median <= budget,
                ))
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
