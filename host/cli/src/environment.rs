//! Values from the environment. Only the command line reads it, and no value in it changes a
//! byte of an image.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use terrine::folder;

use super::printer::Printer;

/// Returns the directory for files that can be deleted at any time: `$XDG_CACHE_HOME/terrine`, or
/// else `~/.cache/terrine`. None if neither is known.
pub(super) fn cache() -> Option<PathBuf> {
    let directory = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = directory("XDG_CACHE_HOME").or_else(|| Some(directory("HOME")?.join(".cache")))?;
    Some(cache.join("terrine"))
}

/// The folder of compiled planners of a build of Nix.
static COMPILED: OnceLock<PathBuf> = OnceLock::new();

/// Lets this process take compiled planners from a folder, once and for all.
pub(super) fn keep_compiled(folder: PathBuf) {
    // Only the first counts, and there is one builder in a process.
    let _ = COMPILED.set(folder);
}

/// Returns the folder of compiled planners. One that is not the user's own is warned of and not returned,
/// because what is in it is run.
pub(super) fn planner_cache(printer: &Printer) -> Option<PathBuf> {
    let (folder, fault) = compiled_planners()?;
    if let Some(why) = fault {
        let folder = folder.display();
        printer.warning(&format!(
            "compiled planners in `{folder}` are not used, and planners from files are compiled again: {why}"
        ));
        return None;
    }
    Some(folder)
}

/// The same in silence.
pub(super) fn planner_cache_quietly() -> Option<PathBuf> {
    let (folder, fault) = compiled_planners()?;
    fault.is_none().then_some(folder)
}

/// The folder of compiled planners, and why it is not the user's own.
fn compiled_planners() -> Option<(PathBuf, Option<String>)> {
    if let Some(place) = COMPILED.get() {
        return Some((place.clone(), None));
    }
    let place = cache()?.join("planner");
    // Made here, so that it is the user's own whatever the mask for new files says, and nobody else makes it.
    let fault = folder::make(&place).err();
    Some((place, fault))
}

/// Returns the folder of the trees that commands at the root left, if it is the user's own: what is in it goes
/// into images. The layer cache is beside it, and tells why it is not.
pub(super) fn trees() -> Option<PathBuf> {
    let place = cache()?.join(terrine::cache::TREES);
    folder::check(&place).is_ok().then_some(place)
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
