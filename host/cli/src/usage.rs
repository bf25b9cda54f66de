//! Errors in the arguments, in the form of all other messages.
//!
//! The parser of arguments has a form of its own: quotes, tips, and a line of usage that hides
//! the rest. This module rewrites its errors, from the kind and the context that they carry.

use std::borrow::Cow;
use std::error::Error as _;
use std::ffi::OsString;
use std::path::Path;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use terrine::hint::Hint;
use terrine::json::numbers_in_words;
use terrine::oci::without_login;
use terrine::registry::ServerNameError;

/// The greatest number of flags that a short one is taken for.
const MOST_FORMS: usize = 3;

/// An error in the arguments, and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// Takes an error of the parser apart. `all` is the program with all its commands, which was called with `words`.
pub(super) fn explain(error: &Error, all: &Command, words: &[OsString]) -> Wrong {
    let argument = || text(error, ContextKind::InvalidArg);
    let (message, hint) = match error.kind() {
        ErrorKind::InvalidValue => invalid(error),
        ErrorKind::ValueValidation => refused(error),
        ErrorKind::UnknownArgument => (
            format!("unexpected argument `{}`", argument()),
            unknown(error, all, words),
        ),
        ErrorKind::InvalidSubcommand => {
            let name = text(error, ContextKind::InvalidSubcommand);
            let near = list(error, ContextKind::SuggestedSubcommand);
            let near = (!near.is_empty()).then(|| format!("did you mean {}?", or(&near)));
            match called(all, words).1.as_str() {
                "terrine help" => (
                    format!("there is no command or topic `{name}`"),
                    near.or_else(|| Some("`terrine help` lists commands and topics".to_owned())),
                ),
                path => {
                    let elsewhere = || (path == "terrine").then(|| elsewhere(&name)).flatten();
                    (
                        format!("there is no command `{name}`"),
                        elsewhere().or(near),
                    )
                }
            }
        }
        ErrorKind::ArgumentConflict => {
            let others = list(error, ContextKind::PriorArg);
            let (argument, others) = (argument(), and(&others));
            let message = if others == format!("`{argument}`") {
                format!("`{argument}` is given twice")
            } else {
                format!("`{argument}` cannot be used with {others}")
            };
            (message, Some("leave one of them out".to_owned()))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = list(error, ContextKind::InvalidArg);
            let verb = if missing.len() == 1 { "is" } else { "are" };
            (format!("{} {verb} missing", and(&missing)), None)
        }
        ErrorKind::TooManyValues => (format!("`{}` takes no value", argument()), None),
        ErrorKind::InvalidUtf8 => ("an argument is not UTF-8".to_owned(), None),
        _ => (plain(error), None),
    };
    Wrong {
        message,
        hint: hint
            .or_else(|| usage(error))
            .or_else(|| about(&argument(), all, words)),
    }
}

/// A value that is none of those that there are, or that is missing.
fn invalid(error: &Error) -> (String, Option<String>) {
    let argument = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue);
    let message = if value.is_empty() {
        format!("`{argument}` needs a value")
    } else {
        format!("invalid value `{value}` for `{argument}`")
    };
    let near = text(error, ContextKind::SuggestedValue);
    let known = list(error, ContextKind::ValidValue);
    let hint = match (near.is_empty(), known.is_empty()) {
        (false, _) => Some(format!(
            "did you mean `{near}`? it is one of {}",
            or(&known)
        )),
        (true, false) => Some(format!("it is one of {}", or(&known))),
        (true, true) => None,
    };
    (message, hint)
}

/// A value that is not of the form that it must have. The lines behind the first are the remedy.
fn refused(error: &Error) -> (String, Option<String>) {
    let argument = text(error, ContextKind::InvalidArg);
    if let Some(name) = error
        .source()
        .and_then(|source| source.downcast_ref::<ServerNameError>())
    {
        // It knows better which part of the value may be a password.
        let message = format!("invalid value `{}` for `{argument}`: {name}", name.shown());
        return (message, name.hint().map(Cow::into_owned));
    }
    let value = text(error, ContextKind::InvalidValue);
    let why = error.source().map(ToString::to_string).unwrap_or_default();
    let why = numbers_in_words(&why);
    let (why, hint) = match why.split_once('\n') {
        Some((why, hint)) => (why.trim(), Some(hint.trim().to_owned())),
        None => (why.trim(), None),
    };
    let message = format!("invalid value `{value}` for `{argument}`: {why}");
    (message, hint)
}

/// Returns the way to do what a command of docker, podman or skopeo does.
fn elsewhere(name: &str) -> Option<String> {
    let way = match name {
        "push" => {
            "`terrine build --to docker://NAME` builds and pushes; `terrine copy IMAGE docker://NAME` pushes an existing image"
        }
        "pull" => "`terrine copy docker://NAME oci:DIRECTORY` pulls an image",
        "save" | "convert" => "`terrine copy IMAGE docker-archive:FILE` writes an image to a file",
        "load" | "import" => {
            "`terrine copy FILE docker-daemon:NAME` or `containers-storage:NAME` loads an image"
        }
        "run" | "exec" => {
            "docker and podman run images: `terrine build --to containers-storage:NAME`, then `podman run NAME`"
        }
        "images" | "ls" | "list" => "`terrine inspect IMAGE` shows an image",
        _ => return None,
    };
    Some(way.to_owned())
}

/// Returns a hint at what an unknown argument was probably meant to be.
fn unknown(error: &Error, all: &Command, words: &[OsString]) -> Option<String> {
    let argument = text(error, ContextKind::InvalidArg);
    if Path::new(&argument).exists() {
        return Some(format!("the file of this name is `./{argument}`"));
    }
    let (command, _) = called(all, words);
    let program = program_before(&argument, command, words);
    // An image with a login is in the wrong place, and no program.
    if let Some(program) = program.filter(|name| matches!(without_login(name), Cow::Borrowed(_))) {
        return Some(format!(
            "put the command of the image after `--`: `-- {program} {argument}`"
        ));
    }
    let near = list(error, ContextKind::SuggestedArg);
    if !near.is_empty() {
        return Some(format!("did you mean {}?", or(&near)));
    }
    let Some(flag) = argument.strip_prefix("--") else {
        return long_form(&argument, called(all, words).0);
    };
    let flag = flag.split('=').next()?;
    let others = commands_with(all, "terrine", flag);
    (!others.is_empty()).then(|| format!("it is an argument of {}", and(&others)))
}

/// Returns the word before an unknown argument, if the command takes a program after `--`, and the word may be one: it is
/// neither a flag, nor a file, nor behind a `--`.
fn program_before(argument: &str, command: &Command, words: &[OsString]) -> Option<String> {
    let takes_program = command.get_arguments().any(clap::Arg::is_last_set);
    let at = words.iter().position(|word| word == argument)?;
    let before = words.get(at.checked_sub(1)?)?.to_str()?;
    let flag = words.get(at.checked_sub(2)?)?.to_string_lossy();
    let is_value = flag.starts_with('-') && !flag.contains('=');
    let is_word = !before.starts_with('-') && !is_value && !Path::new(before).exists();
    (takes_program && is_word && !words[..at].iter().any(|word| word == "--"))
        .then(|| before.to_owned())
}

/// The flags of a command that begin with the letter of a short one that it does not have.
fn long_form(argument: &str, command: &Command) -> Option<String> {
    let letter = argument.strip_prefix('-')?.chars().next()?;
    let longs = command.get_arguments().filter_map(|arg| arg.get_long());
    let near: Vec<String> = longs
        .filter(|long| long.starts_with(letter))
        .map(|long| format!("--{long}"))
        .collect();
    (1..=MOST_FORMS)
        .contains(&near.len())
        .then(|| format!("did you mean {}?", or(&near)))
}

/// The commands that have a flag.
fn commands_with(command: &Command, path: &str, flag: &str) -> Vec<String> {
    let mut found = vec![];
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        let path = format!("{path} {}", inner.get_name());
        if inner
            .get_arguments()
            .any(|arg| arg.get_long() == Some(flag))
        {
            found.push(path.clone());
        }
        found.extend(commands_with(inner, &path, flag));
    }
    found
}

/// Returns a hint with the usage of the command, for errors that have no better hint.
fn usage(error: &Error) -> Option<String> {
    let usage = text(error, ContextKind::Usage);
    let usage = usage.trim().strip_prefix("Usage:")?.trim().to_owned();
    let call: Vec<&str> = usage
        .split_whitespace()
        .take_while(|word| !word.starts_with(['[', '<', '-']))
        .collect();
    let usage: Vec<&str> = usage.split_whitespace().collect();
    Some(format!(
        "write `{}`; `{} --help` explains the arguments",
        usage.join(" "),
        call.join(" ")
    ))
}

/// Returns the command that was called, and its name.
fn called<'a>(all: &'a Command, words: &[OsString]) -> (&'a Command, String) {
    let (mut command, mut path) = (all, all.get_name().to_owned());
    let names = words.iter().skip(1).filter_map(|word| word.to_str());
    for name in names {
        match command.find_subcommand(name) {
            Some(inner) => (command, path) = (inner, format!("{path} {name}")),
            None if name.starts_with('-') => {}
            None => break,
        }
    }
    (command, path)
}

/// Returns the summary of an argument from the help of the command that was called.
fn about(argument: &str, all: &Command, words: &[OsString]) -> Option<String> {
    let (command, path) = called(all, words);
    let flag = argument.split_whitespace().next()?.trim_start_matches('-');
    let help = command
        .get_arguments()
        .find(|known| known.get_long() == Some(flag))?
        .get_help()?
        .to_string();
    let help = help.lines().collect::<Vec<_>>().join(" ");
    Some(format!("`{argument}`: {help}; see `{path} --help`"))
}

/// A fact of an error, without a password that is written in it; empty where it has none.
fn text(error: &Error, kind: ContextKind) -> String {
    let text = error
        .get(kind)
        .map_or_else(String::new, ToString::to_string);
    without_login(&text).into_owned()
}

/// The same as a list.
fn list(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::Strings(list)) => list.clone(),
        Some(ContextValue::String(one)) => vec![one.clone()],
        _ => vec![],
    }
}

/// The message of any other error, as the parser has it.
fn plain(error: &Error) -> String {
    let shown = error.render().to_string();
    let first = shown.lines().next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first);
    message.replace('\'', "`")
}

fn and(list: &[String]) -> String {
    joined(list, "and")
}

fn or(list: &[String]) -> String {
    joined(list, "or")
}

/// Names in backticks, as a person lists them.
fn joined(list: &[String], word: &str) -> String {
    let quoted: Vec<String> = list.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} {word} {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use clap::{Arg, ArgAction, value_parser};
    use terrine::registry::ServerName;

    use super::*;

    fn program() -> Command {
        let run = Command::new("run")
            .arg(Arg::new("image").required(true))
            .arg(Arg::new("platform").long("platform").value_name("OS"))
            .arg(Arg::new("how").long("how").value_parser(["fast", "slow"]))
            .arg(Arg::new("at").long("at").value_parser(ServerName::from_str))
            .arg(
                Arg::new("all")
                    .long("all")
                    .action(ArgAction::SetTrue)
                    .conflicts_with("platform"),
            )
            .arg(
                Arg::new("jobs")
                    .long("jobs")
                    .help("How many at once")
                    .value_parser(value_parser!(u64).range(1..9)),
            );
        let other = Command::new("other").arg(Arg::new("tag").long("tag"));
        Command::new("terrine").subcommand(run).subcommand(other)
    }

    fn wrong(arguments: &str) -> (String, String) {
        let words: Vec<OsString> = arguments.split(' ').map(OsString::from).collect();
        let error = program().try_get_matches_from(&words).unwrap_err();
        let Wrong { message, hint } = explain(&error, &program(), &words);
        (message, hint.unwrap_or_default())
    }

    #[test]
    fn errors_of_arguments_have_the_form_of_all_others() {
        for (arguments, message, hint) in [
            (
                "terrine run x --platfrom y",
                "unexpected argument `--platfrom`",
                "did you mean `--platform`?",
            ),
            (
                "terrine run x --tag y",
                "unexpected argument `--tag`",
                "it is an argument of `terrine other`",
            ),
            (
                "terrine run x -p s3cret",
                "unexpected argument `-p`",
                "did you mean `--platform`?",
            ),
            (
                "terrine run x --jobs 0",
                "invalid value `0` for `--jobs <jobs>`: it must be a whole number from 1 to 8",
                "`--jobs <jobs>`: How many at once; see `terrine run --help`",
            ),
            (
                "terrine run x --jobs u:s3cret@h/x",
                "invalid value `…@h/x` for `--jobs <jobs>`: it must be a whole number",
                "`--jobs <jobs>`: How many at once; see `terrine run --help`",
            ),
            (
                "terrine run x --at user:s3cret",
                "invalid value `user:…` for `--at <at>`: `user:…` is not the name of a registry",
                "write HOST or HOST:PORT",
            ),
            (
                "terrine run x --at https://user:s3cret@h?s3cret",
                "invalid value `…@h?…` for `--at <at>`: `…@h?…` is not the name of a registry",
                "write HOST or HOST:PORT",
            ),
            (
                "terrine run x --jobs x",
                "invalid value `x` for `--jobs <jobs>`: it must be a whole number",
                "`--jobs <jobs>`: How many at once; see `terrine run --help`",
            ),
            (
                "terrine run x --how quick",
                "invalid value `quick` for `--how <how>`",
                "it is one of `fast` or `slow`",
            ),
            (
                "terrine run x --how",
                "`--how <how>` needs a value",
                "it is one of `fast` or `slow`",
            ),
            (
                "terrine run x --all --platform y",
                "`--all` cannot be used with `--platform <OS>`",
                "leave one of them out",
            ),
            (
                "terrine run x --all=s3cret",
                "`--all` takes no value",
                "write `terrine run",
            ),
            (
                "terrine run",
                "`<image>` is missing",
                "write `terrine run <image>`; `terrine run --help` explains the arguments",
            ),
            (
                "terrine rum",
                "there is no command `rum`",
                "did you mean `run`?",
            ),
        ] {
            let (said, remedy) = wrong(arguments);
            assert_eq!(said, message, "{arguments}");
            assert!(remedy.starts_with(hint), "{arguments}: {remedy}");
            assert!(!remedy.contains("as a value"), "{arguments}: {remedy}");
        }
    }
}
