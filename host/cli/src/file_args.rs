//! `--file`: files of the image's root from flags.

use std::path::Path;

use terrine::spec::{FileSpec, ImageSpec, ModeField};

use super::exit::Usage;
use super::failure::{Failure, Result};
use super::flag_names::FlagNames;
use super::image_args::named_here;

/// A file of this machine, and what it becomes in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileArg {
    source: String,
    path: String,
    mode: Option<u32>,
    owner: Option<(u32, u32)>,
}

/// Adds files to a specification, in the place of those that it has at their paths.
pub(super) fn apply(files: &[String], spec: &mut ImageSpec, names: &mut FlagNames) -> Result<()> {
    let mut seen: Vec<String> = vec![];
    for text in files {
        let file = read(text, Path::exists).map_err(|why| usage(text, &why))?;
        let source = Path::new(&file.source);
        if source.is_dir() {
            let why = format!(
                "`{}` is a directory, which `--copy-to-root` copies",
                file.source
            );
            return Err(usage(text, &why));
        }
        if !source.exists() {
            return Err(usage(
                text,
                &format!("the file `{}` does not exist", file.source),
            ));
        }
        if seen.contains(&file.path) {
            return Err(usage(text, &format!("`{}` is given twice", file.path)));
        }
        let (uid, gid) = file.owner.unwrap_or_default();
        let entry = FileSpec {
            source: Some(named_here(source, spec)?),
            mode: file.mode.map(ModeField),
            uid,
            gid,
            ..FileSpec::default()
        };
        seen.push(file.path.clone());
        let field = format!("files.{}", file.path);
        names.note(field, "--file", Some(text.clone()));
        spec.files.insert(file.path, entry);
    }
    Ok(())
}

fn usage(text: &str, why: &str) -> Failure {
    Usage {
        message: format!("`--file {text}`: {why}"),
        hint: "write SRC:DST[:MODE[:UID:GID]], such as `./web.conf:/etc/web.conf:0644`; DST is an absolute path in the image, whose last name has no `:`",
    }
    .into()
}

/// Reads an argument. `exists` tells which of several readings of paths with colons is meant.
fn read(text: &str, exists: impl Fn(&Path) -> bool) -> Result<FileArg, String> {
    let splits = || {
        let starts = text.match_indices(":/").map(|(at, _)| at);
        starts.map(|at| (&text[..at], &text[at + 1..]))
    };
    let there = splits().find(|(source, _)| exists(Path::new(source)));
    let Some((source, destination)) = there.or_else(|| splits().next()) else {
        return Err(match text.split_once(':') {
            Some((_, path)) if !path.is_empty() => {
                format!("`{path}` is not an absolute path in the image")
            }
            _ => "it has no path in the image".to_owned(),
        });
    };
    if source.is_empty() {
        return Err("it has no file".to_owned());
    }
    let (path, settings) = parts(destination);
    let (mode, owner) = settings.map_or(Ok((None, None)), read_settings)?;
    let name = Path::new(source).file_name().and_then(|name| name.to_str());
    // As elsewhere, a slash at the end means the directory.
    let path = match (path.ends_with('/'), name) {
        (true, Some(name)) => format!("{path}{name}"),
        _ => path.to_owned(),
    };
    Ok(FileArg {
        source: source.to_owned(),
        path,
        mode,
        owner,
    })
}

/// Splits a destination into a path, whose last name has no colon, and what follows it. A mode ends a path wherever it
/// is: `/a:0644:root/root`.
fn parts(destination: &str) -> (&str, Option<&str>) {
    let last = destination.rfind('/').unwrap_or_default();
    let mut colons = destination.match_indices(':').map(|(at, _)| at);
    let is_end = |at: usize| {
        let next = destination[at + 1..].split(':').next();
        at > last || next.and_then(octal).is_some()
    };
    match colons.find(|&at| is_end(at)) {
        Some(at) => (&destination[..at], Some(&destination[at + 1..])),
        None => (destination, None),
    }
}

/// Permission bits, and the numbers of a user and a group.
type Settings = (Option<u32>, Option<(u32, u32)>);

/// Reads what follows the path.
fn read_settings(text: &str) -> Result<Settings, String> {
    let (mode, owner) = match text.split_once(':') {
        Some((mode, owner)) => (mode, Some(owner)),
        None => (text, None),
    };
    let Some(bits) = octal(mode) else {
        return Err(format!("`{mode}` is not a mode in octal digits"));
    };
    let Some(owner) = owner else {
        return Ok((Some(bits), None));
    };
    if id(owner).is_some() {
        return Err(
            "it has a user without a group: write both after the mode, or neither".to_owned(),
        );
    }
    let ids = owner.split_once(':');
    match ids.and_then(|(uid, gid)| Some((id(uid)?, id(gid)?))) {
        Some(owner) => Ok((Some(bits), Some(owner))),
        None => Err(format!(
            "`{owner}` after the mode `{mode}` is not a UID and a GID in digits"
        )),
    }
}

/// Reads the number of a user or a group.
fn id(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Reads permission bits.
fn octal(text: &str) -> Option<u32> {
    let digits = (3..=5).contains(&text.len()) && text.chars().all(|c| ('0'..='7').contains(&c));
    let bits = u32::from_str_radix(text, 8).ok()?;
    (digits && bits <= 0o7777).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mode_and_owner_are_read() {
        for (text, source, path, mode, owner) in [
            ("a:/b", "a", "/b", None, None),
            ("./a:/etc/b:0640", "./a", "/etc/b", Some(0o640), None),
            (
                "a:/b:755:1000:100",
                "a",
                "/b",
                Some(0o755),
                Some((1000, 100)),
            ),
            ("a:/b:4755", "a", "/b", Some(0o4755), None),
            ("/x/a:/etc/", "/x/a", "/etc/a", None, None),
            ("a:/", "a", "/a", None, None),
            ("a:b:/c", "a:b", "/c", None, None),
            ("a:/x:1/b:0600", "a", "/x:1/b", Some(0o600), None),
            ("a:b:/c/", "a:b", "/c/a:b", None, None),
            ("./a:/etc/:0640", "./a", "/etc/a", Some(0o640), None),
            ("there:/x:/y", "there:/x", "/y", None, None),
        ] {
            let expected = FileArg {
                source: source.to_owned(),
                path: path.to_owned(),
                mode,
                owner,
            };
            let read = read(text, |path| path == Path::new("there:/x"));
            assert_eq!(read, Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, expected) in [
            ("a", "it has no path"),
            ("a:", "it has no path"),
            ("a:b", "`b` is not an absolute path"),
            (":/b", "it has no file"),
            ("a:/b:999", "`999` is not a mode"),
            ("a:/b:0644:1000", "it has a user without a group"),
            ("a:/b:0644:root", "`root` after the mode `0644` is not"),
            ("a:/b:0644:root:root", "`root:root` after the mode"),
            ("a:/b:0644:root/root", "`root/root` after the mode"),
            ("a:/b:0644:-1:0", "`-1:0` after the mode `0644` is not"),
            ("a:/b:0644:+1:0", "`+1:0` after the mode `0644` is not"),
            ("a:/b:0755,1,2", "`0755,1,2` is not a mode"),
            ("a:/b:0o755", "`0o755` is not a mode"),
            ("a:/b:u+x", "`u+x` is not a mode"),
            ("a:/b:rwxr-xr-x", "`rwxr-xr-x` is not a mode"),
            ("a:/b:root:root", "`root` is not a mode"),
            ("a:/b:ro", "`ro` is not a mode"),
            ("a:/b:-1", "`-1` is not a mode"),
            ("a:/b:12:0644", "`12` is not a mode"),
            ("a:/b:", "`` is not a mode"),
        ] {
            let why = read(text, |_| false).unwrap_err();
            assert!(why.starts_with(expected), "{text}: {why}");
        }
    }
}
