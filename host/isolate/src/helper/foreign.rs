//! The owners of what commands are shown and cannot change: store paths and tools.
//!
//! To commands all of that is root's. Where it is root's on this machine as well, the kernel may tell.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::request::Job;

/// The stores whose files all have one owner, whichever user adds them: Nix and Guix see to that.
const OF_ONE_OWNER: [&str; 2] = ["/nix/store", "/gnu/store"];
/// The number of files beyond which asking is cheaper than looking.
const MOST: usize = 10_000;

/// Returns whether a file that commands see may be somebody else's than root's.
pub(super) fn is_any(job: &Job) -> bool {
    let mut left = MOST;
    let mut of_store = job.store.iter().map(|(_, place)| place);
    let is_of_one_owner = |place: &Path| {
        let store = place.parent().and_then(Path::to_str);
        store.is_some_and(|store| OF_ONE_OWNER.contains(&store))
    };
    of_store.any(|place| {
        if is_of_one_owner(place) {
            !fs::symlink_metadata(place).is_ok_and(|found| is_of_root(&found))
        } else {
            is_below(place, &mut left)
        }
    }) || job.tools.iter().any(|place| is_below(place, &mut left))
}

fn is_of_root(found: &Metadata) -> bool {
    (found.uid(), found.gid()) == (0, 0)
}

/// Returns whether this or anything below may be somebody else's, looking at so many files at most.
fn is_below(place: &Path, left: &mut usize) -> bool {
    let mut open = vec![place.to_owned()];
    while let Some(place) = open.pop() {
        let Ok(found) = fs::symlink_metadata(&place) else {
            return true;
        };
        if *left == 0 || !is_of_root(&found) {
            return true;
        }
        *left -= 1;
        if !found.is_dir() {
            continue;
        }
        let Ok(entries) = fs::read_dir(&place) else {
            return true;
        };
        for entry in entries {
            let Ok(entry) = entry else {
                return true;
            };
            open.push(entry.path());
        }
    }
    false
}
