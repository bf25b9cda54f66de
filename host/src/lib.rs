//! terrine builds layered container images out of package closures: reproducibly, in
//! one streaming pass, without a daemon, without root and without a virtual machine.
//!
//! What goes into which layer, and what the image's configuration says, is decided by
//! a sandboxed WebAssembly component ([`planner`]); this crate reads files, writes
//! archives, hashes and ships:
//!
//! | stage | module |
//! |---|---|
//! | what the user asks for | [`spec`] |
//! | where store paths come from | [`closure`] |
//! | images that exist, and what is built on | [`source`], [`base`] |
//! | directories of images | [`layout`] |
//! | compression | [`compress`] |
//! | images in registries | [`registry`] |
//! | what its programs run on | [`platform`] |
//! | what is decided about it | [`planner`] |
//! | file trees to archives | [`layer`], [`root`] |
//! | read, hash and write at once | [`pipe`] |
//! | the archive that comes out | [`ship`] |
//! | what is known of layers already | [`cache`] |
//! | all of it in order | [`stream`], [`build`] and [`pack`] |
//!
//! The nouns that they share are in [`image`].

pub mod base;
pub mod build;
pub mod cache;
pub mod closure;
pub mod compress;
pub mod daemon;
pub mod diff;
pub mod flatten;
pub mod image;
pub mod inspect;
pub mod layer;
pub mod layout;
pub mod pack;
pub mod pipe;
pub mod planner;
pub mod platform;
pub mod registry;
pub mod root;
pub mod ship;
pub mod source;
pub mod spec;
pub mod stream;
pub mod transfer;
pub mod verify;
