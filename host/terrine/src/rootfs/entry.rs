//! Entries of a root, and the sources that put them there.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;
use terrine_tar::Kind;

use crate::beneath::Beneath;

/// The source that put an entry into a root, for rules and messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A package whose files are linked to, by its path.
    Contents(String),
    /// A package whose files are copied, by its path.
    CopyToRoot(String),
    /// A helper, by the name that it has in a description: `fakeNss`.
    Helper(&'static str),
    /// The files of the description itself.
    Files,
    /// Commands, and what was there before them.
    Commands,
}

impl Origin {
    /// Reports whether both are of one kind. Sources of one kind settle among themselves which
    /// entry of a path stays.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contents(path) => write!(f, "contents `{path}`"),
            Self::CopyToRoot(path) => write!(f, "copyToRoot `{path}`"),
            Self::Helper(name) => write!(f, "`{name}`"),
            Self::Files => f.write_str("`files`"),
            Self::Commands => f.write_str("commands"),
        }
    }
}

/// An entry to be added. It belongs to 0:0 unless it is said otherwise.
#[derive(Debug, Clone)]
pub struct New {
    pub(super) content: NewContent,
    pub(super) mode: u32,
    pub(super) uid: i64,
    pub(super) gid: i64,
    pub(super) xattrs: Xattrs,
}

/// Extended attributes: names and values.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// The content of an entry that is to be added.
#[derive(Debug, Clone)]
pub(super) enum NewContent {
    Directory,
    Symlink(Vec<u8>),
    Inline(Vec<u8>),
    Source(PathBuf),
    Beneath(Arc<Beneath>, Vec<u8>),
    Device { block: bool, major: u32, minor: u32 },
    Fifo,
    Whiteout,
}

impl New {
    /// A file with this content, of mode 0644.
    pub fn file(content: impl Into<Vec<u8>>) -> Self {
        Self::with(NewContent::Inline(content.into()), 0o644)
    }

    /// A file with the content that another has on this machine when the archive is
    /// written, of mode 0644.
    pub fn copy_of(source: impl Into<PathBuf>) -> Self {
        Self::with(NewContent::Source(source.into()), 0o644)
    }

    /// The same of a file in a directory that is open already.
    pub fn copy_from(directory: &Arc<Beneath>, below: impl Into<Vec<u8>>) -> Self {
        let source = NewContent::Beneath(Arc::clone(directory), below.into());
        Self::with(source, 0o644)
    }

    /// A symbolic link, whose permissions mean nothing.
    pub fn symlink(target: impl Into<Vec<u8>>) -> Self {
        Self::with(NewContent::Symlink(target.into()), 0o777)
    }

    /// A directory, of mode 0755.
    pub fn directory() -> Self {
        Self::with(NewContent::Directory, 0o755)
    }

    /// A device, of mode 0644.
    pub fn device(block: bool, major: u32, minor: u32) -> Self {
        let device = NewContent::Device {
            block,
            major,
            minor,
        };
        Self::with(device, 0o644)
    }

    /// A fifo, of mode 0644.
    pub fn fifo() -> Self {
        Self::with(NewContent::Fifo, 0o644)
    }

    /// A file whose name takes another away from the layers below. Nothing else may have such a name.
    pub fn whiteout() -> Self {
        Self::with(NewContent::Whiteout, 0o644)
    }

    /// The same with these extended attributes.
    pub fn xattrs(mut self, xattrs: Xattrs) -> Self {
        self.xattrs = xattrs;
        self
    }

    /// The same with these permissions, 0 to 07777. Symbolic links keep theirs.
    pub fn mode(mut self, mode: u32) -> Self {
        if !matches!(self.content, NewContent::Symlink(_)) {
            self.mode = mode;
        }
        self
    }

    /// The same with this numeric owner and group.
    pub fn owner(mut self, uid: i64, gid: i64) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    fn with(content: NewContent, mode: u32) -> Self {
        Self {
            content,
            mode,
            uid: 0,
            gid: 0,
            xattrs: vec![],
        }
    }
}

/// An entry as it is in a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootEntry<'a> {
    /// Its absolute path in the image; `/` is the root itself.
    pub path: &'a [u8],
    /// Its kind.
    pub kind: Kind,
    /// Permission bits, 0 to 07777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: i64,
    /// Numeric group.
    pub gid: i64,
    /// Size of a file in bytes, else 0.
    pub size: u64,
    /// Target of a symbolic link, else empty.
    pub link: &'a [u8],
    /// The place of a file's content.
    pub data: Data<'a>,
    /// Major and minor number of a device, else 0.
    pub device: (u32, u32),
    /// Extended attributes: names and values.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
    /// The source that put it there.
    pub origin: &'a Origin,
}

/// The place of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data<'a> {
    /// There is none: not a file.
    None,
    /// In these bytes.
    Inline(&'a [u8]),
    /// In a file of this machine.
    Source(SourceFile<'a>),
}

/// A file of this machine, in a directory that nothing leads out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFile<'a> {
    at: &'a Beneath,
    below: &'a [u8],
}

impl SourceFile<'_> {
    /// Opens it, never through a link below its directory, and never waiting for a fifo's other end.
    ///
    /// # Errors
    ///
    /// What cannot be opened, or is a link now.
    pub(crate) fn open(&self) -> Result<File, Errno> {
        let opened = self.at.open_at(self.below, OFlags::NONBLOCK)?;
        Ok(opened.into())
    }

    /// Returns where it is, for messages.
    pub fn place(&self) -> PathBuf {
        self.at.place(self.below)
    }

    /// Returns the same without links.
    pub fn real(&self) -> PathBuf {
        self.at.real(self.below)
    }
}

/// An entry without its path.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) content: NodeContent,
    pub(super) metadata: Metadata,
    pub(super) origin: Arc<Origin>,
    pub(super) xattrs: Xattrs,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum NodeContent {
    Directory(Strength),
    Symlink(Box<[u8]>),
    Inline(Box<[u8]>),
    Source {
        at: Arc<Beneath>,
        below: Box<[u8]>,
        size: u64,
    },
    Device {
        block: bool,
        major: u32,
        minor: u32,
    },
    Fifo,
    /// A file with nothing in it, whose name takes another away.
    Whiteout,
}

/// The source of a directory's permissions and owner. The strongest one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// It has to be there for something else.
    Implied,
    /// It is like one on this machine.
    Copied,
    /// The description says so.
    Given,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) mode: u32,
    pub(super) uid: i64,
    pub(super) gid: i64,
}

impl Metadata {
    /// Of root, with these permissions.
    pub(super) fn root(mode: u32) -> Self {
        Self {
            mode,
            uid: 0,
            gid: 0,
        }
    }
}

impl Node {
    /// A directory that has to be there for something else.
    pub(super) fn implied(origin: &Arc<Origin>) -> Self {
        Self::root(NodeContent::Directory(Strength::Implied), 0o755, origin)
    }

    /// A symbolic link.
    pub(super) fn symlink(target: &[u8], origin: &Arc<Origin>) -> Self {
        Self::root(NodeContent::Symlink(target.into()), 0o777, origin)
    }

    /// An entry that belongs to root.
    pub(super) fn root(content: NodeContent, mode: u32, origin: &Arc<Origin>) -> Self {
        Self {
            content,
            metadata: Metadata::root(mode),
            origin: Arc::clone(origin),
            xattrs: vec![],
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self.content {
            NodeContent::Directory(_) => Kind::Directory,
            NodeContent::Symlink(_) => Kind::Symlink,
            NodeContent::Inline(_) | NodeContent::Source { .. } | NodeContent::Whiteout => {
                Kind::File
            }
            NodeContent::Device { block: false, .. } => Kind::CharacterDevice,
            NodeContent::Device { block: true, .. } => Kind::BlockDevice,
            NodeContent::Fifo => Kind::Fifo,
        }
    }

    /// The entry at a path.
    pub(super) fn entry<'a>(&'a self, path: &'a [u8]) -> RootEntry<'a> {
        let Metadata { mode, uid, gid } = self.metadata;
        let (size, link, data): (_, &[u8], _) = match &self.content {
            NodeContent::Directory(_) => (0, b"", Data::None),
            NodeContent::Symlink(target) => (0, target, Data::None),
            NodeContent::Inline(bytes) => (bytes.len() as u64, b"", Data::Inline(bytes)),
            NodeContent::Whiteout => (0, b"", Data::Inline(b"")),
            NodeContent::Source { at, below, size } => {
                (*size, b"", Data::Source(SourceFile { at, below }))
            }
            NodeContent::Device { .. } | NodeContent::Fifo => (0, b"", Data::None),
        };
        let device = match self.content {
            NodeContent::Device { major, minor, .. } => (major, minor),
            _ => (0, 0),
        };
        let path = if path.is_empty() { b"/" } else { path };
        RootEntry {
            path,
            kind: self.kind(),
            mode,
            uid,
            gid,
            size,
            link,
            data,
            device,
            xattrs: &self.xattrs,
            origin: &self.origin,
        }
    }
}
