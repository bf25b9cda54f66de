//! Pages of documentation, as what a reader does who follows them.

use std::fs;

use super::workspace;

/// A step of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A line of an indented block.
    Command(String),
    /// A fenced block.
    Block {
        /// The file that it is, where the line before says so: a name in backticks and a colon.
        file: Option<String>,
        /// Its text.
        text: String,
    },
}

/// The steps of a page of the workspace, from top to bottom.
pub fn steps(page: &str) -> Vec<Step> {
    let text = fs::read_to_string(workspace().join(page)).unwrap();
    let (mut steps, mut before, mut lines) = (vec![], "", text.lines());
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let text = lines
                .by_ref()
                .take_while(|line| *line != "```")
                .map(|line| format!("{line}\n"))
                .collect();
            steps.push(Step::Block {
                file: file(before),
                text,
            });
        } else if let Some(command) = line.strip_prefix("    ") {
            steps.push(Step::Command(command.to_owned()));
        }
        if !line.is_empty() {
            before = line;
        }
    }
    steps
}

/// The file that a line announces.
fn file(line: &str) -> Option<String> {
    let line = line.strip_suffix(':')?;
    // It may be a link.
    let line = line.rsplit_once("](").map_or(line, |(name, _)| name);
    line.strip_suffix('`')?
        .rsplit_once('`')
        .map(|(_, name)| name.to_owned())
}
