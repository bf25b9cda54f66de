//! Programs that are arguments of terrine: a file whose first line names terrine as its
//! interpreter, and whose rest is a JSON list of arguments.
//!
//! They need no shell, so an image that is one refers to nothing but terrine and what it is made of.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::super::failure::{Context, Failure, Result};

/// The argument that the first line of a program has.
const RUN: &str = "__run";
/// The name of the script of Nixpkgs whose place this program takes when it is called so.
const SCRIPT: &str = "stream_layered_image";
/// The longest first line that Linux takes, in bytes.
const LONGEST: usize = 255;

/// Returns the arguments of this process, the first of which is its name, with those of the
/// program that it interprets.
pub(in super::super) fn arguments() -> Result<Vec<OsString>> {
    let given: Vec<OsString> = env::args_os().collect();
    let name = given.first().map(Path::new).and_then(Path::file_stem);
    if name == Some(OsStr::new(SCRIPT)) {
        return Ok(with(&given[..1], ["stream".into()], &given[1..]));
    }
    match given.get(1) {
        Some(first) if first == RUN => {}
        _ => return Ok(given),
    }
    let Some(file) = given.get(2) else {
        return Err(Failure::new("there is no program to run"));
    };
    let path = Path::new(file);
    let words = read(path).with_context(|| format!("running `{}`", path.display()))?;
    let words = words.into_iter().map(OsString::from);
    Ok(with(&given[..1], words, &given[3..]))
}

fn with(
    first: &[OsString],
    words: impl IntoIterator<Item = OsString>,
    rest: &[OsString],
) -> Vec<OsString> {
    let all = first.iter().cloned().chain(words);
    all.chain(rest.iter().cloned()).collect()
}

/// Reads the arguments in a program.
fn read(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| Failure::new(error.to_string()))?;
    let (_, words) = text.split_once('\n').unwrap_or(("", ""));
    serde_json::from_str(words)
        .map_err(|error| Failure::new(format!("its arguments are not a list of strings: {error}")))
}

/// Writes a program that has these arguments and `terrine` for an interpreter.
pub(super) fn write(path: &Path, terrine: &str, words: &[String]) -> Result<()> {
    use std::io::Write;
    let line = format!("#!{terrine} {RUN}");
    if line.len() > LONGEST {
        let why = format!("the path of the interpreter, `{terrine}`, is too long");
        return Err(Failure::new(why));
    }
    let text = format!("{line}\n{}\n", serde_json::Value::from(words));
    let mut options = fs::File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(path)
        .with_context(|| format!("writing `{}`", path.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("writing `{}`", path.display()))
}
