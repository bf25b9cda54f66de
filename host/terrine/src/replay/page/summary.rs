//! The summary of what was replayed, and of what each run came to.

use super::super::{Report, Run, uncertain};
use super::escape;
use super::numbers::{bytes, grouped};
use super::ranking::is_best;

/// Returns what was replayed, in a line.
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
        parts.push("and keeps all layers".to_owned());
    }
    if settings.with_history {
        parts.push("plans know how often packages changed".to_owned());
    }
    if settings.with_previous {
        parts.push("plans know the previous layers".to_owned());
    }
    parts.join(", ")
}

/// Returns what the figures leave open, as a paragraph.
pub(super) fn uncertain(paths: &[&str]) -> String {
    uncertain::remark(paths).map_or(String::new(), |remark| {
        let hint = remark.hint.unwrap_or_default();
        let (message, hint) = (escape(&remark.message), escape(&hint));
        format!("<p class=\"note\" id=\"uncertain\">{message} ({hint}).</p>\n")
    })
}

/// A column of the table.
struct Column {
    head: &'static str,
    /// The meaning of the head.
    term: &'static str,
    is_number: bool,
    cell: fn(&Report, &Run) -> String,
}

const fn number(
    head: &'static str,
    term: &'static str,
    cell: fn(&Report, &Run) -> String,
) -> Column {
    Column {
        head,
        term,
        is_number: true,
        cell,
    }
}

/// The columns behind the policies.
fn columns(report: &Report) -> Vec<Column> {
    let mut columns = vec![
        number(
            "layers",
            "the largest number of layers of store paths in an image",
            |_, run| budget(run),
        ),
        number(
            "pulled",
            "the bytes of all layers that clients pull after the first pull, uncompressed",
            |_, run| bytes(run.total.pulled),
        ),
        number(
            "lower bound",
            "the bytes of the changed store paths: what clients would pull if each path had a layer of its own",
            |_, run| bytes(run.total.lower_bound),
        ),
        number(
            "ratio",
            "pulled, divided by the lower bound: 1.000 is the best possible value",
            ratio,
        ),
        number(
            "requests",
            "one for each layer that is pulled, and two for the manifest and the configuration of an image that changed",
            |_, run| run.total.requests.to_string(),
        ),
        number(
            "first pull",
            "the size of the whole image, for a client that has nothing",
            |_, run| bytes(run.first.pulled),
        ),
    ];
    if report.images.len() > 1 {
        columns.push(number(
            "shared by images",
            "the bytes that layers of several images save at the last step",
            |_, run| bytes(run.total.shared.bytes),
        ));
    }
    columns.push(number(
        "fuel for a plan",
        "the work of planning the layers of one step, about one unit for an instruction",
        |_, run| {
            run.total
                .planning
                .mean_fuel()
                .map_or(NONE.to_owned(), grouped)
        },
    ));
    let is_timed = |run: &Run| run.total.planning.mean_seconds().is_some();
    if report.runs.iter().any(is_timed) {
        columns.push(number(
            "time for a plan",
            "the average time of planning on this machine",
            |_, run| time(run),
        ));
    }
    columns.push(Column {
        head: "worst step",
        term: "the step with the most bytes above its lower bound",
        is_number: false,
        cell: |_, run| worst(run),
    });
    columns
}

/// A cell that has no value.
const NONE: &str = "–";

/// A row for each run, in which the best of each budget is marked where there are several.
pub(super) fn summary(report: &Report) -> String {
    let (several, columns) = (report.has_several_components(), columns(report));
    let class = |column: &Column| if column.is_number { " class=\"n\"" } else { "" };
    let heads = columns.iter().map(|column| {
        let (class, head) = (class(column), column.head);
        format!("<th scope=\"col\"{class}>{head}</th>")
    });
    let mut text = format!(
        "<table><caption>What clients pull after the first pull</caption><thead><tr>\
         <th scope=\"col\">policy</th>{}</tr></thead><tbody>\n",
        heads.collect::<String>()
    );
    for run in &report.runs {
        let name = escape(&run.name(several));
        text.push_str(&format!("<tr><th scope=\"row\">{name}</th>"));
        for column in &columns {
            let class = if column.is_number { "n" } else { "worst" };
            let cell = (column.cell)(report, run);
            text.push_str(&format!("<td class=\"{class}\">{cell}</td>"));
        }
        text.push_str("</tr>\n");
    }
    text + "</tbody></table>"
}

/// Returns the meanings of the heads of the columns.
pub(super) fn terms(report: &Report) -> String {
    let policy = ("policy", "the rule that groups store paths into layers");
    let columns = columns(report);
    let terms = columns.iter().map(|column| (column.head, column.term));
    [policy]
        .into_iter()
        .chain(terms)
        .map(|(head, term)| format!("<div><dt>{head}</dt><dd>{term}</dd></div>\n"))
        .collect()
}

fn budget(run: &Run) -> String {
    run.max_layers
        .map_or("any".to_owned(), |max| max.to_string())
}

/// The ratio, behind the mark of the run that pulls least, so that numbers stand below each other.
fn ratio(report: &Report, run: &Run) -> String {
    let ratio = run.total.ratio;
    let ratio = ratio.map_or(NONE.to_owned(), |ratio| format!("{ratio:.3}"));
    if is_best(report, run) {
        format!("<span class=\"best\">least</span> {ratio}")
    } else {
        ratio
    }
}

/// Returns the time that a plan took on average.
fn time(run: &Run) -> String {
    let seconds = run.total.planning.mean_seconds();
    seconds.map_or(NONE.to_owned(), |seconds| {
        format!("{:.1} ms", 1000.0 * seconds)
    })
}

fn worst(run: &Run) -> String {
    run.total.worst.as_ref().map_or(NONE.to_owned(), |worst| {
        let (pulled, bound) = (bytes(worst.pulled), bytes(worst.lower_bound));
        let label = escape(&worst.label);
        format!("{} ({label}): {pulled} for {bound}", worst.number)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::report;
    use super::*;

    #[test]
    fn who_pulls_least_has_a_badge_unless_others_pull_the_same() {
        let badges = |runs: &[(&str, Option<u32>, u64)]| {
            let table = summary(&report(runs));
            let rows = table.lines().filter(|line| line.contains("\"best\""));
            rows.map(|row| row.split(['>', '<']).nth(4).unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(badges(&[("auto", None, 3000)]), Vec::<String>::new());
        let two = &[("auto", None, 3000), ("single", None, 5000)];
        assert_eq!(badges(two), ["auto"]);
        for tie in [3000, 3001] {
            let tied = &[two[0], two[1], ("path", None, tie)];
            assert_eq!(badges(tied), Vec::<String>::new());
        }
        let budgets = &[two[0], two[1], ("auto", Some(1), 5), ("single", Some(1), 5)];
        assert_eq!(badges(budgets), ["auto"]);
    }

    #[test]
    fn what_nobody_can_tell_is_a_note() {
        assert_eq!(uncertain(&[]), "");
        let text = uncertain(&["/nix/store/<a>", "/nix/store/b"]);
        let expected =
            "`/nix/store/&lt;a&gt;` (and of 1 other) changed: figures count it as unchanged";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn every_head_is_explained() {
        let mut report = report(&[("auto", None, 3000)]);
        report.images.push(report.images[0].clone());
        report.runs[0].total.planning.plans = 1;
        report.runs[0].total.planning.seconds = Some(1.0);
        let (table, terms) = (summary(&report), terms(&report));
        let heads: Vec<&str> = table.split("<th scope=\"col\"").skip(1).collect();
        assert_eq!(heads.len(), 11);
        for head in heads {
            let head = head.split(['>', '<']).nth(1).unwrap();
            assert!(terms.contains(&format!("<dt>{head}</dt>")), "{head}");
        }
    }
}
