//! The faults of narinfos.

use std::borrow::Cow;

use terrine_support::hint::Hint;

use crate::content_address::ContentAddressError;
use crate::store_path::StorePathError;

/// A fault of a narinfo. The narinfo itself, and the cache that it is from, are known to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NarInfoError {
    /// More bytes than any narinfo has.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The largest narinfo, in bytes.
        limit: usize,
    },
    /// A last line without its end.
    #[error("line {line} does not end: the narinfo is incomplete")]
    Unfinished {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A line without a key.
    #[error("line {line} is not `Key: value`")]
    NotAField {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A line that may appear once only.
    #[error("line {line}: `{key}` appears twice")]
    Repeated {
        /// The number of the second line, from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A value that cannot be right.
    #[error("line {line}: `{key}` is `{value}`, which is not {expected}")]
    Value {
        /// The number of the line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The start of the value.
        value: String,
        /// A description of a right one.
        expected: &'static str,
    },
    /// A value that is not a store path, or not one of this store.
    #[error("line {line}: `{key}` names no store path")]
    StorePath {
        /// The number of the line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The fault of the path.
        #[source]
        source: StorePathError,
    },
    /// A malformed content address.
    #[error("line {line}: `CA` is malformed")]
    ContentAddress {
        /// The number of the line, from 1.
        line: usize,
        /// The fault of the value.
        #[source]
        source: ContentAddressError,
    },
    /// More signatures than any path has.
    #[error("it has more than {limit} signatures")]
    TooManySignatures {
        /// The most signatures.
        limit: usize,
    },
    /// A missing line. A size of 0 is none.
    #[error("`{0}` is missing")]
    Missing(&'static str),
}

impl Hint for NarInfoError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::TooLarge { .. } | Self::NotAField { .. } => {
                Some("check the cache's URL: the answer may be a web page".into())
            }
            Self::Unfinished { .. } => {
                Some("try again, or copy the path to the cache again".into())
            }
            Self::StorePath { source, .. } => source.hint(),
            Self::ContentAddress { source, .. } => source.hint(),
            Self::Repeated { .. }
            | Self::Value { .. }
            | Self::TooManySignatures { .. }
            | Self::Missing(_) => Some("copy the path to the cache again".into()),
        }
    }
}

/// A narinfo of another path than the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the narinfo of `{asked}` is about `{found}`")]
pub struct OtherPath {
    /// The path that was asked for.
    pub asked: String,
    /// The path that the narinfo is about.
    pub found: String,
}

impl Hint for OtherPath {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some("use another cache: this one mixes up its paths".into())
    }
}
