//! The faults of NARs, and of the files that they come in.

use std::borrow::Cow;
use std::io;

use terrine_oci::Digest;
use terrine_support::hint::Hint;

use super::entry::{DEEPEST, LONGEST_NAME, LONGEST_TARGET};
use super::framing::Fault;
use crate::compression::UnsupportedCompression;
use crate::excerpt::excerpt;
use crate::web_hint;

/// A NAR that cannot be read, or that is not the one that a narinfo describes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NarError {
    /// An error of the input: of its source, or of its compression.
    #[error("reading the NAR{}", place(path))]
    Io {
        /// The path of the entry within the NAR, empty at the top.
        path: String,
        /// The error.
        #[source]
        source: io::Error,
    },
    /// A malformed NAR.
    #[error("the NAR is malformed{}", place(path))]
    Malformed {
        /// The path of the entry within the NAR, empty at the top.
        path: String,
        /// The fault.
        #[source]
        fault: NarFault,
    },
    /// A compression that terrine cannot decode.
    #[error("the NAR of `{store_path}` cannot be decompressed")]
    Unsupported {
        /// The store path.
        store_path: String,
        /// The compression.
        #[source]
        source: UnsupportedCompression,
    },
    /// Another file than the narinfo describes, or another NAR in it.
    #[error(
        "the {what} of `{store_path}` has the hash `{found}`, but its narinfo says `{expected}`"
    )]
    Hash {
        /// The store path.
        store_path: String,
        /// The bytes that are hashed.
        what: Hashed,
        /// The hash in the narinfo.
        expected: Digest,
        /// The hash of the bytes.
        found: Digest,
    },
    /// A file or a NAR of another size than the narinfo says.
    #[error("the {what} of `{store_path}` has {}{found} bytes, but its narinfo says {expected}", if *at_least { "at least " } else { "" })]
    Size {
        /// The store path.
        store_path: String,
        /// The bytes that are counted.
        what: Hashed,
        /// The number in the narinfo.
        expected: u64,
        /// The number of bytes.
        found: u64,
        /// True if there may be more: they are not read.
        at_least: bool,
    },
    /// Content that the store path does not follow from.
    #[error(
        "the content of `{store_path}` does not have the hash of its content address `{address}`"
    )]
    Content {
        /// The store path.
        store_path: String,
        /// The content address in the narinfo.
        address: String,
    },
    /// A content address of Nix 2.17 to 2.34 that nobody signed. Other content has the same address.
    #[error(
        "the content address `{address}` does not cover the references of `{store_path}` to itself"
    )]
    WeakAddress {
        /// The store path.
        store_path: String,
        /// The content address in the narinfo.
        address: String,
    },
}

/// The bytes that a narinfo has a hash and a size of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashed {
    /// The file, which may be compressed.
    File,
    /// The NAR.
    Nar,
}

impl std::fmt::Display for Hashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "compressed NAR",
            Self::Nar => "NAR",
        })
    }
}

fn place(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    format!(" at `{path}`")
}

impl NarError {
    /// The error of a fault at an entry.
    pub(super) fn at(path: &[u8], fault: Fault) -> Self {
        let path = excerpt(path);
        match fault {
            // A reader of content has put the error into this one.
            Fault::Io(source) => {
                Self::from_io(source).unwrap_or_else(|source| Self::Io { path, source })
            }
            Fault::Nar(fault) => Self::Malformed { path, fault },
        }
    }

    /// The error as one of a [`Read`](io::Read).
    pub(super) fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, self)
    }

    /// Returns the error that a reader of content put into an [`io::Error`], or the latter if there is none.
    ///
    /// # Errors
    ///
    /// Any other error, unchanged.
    pub fn from_io(error: io::Error) -> Result<Self, io::Error> {
        error.downcast()
    }
}

impl Hint for NarError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Io { source, .. } => web_hint::of_reader(source),
            Self::Unsupported { source, .. } => source.hint(),
            Self::Malformed { fault, .. } => fault.hint(),
            Self::Hash { .. } | Self::Size { .. } => {
                Some("try again, and if it happens again copy the path to the cache again".into())
            }
            Self::Content { .. } => {
                Some("do not use this cache: it serves other content than it says".into())
            }
            Self::WeakAddress { store_path, .. } => Some(
                format!("Nix 2.17 to 2.34 makes such addresses: sign the path, `nix store sign --key-file KEY {store_path}`, and copy it to the cache again")
                    .into(),
            ),
        }
    }
}

/// A fault in a NAR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NarFault {
    /// Something else than a NAR.
    #[error("it does not begin as a NAR does")]
    NotANar,
    /// A NAR that is cut off.
    #[error("it ends too early")]
    Ended,
    /// A word that the grammar does not have here.
    #[error("it has `{found}` instead of {expected}")]
    Word {
        /// The words that may be there.
        expected: String,
        /// The word.
        found: String,
    },
    /// A word that is longer than any.
    #[error("it has a word of {length} bytes instead of `{expected}`")]
    LongWord {
        /// The words that may be there.
        expected: &'static str,
        /// The number of bytes of the word.
        length: u64,
    },
    /// A name that no file can have.
    #[error("`{name}` is not the name of a file")]
    Name {
        /// The name.
        name: String,
    },
    /// A name that is longer than any.
    #[error("a name has {length} bytes, more than {LONGEST_NAME}")]
    LongName {
        /// The number of bytes of the name.
        length: u64,
    },
    /// Names that are not in ascending order, or the same name twice.
    #[error("`{name}` is not after `{previous}` in the order of their bytes")]
    Order {
        /// The second name.
        name: String,
        /// The name before.
        previous: String,
    },
    /// A target that no link can have.
    #[error("`{target}` is not the target of a link")]
    Target {
        /// The target.
        target: String,
    },
    /// A target that is longer than any.
    #[error("the target of a link has {length} bytes, more than {LONGEST_TARGET}")]
    LongTarget {
        /// The number of bytes of the target.
        length: u64,
    },
    /// Directories in directories beyond the limit.
    #[error("it has an entry that is more than {DEEPEST} directories deep")]
    TooDeep,
    /// Padding that is not zero.
    #[error("its padding is not zero")]
    Padding,
    /// More bytes after the end.
    #[error("something follows its end")]
    Trailing,
    /// An attempt to read on after an error.
    #[error("reading it failed before")]
    Failed,
}

impl NarFault {
    pub(super) fn word(expected: &str, found: &[u8]) -> Self {
        // A list of words has its backticks already, and a description needs none.
        let is_word = !expected.contains([' ', '`']);
        Self::Word {
            expected: if is_word {
                format!("`{expected}`")
            } else {
                expected.to_owned()
            },
            found: excerpt(found),
        }
    }

    pub(super) fn name(name: &[u8]) -> Self {
        Self::Name {
            name: excerpt(name),
        }
    }

    pub(super) fn order(name: &[u8], previous: &[u8]) -> Self {
        Self::Order {
            name: excerpt(name),
            previous: excerpt(previous),
        }
    }

    pub(super) fn target(target: &[u8]) -> Self {
        Self::Target {
            target: excerpt(target),
        }
    }
}

impl Hint for NarFault {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Failed => None,
            Self::TooDeep | Self::LongName { .. } | Self::LongTarget { .. } => {
                Some("Nix 2.36 and later refuse such a path as well: build it with less depth or shorter names".into())
            }
            _ => Some("try again, and if it happens again copy the path to the cache again".into()),
        }
    }
}
