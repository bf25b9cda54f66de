//! The tables of the page, which say what its plots show.

use super::super::{Report, Run, StepFacts};
use super::escape;

/// What was replayed, in a line.
pub(super) fn subtitle(report: &Report) -> String {
    let settings = &report.settings;
    let labels = report.steps.first().zip(report.steps.last());
    let (first, last) = labels.map_or(("", ""), |(first, last)| (&*first.label, &*last.label));
    let mut parts = vec![
        format!(
            "steps {} to {} ({first} to {last})",
            settings.from_step, settings.last_step
        ),
        match settings.pull_every {
            1 => "a client that pulls every step".to_owned(),
            every => format!("a client that pulls every {every} steps"),
        },
    ];
    if settings.keep_all {
        parts.push("and keeps all that it pulled".to_owned());
    }
    if settings.with_history {
        parts.push("plans know how often packages changed".to_owned());
    }
    if settings.with_previous {
        parts.push("plans know the layers before".to_owned());
    }
    parts.join(", ")
}

/// A number of bytes as people read it, in decimal units.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let mut number = bytes as f64;
    if number < 1000.0 {
        return format!("{bytes} B");
    }
    let mut unit = "";
    for next in units {
        if number < 999.995 {
            break;
        }
        (number, unit) = (number / 1000.0, next);
    }
    format!("{number:.2} {unit}")
}

/// How long a plan took on average.
fn time(run: &Run) -> String {
    let seconds = run.total.planning.mean_seconds();
    seconds.map_or("–".to_owned(), |seconds| {
        format!("{:.1} ms", 1000.0 * seconds)
    })
}

fn budget(run: &Run) -> String {
    run.max_layers
        .map_or("any".to_owned(), |max| max.to_string())
}

/// A cell with a number.
fn number(text: &str) -> String {
    format!("<td class=\"n\">{text}</td>")
}

/// The run that pulls least of several with a budget, unless another one pulls as much as far as that is shown.
pub(super) fn best(report: &Report, budget: Option<u32>) -> Option<&Run> {
    let mut runs: Vec<&Run> = report
        .runs
        .iter()
        .filter(|run| run.max_layers == budget)
        .collect();
    runs.sort_by_key(|run| run.total.pulled);
    match runs.as_slice() {
        [best, next, ..] if bytes(best.total.pulled) != bytes(next.total.pulled) => Some(best),
        _ => None,
    }
}

/// A row for each run; the best of each budget is marked, where there are several.
pub(super) fn summary(report: &Report) -> String {
    let several = report.has_several_components();
    let shared = report.images.len() > 1;
    let shared_head = if shared {
        "<th scope=\"col\" class=\"n\">shared by images</th>"
    } else {
        ""
    };
    let timed = report
        .runs
        .iter()
        .any(|run| run.total.planning.mean_seconds().is_some());
    let time_head = if timed {
        "<th scope=\"col\" class=\"n\">time for a plan</th>"
    } else {
        ""
    };
    let mut text = format!(
        "<table><caption>What clients pull after the first pull</caption><thead><tr>\
         <th scope=\"col\">policy</th><th scope=\"col\" class=\"n\">layers</th>\
         <th scope=\"col\" class=\"n\">pulled</th><th scope=\"col\" class=\"n\">lower bound</th>\
         <th scope=\"col\" class=\"n\">ratio</th><th scope=\"col\" class=\"n\">requests</th>\
         <th scope=\"col\" class=\"n\">first pull</th>{shared_head}\
         <th scope=\"col\" class=\"n\">fuel for a plan</th>{time_head}<th scope=\"col\">worst step</th>\
         </tr></thead><tbody>\n"
    );
    for run in &report.runs {
        let total = &run.total;
        let is_best = best(report, run.max_layers).is_some_and(|best| std::ptr::eq(best, run));
        let ratio = total
            .ratio
            .map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        let ratio = if is_best {
            // Before the number, so that numbers stand below each other.
            format!("<span class=\"best\">least</span> {ratio}")
        } else {
            ratio
        };
        let fuel = total.planning.mean_fuel().map_or("–".to_owned(), grouped);
        let worst = total.worst.as_ref().map_or("–".to_owned(), |worst| {
            let (pulled, bound) = (bytes(worst.pulled), bytes(worst.lower_bound));
            format!(
                "{} ({}): {pulled} for {bound}",
                worst.number,
                escape(&worst.label)
            )
        });
        let cells = [
            number(&budget(run)),
            number(&bytes(total.pulled)),
            number(&bytes(total.lower_bound)),
            number(&ratio),
            number(&total.requests.to_string()),
            number(&bytes(run.first.pulled)),
            if shared {
                number(&bytes(total.shared.bytes))
            } else {
                String::new()
            },
            number(&fuel),
            if timed {
                number(&time(run))
            } else {
                String::new()
            },
        ];
        let name = escape(&run.name(several));
        text.push_str(&format!(
            "<tr><th scope=\"row\">{name}</th>{}<td class=\"worst\">{worst}</td></tr>\n",
            cells.concat()
        ));
    }
    text + "</tbody></table>"
}

/// A table of the steps for each run.
pub(super) fn steps(report: &Report) -> String {
    let several = report.has_several_components();
    report
        .runs
        .iter()
        .map(|run| run_steps(run, &run.name(several)))
        .collect()
}

fn run_steps(run: &Run, name: &str) -> String {
    let title = match run.max_layers {
        Some(1) => format!("{}, 1 layer", escape(name)),
        Some(max) => format!("{}, {max} layers", escape(name)),
        None => format!("{}, any number of layers", escape(name)),
    };
    let mut text = format!(
        "<details><summary>{title}</summary><div class=\"wide\"><table class=\"steps\"><thead><tr>\
         <th scope=\"col\">step</th><th scope=\"col\">label</th><th scope=\"col\">pulled</th>\
         <th scope=\"col\">lower bound</th><th scope=\"col\">layers pulled</th>\
         <th scope=\"col\">requests</th><th scope=\"col\">layers</th></tr></thead><tbody>\n"
    );
    text.push_str(&row(&run.first, " (first pull)"));
    run.steps
        .iter()
        .for_each(|step| text.push_str(&row(step, "")));
    text + "</tbody></table></div></details>\n"
}

/// There are many of these, so that the style tells numbers by their column.
fn row(step: &StepFacts, note: &str) -> String {
    let cells = [
        format!("{}{note}", escape(&step.label)),
        bytes(step.pulled),
        bytes(step.lower_bound),
        step.layers_pulled.to_string(),
        step.requests.to_string(),
        step.layers.to_string(),
    ]
    .map(|cell| format!("<td>{cell}</td>"));
    format!(
        "<tr><th scope=\"row\">{}</th>{}</tr>\n",
        step.number,
        cells.concat()
    )
}

/// A number with a space between each three digits, so that it can be read.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (999_994, "999.99 kB"),
            (999_996, "1.00 MB"),
            (12_345_678_901, "12.35 GB"),
            (u64::MAX, "18.45 EB"),
        ] {
            assert_eq!(bytes(number), text, "{number}");
        }
        assert_eq!(
            [1, 999, 1000, 1_234_567].map(grouped),
            ["1", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
    }
}
