//! Nix's binary caches: what they say of store paths, their signatures, and NARs as streams.
//!
//! A binary cache is a tree of files behind a URL. It describes each store path in a small text,
//! the narinfo, and has the content of the path in a compressed archive, the NAR (Nix manual,
//! "Serving a Nix store via HTTP" and "Nix Archive format").

mod hash;

pub use hash::Hash;
