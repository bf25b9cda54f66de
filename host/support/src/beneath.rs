//! Files that are opened below a directory, so that no link and no `..` leads out of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// Flags that open a directory for what is below it: not everyone may list it.
#[cfg(target_os = "linux")]
pub const SEARCH: OFlags = OFlags::PATH;
/// Flags that open a directory for what is below it. This system has no way that takes no permission to list it.
#[cfg(not(target_os = "linux"))]
pub const SEARCH: OFlags = OFlags::RDONLY;

/// Opens a path for reading, without following a link anywhere on it.
///
/// # Errors
///
/// A link, a path that leads out of the directory, and what cannot be opened.
pub fn open_beneath(
    directory: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match at_once(directory, path, flags) {
        // Not known to older kernels, and not allowed in some containers.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(directory, path, flags),
        opened => opened,
    }
}

#[cfg(target_os = "linux")]
fn at_once(directory: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    openat2(directory, path, flags, Mode::empty(), resolve)
}

#[cfg(not(target_os = "linux"))]
fn at_once(_: BorrowedFd<'_>, _: &[u8], _: OFlags) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

/// Opens one directory after the other, each by its name alone.
fn step_by_step(directory: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut names = path
        .split(|&byte| byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .peekable();
    if path.starts_with(b"/") {
        return Err(Errno::XDEV);
    }
    let mut at: Option<OwnedFd> = None;
    let way = SEARCH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    while let Some(name) = names.next() {
        if name == b".." {
            return Err(Errno::XDEV);
        }
        let from = at.as_ref().map_or(directory, AsFd::as_fd);
        if names.peek().is_none() {
            return openat(from, name, flags, Mode::empty());
        }
        at = Some(openat(from, name, way, Mode::empty())?);
    }
    openat(directory, ".", flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use rustix::fs::open;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("in/d/e")).unwrap();
        fs::create_dir(path("out")).unwrap();
        for file in ["in/f", "in/d/g", "in/d/e/h", "out/secret"] {
            fs::write(path(file), file).unwrap();
        }
        for (link, to) in [
            ("in/link", "f"),
            ("in/d/up", ".."),
            ("in/away", "../out"),
            ("named", "in"),
        ] {
            symlink(to, path(link)).unwrap();
        }
        folder
    }

    #[test]
    fn nothing_leads_out_whichever_way_it_is_opened() {
        let folder = folder();
        // The directory itself may be a link.
        let place = folder.path().join("named");
        let directory = open(&place, SEARCH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        type Open = fn(BorrowedFd<'_>, &[u8], OFlags) -> Result<OwnedFd, Errno>;
        let ways: [Open; 2] = [open_beneath, |directory, path, flags| {
            step_by_step(directory, path, flags | OFlags::NOFOLLOW)
        }];
        for way in ways {
            let read = |path: &str| {
                let file = way(directory.as_fd(), path.as_bytes(), OFlags::empty())?;
                let mut text = String::new();
                let read = File::from(file).read_to_string(&mut text);
                Ok::<_, Errno>(read.map_or_else(|_| "a directory".to_owned(), |_| text))
            };
            assert_eq!(read("f").unwrap(), "in/f");
            assert_eq!(read("./d//g").unwrap(), "in/d/g");
            assert_eq!(read("d/e/h").unwrap(), "in/d/e/h");
            assert_eq!(read(".").unwrap(), "a directory");
            for path in [
                "link",
                "away/secret",
                "d/up/f",
                "../out/secret",
                "d/../../out/secret",
                "/etc/passwd",
                "missing",
                "f/x",
            ] {
                assert!(read(path).is_err(), "{path}");
            }
        }
    }
}
