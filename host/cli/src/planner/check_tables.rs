//! Results of the check of a planner: as tables for people, and as JSON for programs.

use std::fmt::Write;

use indicatif::{BinaryBytes, HumanCount};
use serde::Serialize;
use terrine::planner::check::{Case, Outcome, Trial};
use terrine::planner::layering::Info;
use terrine::planner::{CONTRACT, Planner};

use super::{SCHEMA_VERSION, json};
use crate::failure::Result;
use crate::table::{line, shorten};

/// The results of the check of a planner.
pub(super) struct Checked<'a> {
    pub(super) planner: &'a Planner<'a>,
    pub(super) info: &'a Info,
    pub(super) file: Option<String>,
    pub(super) cases: &'a [Case],
    pub(super) policies: Vec<PolicyTrials>,
    /// True if the output includes times, which differ from run to run.
    pub(super) time: bool,
}

/// The results of a policy: one trial for each case.
pub(super) struct PolicyTrials {
    pub(super) policy: String,
    pub(super) trials: Vec<Trial>,
}

/// The number of trials with each outcome.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    ok: usize,
    refused: usize,
    failed: usize,
    not_run: usize,
}

impl Summary {
    fn of(checked: &Checked<'_>) -> Self {
        let mut summary = Self::default();
        for trial in checked.policies.iter().flat_map(|policy| &policy.trials) {
            match trial.outcome {
                Outcome::Planned { .. } => summary.ok += 1,
                Outcome::Refused(_) => summary.refused += 1,
                Outcome::Failed(_) => summary.failed += 1,
                Outcome::NotRun(_) => summary.not_run += 1,
            }
        }
        summary
    }
}

/// Returns the results as text, with a table for each policy.
pub(super) fn to_table(checked: &Checked<'_>) -> String {
    let mut text = String::new();
    line(
        &mut text,
        "planner",
        &format!("{} {}", checked.info.name, checked.info.version),
    );
    line(
        &mut text,
        "file",
        checked.file.as_deref().unwrap_or("built in"),
    );
    line(&mut text, "digest", &checked.planner.digest().to_string());
    for policy in &checked.policies {
        text.push('\n');
        line(&mut text, "policy", &policy.policy);
        table(checked, policy, &mut text);
    }
    let Summary {
        ok,
        refused,
        failed,
        not_run,
    } = Summary::of(checked);
    let not_run = if not_run == 0 {
        String::new()
    } else {
        format!(", {not_run} not run")
    };
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "\n{ok} ok, {refused} refused, {failed} failed{not_run}"
    );
    text
}

fn table(checked: &Checked<'_>, policy: &PolicyTrials, text: &mut String) {
    if let Some(why) = refused_everywhere(&policy.trials) {
        line(text, "refused", &format!("in every case: {why}"));
        return;
    }
    let width = checked
        .cases
        .iter()
        .map(|case| case.name.chars().count())
        .max()
        .unwrap_or(4)
        .max(4);
    let time = if checked.time {
        format!("  {:>8}", "time")
    } else {
        String::new()
    };
    let _ = writeln!(
        text,
        "{:<width$}  {:>6}  {:>6}  {:>6}  {:>13}  {:>10}{time}  result",
        "case", "paths", "budget", "layers", "fuel", "memory"
    );
    for (case, trial) in checked.cases.iter().zip(&policy.trials) {
        let none = || "-".to_owned();
        let budget = case
            .request
            .max_layers
            .map_or_else(none, |budget| budget.to_string());
        let layers = match trial.outcome {
            Outcome::Planned { layers, .. } => layers.to_string(),
            Outcome::Refused(_) | Outcome::Failed(_) | Outcome::NotRun(_) => none(),
        };
        let fuel = trial
            .usage
            .map_or_else(none, |usage| HumanCount(usage.fuel).to_string());
        let memory = trial
            .usage
            .map_or_else(none, |usage| BinaryBytes(usage.memory as u64).to_string());
        let ran = !matches!(trial.outcome, Outcome::NotRun(_));
        let time = if !checked.time {
            String::new()
        } else if ran {
            format!("  {:>5} ms", trial.elapsed.as_millis())
        } else {
            format!("  {:>8}", "-")
        };
        let _ = writeln!(
            text,
            "{:<width$}  {:>6}  {budget:>6}  {layers:>6}  {fuel:>13}  {memory:>10}{time}  {}",
            case.name,
            case.request.paths.len(),
            result(trial)
        );
    }
    first_failure(checked, policy, text);
}

/// The first failure of a policy, where its row has no room for it.
fn first_failure(checked: &Checked<'_>, policy: &PolicyTrials, text: &mut String) {
    let failed = checked
        .cases
        .iter()
        .zip(&policy.trials)
        .find_map(|(case, trial)| match &trial.outcome {
            Outcome::Failed(why) => Some((case, why)),
            Outcome::Planned { .. } | Outcome::Refused(_) | Outcome::NotRun(_) => None,
        });
    if let Some((case, why)) = failed.filter(|(_, why)| **why != in_a_row(why)) {
        let _ = writeln!(text, "\nthe first failure, `{}`: {why}", case.name);
    }
}

/// As much of a text as fits into a row.
fn in_a_row(text: &str) -> String {
    shorten(text.lines().next().unwrap_or_default())
}

/// Returns the reason for which a policy refuses all cases, if it is the same each time. Such a
/// policy may need options.
fn refused_everywhere(trials: &[Trial]) -> Option<&str> {
    let mut reasons = trials.iter().map(|trial| match &trial.outcome {
        Outcome::Refused(why) => Some(why.as_str()),
        Outcome::Planned { .. } | Outcome::Failed(_) | Outcome::NotRun(_) => None,
    });
    let first = reasons.next()??;
    reasons.all(|why| why == Some(first)).then_some(first)
}

fn result(trial: &Trial) -> String {
    let mut parts = match &trial.outcome {
        Outcome::Planned { left_out: 0, .. } => vec!["ok".to_owned()],
        Outcome::Planned { left_out, .. } => vec![format!("ok, leaves out {left_out}")],
        Outcome::Refused(why) => vec![format!("refused: {}", in_a_row(why))],
        Outcome::Failed(why) => vec![format!("FAILED: {}", in_a_row(why))],
        Outcome::NotRun(why) => vec![format!("not run: {}", in_a_row(why))],
    };
    if trial.depends_on_order {
        parts.push("depends on the order of the request".to_owned());
    }
    if trial.depends_on_hashes {
        parts.push("depends on the hashes of the paths".to_owned());
    }
    parts.join(", ")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u32,
    name: &'a str,
    version: &'a str,
    /// None for the built-in planner.
    file: Option<&'a str>,
    digest: String,
    contract: &'a str,
    summary: Summary,
    trials: Vec<Row<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    policy: &'a str,
    case: &'a str,
    paths: usize,
    /// None for as many layers as it likes.
    max_layers: Option<u32>,
    /// `ok`, `refused`, `failed` or `not-run`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    layers: Option<usize>,
    left_out: Option<usize>,
    fuel: Option<u64>,
    /// In bytes.
    memory: Option<usize>,
    depends_on_order: bool,
    depends_on_hashes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<u128>,
}

/// Returns the results as JSON text.
pub(super) fn to_json(checked: &Checked<'_>) -> Result<String> {
    let rows = checked.policies.iter().flat_map(|policy| {
        checked
            .cases
            .iter()
            .zip(&policy.trials)
            .map(|(case, trial)| row(&policy.policy, case, trial, checked.time))
    });
    json(&Document {
        schema_version: SCHEMA_VERSION,
        name: &checked.info.name,
        version: &checked.info.version,
        file: checked.file.as_deref(),
        digest: checked.planner.digest().to_string(),
        contract: CONTRACT,
        summary: Summary::of(checked),
        trials: rows.collect(),
    })
}

fn row<'a>(policy: &'a str, case: &'a Case, trial: &'a Trial, time: bool) -> Row<'a> {
    let (result, why, layers, left_out) = match &trial.outcome {
        Outcome::Planned { layers, left_out } => ("ok", None, Some(*layers), Some(*left_out)),
        Outcome::Refused(why) => ("refused", Some(why.as_str()), None, None),
        Outcome::Failed(why) => ("failed", Some(why.as_str()), None, None),
        Outcome::NotRun(why) => ("not-run", Some(why.as_str()), None, None),
    };
    Row {
        policy,
        case: &case.name,
        paths: case.request.paths.len(),
        max_layers: case.request.max_layers,
        result,
        why,
        layers,
        left_out,
        fuel: trial.usage.map(|usage| usage.fuel),
        memory: trial.usage.map(|usage| usage.memory),
        depends_on_order: trial.depends_on_order,
        depends_on_hashes: trial.depends_on_hashes,
        milliseconds: (time && result != "not-run").then_some(trial.elapsed.as_millis()),
    }
}
