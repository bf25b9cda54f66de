//! What the environment says. Nothing below the command line reads it, and nothing
//! that it says changes a byte of an image.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where terrine keeps what it can do without: `$XDG_CACHE_HOME/terrine`, or that below
/// `~/.cache`. None where neither is known.
pub(super) fn cache() -> Option<PathBuf> {
    let directory = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = directory("XDG_CACHE_HOME").or_else(|| Some(directory("HOME")?.join(".cache")))?;
    Some(cache.join("terrine"))
}

/// The folder of compiled planners of a build of Nix, which has no home to keep them in.
static COMPILED: OnceLock<PathBuf> = OnceLock::new();

/// Lets this process take compiled planners from a folder, once and for all.
pub(super) fn keep_compiled(folder: PathBuf) {
    // Only the first counts, and there is one builder in a process.
    let _ = COMPILED.set(folder);
}

/// Where compiled planners are kept.
pub(super) fn planner_cache() -> Option<PathBuf> {
    if let Some(folder) = COMPILED.get() {
        return Some(folder.clone());
    }
    Some(cache()?.join("planner"))
}

/// Returns the folder of the trees that commands at the root left.
pub(super) fn trees() -> Option<PathBuf> {
    Some(cache()?.join(terrine::cache::TREES))
}

/// A variable that is set and not empty.
pub(super) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The current day, counted from 1970.
pub(super) fn today() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs() / (24 * 60 * 60))
}
