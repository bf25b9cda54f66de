//! The `terrine` command: the only crate that knows the terminal, the environment and exit
//! codes.

mod argument;
mod binary_cache_args;
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
mod headings;
mod help;
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
mod layers_from;
mod layers_to;
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
mod program;
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
mod topics;
mod usage;
mod verify;
mod version;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgAction, FromArgMatches, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use exit::Status;
use failure::{Context, Result};
use printer::{LogFormat, Printer};

/// Build layered, reproducible container images from package closures
///
/// terrine builds images from Nix store paths, Guix packages and plain directories, without a daemon and without root.
/// It also copies, converts, inspects and verifies existing images. Output goes to stdout, messages go to stderr.
#[derive(Debug, Parser)]
#[command(
    name = "terrine",
    version,
    max_term_width = 100,
    disable_help_flag = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP)
)]
struct Cli {
    /// Print only warnings, errors and generated tags
    #[arg(short, long, global = true, help_heading = headings::GLOBAL)]
    quiet: bool,

    /// Format of the messages on stderr
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = headings::GLOBAL
    )]
    log_format: LogFormat,

    /// Print help: a summary with `-h`, the full text with `--help`
    #[arg(short, long, global = true, action = ArgAction::Help, help_heading = headings::GLOBAL)]
    help: Option<bool>,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  terrine build image.json --to docker://ghcr.io/acme/web:1.2
  terrine copy docker://debian:12 oci:layout:debian
  terrine inspect web.tar";

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
    printer::note_arguments(&arguments);
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
    let mut program = program::program();
    let mut matches = program.try_get_matches_from_mut(arguments)?;
    if let Some(help) = help::asked_for(&matches) {
        matches = program.try_get_matches_from_mut(help)?;
    }
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut program))
}

/// Prints the help that is asked for, which goes to stdout and is a success, or what is wrong with the arguments.
fn unparsed(error: &clap::Error, arguments: &[OsString], printer: &Printer) -> ExitCode {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return Status::Usage.into();
    }
    if error.use_stderr() {
        let wrong = usage::explain(error, &program::program(), arguments);
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
