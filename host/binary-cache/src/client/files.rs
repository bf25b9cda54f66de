//! A cache that is a directory of this machine.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use terrine_support::beneath::{SEARCH, open_beneath};
use terrine_support::file::{FileError, read_from};

/// A directory with the files of a cache. It may be a link itself, but no link in it is followed.
#[derive(Debug)]
pub(super) struct Folder {
    place: PathBuf,
}

impl Folder {
    pub(super) fn new(place: PathBuf) -> Self {
        Self { place }
    }

    /// Opens a file below the directory; none if it is missing.
    ///
    /// # Errors
    ///
    /// A missing directory, a link, a path that leads out, and what is no regular file.
    pub(super) fn open(&self, name: &str) -> Result<Option<File>, FileError> {
        let path = self.place.join(name);
        let flags = SEARCH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(&self.place, flags, Mode::empty())
            .map_err(|errno| FileError::io(&self.place)(errno.into()))?;
        // A pipe must not be waited for.
        let opened = open_beneath(
            std::os::fd::AsFd::as_fd(&directory),
            name.as_bytes(),
            OFlags::NONBLOCK,
        );
        let failed = FileError::io(&path);
        let file = match opened {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(Errno::LOOP) => {
                let why = "a symbolic link is on its path, which is not followed";
                return Err(failed(io::Error::other(why)));
            }
            Err(Errno::XDEV) => {
                let why = "its path leads out of the directory";
                return Err(failed(io::Error::other(why)));
            }
            Err(errno) => return Err(failed(errno.into())),
        };
        if file.metadata().map_err(&failed)?.is_file() {
            Ok(Some(file))
        } else {
            Err(failed(io::Error::other("it is not a regular file")))
        }
    }

    /// Reads a file of at most `limit` bytes; none if it is missing.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and a larger file.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
        let path = self.place.join(name);
        let file = self.open(name)?;
        file.map(|file| read_from(file, &path, limit)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use terrine_support::chain;

    use super::*;

    #[test]
    fn only_regular_files_below_the_directory_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("cache/nar")).unwrap();
        fs::write(path("cache/nar/x"), "content").unwrap();
        fs::write(path("secret"), "s3cret").unwrap();
        symlink("../secret", path("cache/link")).unwrap();
        symlink("nar", path("cache/other")).unwrap();
        symlink("cache", path("named")).unwrap();
        let cache = Folder::new(path("named"));
        assert_eq!(
            cache.read("nar/x", 7).unwrap().as_deref(),
            Some(&b"content"[..])
        );
        for missing in ["nar/y", "y/x", "nar/x/y"] {
            assert_eq!(cache.read(missing, 7).unwrap(), None, "{missing}");
        }
        for (name, why) in [
            ("link", "a symbolic link is on its path"),
            ("other/x", "a symbolic link is on its path"),
            ("../secret", "leads out of the directory"),
            ("nar", "not a regular file"),
        ] {
            let error = chain(&cache.read(name, 7).unwrap_err());
            assert!(error.contains(why), "{name}: {error}");
            assert!(error.contains(&format!("named/{name}`")), "{error}");
        }
        assert!(cache.read("nar/x", 6).is_err());
        let missing = Folder::new(path("missing")).read("nar/x", 7).unwrap_err();
        assert!(chain(&missing).contains("missing`"), "{missing}");
    }
}
