//! Remedies for what the system refuses, where the error has none of its own.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustix::io::Errno;
use terrine::oci::Reference;

/// Returns what can be done about the first refusal of the system in a chain of errors.
pub(super) fn of<'e>(mut chain: impl Iterator<Item = &'e (dyn Error + 'static)>) -> Option<String> {
    let mut tried = String::new();
    let refused = chain.find_map(|error| {
        let refused = error.downcast_ref::<io::Error>();
        if refused.is_none() {
            tried = error.to_string();
        }
        refused
    })?;
    let hint = match refused.kind() {
        ErrorKind::NotFound => return Some(missing(&tried)),
        ErrorKind::PermissionDenied => {
            "give the user that runs terrine the permission, or run as a user who has it"
        }
        ErrorKind::IsADirectory => "name a file: this is a directory",
        ErrorKind::NotADirectory => "a part of the path is a file: correct the path",
        ErrorKind::AlreadyExists => "choose another path, or remove the existing file",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room there, or choose another path"
        }
        ErrorKind::ReadOnlyFilesystem => "choose a path that is writable",
        _ if refused.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            "correct the symbolic links in the path: they form a loop"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The remedy for a path that is not there, which is the last thing that the message names.
fn missing(tried: &str) -> String {
    let named = tried
        .split('`')
        .skip(1)
        .step_by(2)
        .last()
        .unwrap_or_default();
    let path = match named.parse::<Reference>() {
        Ok(
            Reference::DockerArchive { path, .. }
            | Reference::OciLayout { path, .. }
            | Reference::OciArchive { path, .. },
        ) => path,
        _ => named.into(),
    };
    let here = std::env::current_dir().ok();
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder_is_missing = folder.is_some_and(|folder| !folder.exists());
    let what = match folder {
        Some(folder) if folder_is_missing && tried.starts_with("writing ") => {
            format!("create the directory `{}` first", folder.display())
        }
        _ => "correct the path, or create the file first".to_owned(),
    };
    match here.filter(|_| !path.as_os_str().is_empty() && path.is_relative()) {
        Some(here) => format!(
            "{what}; it starts in the working directory, `{}`",
            here.display()
        ),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_told_with_the_place_where_it_starts() {
        let here = std::env::current_dir().unwrap();
        let start = format!("it starts in the working directory, `{}`", here.display());
        for (tried, expected, relative) in [
            ("reading `nope`", "correct the path", true),
            ("reading `/nope`", "correct the path", false),
            ("reading the image `oci:nope:web`", "correct the path", true),
            ("reading the image `oci:/nope`", "correct the path", false),
            (
                "writing `nope/x`",
                "create the directory `nope` first",
                true,
            ),
            ("finding it", "correct the path", false),
        ] {
            let hint = missing(tried);
            assert!(hint.starts_with(expected), "{tried}: {hint}");
            assert_eq!(hint.ends_with(&start), relative, "{tried}: {hint}");
        }
    }
}
