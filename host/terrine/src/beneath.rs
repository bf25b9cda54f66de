//! Directories of this machine that are listed and read from within.
//!
//! A path is followed from an open directory, and no link on it. Somebody who may write to a directory while it is
//! read can change what an image gets of it, but cannot lead out of it: a directory that is exchanged for a link
//! is an error. The directory itself is named by the user, and may be a link.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, open, readlinkat, stat, statat};
use rustix::io::Errno;
pub(crate) use terrine_support::beneath::{SEARCH, open_beneath};

/// A directory that is read from within.
#[derive(Debug)]
pub struct Beneath {
    handle: OwnedFd,
    /// As the user knows it.
    place: PathBuf,
    /// Without links.
    real: PathBuf,
}

/// It is the place that counts.
impl PartialEq for Beneath {
    fn eq(&self, other: &Self) -> bool {
        self.real == other.real
    }
}

impl Eq for Beneath {}

impl Beneath {
    /// Opens a directory, or what a link to one leads to.
    ///
    /// # Errors
    ///
    /// What is missing, is no directory, or cannot be opened.
    pub fn open(place: &Path) -> io::Result<Self> {
        let flags = SEARCH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = open(place, flags, Mode::empty())?;
        let real = std::fs::canonicalize(place)?;
        let (opened, named) = (fstat(&handle)?, stat(&real)?);
        if (opened.st_dev, opened.st_ino) != (named.st_dev, named.st_ino) {
            return Err(io::Error::other("it was replaced while it was opened"));
        }
        Ok(Self {
            handle,
            place: place.to_owned(),
            real,
        })
    }

    /// Returns where a path below it is, for messages.
    pub fn place(&self, below: &[u8]) -> PathBuf {
        join(&self.place, below)
    }

    /// Returns the same without links, if none is below it.
    pub fn real(&self, below: &[u8]) -> PathBuf {
        join(&self.real, below)
    }

    /// Returns the size of a file below it, in bytes; none if it is something else, as a link is.
    pub(crate) fn size(&self, below: &[u8]) -> Result<Option<u64>, Errno> {
        let slash = below.iter().rposition(|&byte| byte == b'/');
        let (directory, name) = match slash {
            Some(slash) => (&below[..slash], &below[slash + 1..]),
            None => (&b""[..], below),
        };
        let directory = self.search(directory)?;
        let found = look(directory.as_fd(), name)?;
        Ok((found.kind == FileType::RegularFile).then_some(found.size))
    }

    /// Opens a directory below it, which need not be one that may be listed.
    fn search(&self, below: &[u8]) -> Result<OwnedFd, Errno> {
        self.open_at(below, SEARCH | OFlags::DIRECTORY)
    }

    /// Opens a path below it for reading; an empty one is the directory itself.
    ///
    /// # Errors
    ///
    /// A link on the path, and what cannot be opened.
    pub(crate) fn open_at(&self, below: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let below = if below.is_empty() { b"." } else { below };
        open_beneath(self.handle.as_fd(), below, flags)
    }
}

fn join(place: &Path, below: &[u8]) -> PathBuf {
    if below.is_empty() {
        place.to_owned()
    } else {
        place.join(OsStr::from_bytes(below))
    }
}

/// An entry of a directory, as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: Box<[u8]>,
    pub(crate) kind: FileType,
    /// Permission bits, 0 to 07777.
    pub(crate) mode: u16,
    /// The size of a file in bytes, else 0.
    pub(crate) size: u64,
    /// The target of a symbolic link, else empty.
    pub(crate) link: Box<[u8]>,
}

/// Looks at one entry of an open directory.
#[allow(
    clippy::unnecessary_cast,
    reason = "the type of modes is another on each system"
)]
pub(crate) fn look(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Found, Errno> {
    let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(found.st_mode);
    let link = match kind {
        FileType::Symlink => match readlinkat(directory, name, Vec::new()) {
            Ok(target) => target.into_bytes().into(),
            // It was a link a moment ago.
            Err(Errno::INVAL) => return Err(Errno::LOOP),
            Err(errno) => return Err(errno),
        },
        _ => Box::default(),
    };
    let size = match kind {
        FileType::RegularFile => u64::try_from(found.st_size).unwrap_or(0),
        _ => 0,
    };
    // Links have all permissions on Linux. On other systems they have permissions of their own, and
    // no image depends on them.
    let mode = match kind {
        FileType::Symlink if cfg!(not(target_os = "linux")) => 0o777,
        _ => (found.st_mode & 0o7777) as u16,
    };
    Ok(Found {
        name: name.into(),
        kind,
        mode,
        size,
        link,
    })
}

/// Lists an open directory, in no order.
///
/// # Errors
///
/// The name of the entry that cannot be looked at, if it is one, and why.
pub(crate) fn list(directory: &OwnedFd) -> Result<Vec<Found>, (Vec<u8>, Errno)> {
    let mut found = Vec::new();
    let failed = |errno| (vec![], errno);
    for entry in Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let looked = look(directory.as_fd(), name);
            found.push(looked.map_err(|errno| (name.to_vec(), errno))?);
        }
    }
    Ok(found)
}

/// Returns the numbers that tell a directory from every other, and its permissions.
#[allow(
    clippy::unnecessary_cast,
    reason = "the types of numbers are others on each system"
)]
pub(crate) fn identity(directory: &OwnedFd) -> Result<((u64, u64), u32), Errno> {
    let found = fstat(directory)?;
    let id = (found.st_dev as u64, found.st_ino as u64);
    Ok((id, (found.st_mode & 0o7777) as u32))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

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
    fn places_are_named_as_the_user_does() {
        let folder = folder();
        let beneath = Beneath::open(&folder.path().join("named")).unwrap();
        assert_eq!(beneath.place(b"d/g"), folder.path().join("named/d/g"));
        let real = fs::canonicalize(folder.path()).unwrap().join("in");
        assert_eq!(beneath.real(b"d/g"), real.join("d/g"));
        assert_eq!(beneath.real(b""), real);
        assert!(Beneath::open(&folder.path().join("in/f")).is_err());
        let all = list(&beneath.open_at(b"d", OFlags::DIRECTORY).unwrap()).unwrap();
        let mut all: Vec<_> = all
            .iter()
            .map(|found| (&*found.name, found.kind, found.size, &*found.link))
            .collect();
        all.sort_unstable_by_key(|found| found.0);
        let expected: [(&[u8], _, _, &[u8]); 3] = [
            (b"e", FileType::Directory, 0, b""),
            (b"g", FileType::RegularFile, 6, b""),
            (b"up", FileType::Symlink, 0, b".."),
        ];
        assert_eq!(all, expected);
    }
}
