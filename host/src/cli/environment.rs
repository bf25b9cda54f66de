//! What the environment says. Nothing below the command line reads it, and nothing
//! that it says changes a byte of an image.

use std::env;
use std::path::PathBuf;

/// Where compiled planners are kept: `$XDG_CACHE_HOME/terrine/planner`, or that below
/// `~/.cache`. None where neither is known.
pub(super) fn planner_cache() -> Option<PathBuf> {
    let directory = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = directory("XDG_CACHE_HOME").or_else(|| Some(directory("HOME")?.join(".cache")))?;
    Some(cache.join("terrine").join("planner"))
}
