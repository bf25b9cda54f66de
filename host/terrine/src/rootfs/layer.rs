//! A root as a layer.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};

use terrine_oci::{Digest, ROOT_COMMENT};
use terrine_planner_host::image::LayerRole;
use terrine_tar::{Kind, gnu};

use super::{Data, Root, RootEntry, SourceFile};
use crate::layer::{
    self, ArchiveEntry, Attributes, Entries, EntryContent, Error, LayerHistory, LayerOrigin,
    Measure, Measuring, NewLayer, Permissions, Store, Visit,
};
use crate::pipe::Stamp;

/// The time of every entry, in seconds since 1970: 1980-01-01T00:00:00Z, which is what
/// `SOURCE_DATE_EPOCH` is where dockerTools runs tar.
pub const MTIME: i64 = 315_532_800;

/// The layer of a root, with the rules for its permissions.
#[derive(Debug, Clone, Copy)]
pub struct LayerOfRoot<'a> {
    /// The root.
    pub root: &'a Root,
    /// Exceptions by path.
    pub permissions: &'a Permissions,
    /// The file whose content in the root is not the one that it gets.
    pub late: Option<Late<'a>>,
}

/// A file that is late, and the store that it depends on.
#[derive(Debug, Clone, Copy)]
pub struct Late<'a> {
    /// The file.
    pub file: &'a dyn LateFile,
    /// The store.
    pub store: &'a Store,
}

/// A file in a root whose content is known only when the layers below are made. What the root has
/// of it meanwhile is as long.
pub trait LateFile: fmt::Debug + Sync {
    /// Returns its path in the image.
    fn path(&self) -> &str;

    /// Returns its content.
    ///
    /// # Errors
    ///
    /// Something that it depends on and that cannot be read.
    fn content(&self, store: &Store) -> Result<Vec<u8>, Error>;
}

impl NewLayer for LayerOfRoot<'_> {
    /// Lists the entries with the content of the late file. The entries of the last layer are
    /// listed after those of all other layers, so the content of that file can be known by then.
    fn entries(&self) -> Result<Box<dyn Entries + '_>, Error> {
        let late = self.late.map(|late| late.file.content(late.store));
        let late = late.transpose()?;
        Ok(Box::new(RootEntries {
            layer: *self,
            measure: measure_with(self, late.as_deref())?,
            late,
        }))
    }

    fn origin(&self) -> LayerOrigin<'_> {
        LayerOrigin::Root
    }

    fn history(&self) -> LayerHistory {
        LayerHistory {
            role: LayerRole::Customisation,
            paths: vec![],
            comment: Some(ROOT_COMMENT.to_owned()),
        }
    }

    fn comes_last(&self) -> bool {
        self.late.is_some()
    }

    /// Checks that files are still those that were read before.
    fn verify(&self, _: Digest) -> Result<(), Error> {
        let expected = &self.root.expected;
        if expected.is_empty() {
            return Ok(());
        }
        self.root.entries().try_for_each(|entry| match entry.data {
            Data::Source(file) => expected
                .get(entry.path)
                .map_or(Ok(()), |stamp| check(file, *stamp)),
            Data::None | Data::Inline(_) => Ok(()),
        })
    }
}

/// Checks that a file has the content that it had with a stamp.
fn check(file: SourceFile<'_>, before: Stamp) -> Result<(), Error> {
    let opened = open(file)?;
    let now = Stamp::of(opened.as_fd()).map_err(|errno| Error::Io {
        action: "reading",
        path: file.place(),
        source: errno.into(),
    })?;
    if now.agrees(&before) {
        return Ok(());
    }
    Err(Error::Changed {
        path: file.place(),
        change: layer::change(before.size(), now.size()),
    })
}

/// Returns the size of a root's archive, and its outline, which covers the bytes that
/// [`Root::add`] was given as well. No file is opened.
///
/// # Errors
///
/// An archive whose size cannot be counted.
pub fn measure(root: &Root, permissions: &Permissions) -> Result<Measure, Error> {
    let layer = LayerOfRoot {
        root,
        permissions,
        late: None,
    };
    measure_with(&layer, None)
}

fn measure_with(layer: &LayerOfRoot<'_>, late: Option<&[u8]>) -> Result<Measure, Error> {
    let mut measuring = Measuring::new();
    let mut block = Vec::new();
    for entry in layer.root.entries() {
        block.clear();
        let mut attributes = vec![];
        let owned = owned(entry, layer.permissions, &mut attributes);
        header(&owned, &mut block);
        measuring.member(&block, entry.size);
        // No store path stands for what is only here.
        if let Data::Inline(bytes) = entry.data {
            measuring.outline(layer.late_content(entry.path, late).unwrap_or(bytes));
        }
    }
    measuring
        .finish()
        .ok_or_else(|| Error::TooLarge { path: "/".into() })
}

/// The entries of a root.
struct RootEntries<'a> {
    layer: LayerOfRoot<'a>,
    measure: Measure,
    /// The content of the late file.
    late: Option<Vec<u8>>,
}

impl LayerOfRoot<'_> {
    /// Returns the content of a file, if that is the late one.
    fn late_content<'c>(&self, path: &[u8], content: Option<&'c [u8]>) -> Option<&'c [u8]> {
        let late = self.late.filter(|late| late.file.path().as_bytes() == path);
        late.and(content)
    }
}

impl Entries for RootEntries<'_> {
    fn measure(&self) -> Measure {
        self.measure
    }

    fn visit(&self, visit: &mut Visit<'_>) -> Result<(), Error> {
        let mut block = Vec::new();
        for entry in self.layer.root.entries() {
            block.clear();
            let mut attributes = vec![];
            let owned = owned(entry, self.layer.permissions, &mut attributes);
            header(&owned, &mut block);
            match entry.data {
                Data::None => visit(ArchiveEntry::new(&block, 0, EntryContent::None))?,
                Data::Inline(bytes) => {
                    let late = self.layer.late_content(entry.path, self.late.as_deref());
                    let content = EntryContent::Inline(late.unwrap_or(bytes));
                    visit(ArchiveEntry::new(&block, entry.size, content))?;
                }
                Data::Source(file) => {
                    let content = EntryContent::File {
                        open: &|| open(file),
                        path: &|| file.place(),
                        seen: None,
                    };
                    visit(ArchiveEntry::new(&block, entry.size, content))?;
                }
            }
        }
        Ok(())
    }
}

/// Appends the headers of an entry, whose name starts with `./`.
fn header(entry: &RootEntry<'_>, out: &mut Vec<u8>) {
    let mut name = [b".", entry.path].concat();
    if entry.kind == Kind::Directory && !name.ends_with(b"/") {
        name.push(b'/');
    }
    let header = gnu::Header {
        name: &name,
        kind: entry.kind,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        size: entry.size,
        mtime: MTIME,
        link: entry.link,
        device: entry.device,
        xattrs: entry.xattrs,
    };
    header.encode(out);
}

/// The entry with the permissions and owners that rules give it.
fn owned<'a>(
    mut entry: RootEntry<'a>,
    permissions: &'a Permissions,
    attributes: &'a mut Attributes,
) -> RootEntry<'a> {
    if let Some(rule) = permissions.find(entry.path) {
        if entry.kind != Kind::Symlink {
            entry.mode = rule.mode.unwrap_or(entry.mode);
        }
        if entry.kind == Kind::File {
            entry.xattrs = layer::with_rule(entry.xattrs, &rule.xattrs, attributes);
        }
        entry.uid = rule.uid.unwrap_or(entry.uid);
        entry.gid = rule.gid.unwrap_or(entry.gid);
    }
    entry
}

/// Opens a file.
fn open(file: SourceFile<'_>) -> Result<OwnedFd, Error> {
    let opened = file.open();
    opened
        .map(OwnedFd::from)
        .map_err(|errno| layer::opening(&file.place(), errno))
}
