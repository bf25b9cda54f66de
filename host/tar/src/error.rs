//! Failures to read an archive.

use std::borrow::Cow;
use std::io;

use terrine_support::hint::Hint;

/// An archive that cannot be read, for whoever knows which one it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused, or a decoder below.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what it has to be.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Io(error) => error.hint(),
            Self::Fault(fault) => fault.hint(),
        }
    }
}

/// A fault in an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It ends too early.
    #[error(
        "it is truncated: {size} bytes are needed at offset {position}, but the whole archive has {length}"
    )]
    Truncated {
        /// The position of the member.
        position: u64,
        /// The size that the member states.
        size: u64,
        /// The archive's length.
        length: u64,
    },
    /// A header that is none.
    #[error("it is not a tar archive, or it is damaged: no valid header at offset {0}")]
    BadHeader(u64),
    /// A number that no reader understands, or that fits into no file system.
    #[error("its member `{member}` has the {field} `{value}`, which is not a valid number there")]
    BadNumber {
        /// The member.
        member: String,
        /// The number's field.
        field: &'static str,
        /// The text or the bytes in it.
        value: String,
    },
    /// More members than any image has.
    #[error("it has more than {0} members")]
    TooManyMembers(usize),
    /// A name that leads out of the archive.
    #[error("it has the member `{0}`, which leads out of the archive")]
    Escapes(String),
    /// A name that no image has.
    #[error("it has the name {0:?}, which is too long or has control characters")]
    BadName(String),
    /// A member in a form that only GNU tar knows.
    #[error("its member `{0}` is stored as a sparse file")]
    Sparse(String),
    /// Something is larger than it can sensibly be.
    #[error("{what} has {size} bytes, but at most {limit} are allowed")]
    TooLarge {
        /// The name of the object.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The largest allowed.
        limit: u64,
    },
    /// A member that something refers to is not there.
    #[error("it has no member `{0}`")]
    NoMember(String),
    /// A member that something refers to is not a file.
    #[error("its member `{0}` is not a file")]
    NotAFile(String),
    /// Links that lead to each other.
    #[error("its member `{0}` is a link that leads nowhere")]
    LinkLoop(String),
}

impl Hint for Fault {}
