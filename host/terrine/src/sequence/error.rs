//! The faults that a recorded sequence can have.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use terrine_support::file::FileError;
use terrine_support::hint::Hint;

/// A file of a sequence that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not what is needed.
    #[error("`{}` is not a valid sequence of closures", path.display())]
    Fault {
        /// The file.
        path: PathBuf,
        /// The fault in it.
        #[source]
        fault: Fault,
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
            Self::File(error) => error.hint(),
        }
    }
}

/// A fault of a sequence. Fields are named as in the file, steps by number and label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Text that is not JSON, or not of that form.
    #[error("{}{why}", place(field))]
    Json {
        /// The field that is to blame; empty for the whole.
        field: String,
        /// The fault, and its place in the text.
        why: String,
        /// The right form, where that can be told.
        hint: Option<String>,
    },
    /// There is nothing in it.
    #[error("it has no steps")]
    NoSteps,
    /// A closure without a path.
    #[error("step {number} (`{label}`) has no paths")]
    EmptyStep {
        /// The step, from 1.
        number: usize,
        /// Its label.
        label: String,
    },
    /// A name or a label that cannot be shown in a line.
    #[error("`{field}` has control characters")]
    Control {
        /// The field where they are.
        field: String,
    },
    /// A path that no store has.
    #[error("`{}` is not a store path: it must be absolute and end in a name", .0.escape_debug())]
    NotAStorePath(String),
    /// A path that is in another directory than the first.
    #[error("`{path}` is not directly below `{store_dir}`, where the other paths are")]
    Elsewhere {
        /// The path.
        path: String,
        /// The directory where it should be.
        store_dir: String,
    },
    /// A path that is there twice.
    #[error("`paths[{index}]`: `{path}` appears twice")]
    Twice {
        /// The place of the second.
        index: usize,
        /// The path.
        path: String,
    },
    /// A size that no store has.
    #[error("`paths[{index}].narSize`: {size} is not a number of bytes")]
    Size {
        /// The path's place.
        index: usize,
        /// The size as it is given.
        size: u64,
    },
    /// An index that stands for no path.
    #[error("`{field}`: there is no path {index}: the number of paths is {paths}")]
    OutOfRange {
        /// The field where it is.
        field: String,
        /// The index.
        index: u64,
        /// The number of paths.
        paths: usize,
    },
    /// A path that is twice in one closure.
    #[error("step {number} (`{label}`) lists `{path}` twice")]
    TwiceInStep {
        /// The step, from 1.
        number: usize,
        /// Its label.
        label: String,
        /// The path.
        path: String,
    },
}

/// A sequence as it would be right, and what writes one.
const EXAMPLE: &str = "`terrine replay record` writes such a file, from images or specifications: `{\"name\": \"web\", \"paths\": [{\"path\": \"/nix/store/…-web\", \"narSize\": 120, \"references\": []}], \"steps\": [{\"date\": \"2026-01-01\", \"paths\": [0]}]}`";

fn place(field: &str) -> String {
    if field.is_empty() {
        String::new()
    } else {
        format!("`{field}`: ")
    }
}

impl Hint for Fault {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Json {
                hint: Some(hint), ..
            } => Some(hint.into()),
            Self::Json { .. } | Self::NoSteps => Some(EXAMPLE.into()),
            Self::OutOfRange { .. } => Some("indices start at 0".into()),
            _ => None,
        }
    }
}
