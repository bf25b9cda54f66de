//! The facts that are known of a layer's archive before any of its files is read.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use terrine_oci::Digest;
use terrine_sha256::Sha256;
use terrine_tar::{END_OF_ARCHIVE, Header, Kind, RECORD, padding};

use super::{Attributes, Ownership, Rule, Tree, TreeEntry, with_rule};

/// The facts that are known of a layer before its content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// The archive's exact size in bytes.
    pub size: u64,
    /// A digest of all headers: of everything but the files' contents.
    pub outline: Digest,
    /// The number of its files that are not empty.
    pub files: u64,
}

/// An archive that is measured member by member.
pub(crate) struct Measuring {
    outline: Sha256,
    files: u64,
    /// None when it cannot be counted any more.
    size: Option<u64>,
}

impl Measuring {
    pub(crate) fn new() -> Self {
        Self {
            outline: Sha256::new(),
            files: 0,
            size: Some(0),
        }
    }

    /// Adds a member by its header and the size of its content in bytes.
    pub(crate) fn member(&mut self, header: &[u8], content: u64) {
        self.outline(header);
        self.files += u64::from(content > 0);
        self.size = self
            .size
            .and_then(|size| size.checked_add(header.len() as u64))
            .and_then(|size| size.checked_add(content))
            .and_then(|size| size.checked_add(padding(content)));
    }

    /// Adds something that belongs to the outline and to no header.
    pub(crate) fn outline(&mut self, bytes: &[u8]) {
        self.outline.update(bytes);
    }

    /// Returns what came out; nothing if the size cannot be counted.
    pub(crate) fn finish(self) -> Option<Measure> {
        let size = self
            .size
            .and_then(|size| size.checked_add(END_OF_ARCHIVE))
            .and_then(|size| size.checked_next_multiple_of(RECORD))
            // Tar counts sizes as signed numbers.
            .filter(|&size| i64::try_from(size).is_ok())?;
        Some(Measure {
            size,
            files: self.files,
            outline: self.outline.finish().into(),
        })
    }
}

impl TreeEntry<'_> {
    /// The header that the entry has in a layer. `attributes` holds those that it has by itself and by a rule.
    pub(super) fn header<'a>(
        &'a self,
        ownership: &'a Ownership,
        attributes: &'a mut Attributes,
    ) -> Header<'a> {
        let mut header = Header {
            name: self.path,
            kind: self.kind,
            mode: self.mode,
            uid: ownership.uid,
            gid: ownership.gid,
            size: self.size,
            mtime: ownership.mtime,
            link: self.link,
            uname: ownership.uname.as_bytes(),
            gname: ownership.gname.as_bytes(),
            xattrs: self.xattrs,
        };
        if let Some(rule) = ownership.permissions.find(self.path) {
            rule.apply(&mut header);
            if self.kind == Kind::File {
                header.xattrs = with_rule(self.xattrs, &rule.xattrs, attributes);
            }
        }
        header
    }
}

impl Rule {
    fn apply<'a>(&'a self, header: &mut Header<'a>) {
        if header.kind != Kind::Symlink {
            header.mode = self.mode.unwrap_or(header.mode);
        }
        // Some tools go by the name where there is one, which is not that of another owner.
        if let Some(uid) = self.uid {
            (header.uid, header.uname) = (uid, b"");
        }
        if let Some(gid) = self.gid {
            (header.gid, header.gname) = (gid, b"");
        }
        header.uname = self
            .uname
            .as_ref()
            .map_or(header.uname, |name| name.as_bytes());
        header.gname = self
            .gname
            .as_ref()
            .map_or(header.gname, |name| name.as_bytes());
    }
}

/// Returns the path of an entry that is too large to count, or that of the first one.
pub(super) fn largest_path(tree: &Tree) -> PathBuf {
    let mut last = Vec::new();
    let Ok(()) = tree.for_each::<Infallible>(|entry| {
        if entry.size > u64::MAX / 4 || last.is_empty() {
            last = entry.path.to_vec();
        }
        Ok(())
    });
    OsStr::from_bytes(&last).into()
}
