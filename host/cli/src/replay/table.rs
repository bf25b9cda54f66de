//! A replay, as people read it.

use std::fmt::Write;

use indicatif::DecimalBytes;
use terrine::replay::{Report, Run};

use super::super::table::line;

/// Returns a report as text: the images that were replayed, and a line for each policy and budget.
pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    for (i, image) in report.images.iter().enumerate() {
        line(
            &mut text,
            if i == 0 { "images" } else { "" },
            &format!(
                "{}, {} {}",
                image.name,
                image.steps,
                if image.steps == 1 { "step" } else { "steps" }
            ),
        );
    }
    line(&mut text, "steps", &steps(report));
    line(&mut text, "client", &client(report));
    text.push('\n');
    rows(&mut text, &table(report));
    text
}

fn steps(report: &Report) -> String {
    let settings = &report.settings;
    let labels = report
        .steps
        .first()
        .zip(report.steps.last())
        .map_or(String::new(), |(first, last)| {
            format!(" ({} to {})", first.label, last.label)
        });
    let told = match (settings.with_history, settings.with_previous) {
        (false, false) => "",
        (true, false) => ", plans know how often packages changed before",
        (false, true) => ", plans know the previous layers",
        (true, true) => ", plans know how often packages changed before, and the previous layers",
    };
    format!(
        "{} to {}{labels}{told}",
        settings.from_step, settings.last_step
    )
}

fn client(report: &Report) -> String {
    let settings = &report.settings;
    let every = match settings.pull_every {
        1 => "pulls every step".to_owned(),
        every => format!("pulls every {every} steps"),
    };
    let keeps = if settings.keep_all {
        "all layers"
    } else {
        "the layers of its last pull"
    };
    format!("{every}, keeps {keeps}")
}

/// A table with its heads: texts, and whether they go to the left.
type Table = Vec<Vec<(String, bool)>>;

fn table(report: &Report) -> Table {
    let columns = Columns {
        component: report.has_several_components(),
        shared: report.images.len() > 1,
        time: report
            .runs
            .iter()
            .any(|run| run.total.planning.mean_seconds().is_some()),
    };
    let mut table = vec![columns.heads()];
    table.extend(report.runs.iter().map(|run| columns.row(run)));
    table
}

/// The optional columns, beside those that are always shown.
struct Columns {
    component: bool,
    shared: bool,
    time: bool,
}

impl Columns {
    fn heads(&self) -> Vec<(String, bool)> {
        let mut heads = vec![("policy", true), ("layers", false), ("pulled", false)];
        heads.extend([
            ("bound", false),
            ("ratio", false),
            ("requests", false),
            ("first", false),
        ]);
        if self.shared {
            heads.push(("shared", false));
        }
        heads.push(("fuel/plan", false));
        if self.time {
            heads.push(("time/plan", false));
        }
        heads.push(("worst step", true));
        heads
            .into_iter()
            .map(|(head, left)| (head.to_owned(), left))
            .collect()
    }

    fn row(&self, run: &Run) -> Vec<(String, bool)> {
        let bytes = |bytes: u64| (DecimalBytes(bytes).to_string(), false);
        let total = &run.total;
        let max = run
            .max_layers
            .map_or("any".to_owned(), |max| max.to_string());
        let ratio = total
            .ratio
            .map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
        let mut row = vec![
            (run.name(self.component), true),
            (max, false),
            bytes(total.pulled),
            bytes(total.lower_bound),
        ];
        row.extend([
            (ratio, false),
            (total.requests.to_string(), false),
            bytes(run.first.pulled),
        ]);
        if self.shared {
            row.push(bytes(total.shared.bytes));
        }
        let fuel = total.planning.mean_fuel();
        row.push((
            fuel.map_or("-".to_owned(), |fuel| count(fuel as f64)),
            false,
        ));
        if self.time {
            let seconds = total.planning.mean_seconds();
            let time = seconds.map_or("-".to_owned(), |seconds| {
                format!("{:.1} ms", 1000.0 * seconds)
            });
            row.push((time, false));
        }
        row.push((worst(run), true));
        row
    }
}

fn worst(run: &Run) -> String {
    run.total.worst.as_ref().map_or("-".to_owned(), |worst| {
        let (pulled, bound) = (DecimalBytes(worst.pulled), DecimalBytes(worst.lower_bound));
        format!("{} ({}): {pulled} for {bound}", worst.number, worst.label)
    })
}

/// A number as people read it: `1.2M`.
fn count(number: f64) -> String {
    match number {
        _ if number >= 1e9 => format!("{:.1}G", number / 1e9),
        _ if number >= 1e6 => format!("{:.1}M", number / 1e6),
        _ if number >= 1e3 => format!("{:.1}k", number / 1e3),
        _ => format!("{number}"),
    }
}

fn rows(text: &mut String, table: &Table) {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| {
        table
            .iter()
            .map(|row| row[column].0.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in table {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|((cell, left), &width)| {
                if *left {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect::<Vec<_>>()
            .join("  ");
        let _ = writeln!(text, "{}", cells.trim_end());
    }
}
