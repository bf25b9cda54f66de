//! The tables of all steps.

use super::super::{Report, Run, StepFacts};
use super::escape;
use super::numbers::bytes;

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
