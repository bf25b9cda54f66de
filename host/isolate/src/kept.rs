//! Trees that commands left, kept in folders.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::{Changes, Kind, wire};

/// The file that lists the entries.
const LIST: &str = "tree";

impl Changes {
    /// Moves files and their list to a folder that does not exist yet. The folder appears whole or
    /// not at all.
    ///
    /// # Errors
    ///
    /// A folder that cannot be made, in the place of which something else may be.
    pub fn keep(mut self, out: &Path, folder: &Path) -> io::Result<Self> {
        wire::send(File::create(out.join(LIST))?, &self.relative())?;
        fs::rename(out, folder)?;
        self.place(folder);
        Ok(self)
    }

    /// Reads what is kept in a folder.
    ///
    /// # Errors
    ///
    /// A folder that is missing, and one whose files are not those that were kept.
    pub fn kept(folder: &Path) -> io::Result<Self> {
        let mut changes: Self = wire::receive(io::BufReader::new(File::open(folder.join(LIST))?))?;
        changes.place(folder);
        for entry in &changes.entries {
            if let Kind::Copy { source, size } = &entry.kind
                && fs::symlink_metadata(source)?.len() != *size
            {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(changes)
    }

    /// The same with names in the place of paths.
    fn relative(&self) -> Self {
        let mut changes = self.clone();
        for entry in &mut changes.entries {
            if let Kind::Copy { source, .. } = &mut entry.kind {
                *source = source.file_name().unwrap_or_default().into();
            }
        }
        changes
    }

    fn place(&mut self, folder: &Path) {
        for entry in &mut self.entries {
            if let Kind::Copy { source, .. } = &mut entry.kind {
                *source = folder.join(source.file_name().unwrap_or_default());
            }
        }
    }

    /// Names the first path at which this and another run of the same commands differ.
    ///
    /// # Errors
    ///
    /// Files that cannot be read.
    pub fn first_difference(&self, other: &Self) -> io::Result<Option<(Vec<u8>, &'static str)>> {
        let mut theirs = other.entries.iter().peekable();
        for entry in &self.entries {
            let Some(other) = theirs.next() else {
                return Ok(Some((entry.path.clone(), "exists after only one run")));
            };
            if other.path != entry.path {
                let path = entry.path.clone().min(other.path.clone());
                return Ok(Some((path, "exists after only one run")));
            }
            let what = match (&entry.kind, &other.kind) {
                (
                    Kind::Copy { source, size },
                    Kind::Copy {
                        source: other,
                        size: length,
                    },
                ) => (size != length || fs::read(source)? != fs::read(other)?)
                    .then_some("has different content"),
                (one, other) => (one != other).then_some("is of a different kind"),
            };
            let rest = || {
                ((entry.mode, entry.uid, entry.gid) != (other.mode, other.uid, other.gid))
                    .then_some("has different permissions or a different owner")
            };
            let attributes =
                || (entry.xattrs != other.xattrs).then_some("has different extended attributes");
            if let Some(what) = what.or_else(rest).or_else(attributes) {
                return Ok(Some((entry.path.clone(), what)));
            }
        }
        if let Some(entry) = theirs.next() {
            return Ok(Some((entry.path.clone(), "exists after only one run")));
        }
        let gone = |one: &[Vec<u8>], other: &[Vec<u8>]| {
            one.iter().find(|path| !other.contains(path)).cloned()
        };
        let removed = gone(&self.removed, &other.removed)
            .or_else(|| gone(&other.removed, &self.removed))
            .or_else(|| gone(&self.opaque, &other.opaque))
            .or_else(|| gone(&other.opaque, &self.opaque));
        Ok(removed.map(|path| (path, "is removed by only one run")))
    }
}
