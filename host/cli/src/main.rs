//! The `terrine` command: the only crate that knows the terminal, the environment and exit
//! codes.

mod argument;
mod build;
mod cache;
mod cache_args;
mod closed;
mod command_args;
mod completions;
mod contents_args;
mod copied;
mod copy;
mod copy_args;
mod diff;
mod digest;
mod encode_args;
mod environment;
mod exit;
mod export;
mod failure;
mod file_args;
mod flag_names;
mod format;
mod github;
mod helper;
mod history_args;
mod image_args;
mod image_tables;
mod images;
mod index;
mod inspect;
mod interrupt;
mod landing;
mod layers;
mod limit_args;
mod login;
mod logout;
mod man;
mod merge;
mod meter;
mod nix;
mod output;
mod plan;
mod planner;
mod planner_args;
mod prefetch;
mod printer;
mod progress;
mod prompt;
mod registry_args;
mod replay;
mod schema;
mod ship_args;
mod shipped;
mod stdin;
mod stream;
mod strict_args;
mod table;
mod tag;
mod target;
mod usage;
mod verify;
mod version;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use exit::Status;
use failure::{Context, Result};
use printer::{LogFormat, Printer};

/// Makes layered, reproducible container images out of package closures
#[derive(Debug, Parser)]
#[command(name = "terrine", version, max_term_width = 100, after_help = exit::HELP)]
struct Cli {
    /// Say nothing but warnings, errors, and a tag that was generated
    #[arg(short, long, global = true)]
    quiet: bool,

    /// How to write messages, which go to stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<build::Args>),
    Plan(Box<plan::Args>),
    Stream(Box<stream::Args>),
    Copy(Box<copy::Args>),
    Tag(tag::Args),
    Index(Box<index::Args>),
    Merge(merge::Args),
    Layers(layers::Args),
    Replay(Box<replay::Args>),
    Inspect(inspect::Args),
    Digest(digest::Args),
    Verify(verify::Args),
    Diff(diff::Args),
    Export(export::Args),
    Prefetch(prefetch::Args),
    Login(login::Args),
    Logout(logout::Args),
    Schema(schema::Args),
    #[command(subcommand)]
    Planner(planner::Command),
    #[command(subcommand)]
    Cache(cache::Command),
    Completions(completions::Args),
    Man(man::Args),
    Version(version::Args),
}

/// Runs the command that the arguments ask for.
fn main() -> ExitCode {
    if let Some(code) = helper::compiled() {
        return code;
    }
    if helper::is_wanted() {
        return helper::run();
    }
    let arguments = match nix::arguments() {
        Ok(arguments) => arguments,
        Err(failure) => return exit::report(Err(failure), &Printer::plain(false)).into(),
    };
    if nix::is_wanted(&arguments) {
        // The log of a build is no place for progress.
        return run(&Printer::plain(true), nix::run);
    }
    // What is wrong with the arguments is said in the format that they ask for.
    let early = Printer::new(false, LogFormat::asked_for(&arguments));
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error, &arguments, &early),
    };
    let printer = Printer::new(cli.quiet, cli.log_format);
    run(&printer, |printer| execute(cli, printer))
}

/// Reads the arguments.
fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut program = with_negative_numbers(Cli::command());
    let matches = program.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut program))
}

/// Takes negative numbers for values of flags, so that what is wrong with them is told.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    command
        .mut_args(|argument| {
            let takes = argument.get_long().is_some() && argument.get_action().takes_values();
            argument.allow_negative_numbers(takes)
        })
        .mut_subcommands(with_negative_numbers)
}

/// Prints the help that is asked for, which goes to stdout and is a success, or what is wrong with the arguments.
fn unparsed(error: &clap::Error, arguments: &[OsString], printer: &Printer) -> ExitCode {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return Status::Usage.into();
    }
    if error.use_stderr() {
        let wrong = usage::explain(error, &Cli::command(), arguments);
        printer.error(&[wrong.message], wrong.hint.as_deref());
        return Status::Usage.into();
    }
    if let Err(failure) = closed::check().context("writing to stdout") {
        return exit::report(Err(failure), printer).into();
    }
    // Whoever asked may not be listening.
    let _ = error.print();
    Status::Done.into()
}

/// Runs a command, and says what went wrong.
fn run(printer: &Printer, command: impl FnOnce(&Printer) -> Result<()>) -> ExitCode {
    files();
    let outcome = interrupt::install(*printer).and_then(|()| command(printer));
    exit::report(outcome, printer).into()
}

/// Lets as many files be open as the system allows: each directory that an image is made of is one.
fn files() {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Whatever it is, most images need fewer.
    let _ = setrlimit(Resource::Nofile, all);
}

/// Runs the subcommand that the arguments name.
fn execute(cli: Cli, printer: &Printer) -> Result<()> {
    match cli.command {
        Command::Build(args) => build::run(&args, printer),
        Command::Plan(args) => plan::run(&args, printer),
        Command::Stream(args) => stream::run(&args, printer),
        Command::Copy(args) => copy::run(&args, printer),
        Command::Tag(args) => tag::run(&args, printer),
        Command::Index(args) => index::run(&args, printer),
        Command::Merge(args) => merge::run(&args, printer),
        Command::Layers(args) => layers::run(&args, printer),
        Command::Replay(args) => replay::run(&args, printer),
        Command::Inspect(args) => inspect::run(&args),
        Command::Digest(args) => digest::run(&args),
        Command::Verify(args) => verify::run(&args, printer),
        Command::Diff(args) => diff::run(&args),
        Command::Export(args) => export::run(&args, printer),
        Command::Prefetch(args) => prefetch::run(&args, printer),
        Command::Login(args) => login::run(&args, printer),
        Command::Logout(args) => logout::run(&args, printer),
        Command::Schema(args) => schema::run(&args),
        Command::Planner(command) => planner::run(&command, printer),
        Command::Cache(command) => cache::run(&command, printer),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Version(args) => version::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::with_negative_numbers(super::Cli::command()).debug_assert();
    }
}
