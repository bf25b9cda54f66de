//! The parts that the end-to-end tests share: the binary under test, stores to try it on, the
//! oracles, and the archives that come out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

pub mod archive;
pub mod base;
mod built_in;
pub mod conf;
pub mod consumer;
pub mod debian;
mod generation;
pub mod hello;
pub mod http;
pub mod nix;
pub mod nix_image;
pub mod oci;
pub mod oracle;
pub mod page;
pub mod peer;
pub mod policy;
pub mod programs;
pub mod proxy;
pub mod reference;
pub mod registry;
pub mod run;
pub mod shipment;
mod signals;
pub mod skopeo;
mod small_disk;
pub mod spec;
pub mod store;
pub mod updates;

use std::path::{Path, PathBuf};

pub use archive::Archive;
pub use built_in::{BuiltIn, built_in};
pub use conf::ConfFile;
pub use generation::Generation;
pub use nix::NixStore;
pub use nix_image::NixImage;
pub use oci::{OciImage, OciLayout};
pub use run::{Run, binary, empty_cache, example, terrine, verify};
pub use shipment::Shipment;
pub use small_disk::SmallDisk;
pub use spec::SpecFile;
pub use store::TestStore;

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A folder for one test, gone with the value.
pub fn temporary() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("terrine-test-")
        .tempdir()
        .unwrap()
}

/// A file of this crate.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
