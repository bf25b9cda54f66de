//! The identity of a store path: tells if it is still the one that it was, without reading it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, OFlags, Stat, statat};
use rustix::io::Errno;

use terrine_tar::Kind;

use super::{Error, Store, StorePath, Tree, TreeEntry};

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

/// A line for each entry of a path.
fn each(
    store: &Store,
    path: &StorePath,
    describe: impl Fn(&TreeEntry<'_>, &Stat) -> String,
) -> Result<String, Error> {
    let tree = Tree::walk(store, std::slice::from_ref(path))?;
    let mut ancestors = store.ancestors().count();
    let mut text = String::new();
    tree.for_each(|entry| {
        if ancestors > 0 {
            ancestors -= 1;
            return Ok(());
        }
        let stat = store
            .stat_at(entry.path)
            .map_err(|errno| failed(store, entry.path, errno))?;
        text.push_str(&describe(&entry, &stat));
        text.push('\n');
        Ok::<_, Error>(())
    })?;
    Ok(text)
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
