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
//! | store paths and what they refer to | [`closure`], [`platform`] |
//! | what clients hold, and how often packages changed | [`history`], [`sequence`] |
//! | the planner, and what it decides | [`planner`], [`plan`] |
//! | trees of files as archives | [`layer`], [`rootfs`] |
//! | reading, hashing and writing at once | [`pipe`] |
//! | what is known of layers already, and what existing images claim | [`cache`], [`claims`] |
//! | NAR hashes, and Nix's database in an image | [`nar`], [`store_database`] |
//! | whether a container can start | [`startup`] |
//! | existing images | [`source`], [`base`] |
//! | destinations of images | [`destination`], [`layout`], [`daemon`] |
//! | making an image, and copying existing ones | [`assemble`], [`copy`] |
//! | reading existing images | [`inspect`], [`verify`], [`diff`], [`export`] |
//! | what Nix needs to pull an existing image | [`prefetch`] |
//! | what clients would have pulled | [`replay`] |
//!
//! The nouns that they share are in [`oci`]; compression is [`compress`], the client of registries
//! [`registry`].
//!
//! An image is planned from a [specification](spec::ImageSpec) ([`plan::prepare`]), and packed and
//! shipped in one step ([`assemble::NewImage::ship`]), or written as a stream ([`assemble::NewImage::run`]):
//!
//! ```
//! use std::num::NonZeroUsize;
//! use std::path::Path;
//!
//! use terrine::cache::Cache;
//! use terrine::compress::{Pool, Setting};
//! use terrine::layout::Layout;
//! use terrine::assemble::Shipping;
//! use terrine::planner::{Limits, Planners, Runtime};
//! use terrine::destination::LayoutDestination;
//! use terrine::source::LocalOpener;
//! use terrine::spec::ImageSpec;
//! use terrine::plan;
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
//! let options = plan::PlanOptions::new(&LocalOpener, &cache);
//! let prepared = plan::prepare(&spec, &options, Planners::one(&planner))?;
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
//! An image that exists is opened wherever a [reference](oci::Reference) leads, and brought to a
//! [destination](destination::Destination):
//!
//! ```no_run
//! use std::num::NonZeroUsize;
//! use std::path::Path;
//!
//! use terrine::cache::Cache;
//! use terrine::compress::{Pool, Setting};
//! use terrine::oci::{Annotations, Reference};
//! use terrine::layout::Layout;
//! use terrine::destination::{Carrier, Foreign, LayoutDestination, Recompress};
//! use terrine::source::{self, LocalOpener};
//! use terrine::copy::Copying;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let from: Reference = "docker-archive:web.tar".parse()?;
//! let image = source::pick(source::open(&from, &LocalOpener)?, None)?;
//! let layout = Layout::create(Path::new("layout"))?;
//! let jobs = NonZeroUsize::new(4).ok_or("no jobs")?;
//! let carriers = [Carrier {
//!     destination: &LayoutDestination::new(layout, Some("web".to_owned())),
//!     setting: &Setting::GZIP,
//!     pool: &Pool::new(jobs),
//!     cache: &Cache::none(),
//!     cache_directories: false,
//!     claims: None,
//!     shared: None,
//!     recompress: Recompress::All,
//!     foreign: Foreign::Left,
//! }];
//! let copying = Copying {
//!     carriers: &carriers,
//!     jobs,
//!     annotations: &Annotations::new(),
//!     reporter: &(),
//! };
//! // An outcome for each carrier.
//! let manifest = copying.image(&image)?.remove(0)?;
//! assert_eq!(manifest.digest(), copying.image(&image)?.remove(0)?.digest());
//! # Ok(())
//! # }
//! ```

pub mod assemble;
pub mod base;
pub mod beneath;
pub mod cache;
pub mod claims;
pub mod closure;
pub mod copy;
pub mod daemon;
pub mod destination;
pub mod diff;
pub mod export;
mod filesystem;
pub mod history;
pub mod inspect;
pub mod layer;
pub mod layout;
mod links;
pub mod nar;
pub mod parallel;
pub mod pipe;
pub mod plan;
pub mod platform;
pub mod prefetch;
pub mod replay;
pub mod rootfs;
pub mod sequence;
pub mod source;
pub mod spec;
mod sqlite;
pub mod startup;
pub mod store_database;
pub mod substitute;
pub mod verify;

pub use terrine_binary_cache as binary_cache;
pub use terrine_compress as compress;
pub use terrine_isolate as isolate;
pub use terrine_oci as oci;
pub use terrine_planner_host as planner;
pub use terrine_registry as registry;
pub use terrine_support::{chain, file, folder, hint, json, remark};
