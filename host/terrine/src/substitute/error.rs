//! The errors of store paths out of binary caches.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use terrine_binary_cache::{ClientError, ListingError, NarError};
use terrine_support::hint::Hint;

/// A store path that cannot be had from a binary cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A cache that does not answer, or whose answer is not to be used.
    #[error(transparent)]
    Cache(#[from] ClientError),
    /// A path that nobody has.
    #[error("`{path}` is in none of the binary caches: `{}`", caches.join("`, `"))]
    Nowhere {
        /// The store path.
        path: String,
        /// The locations of the caches.
        caches: Vec<String>,
    },
    /// A listing that is none.
    #[error("the listing of `{path}` in the binary cache `{cache}`")]
    Listing {
        /// The store path.
        path: String,
        /// The location of the cache.
        cache: String,
        /// The fault of the listing.
        #[source]
        source: ListingError,
    },
    /// A listing of more content than the NAR can have, whose size is known from the narinfo.
    #[error(
        "the listing of `{path}` in the binary cache `{cache}` has files of {size} bytes, but its NAR has {nar_size}"
    )]
    ListingSize {
        /// The store path.
        path: String,
        /// The location of the cache.
        cache: String,
        /// The number of bytes of all files.
        size: u64,
        /// The number of bytes of the NAR.
        nar_size: u64,
    },
    /// A NAR that is broken, or not the one that the narinfo describes.
    #[error("the NAR of `{path}` in the binary cache `{cache}`")]
    Nar {
        /// The store path.
        path: String,
        /// The location of the cache.
        cache: String,
        /// The fault of the NAR.
        #[source]
        source: NarError,
    },
    /// A NAR that has other entries than the listing.
    #[error(
        "the NAR of `{path}` in the binary cache `{cache}` does not have the entries of its listing: they differ at `{entry}`"
    )]
    Contradiction {
        /// The store path.
        path: String,
        /// The location of the cache.
        cache: String,
        /// The first entry that differs, below the store path.
        entry: String,
    },
    /// The folder for temporary files.
    #[error("making a folder for temporary files in `{}`", path.display())]
    Scratch {
        /// The folder to make it in.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A temporary file.
    #[error("writing `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Cache(error) => error.hint(),
            Self::Nowhere { caches, .. } if caches.iter().any(|cache| cache.starts_with("s3://")) => Some(
                "`nix copy --to CACHE PATH` copies a path and its closure into a cache; a bucket also answers so to readers who may not list it, or have no credentials"
                    .into(),
            ),
            Self::Nowhere { .. } => {
                Some("`nix copy --to CACHE PATH` copies a path and its closure into a cache".into())
            }
            Self::Listing { .. } | Self::ListingSize { .. } | Self::Contradiction { .. } => Some(
                "the cache is damaged: copy the path into it again, or use another cache".into(),
            ),
            Self::Nar { source, .. } => source.hint(),
            Self::Scratch { .. } | Self::Write { .. } => Some(
                "`TMPDIR` is the folder for temporary files: it needs room for what is fetched"
                    .into(),
            ),
        }
    }
}
