//! `terrine help`: the help of commands, and topics.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::{ArgMatches, Command};

use super::topics::{self, Topic};

const NAME: &str = "help";

/// Adds `help` to the program, with topics, and to each of its commands that has commands.
pub(super) fn with_help(program: Command) -> Command {
    let program = program.mut_subcommands(with_help_of_commands);
    let commands = program.get_subcommands().map(without_arguments);
    let help = Command::new(NAME)
        .about("Print help for a command or a topic")
        .override_usage("terrine help [COMMAND|TOPIC]...")
        .subcommand_help_heading("Commands and topics")
        .subcommands(commands.filter(|command| topics::find(command.get_name()).is_none()))
        .subcommands(topics::ALL.iter().map(leaf));
    let template = template(&program);
    program.help_template(template).subcommand(help)
}

/// Adds `help` to a command that has commands.
fn with_help_of_commands(command: Command) -> Command {
    if !command.has_subcommands() {
        return command;
    }
    let command = command.mut_subcommands(with_help_of_commands);
    let commands: Vec<Command> = command.get_subcommands().map(without_arguments).collect();
    let help = Command::new(NAME).about("Print help for a command");
    command.subcommand(help.subcommands(commands))
}

/// A command without its arguments.
fn without_arguments(command: &Command) -> Command {
    let about = command.get_about().cloned().unwrap_or_default();
    let inner = command.get_subcommands();
    let inner = inner
        .filter(|inner| inner.get_name() != NAME)
        .map(without_arguments);
    // The parser takes static names, and gives none back.
    let name: &'static str = command.get_name().to_owned().leak();
    Command::new(name)
        .about(about)
        .hide(command.is_hide_set())
        .subcommands(inner)
}

/// A topic as a command whose help is its text.
fn leaf(topic: &Topic) -> Command {
    Command::new(topic.name)
        .about(topic.summary)
        .help_template(topic.styled())
}

/// The form of the program's own help, with the topics after the commands.
fn template(program: &Command) -> StyledStr {
    let header = program.get_styles().get_header();
    let names = program
        .get_subcommands()
        .map(|command| command.get_name().len());
    let width = names.max().unwrap_or_default();
    let topics = topics::ALL.iter();
    let topics: String = topics
        .map(|topic| format!("  {:<width$}  {}\n", topic.name, topic.summary))
        .collect();
    format!(
        "{{about-with-newline}}\n\
         {{usage-heading}} {{usage}}\n\n\
         {header}Commands:{header:#}\n{{subcommands}}\n\n\
         {header}Topics (`terrine help TOPIC`):{header:#}\n{topics}\n\
         {header}Global options:{header:#}\n{{options}}{{after-help}}"
    )
    .into()
}

/// Returns the arguments that print the help which `help` asks for, if a command is `help`.
pub(super) fn asked_for(matches: &ArgMatches) -> Option<Vec<OsString>> {
    let mut names = vec![];
    let mut next = matches.subcommand();
    while let Some((name, inner)) = next {
        names.push(name);
        next = inner.subcommand();
    }
    let at = names.iter().position(|name| *name == NAME)?;
    let is_topic = at == 0
        && names
            .get(1)
            .is_some_and(|name| topics::find(name).is_some());
    if !is_topic {
        names.remove(at);
    }
    let words = ["terrine"].into_iter().chain(names).chain(["--help"]);
    Some(words.map(OsString::from).collect())
}
