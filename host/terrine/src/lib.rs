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
//! | files that are read whole | [`file`](mod@file) |
//! | where store paths come from | [`closure`] |
//! | images that exist, and what is built on | [`source`], [`base`] |
//! | directories of images | [`layout`] |
//! | compression | [`compress`] |
//! | images in registries | [`registry`] |
//! | what its programs run on | [`platform`] |
//! | what is decided about it | [`planner`] |
//! | file trees to archives | [`layer`], [`root`] |
//! | read, hash and write at once | [`pipe`] |
//! | where images go | [`ship`], [`daemon`] |
//! | images that exist, brought elsewhere | [`transfer`] |
//! | what they are, and whether they are that | [`inspect`], [`verify`], [`diff`], [`flatten`] |
//! | what is known of layers already | [`cache`] |
//! | closures as they were, update by update | [`updates`] |
//! | what planners are told of the past | [`history`] |
//! | what clients would have pulled | [`replay`] |
//! | all of it in order | [`stream`], [`build`] and [`pack`] |
//!
//! The nouns that they share are in [`image`].
//!
//! An image is planned from a [specification](spec::ImageSpec) ([`build::prepare`]), and packed and
//! shipped in one step ([`pack::Image::ship`]), or written as a stream ([`pack::Image::run`]):
//!
//! ```
//! use std::num::NonZeroUsize;
//! use std::path::Path;
//!
//! use terrine::cache::Cache;
//! use terrine::compress::{Pool, Setting};
//! use terrine::layout::Layout;
//! use terrine::pack::Shipping;
//! use terrine::planner::{Limits, Planners, Runtime};
//! use terrine::ship::LayoutDestination;
//! use terrine::source::FilesOnly;
//! use terrine::spec::ImageSpec;
//! use terrine::build;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! std::fs::create_dir(folder.path().join("site"))?;
//! std::fs::write(folder.path().join("site/index.html"), "hello")?;
//! let json = r#"{ "name": "web", "tag": "1.0", "contents": "./site" }"#;
//! let spec = ImageSpec::read_from(json.as_bytes(), Path::new("web.json"), folder.path())?;
//!
//! // Planned: what is in which layer, and why.
//! let runtime = Runtime::new(Limits::default(), None)?;
//! let planner = runtime.embedded()?;
//! let cache = Cache::none();
//! let options = build::Options::new(&FilesOnly, &cache);
//! let prepared = build::prepare(&spec, &options, Planners::one(&planner))?;
//! assert_eq!(prepared.facts.layers.len(), 2);
//!
//! // Packed and shipped: read, hashed, compressed and put into a layout.
//! let layout = Layout::create(&folder.path().join("layout"))?;
//! let destination = LayoutDestination::new(layout, Some("web".to_owned()));
//! let pool = Pool::new(NonZeroUsize::MIN);
//! let shipping = Shipping::new(&destination, &Setting::GZIP, &pool, &cache);
//! let outcome = prepared.image.ship(&shipping, &())?;
//! assert_eq!(outcome.layers.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/ship.rs` is a program that does this and tells about it. A closure is grouped without an
//! image by [`planner::Planner::plan`], and by other components than the one built in.
//!
//! An image that exists is opened wherever a [reference](image::Reference) leads, and brought to a
//! [destination](ship::Destination):
//!
//! ```no_run
//! use std::num::NonZeroUsize;
//! use std::path::Path;
//!
//! use terrine::cache::Cache;
//! use terrine::compress::{Pool, Setting};
//! use terrine::image::{Annotations, Reference};
//! use terrine::layout::Layout;
//! use terrine::ship::{Carrier, LayoutDestination, Recompress};
//! use terrine::source::{self, FilesOnly};
//! use terrine::transfer::Copying;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let from: Reference = "docker-archive:web.tar".parse()?;
//! let image = source::pick(source::open(&from, &FilesOnly)?, None)?;
//! let layout = Layout::create(Path::new("layout"))?;
//! let jobs = NonZeroUsize::new(4).ok_or("no jobs")?;
//! let copying = Copying {
//!     carrier: Carrier {
//!         destination: &LayoutDestination::new(layout, Some("web".to_owned())),
//!         setting: &Setting::GZIP,
//!         pool: &Pool::new(jobs),
//!         cache: &Cache::none(),
//!         recompress: Recompress::All,
//!     },
//!     jobs,
//!     only_oci: true,
//!     annotations: &Annotations::new(),
//!     reporter: &(),
//! };
//! let manifest = copying.image(&image)?;
//! assert_eq!(manifest.digest(), copying.image(&image)?.digest());
//! # Ok(())
//! # }
//! ```

pub mod base;
pub mod build;
pub mod cache;
pub mod closure;
pub mod compress;
pub mod daemon;
pub mod diff;
pub mod file;
pub mod flatten;
pub mod history;
pub mod image;
pub mod inspect;
pub mod layer;
pub mod layout;
pub mod pack;
pub mod pipe;
pub mod planner;
pub mod platform;
pub mod registry;
pub mod replay;
pub mod root;
pub mod ship;
pub mod source;
pub mod spec;
pub mod stream;
pub mod transfer;
pub mod updates;
pub mod verify;
