//! The faults that a closure can have.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use terrine_support::file::FileError;
use terrine_support::hint::Hint;

use crate::substitute;

/// A closure that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The content is not a closure, or a broken one.
    #[error("the closure in `{}` cannot be used", path.display())]
    Fault {
        /// The file, folder or database.
        path: PathBuf,
        /// The fault in it.
        #[source]
        fault: Fault,
    },
    /// The database cannot be read.
    #[error("reading the store's database `{}`", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// A file that is not the database of a store.
    #[error("`{}` is not a store database: {why}", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// A description of what it is, or of what it lacks.
        why: String,
    },
    /// A binary cache.
    #[error(transparent)]
    Substitute(#[from] substitute::Error),
    /// A store path that the store does not know.
    #[error("`{path}` is not in the store's database `{}`", database.display())]
    NotRegistered {
        /// The store path.
        path: String,
        /// The database.
        database: PathBuf,
        /// True if the latest changes could not be seen, see [`super::Database::open`].
        immutable: bool,
    },
}

impl Error {
    pub(super) fn fault(path: &Path, fault: Fault) -> Self {
        Self::Fault {
            path: path.to_owned(),
            fault,
        }
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Fault { fault, .. } => fault.hint(),
            Self::Database { source, .. } => match source.sqlite_error_code()? {
                rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked => {
                    Some("another process uses it: run again when that process has finished".into())
                }
                _ => None,
            },
            Self::NotADatabase { .. } => Some(
                "Nix keeps it in `/nix/var/nix/db/db.sqlite`, Guix in `/var/guix/db/db.sqlite`, below the store's root".into(),
            ),
            Self::NotRegistered {
                immutable: true, ..
            } => Some(
                "the latest changes are visible only to users who may write to the database's directory: build or fetch the path, or run as its owner".into(),
            ),
            Self::NotRegistered { .. } => Some("build or fetch the path first".into()),
            Self::File(error) => error.hint(),
            Self::Substitute(error) => error.hint(),
        }
    }
}

/// A fault of a closure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// Text that is none.
    #[error("it is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// Neither JSON nor a registration.
    #[error("it is neither JSON nor a registration of store paths")]
    UnknownForm,
    /// JSON that is none, or not of the types that are expected.
    #[error("{0}")]
    Json(String),
    /// JSON of another kind.
    #[error("it is an object without a graph: no array of objects with `path` and `references`")]
    NoGraph,
    /// A fault in one field of JSON.
    #[error("`{field}`: {fault}")]
    Field {
        /// The field, as `graph[3].references[0]`.
        field: String,
        /// The fault there.
        fault: Box<Fault>,
    },
    /// A registration that breaks off or has something else in it.
    #[error("line {line} must be {expected}, but {}", found.as_ref().map_or_else(|| "is missing".to_owned(), |text| format!("is `{text}`")))]
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// A description of what it has to be.
        expected: &'static str,
        /// The start of what it is; none if the text ends before.
        found: Option<String>,
    },
    /// A folder that `closureInfo` did not make.
    #[error("it is a folder without a file `registration`")]
    NoRegistration,
    /// The two files of a `closureInfo` folder do not go together.
    #[error("its `store-paths` names `{0}`, which its `registration` does not contain")]
    NotInRegistration(String),
    /// A path that is not one of the store.
    #[error("`{path}` is not a path directly below `{store_dir}`")]
    NotAStorePath {
        /// The path.
        path: String,
        /// The store's directory.
        store_dir: String,
    },
    /// A path that the store was asked about and does not have.
    #[error("`{0}` is not a valid path: the store does not have it")]
    Invalid(String),
    /// A number that no size can be.
    #[error("`{path}` has the size {size}, which is not a number of bytes")]
    Size {
        /// The path.
        path: String,
        /// The text that is given as its size.
        size: String,
    },
    /// A value that Nix's database could not hold.
    #[error("`{path}` has the {what} `{value}`, which is not in Nix's form")]
    Registration {
        /// The path.
        path: String,
        /// The kind of value.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A graph that is not closed.
    #[error("`{path}` refers to `{reference}`, which is missing")]
    MissingReference {
        /// The path.
        path: String,
        /// The path that it refers to.
        reference: String,
    },
    /// A path that is there twice, and not the same.
    #[error("`{path}` appears twice, with different {what}")]
    Conflict {
        /// The path.
        path: String,
        /// The property that differs.
        what: &'static str,
    },
}

impl Fault {
    pub(super) fn at(self, field: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            fault: Box::new(self),
        }
    }
}

impl Hint for Fault {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Field { fault, .. } => fault.hint(),
            Self::Empty | Self::UnknownForm | Self::NoGraph | Self::Json(_) | Self::NotUtf8(_) => Some(
                "a closure is what `nix path-info --json --recursive` prints, what `exportReferencesGraph` exports, or a folder of `closureInfo`".into(),
            ),
            Self::NoRegistration | Self::NotInRegistration(_) => {
                Some("a `closureInfo` folder has the files `registration` and `store-paths`".into())
            }
            Self::NotAStorePath { .. } => Some("if the store is another directory, name it by `storeDir` or `--store-dir`".into()),
            Self::Invalid(_) => Some("build or fetch the path, then write the graph again".into()),
            Self::MissingReference { .. } => {
                Some("write the whole closure: `nix path-info --json --recursive`".into())
            }
            _ => None,
        }
    }
}
