//! The commands and options as one tree, for the parser, for completions and for manual pages.

use clap::builder::StyledStr;
use clap::{Command, CommandFactory};

use super::{Cli, help};

/// Returns the program with all its commands.
pub(super) fn program() -> Command {
    help::with_help(commands())
}

/// Returns the same without `help`.
pub(super) fn commands() -> Command {
    with_pointers(with_negative_numbers(Cli::command()))
}

/// Accepts negative numbers as values of options, so that messages name the option.
fn with_negative_numbers(command: Command) -> Command {
    command
        .mut_args(|argument| {
            let takes = argument.get_long().is_some() && argument.get_action().takes_values();
            argument.allow_negative_numbers(takes)
        })
        .mut_subcommands(with_negative_numbers)
}

/// Adds a line to each `-h` that names the options which only `--help` shows.
fn with_pointers(command: Command) -> Command {
    let command = command.mut_subcommands(with_pointers);
    let hidden = hidden_headings(&command);
    if hidden.is_empty() {
        return command;
    }
    let after = command.get_after_help().map(StyledStr::to_string);
    let after = after.unwrap_or_default();
    let pointer = format!("More with `--help`: {}.", hidden.join(", "));
    command
        .after_help(format!("{after}\n\n{pointer}").trim_start().to_owned())
        .after_long_help(after)
}

/// Returns the headings whose options `-h` does not show, in lower case.
fn hidden_headings(command: &Command) -> Vec<String> {
    let is_shown = |heading: &str| {
        let mut options = command.get_arguments();
        options.any(|option| {
            option.get_help_heading() == Some(heading) && !option.is_hide_short_help_set()
        })
    };
    let mut hidden: Vec<String> = vec![];
    for heading in command
        .get_arguments()
        .filter_map(|option| option.get_help_heading())
    {
        let name = heading.to_lowercase();
        if !is_shown(heading) && !hidden.contains(&name) {
            hidden.push(name);
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        program().debug_assert();
    }

    /// Applies a check to each command and its path.
    fn each(command: &Command, path: &str, check: &mut dyn FnMut(&str, &Command)) {
        let path = format!("{path}{}", command.get_name());
        check(&path, command);
        for inner in command.get_subcommands() {
            each(inner, &format!("{path} "), check);
        }
    }

    fn text(styled: Option<&StyledStr>) -> String {
        styled.map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn every_command_has_a_summary_a_paragraph_and_examples() {
        let mut count = 0;
        each(&commands(), "", &mut |path, command| {
            count += 1;
            let about = text(command.get_about());
            assert!((10..=78).contains(&about.len()), "{path}: {about}");
            assert!(!about.ends_with('.'), "{path}: {about}");
            let long = text(command.get_long_about());
            assert!(long.len() > about.len() + 80, "{path}: {long}");
            let examples = text(command.get_after_help());
            assert!(
                examples.contains("Examples:\n  terrine "),
                "{path}: {examples}"
            );
        });
        assert!(count > 30, "only {count} commands were seen");
    }

    /// The commands of the examples in a text.
    fn examples(text: &str) -> Vec<&str> {
        let (_, examples) = text.split_once("Examples:\n").unwrap();
        let lines = examples.lines().map(str::trim);
        lines.filter(|line| line.starts_with("terrine ")).collect()
    }

    #[test]
    fn examples_are_commands_that_exist() {
        let mut count = 0;
        each(&commands(), "", &mut |path, command| {
            for example in examples(&text(command.get_after_help())) {
                count += 1;
                let call = example.split(" | ").next().unwrap_or_default();
                let call = call.split(" > ").next().unwrap_or_default();
                let words = call.split(' ');
                let parsed = program().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{path}: `{example}`: {:?}", parsed.err());
            }
        });
        assert!(count > 50, "only {count} examples were seen");
    }
}
