//! The identity of a store path: tells if it is still the one that it was, without reading it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, OFlags, Stat, statat};
use rustix::io::Errno;
use terrine_tar::Kind;

use super::{Error, Store, StorePath, Tree, TreeEntry};

/// The time after which a file that is written to again has another time of change: kernels count in steps of 10 ms at most.
const STEP: Duration = Duration::from_millis(20);
/// The same where the file system keeps seconds only: some of NFS, of old ext file systems, of macOS. FAT has steps of two seconds.
const COARSE_STEP: Duration = Duration::from_secs(2);

/// Returns what the file system knows a store path by: device, inode, kind, size and time of last
/// change of its top.
///
/// The content of a path whose name carries a hash never changes, but the path can be
/// deleted and made again, and a build that is not reproducible makes something else then. That
/// is another inode, or another time of change, which no program can set.
///
/// # Errors
///
/// A path that is missing.
pub fn identity(store: &Store, path: &StorePath) -> Result<String, Error> {
    look(store, path).map(|stat| describe(&stat))
}

/// Returns true if the top of a store path has the permissions that Nix gives to everything in a
/// store (libstore, `canonicalisePathMetaData`): 0444, or 0555 for directories and programs. A
/// copy of a store that another program made may have others.
///
/// # Errors
///
/// A path that is missing.
pub(crate) fn is_canonical(store: &Store, path: &StorePath) -> Result<bool, Error> {
    let mode = look(store, path)?.st_mode;
    let permissions = mode & 0o7777;
    Ok(match FileType::from_raw_mode(mode) {
        FileType::Symlink => true,
        FileType::Directory => permissions == 0o555,
        _ => permissions == 0o444 || permissions == 0o555,
    })
}

/// Looks at the top of a store path.
fn look(store: &Store, path: &StorePath) -> Result<Stat, Error> {
    let text = path.as_str().as_bytes();
    let slash = text.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let looked = if store.is_grafted(path) {
        store.stat_at(text)
    } else if &text[..slash] == store.dir().as_bytes() {
        store
            .handle(text)
            .and_then(|handle| statat(handle, &text[slash + 1..], AtFlags::SYMLINK_NOFOLLOW))
    } else {
        store
            .open_at(&text[..slash], OFlags::DIRECTORY)
            .and_then(|parent| statat(parent, &text[slash + 1..], AtFlags::SYMLINK_NOFOLLOW))
    };
    looked.map_err(|errno| failed(store, text, errno))
}

/// The same for everything in a path: for directories whose names say nothing about what is in
/// them.
///
/// # Errors
///
/// A path that is missing or cannot be listed, and one that a layer cannot hold.
pub fn identity_of_all(store: &Store, path: &StorePath) -> Result<String, Error> {
    each(store, path, |_, stat| describe(stat))
}

/// The same for everything that a layer would have of a path. What else is in its directories does not count: they may be written to.
///
/// # Errors
///
/// As [`identity_of_all`].
pub(super) fn identity_of_entries(store: &Store, path: &StorePath) -> Result<String, Error> {
    each(store, path, |entry, stat| {
        let name = entry.path.escape_ascii();
        if entry.kind == Kind::Directory {
            format!("{name} {} {} {:o}", stat.st_dev, stat.st_ino, stat.st_mode)
        } else {
            format!("{name} {}", describe(stat))
        }
    })
}

/// A line for each entry of a path. What was written to just now is looked at again when its time of change has passed: a later change
/// has to be told from this one.
fn each(
    store: &Store,
    path: &StorePath,
    describe: impl Fn(&TreeEntry<'_>, &Stat) -> String,
) -> Result<String, Error> {
    let (text, newest) = each_now(store, path, &describe)?;
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let Some(left) = since_epoch.ok().and_then(|now| left(newest, now)) else {
        return Ok(text);
    };
    thread::sleep(left);
    Ok(each_now(store, path, &describe)?.0)
}

/// The lines, and the last time of change, since 1970.
fn each_now(
    store: &Store,
    path: &StorePath,
    describe: &impl Fn(&TreeEntry<'_>, &Stat) -> String,
) -> Result<(String, Duration), Error> {
    let tree = Tree::walk(store, std::slice::from_ref(path))?;
    let mut ancestors = store.ancestors().count();
    let (mut text, mut newest) = (String::new(), Duration::ZERO);
    tree.for_each(|entry| {
        if ancestors > 0 {
            ancestors -= 1;
            return Ok(());
        }
        let stat = store
            .stat_at(entry.path)
            .map_err(|errno| failed(store, entry.path, errno))?;
        newest = newest.max(changed(&stat));
        text.push_str(&describe(&entry, &stat));
        text.push('\n');
        Ok::<_, Error>(())
    })?;
    Ok((text, newest))
}

/// Returns a time of change, since 1970.
fn changed(stat: &Stat) -> Duration {
    let seconds = u64::try_from(stat.st_ctime).unwrap_or(0);
    let nanoseconds = u32::try_from(stat.st_ctime_nsec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds.into())
}

/// Returns the time that is left until another change has another time; none if that has passed, or the clock of the file system is
/// another one.
fn left(newest: Duration, now: Duration) -> Option<Duration> {
    let step = if newest.subsec_nanos() == 0 {
        COARSE_STEP
    } else {
        STEP
    };
    let passed = now.checked_sub(newest)?;
    step.checked_sub(passed).filter(|left| !left.is_zero())
}

fn describe(stat: &Stat) -> String {
    format!(
        "{} {} {:o} {} {}.{}",
        stat.st_dev, stat.st_ino, stat.st_mode, stat.st_size, stat.st_ctime, stat.st_ctime_nsec
    )
}

fn failed(store: &Store, path: &[u8], errno: Errno) -> Error {
    let path = store.locate(Path::new(OsStr::from_bytes(path)));
    match errno {
        Errno::NOENT => Error::Missing { path },
        _ => Error::Io {
            action: "examining",
            path,
            source: errno.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_is_waited_for_until_the_next_one_has_another_time() {
        let at = Duration::from_millis;
        for (newest, now, expected) in [
            (1_001, 1_001, Some(20)),
            (1_001, 1_006, Some(15)),
            (1_001, 1_021, None),
            (1_001, 9_999, None),
            // Whole seconds.
            (1_000, 1_500, Some(1_500)),
            (1_000, 3_000, None),
            // Another clock.
            (1_001, 1_000, None),
        ] {
            assert_eq!(
                left(at(newest), at(now)),
                expected.map(at),
                "{newest} {now}"
            );
        }
    }

    #[test]
    fn a_path_that_is_made_again_is_another() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("nix/store/a");
        fs::create_dir_all(place.join("x")).unwrap();
        let store = Store::open("/nix/store", root.path()).unwrap();
        let path = store.path("/nix/store/a").unwrap();
        let (top, all) = (
            identity(&store, &path).unwrap(),
            identity_of_all(&store, &path).unwrap(),
        );
        assert_eq!(identity(&store, &path).unwrap(), top);
        fs::write(place.join("x/y"), "new").unwrap();
        assert_eq!(
            identity(&store, &path).unwrap(),
            top,
            "only its top is looked at"
        );
        assert_ne!(identity_of_all(&store, &path).unwrap(), all);
        fs::rename(&place, root.path().join("old")).unwrap();
        fs::create_dir(&place).unwrap();
        assert_ne!(identity(&store, &path).unwrap(), top);
        fs::remove_dir(&place).unwrap();
        assert!(matches!(
            identity(&store, &path),
            Err(Error::Missing { .. })
        ));
    }
}
