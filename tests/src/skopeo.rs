//! Programs that copy and unpack images, with nothing of the user's.

use std::path::Path;
use std::process::Command;

use super::{Run, peer};

/// A command of a program that keeps to a folder; nothing, said aloud, where it is not
/// installed. Run by root, skopeo still notes in `/var/lib/containers/cache` where it has
/// seen blobs.
pub fn command(program: &str, folder: &Path) -> Option<Command> {
    let mut command = Command::new(peer::find(program)?);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .env("HOME", folder)
        .env("XDG_RUNTIME_DIR", folder)
        .env("TMPDIR", folder);
    Some(command)
}

/// Runs skopeo, whatever becomes of it.
pub fn try_skopeo(folder: &Path, arguments: &[&str]) -> Option<Run> {
    let mut command = command("skopeo", folder)?;
    Some(Run::of(command.arg("--insecure-policy").args(arguments)))
}

/// Runs skopeo, which has to succeed.
pub fn skopeo(folder: &Path, arguments: &[&str]) -> Option<Run> {
    try_skopeo(folder, arguments).map(Run::ok)
}

/// Runs umoci, which has to succeed.
pub fn umoci(folder: &Path, arguments: &[&str]) -> Option<Run> {
    Some(Run::of(command("umoci", folder)?.args(arguments)).ok())
}
