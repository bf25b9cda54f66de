//! Standard input in the place of a file.
//!
//! What reads a file may look at it first and open it again, which a pipe does not allow. So whatever comes is put into a
//! file without a name, which takes the place of standard input: the system's name for that opens it from its start.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::builder::{PathBufValueParser, TypedValueParser};
use rustix::stdio::dup2_stdin;
use terrine::oci::Reference;

use super::argument;

/// The system's name for standard input.
pub(super) const PATH: &str = "/dev/stdin";

/// True if an argument reads standard input.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Reads the path of a file, where `-` is standard input.
pub(super) fn file_parser() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(file)
}

/// The path of a file that an argument names, where `-` is standard input.
fn file(path: PathBuf) -> Result<PathBuf, String> {
    if path.as_os_str() != "-" {
        return Ok(path);
    }
    take()?;
    spool().map_err(|error| format!("reading stdin: {error}"))?;
    Ok(PATH.into())
}

/// The image that an argument names, where `-` is standard input, which is read as it comes.
pub(super) fn image(text: &str) -> Result<Reference, String> {
    let reference = argument::read::<Reference>(text)?;
    if reference == Reference::Stdio {
        take()?;
    }
    Ok(reference)
}

/// The same, as text.
pub(super) fn image_text(text: &str) -> Result<String, String> {
    if text == "-" {
        take()?;
    }
    Ok(text.to_owned())
}

/// The image or the file that an argument names, where `-` is standard input.
pub(super) fn image_or_file(text: &str) -> Result<Reference, String> {
    match text {
        "-" => file(text.into()).map(Reference::Path),
        _ => argument::read(text),
    }
}

/// The component that an argument names, where `-` is standard input, with a pin behind it or not.
pub(super) fn component(text: &str) -> Result<String, String> {
    let pin = text.strip_prefix('-');
    match pin.filter(|pin| pin.is_empty() || pin.starts_with("@sha256:")) {
        Some(pin) => Ok(format!("{}{pin}", file("-".into())?.display())),
        None => Ok(text.to_owned()),
    }
}

/// Returns a message in which standard input has the name that the argument has.
pub(super) fn renamed(message: &str) -> String {
    if !TAKEN.load(Ordering::Relaxed) {
        return message.to_owned();
    }
    message.replace(&format!("`{PATH}`"), "`-`")
}

/// Takes standard input for one argument.
fn take() -> Result<(), String> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(
            "another argument reads stdin already\n  name a file for one of them".to_owned(),
        );
    }
    Ok(())
}

/// Puts what comes on standard input into a file, and that in its place.
fn spool() -> io::Result<()> {
    let mut file: File = tempfile::tempfile()?;
    io::copy(&mut io::stdin().lock(), &mut file)?;
    file.flush()?;
    file.rewind()?;
    dup2_stdin(&file)?;
    Ok(())
}
