//! Nix's binary caches: what they say of store paths, their signatures, and NARs as streams.
//!
//! A binary cache is a tree of files behind a URL. It describes each store path in a small text,
//! the narinfo, and has the content of the path in a compressed archive, the NAR (Nix manual,
//! "Serving a Nix store via HTTP" and "Nix Archive format").
//!
//! | part | module |
//! |---|---|
//! | a cache's own description | `info` |
//! | names of store paths, hashes, content addresses | `store_path`, `hash`, `content_address` |
//! | descriptions of store paths | `narinfo`, `compression` |
//! | NARs, and listings of them | `nar`, `listing` |
//! | keys, signatures, and which descriptions are trusted | `key`, `trust`, `nix_conf` |
//! | places of caches, and credentials for them | `location`, `netrc`, `s3` |
//! | requests to caches | `client` |

mod client;
mod compression;
mod content_address;
mod excerpt;
#[doc(hidden)]
pub mod fuzz;
mod hash;
mod info;
mod key;
mod listing;
mod location;
mod nar;
mod narinfo;
mod netrc;
mod nix_conf;
mod s3;
mod store_path;
#[cfg(test)]
mod testing;
mod trust;
mod web_hint;

pub use client::{BinaryCaches, CacheOptions, CacheSource, ClientError, Count, Found, Traffic};
pub use compression::{NarCompression, UnsupportedCompression};
pub use content_address::{ContentAddress, ContentAddressError};
pub use hash::Hash;
pub use info::{CacheInfo, CacheInfoError};
pub use key::{KeyError, KeyFault, PublicKey, SecretKey};
pub use listing::{LARGEST_LISTING, Listing, ListingEntry, ListingError};
pub use location::{Location, LocationError, LocationFault};
pub use nar::{
    DEEPEST, Hashed, LONGEST_NAME, LONGEST_TARGET, NarContent, NarEntry, NarError, NarFault,
    NarKind, NarReader, NarStream, NarStreamContent,
};
pub use narinfo::{LARGEST_NARINFO, NarInfo, NarInfoError, OtherPath};
pub use netrc::{Netrc, NetrcError, NetrcLogin};
pub use nix_conf::{NixConf, NixConfError};
pub use s3::{ProfilesError, S3Access, S3Credentials, S3Profiles};
pub use store_path::{BaseName, HASH_LENGTH, NameFault, StorePathError};
pub use trust::{Trust, TrustedKeys, Untrusted};
