//! Directories of images: OCI layouts (OCI image specification, "Image Layout").
//!
//! ```text
//! oci-layout              {"imageLayoutVersion":"1.0.0"}
//! index.json              which images there are, and their names
//! blobs/sha256/<digest>   everything else
//! .terrine-*.part         what is being written
//! ```
//!
//! A blob gets its name when it is complete, an image is listed when all its blobs are there.
//! Killed at any point, a writer leaves a layout that is valid, and temporary files that
//! [`Layout::sweep`] finds. Against a failure of the power only the index is safe: blobs are
//! not forced to the disk one by one.
//!
//! Writers take turns by a lock on the file `oci-layout`, which is never replaced, so that
//! there is no further file that other tools could stumble over. Those of umoci and skopeo do
//! not take it.

mod error;
mod lock;
mod staged;
mod tag;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use serde::Deserialize;

pub use error::Error;
pub use lock::{Holder, LockWait};
pub use staged::{Abandoned, Pending, StagedFile};
pub(crate) use tag::REF_NAME;
pub use tag::check_name;
use terrine_oci::{Annotations, Descriptor, Digest, Index, MAX_DOCUMENT, MediaType};
use terrine_support::json::{in_words, read_object};

/// The file that says that a directory is a layout.
pub(crate) const MARKER: &str = "oci-layout";
/// The file that lists its images.
pub(crate) const INDEX: &str = "index.json";
/// The only version of layouts.
const VERSION: &str = "1.0.0";
/// The text of [`MARKER`], as everybody writes it.
const MARKER_TEXT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The largest [`MARKER`] that is read, in bytes.
pub(crate) const MAX_MARKER: u64 = 64 << 10;
/// The directories that blobs are in.
const BLOBS: [&str; 2] = ["blobs", "sha256"];

const READING: &str = "reading";
const WRITING: &str = "writing";
const LOCKING: &str = "locking";

/// A directory that is an OCI layout.
#[derive(Debug)]
pub struct Layout {
    path: PathBuf,
    directory: OwnedFd,
    pending: Pending,
    wait: LockWait,
}

impl Layout {
    /// Opens a layout; nothing is written.
    ///
    /// # Errors
    ///
    /// A path that cannot be read, or is no layout of version 1.0.0.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| Error::io(READING, path, errno))?;
        let layout = Self {
            path: path.to_owned(),
            directory,
            pending: Pending::default(),
            wait: LockWait::default(),
        };
        let missing = |member| Error::Missing {
            path: path.to_owned(),
            member,
        };
        let marker = layout
            .read(MARKER, MAX_MARKER)?
            .ok_or_else(|| missing(MARKER))?;
        check_marker(&marker).map_err(|fault| match fault {
            MarkerFault::Json(why) => Error::Json {
                path: path.join(MARKER),
                why,
            },
            MarkerFault::Version(version) => Error::Version {
                path: path.to_owned(),
                version,
            },
        })?;
        layout
            .regular(layout.directory.as_fd(), INDEX)?
            .ok_or_else(|| missing(INDEX))?;
        Ok(layout)
    }

    /// Opens a layout, and makes it first where nothing is, or an empty directory.
    ///
    /// # Errors
    ///
    /// As [`Layout::open`], a place where something else is, and one that cannot be written
    /// to.
    pub fn create(path: &Path) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(|source| match path.metadata() {
            Ok(metadata) if !metadata.is_dir() => Error::Occupied {
                path: path.to_owned(),
            },
            _ => Error::io(WRITING, path, source),
        })?;
        match Self::open(path) {
            Err(Error::Missing { member: MARKER, .. }) => {}
            other => return other,
        }
        if !is_unused(path).map_err(|source| Error::io(READING, path, source))? {
            // Or somebody else has made it in between.
            return Self::open(path).map_err(|error| match error {
                Error::Missing { .. } => Error::Occupied {
                    path: path.to_owned(),
                },
                error => error,
            });
        }
        let blobs = blob_directory(path);
        fs::create_dir_all(&blobs).map_err(|source| Error::io(WRITING, &blobs, source))?;
        // The marker comes last: what has one is complete.
        for (name, text) in [(INDEX, empty_index().as_slice()), (MARKER, MARKER_TEXT)] {
            place(path, name, text)?;
        }
        let layout = Self::open(path)?;
        layout.sync()?;
        Ok(layout)
    }

    /// Waits for other writers as this says.
    #[must_use]
    pub fn with_wait(self, wait: LockWait) -> Self {
        Self { wait, ..self }
    }

    /// Returns the path of the layout.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the index. Unknown fields are ignored.
    ///
    /// # Errors
    ///
    /// An index that cannot be read, or has more than [`MAX_DOCUMENT`] bytes.
    pub fn index(&self) -> Result<Index, Error> {
        read_object(&self.index_text()?).map_err(|why| self.json(&why))
    }

    /// The same as it is stored.
    ///
    /// # Errors
    ///
    /// An index that cannot be read, or has more than [`MAX_DOCUMENT`] bytes.
    pub fn index_text(&self) -> Result<Vec<u8>, Error> {
        self.read(INDEX, MAX_DOCUMENT)?
            .ok_or_else(|| Error::Missing {
                path: self.path.clone(),
                member: INDEX,
            })
    }

    /// Reports whether the file of a blob exists and has the blob's size. The file is not read.
    pub fn holds(&self, blob: &Descriptor) -> bool {
        self.blob(blob).is_ok()
    }

    /// The file of a blob. No link is followed, and its size is the descriptor's; its bytes
    /// are not verified.
    ///
    /// # Errors
    ///
    /// A blob that is not there, is not a regular file, or has another size.
    pub fn blob(&self, blob: &Descriptor) -> Result<File, Error> {
        let digest = blob.digest;
        let missing = || Error::NoBlob {
            path: self.path.clone(),
            digest,
        };
        let mut directory = None;
        for name in BLOBS {
            let within = directory.as_ref().unwrap_or(&self.directory);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            directory = Some(
                match rustix::fs::openat(within, name, flags, Mode::empty()) {
                    Ok(directory) => directory,
                    Err(Errno::NOENT) => return Err(missing()),
                    Err(errno) => {
                        return Err(Error::io(READING, &blob_directory(&self.path), errno));
                    }
                },
            );
        }
        let directory = directory.as_ref().unwrap_or(&self.directory);
        let (file, actual) = self
            .regular(directory.as_fd(), &digest.hex())?
            .ok_or_else(missing)?;
        if actual != blob.size {
            return Err(Error::Size {
                path: self.path.clone(),
                digest,
                expected: blob.size,
                actual,
            });
        }
        Ok(file)
    }

    /// A temporary file, on the same file system as the blobs.
    ///
    /// # Errors
    ///
    /// A directory that cannot be written to.
    pub fn stage(&self) -> Result<StagedFile, Error> {
        StagedFile::new(&self.path, &self.pending)
            .map_err(|source| Error::io(WRITING, &self.path, source))
    }

    /// The temporary files that are not named yet, to be removed when a signal ends the process.
    pub fn pending(&self) -> Pending {
        self.pending.clone()
    }

    /// Makes a temporary file the blob that it holds. It takes the place of one that is there,
    /// which may be damaged: nobody has read it.
    ///
    /// That the digest is that of the bytes is the caller's word.
    ///
    /// # Errors
    ///
    /// A size that is not the descriptor's, and what the system says when the file is closed
    /// or renamed.
    pub fn keep(&self, staged: StagedFile, blob: &Descriptor) -> Result<(), Error> {
        let (digest, expected) = (blob.digest, blob.size);
        let path = blob_directory(&self.path).join(digest.hex());
        let writing = |source: io::Error| Error::io(WRITING, &path, source);
        let actual = staged
            .file()
            .and_then(File::metadata)
            .map_err(writing)?
            .len();
        if actual != expected {
            return Err(Error::Size {
                path: self.path.clone(),
                digest,
                expected,
                actual,
            });
        }
        fs::create_dir_all(blob_directory(&self.path)).map_err(writing)?;
        staged.publish(&path).map_err(writing)
    }

    fn has_bytes(&self, blob: &Descriptor, bytes: &[u8]) -> bool {
        let mut there = Vec::new();
        let read = self.holds(blob)
            && self
                .blob(blob)
                .is_ok_and(|file| file.take(blob.size).read_to_end(&mut there).is_ok());
        read && there == bytes
    }

    /// Writes a blob whose bytes are at hand.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn put(&self, bytes: &[u8], media_type: MediaType) -> Result<Descriptor, Error> {
        let blob = Descriptor::of(media_type, bytes);
        if !self.has_bytes(&blob, bytes) {
            let mut staged = self.stage()?;
            staged
                .write_all(bytes)
                .map_err(|source| Error::io(WRITING, &self.path, source))?;
            self.keep(staged, &blob)?;
        }
        Ok(blob)
    }

    /// Removes what writers left that are gone; how many files that were.
    ///
    /// # Errors
    ///
    /// A directory that cannot be listed. A file that cannot be removed stays.
    pub fn sweep(&self) -> Result<usize, Error> {
        staged::sweep(&self.path).map_err(|source| Error::io(READING, &self.path, source))
    }

    /// The content of a file at the top, if it is there.
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some((file, size)) = self.regular(self.directory.as_fd(), name)? else {
            return Ok(None);
        };
        let path = || self.path.join(name);
        let mut content = Vec::new();
        file.take(limit + 1)
            .read_to_end(&mut content)
            .map_err(|source| Error::io(READING, &path(), source))?;
        if content.len() as u64 > limit {
            return Err(Error::TooLarge {
                path: path(),
                size,
                limit,
            });
        }
        Ok(Some(content))
    }

    /// A regular file and its size, if it is there.
    fn regular(
        &self,
        directory: rustix::fd::BorrowedFd<'_>,
        name: &str,
    ) -> Result<Option<(File, u64)>, Error> {
        // Without waiting for whoever writes to a fifo.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = || self.path.join(name);
        let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(Error::NotAFile { path: path() }),
            Err(errno) => return Err(Error::io(READING, &path(), errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(|errno| Error::io(READING, &path(), errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::NotAFile { path: path() });
        }
        Ok(Some((
            file.into(),
            u64::try_from(stat.st_size).unwrap_or_default(),
        )))
    }

    /// Forces the names at the top to the disk.
    fn sync(&self) -> Result<(), Error> {
        match rustix::fs::fsync(&self.directory) {
            // Not every file system can.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(Error::io(WRITING, &self.path, errno)),
        }
    }

    fn json(&self, why: &dyn std::fmt::Display) -> Error {
        Error::Json {
            path: self.path.join(INDEX),
            why: in_words(&why.to_string()),
        }
    }
}

/// Returns the path of a blob's file in a layout, or in an archive of one.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("{}/{}/{}", BLOBS[0], BLOBS[1], digest.hex())
}

fn blob_directory(path: &Path) -> PathBuf {
    path.join(BLOBS[0]).join(BLOBS[1])
}

fn empty_index() -> Vec<u8> {
    Index::new(vec![], Annotations::new()).to_document().bytes
}

/// A fault in a [`MARKER`].
#[derive(Debug)]
pub(crate) enum MarkerFault {
    Json(String),
    Version(String),
}

/// Checks that a text is the valid content of a [`MARKER`].
pub(crate) fn check_marker(text: &[u8]) -> Result<(), MarkerFault> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Marker {
        image_layout_version: String,
    }
    let marker: Marker = read_object(text).map_err(MarkerFault::Json)?;
    match marker.image_layout_version.as_str() {
        VERSION => Ok(()),
        _ => Err(MarkerFault::Version(marker.image_layout_version)),
    }
}

/// Reports whether a directory is empty, or holds only the files of a writer that was killed
/// while it made a layout.
fn is_unused(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = match name.as_ref() {
            "blobs" => is_unused_blobs(&entry.path())?,
            INDEX => {
                entry.metadata()?.len() == empty_index().len() as u64
                    && fs::read(entry.path())? == empty_index()
            }
            name => staged::is_name(name),
        };
        if !ours {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reports whether a directory holds at most an empty directory for digests.
fn is_unused_blobs(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() != BLOBS[1] || fs::read_dir(entry.path())?.next().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Puts a small file where it has to be, unless somebody else did.
fn place(directory: &Path, name: &str, text: &[u8]) -> Result<(), Error> {
    let path = directory.join(name);
    write_new(directory, &path, text).map_err(|source| Error::io(WRITING, &path, source))
}

/// Writes a file of a directory, unless there is one.
fn write_new(directory: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let mut staged = StagedFile::new(directory, &Pending::default())?;
    staged.write_all(text)?;
    staged.file()?.sync_all()?;
    staged.publish_new(path)
}

#[cfg(test)]
mod tests;
