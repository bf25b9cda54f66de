//! The faults that the cache can have. They never fail a build.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use terrine_support::hint::Hint;

use rusqlite::ErrorCode;

/// A cache that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder cannot be made, or what is in it cannot be looked at.
    #[error("using the layer cache in `{}`", path.display())]
    Io {
        /// The folder or the file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// There is something else in its place.
    #[error("the layer cache `{}` is not a file", path.display())]
    NotAFile {
        /// The path that should be the database.
        path: PathBuf,
    },
    /// There is a link in its place.
    #[error("the layer cache `{}` is a link, which is not followed", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// There is a file in its place that is not known to be one.
    #[error("the file `{}` is not a layer cache", path.display())]
    NotACache {
        /// The file.
        path: PathBuf,
    },
    /// Others than the user may have written it.
    #[error("the layer cache in `{}` is not safe to use: {why}", path.display())]
    NotOwn {
        /// Its folder.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The database refuses. What SQLite says is not a cause of its own, because it would say
    /// it twice.
    #[error("using the layer cache `{}`: {reason}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// SQLite's error.
        reason: rusqlite::Error,
    },
    /// New entries could not be kept.
    #[error("{why}")]
    Refused {
        /// The cause.
        why: String,
    },
    /// It is damaged, or of another version.
    #[error("the layer cache `{}` is damaged or of another version", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
    },
}

impl Error {
    pub(super) fn database(path: &Path) -> impl Fn(rusqlite::Error) -> Self + '_ {
        |reason| {
            if is_damage(&reason) {
                Self::Damaged {
                    path: path.to_owned(),
                }
            } else {
                Self::Database {
                    path: path.to_owned(),
                    reason,
                }
            }
        }
    }

    /// The whole chain in one line.
    pub(super) fn line(&self) -> String {
        let source = std::error::Error::source(self);
        source.map_or_else(|| self.to_string(), |source| format!("{self}: {source}"))
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Database { reason, .. } if is_held(reason) => {
                Some("another process uses it: run again when that process has finished".into())
            }
            Self::Database { reason, .. } => match reason.sqlite_error_code()? {
                ErrorCode::DiskFull => {
                    Some("make room there, or set `XDG_CACHE_HOME` to another directory".into())
                }
                ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                    Some(ELSEWHERE.into())
                }
                _ => None,
            },
            Self::NotAFile { .. } | Self::Link { .. } | Self::NotACache { .. } => {
                Some("remove it, or set `XDG_CACHE_HOME` to another directory".into())
            }
            Self::Damaged { .. } => {
                Some("`terrine cache clear` recreates it; no image depends on it".into())
            }
            Self::NotOwn { .. } => {
                Some("remove the permission, or set `XDG_CACHE_HOME` to another directory".into())
            }
            Self::Io { .. } | Self::Refused { .. } => Some(ELSEWHERE.into()),
        }
    }
}

const ELSEWHERE: &str =
    "set `XDG_CACHE_HOME` to another directory; everything works without the cache, but slower";

/// Returns true if the file is not the database that it should be.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(error, rusqlite::Error::SqlInputError { .. })
        || matches!(
            code,
            // `Unknown` is the code of missing tables and columns.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        )
}

/// Returns true if another process holds the database.
pub(super) fn is_held(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}
