//! The commands and files that documents show.

use std::fs;

use terrine_tests::page::{Step, steps};
use terrine_tests::workspace;

/// The documents whose commands are run, in an order in which one can be followed by the next.
const PAGES: [&str; 11] = [
    "README.md",
    "docs/building.md",
    "docs/shipping.md",
    "docs/updates.md",
    "docs/planners.md",
    "docs/recipes.md",
    "docs/dockertools.md",
    "docs/faq.md",
    "host/cli/src/topics/references.txt",
    "host/cli/src/topics/compression.txt",
    "host/cli/src/topics/layers.txt",
];

/// The text of each page.
fn pages() -> [String; PAGES.len()] {
    PAGES.map(|page| fs::read_to_string(workspace().join(page)).unwrap())
}

/// The commands of the indented blocks, of scripts and of the jobs of a CI, in order.
pub(crate) fn commands() -> Vec<String> {
    pages()
        .iter()
        .flat_map(|page| page.split("```").enumerate())
        .flat_map(|(number, part)| match (number % 2, part.split_once('\n')) {
            (0, _) => shown(part),
            (_, Some(("yaml", job))) => job.lines().filter_map(of_job).collect(),
            (_, Some(("sh", script))) => script.lines().filter_map(of_script).collect(),
            _ => vec![],
        })
        .collect()
}

/// The indented lines of a text.
fn shown(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// The command of ours in a line of a job, with values for the variables that the CI sets.
fn of_job(line: &str) -> Option<String> {
    let start = line.rfind("terrine ")?;
    let is_run = line.contains("run: ") || line.trim_start().starts_with("- ");
    let words = line[start..].replace("${{ matrix.architecture }}", "arm64");
    let words = words.replace("${{ ", "${{").replace(" }}", "}}");
    let words = words.split(' ').map(|word| {
        let word = word.trim_matches('"');
        match word.strip_prefix("docker://") {
            Some("$CI_REGISTRY_IMAGE") => "docker://ghcr.io/acme/web",
            _ if word == "$CI_REGISTRY" => "ghcr.io",
            _ if word.starts_with('$') => "value",
            _ => word,
        }
    });
    is_run.then(|| words.collect::<Vec<_>>().join(" "))
}

/// The command of ours in a line of a script.
fn of_script(line: &str) -> Option<String> {
    line.starts_with("terrine ").then(|| line.to_owned())
}

/// The files that the pages show: the blocks below a line that ends with a name.
pub(crate) fn shown_files() -> Vec<(String, String)> {
    let steps = PAGES.iter().flat_map(|page| steps(page));
    let named = steps.filter_map(|step| match step {
        Step::Block { file, text } => file.map(|file| (file, text)),
        Step::Command(_) => None,
    });
    named.collect()
}

/// A word without the quotes that keep it from a shell.
pub(crate) fn unquoted(word: &str) -> &str {
    word.trim_matches('\'')
}
