//! Failures to join something to a root.

use std::borrow::Cow;

use terrine_support::hint::Hint;
use terrine_tar::Kind;

use super::Origin;
use crate::layer;

/// Something that cannot be at the image's root. Paths are those of the image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two sources with different ideas of one path.
    #[error("`{path}` comes from both {first} and {second}")]
    Clash {
        /// The path.
        path: String,
        /// The source that came first.
        first: Origin,
        /// The source that came later.
        second: Origin,
    },
    /// One source that has a path twice, differently.
    #[error("`{path}` comes twice from {origin}")]
    Twice {
        /// The path.
        path: String,
        /// The source that has the path twice.
        origin: Origin,
    },
    /// A directory against something else.
    #[error("`{path}` is a {} in {first} and a {} in {second}", noun(*first_kind), noun(*second_kind))]
    Kinds {
        /// The path.
        path: String,
        /// The source that came first.
        first: Origin,
        /// The kind that it has there.
        first_kind: Kind,
        /// The source that came later.
        second: Origin,
        /// The kind that it has there.
        second_kind: Kind,
    },
    /// Something in the place of a directory that the store lies in.
    #[error("`{path}` is a {} in {origin}, and store paths of the image are in `{store}`", noun(*kind))]
    OverStore {
        /// The path.
        path: String,
        /// The kind of the entry at the path.
        kind: Kind,
        /// The source that has the entry.
        origin: Origin,
        /// The store's directory.
        store: String,
    },
    /// Something in the place of what a store path of the image has.
    #[error("`{path}` comes from both {origin} and the store path `{store_path}`")]
    InStore {
        /// The path.
        path: String,
        /// The source that has the path, too.
        origin: Origin,
        /// The store path.
        store_path: String,
    },
    /// A package that is joined at the root, and is no directory.
    #[error("{origin} is not a directory")]
    NotDirectory {
        /// The source that names the package.
        origin: Origin,
    },
    /// A file to be copied that is none.
    #[error("`{}` for `{path}` is not a regular file", source_path.display())]
    NotFile {
        /// The path in the image.
        path: String,
        /// The path on this machine.
        source_path: std::path::PathBuf,
    },
    /// A link to one of the directories that it lies in, where links to directories are
    /// followed.
    #[error("`{path}` in {origin} leads back to `{target}`")]
    Loop {
        /// The link.
        path: String,
        /// The directory.
        target: String,
        /// The source that has both.
        origin: Origin,
    },
    /// More entries than a root may have.
    #[error("with {origin}, the root has more than {limit} entries")]
    TooMany {
        /// The source that brings the root above the limit.
        origin: Origin,
        /// The most that are allowed.
        limit: usize,
    },
    /// A name that means something else in a layer.
    #[error(
        "`{path}` of {origin} has the name of a whiteout, which would remove files of lower layers"
    )]
    Whiteout {
        /// The path.
        path: String,
        /// The source that has the name.
        origin: Origin,
    },
    /// Text that is no path in the image.
    #[error("`{0}` is not an absolute path without `..`")]
    Path(String),
    /// A root that would not be a directory.
    #[error("`/` can only be a directory")]
    NotRoot,
    /// A symbolic link that leads nowhere by its form.
    #[error("`{path}` cannot be a link to `{target}`")]
    Target {
        /// The link.
        path: String,
        /// Its target: empty, too long, or with a NUL in it.
        target: String,
    },
    /// Permissions out of range.
    #[error("the mode {mode:o} of `{path}` is above 7777")]
    Mode {
        /// The path.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// A line that would not be one of its file.
    #[error("`{line}` is not a line of `{file}`: {why}")]
    Line {
        /// The line.
        line: String,
        /// The file.
        file: File,
        /// The fault of the line.
        why: &'static str,
    },
    /// A file without a certificate in it.
    #[error("`{}` contains no certificate", _0.display())]
    NoCertificate(std::path::PathBuf),
    /// A file tree that cannot be made a layer.
    #[error(transparent)]
    Layer(#[from] layer::Error),
}

/// The files of users and groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// `/etc/passwd`, with seven fields a line.
    Passwd,
    /// `/etc/group`, with four.
    Group,
}

impl std::fmt::Display for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passwd => "/etc/passwd",
            Self::Group => "/etc/group",
        })
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Clash { .. } | Self::Kinds { .. } => {
                Some("remove the path from one of them".into())
            }
            Self::OverStore { path, .. } => {
                Some(format!("leave `{path}` out, or make it a directory").into())
            }
            Self::InStore { .. } => Some("give the file a path outside of the store".into()),
            Self::NotDirectory {
                origin: Origin::Contents(_),
            } => Some(
                "give a package that holds the file in a directory, or name the file in `files`"
                    .into(),
            ),
            Self::NotDirectory { .. } => Some("name a single file in `files`".into()),
            Self::NotFile { .. } => {
                Some("name a single file; `copyToRoot` copies directories".into())
            }
            Self::Loop { .. } => Some("`contents` keeps links as they are".into()),
            Self::Line {
                file: File::Passwd, ..
            } => Some("a line has the form `name:x:uid:gid:description:home:shell`".into()),
            Self::Line {
                file: File::Group, ..
            } => Some("a line has the form `name:x:gid:member,member`".into()),
            Self::Path(_) => {
                Some("write the path in the image from its root on: `/etc/web.conf`".into())
            }
            Self::NoCertificate(_) => Some("certificates are read in their text form (PEM)".into()),
            Self::Whiteout { .. } => Some(layer::WHITEOUT_HINT.into()),
            Self::Layer(error) => error.hint(),
            _ => None,
        }
    }
}

pub(super) fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Symlink => "symbolic link",
        Kind::CharacterDevice => "character device",
        Kind::BlockDevice => "block device",
        Kind::Fifo => "fifo",
    }
}
