//! Programs of the machine that copy and unpack images, with nothing of the user's.

use std::path::Path;
use std::process::Command;

use super::{Generation, Run, generation};

/// A command of a program that keeps to a folder, see [`Generation::command`].
pub fn command(program: &str, folder: &Path) -> Option<Command> {
    Generation::Machine.command(program, folder)
}

/// A command of a program at a path that keeps to a folder.
pub fn at(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    generation::keep_to(folder, &mut command);
    command
}

/// Runs skopeo, whether it succeeds or fails.
pub fn try_skopeo(folder: &Path, arguments: &[&str]) -> Option<Run> {
    Generation::Machine.try_skopeo(folder, arguments)
}

/// Runs skopeo, which has to succeed.
pub fn skopeo(folder: &Path, arguments: &[&str]) -> Option<Run> {
    Generation::Machine.skopeo(folder, arguments)
}

/// Runs umoci, which has to succeed.
pub fn umoci(folder: &Path, arguments: &[&str]) -> Option<Run> {
    Generation::Machine.umoci(folder, arguments)
}
