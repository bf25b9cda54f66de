//! Failures of binary caches.

use std::borrow::Cow;
use std::io;

use terrine_registry::Error;
use terrine_support::file::FileError;
use terrine_support::hint::Hint;

use crate::info::CacheInfoError;
use crate::nar::NarError;
use crate::narinfo::{NarInfoError, OtherPath};
use crate::store_path::StorePathError;
use crate::trust::Untrusted;
use crate::web_hint;

/// The number of paths and caches that a message names.
const NAMED: usize = 5;

/// A failure to read from binary caches.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A server that did not give a file, for another reason than that it is missing.
    #[error(transparent)]
    Web(#[from] Error),
    /// A file of a cache that is a directory.
    #[error(transparent)]
    File(#[from] FileError),
    /// A profile of S3 that has no credentials.
    #[error("there are no credentials for the profile `{profile}` of the binary cache `{cache}`")]
    Profile {
        /// The place of the cache.
        cache: String,
        /// The profile that its URL or `AWS_PROFILE` names.
        profile: String,
    },
    /// A cache whose description of itself is malformed.
    #[error("reading the description of the binary cache `{cache}`")]
    Info {
        /// The place of the cache.
        cache: String,
        /// The fault.
        #[source]
        source: CacheInfoError,
    },
    /// A cache for paths of another store.
    #[error("the binary cache `{cache}` is for the store `{theirs}`, not for `{ours}`")]
    StoreDir {
        /// The place of the cache.
        cache: String,
        /// The directory of its store.
        theirs: String,
        /// The directory of the store that is asked for.
        ours: String,
    },
    /// Text that should be a store path.
    #[error(transparent)]
    StorePath(StorePathError),
    /// A description of a path that is malformed.
    #[error("reading the description of `{path}` from the binary cache `{cache}`")]
    NarInfo {
        /// The store path.
        path: String,
        /// The place of the cache.
        cache: String,
        /// The fault.
        #[source]
        source: Box<NarInfoError>,
    },
    /// A description of another path than the one that was asked for.
    #[error("the binary cache `{cache}` answers with another path")]
    OtherPath {
        /// The place of the cache.
        cache: String,
        /// Both paths.
        #[source]
        source: OtherPath,
    },
    /// A description that nobody trusted signed.
    #[error("the binary cache `{cache}` cannot be trusted")]
    Untrusted {
        /// The place of the cache.
        cache: String,
        /// The path, and the keys that signed it.
        #[source]
        source: Box<Untrusted>,
    },
    /// A path that no cache has.
    #[error("{}", missing(path, referrers, *others, caches))]
    Missing {
        /// The first such path in order of bytes.
        path: String,
        /// The found paths that refer to it; none if it was asked for itself.
        referrers: Vec<String>,
        /// The number of further such paths.
        others: usize,
        /// The places of all caches that were asked.
        caches: Vec<String>,
    },
    /// A closure that is larger than allowed.
    #[error("the closure has more than {limit} store paths, which is the limit")]
    TooMany {
        /// The number of paths that are allowed.
        limit: usize,
    },
    /// A URL of a NAR that is malformed, or leads to where the cache must not lead.
    #[error("the binary cache `{cache}` must not refer to the archive `{url}`")]
    NarUrl {
        /// The place of the cache.
        cache: String,
        /// The URL, without what may be secret.
        url: String,
    },
    /// A NAR that is missing, although the cache describes its path.
    #[error("the binary cache `{cache}` describes `{path}`, but does not have its archive `{url}`")]
    NarMissing {
        /// The store path.
        path: String,
        /// The place of the cache.
        cache: String,
        /// The URL of the NAR, without its query.
        url: String,
    },
    /// A NAR that cannot be decoded.
    #[error(transparent)]
    Nar(NarError),
    /// A file in an encoding of HTTP that cannot be decoded.
    #[error("`{name}` of the binary cache `{cache}` has the unsupported encoding `{encoding}`")]
    Encoding {
        /// The file.
        name: String,
        /// The place of the cache.
        cache: String,
        /// The encoding.
        encoding: String,
    },
    /// A file that cannot be read or decoded.
    #[error("reading `{name}` of the binary cache `{cache}`")]
    Content {
        /// The file.
        name: String,
        /// The place of the cache.
        cache: String,
        /// The error of the connection, of the system, or of the decoder.
        #[source]
        source: io::Error,
    },
    /// A file that is larger than allowed.
    #[error("`{name}` of the binary cache `{cache}` has more than {limit} bytes")]
    TooLarge {
        /// The file.
        name: String,
        /// The place of the cache.
        cache: String,
        /// The most bytes that it may have.
        limit: u64,
    },
}

impl Hint for ClientError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Web(error) => web_hint::of_web(error),
            Self::File(error) => error.hint(),
            Self::Profile { profile, .. } => {
                Some(format!("add a section `[{profile}]` to `~/.aws/credentials`").into())
            }
            Self::Info { source, .. } => source.hint(),
            Self::StoreDir { .. } => Some("use a cache of the same store directory".into()),
            Self::StorePath(error) => error.hint(),
            Self::NarInfo { source, .. } => source.hint(),
            Self::OtherPath { source, .. } => source.hint(),
            Self::Nar(error) => error.hint(),
            Self::Untrusted { source, .. } => source.hint(),
            Self::Missing { path, .. } => Some(
                format!(
                    "copy it to a cache, with all that it refers to: `nix copy --to CACHE {path}`"
                )
                .into(),
            ),
            Self::NarMissing { path, .. } => Some(
                format!("copy it to the cache again: `nix copy --refresh --to CACHE {path}`")
                    .into(),
            ),
            Self::TooMany { .. } => Some(
                "use another cache: one whose paths refer to ever more paths is damaged or malicious"
                    .into(),
            ),
            Self::NarUrl { .. } => Some(
                "use another cache: archives are at relative URLs, or on HTTP and HTTPS servers without credentials in the URL"
                    .into(),
            ),
            Self::Encoding { .. } => Some(
                "store the file in the cache without an encoding, or with `br`, `bzip2`, `gzip`, `xz` or `zstd`"
                    .into(),
            ),
            Self::Content { source, .. } => web_hint::of_reader(source),
            Self::TooLarge { .. } => Some(
                "check that the location is that of a binary cache: no such file is that large"
                    .into(),
            ),
        }
    }
}

fn missing(path: &str, referrers: &[String], others: usize, caches: &[String]) -> String {
    let mut text = format!(
        "`{path}` is missing from the binary caches {}",
        list(caches)
    );
    if let [_] = caches {
        text = format!("`{path}` is missing from the binary cache {}", list(caches));
    }
    match referrers {
        [] => {}
        [one] => text.push_str(&format!("; `{one}` refers to it")),
        several => text.push_str(&format!("; {} refer to it", list(several))),
    }
    match others {
        0 => {}
        1 => text.push_str("; another path is missing, too"),
        several => text.push_str(&format!("; {several} other paths are missing, too")),
    }
    text
}

/// Names in backticks, the first ones of many.
fn list(names: &[String]) -> String {
    let shown: Vec<_> = names
        .iter()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len().saturating_sub(NAMED) {
        0 => match shown.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, first)) => format!("{} and {last}", first.join(", ")),
            None => "(none)".to_owned(),
        },
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_paths_are_told_in_a_sentence() {
        let names =
            |count: usize| -> Vec<String> { (1..=count).map(|n| format!("n{n}")).collect() };
        for (referrers, others, caches, expected) in [
            (0, 0, 1, "`p` is missing from the binary cache `n1`"),
            (
                1,
                1,
                2,
                "`p` is missing from the binary caches `n1` and `n2`; `n1` refers to it; another path is missing, too",
            ),
            (
                3,
                2,
                0,
                "`p` is missing from the binary caches (none); `n1`, `n2` and `n3` refer to it; 2 other paths are missing, too",
            ),
            (
                6,
                0,
                1,
                "`p` is missing from the binary cache `n1`; `n1`, `n2`, `n3`, `n4`, `n5` and 1 more refer to it",
            ),
        ] {
            assert_eq!(
                missing("p", &names(referrers), others, &names(caches)),
                expected
            );
        }
    }
}
