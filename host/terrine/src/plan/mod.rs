//! `terrine build` and `terrine plan`: from an image specification to an image that is
//! ready to be written, and to what is to be said about it.
//!
//! [`prepare`] and [`preview`] go through these phases, each a module with a type that the next
//! phase takes, and write nothing:
//!
//! | phase | what is known then | with the help of |
//! |---|---|---|
//! | `gather` | what `contents` and the like name, where that is, and the base image | `items`, `base` |
//! | `close` | the closure: all store paths of the image, and the tree at its root | `paths`, `tree` |
//! | `complete` | what is looked for in the closure is at the root as well | `tree` |
//! | `commands` | commands have changed the root, and the closure is that of what they left | `terrine_isolate` |
//! | `database` | Nix's database at the root, where it is asked for | |
//! | `identify` | name, tag, platform and configuration | `machine`, `past`, `identity`, `content` |
//! | `decide` | which store path goes into which layer | `group` |
//! | `assemble` | the image as it is written, and what there is to say about it | `facts`, `explain` |
//!
//! [`closure`] is the first two of them. Commands see the database, which afterwards registers the
//! store paths that they brought as well.

mod assemble;
mod base;
mod caches;
mod claimed;
mod close;
mod commands;
mod complete;
mod component;
mod content;
mod context;
mod database;
mod decide;
pub mod dockertools;
mod error;
mod explain;
mod facts;
mod files;
mod form;
mod gather;
mod group;
mod hidden;
mod identify;
mod identity;
mod inherited;
mod items;
mod linked;
mod machine;
mod past;
mod paths;
mod place;
mod preview;
mod programs;
mod reasons;
mod tags;
mod tree;
mod unused;

use std::collections::BTreeMap;
use std::path::PathBuf;

use terrine_oci::Reference;
use terrine_planner_host::{Planner, Planners};

use crate::assemble::NewImage;
use crate::cache::Cache;
use crate::closure::Graph;
use crate::source::Opener;
use crate::spec::{ImageSpec, Time};
pub use caches::CacheOptions;
pub use commands::{CommandOptions, CommandsTold, MAX_PROCESSES};
pub use component::component;
use context::Context;
use database::Hashes;
pub use decide::DEFAULT_POLICY;
pub use error::Error;
pub use explain::Explanation;
pub use facts::{
    ArchitectureSource, Budget, DestinationFacts, Facts, LayerFacts, LayerKind, LayerSource,
    PathFacts, PlannerFacts, SCHEMA_VERSION, Transferred,
};
use gather::Gathered;
pub use group::{Grouping, group, request};
use identify::TagContent;
pub use past::previous_images;
pub use preview::Preview;
pub use tags::given as given_tags;

/// Options of planning that are not in the specification.
#[derive(Clone)]
pub struct PlanOptions<'a> {
    /// The directory that stands for `/` when store paths are looked for.
    pub store_root: PathBuf,
    /// True if programs that the image's platform cannot run are allowed.
    pub allow_foreign: bool,
    /// True if missing images of `previous` are skipped.
    pub allow_missing_previous: bool,
    /// True if store paths that texts mention may be outside of the closure: Nix tells its builders
    /// what counts.
    pub allow_absent: bool,
    /// True if directories of this machine are read for their NAR hashes, so that their layers have
    /// keys that every machine knows them by.
    pub hash_contents: bool,
    /// The time that `now` means.
    pub now: Time,
    /// The opener of base images that are not in files.
    pub images: &'a dyn Opener,
    /// Existing images whose layers are used. One that has the store paths that the specification names
    /// tells the architecture of their programs.
    pub layers_from: &'a [Reference],
    /// The cache of facts about the programs in store paths.
    pub cache: &'a Cache,
    /// The settings for commands at the root.
    pub commands: CommandOptions<'a>,
    /// The settings for binary caches.
    pub caches: CacheOptions<'a>,
}

impl<'a> PlanOptions<'a> {
    /// Store paths where they say that they are, no programs of other platforms, and the clock of
    /// this machine for a specification that asks for `now`.
    pub fn new(images: &'a dyn Opener, cache: &'a Cache) -> Self {
        let store_root = PathBuf::from("/");
        Self {
            store_root,
            allow_foreign: false,
            allow_missing_previous: false,
            allow_absent: false,
            hash_contents: false,
            now: Time::now(),
            images,
            layers_from: &[],
            cache,
            commands: CommandOptions::none(),
            caches: CacheOptions::none(),
        }
    }
}

/// An image that is ready to be written, and the facts about it.
#[derive(Debug)]
pub struct Prepared<'p> {
    /// The image.
    pub image: NewImage<'p>,
    /// The facts about the image.
    pub facts: Facts,
}

/// Decides and checks everything that can be decided and checked before a byte is
/// written.
///
/// Where the tag is generated, files are read whose names say nothing about what is in them:
/// directories of this machine, copies, and store paths without a hash. So are store paths whose NAR
/// hashes a Nix database needs at once and neither their source nor the cache knows. Of others no more
/// than the first bytes of programs are read.
///
/// # Errors
///
/// A specification that contradicts itself, and anything that it names and that cannot
/// be had.
pub fn prepare<'p>(
    spec: &ImageSpec,
    options: &PlanOptions<'_>,
    planners: Planners<'p>,
) -> Result<Prepared<'p>, Error> {
    let context = Context {
        spec,
        options,
        planners,
    };
    all_phases(&context, TagContent::Read)
}

/// Decides and checks the same to show what the image would be. Of files, no more than the first
/// bytes of programs are read; a tag that depends on more stays unknown. Commands at the root are
/// run, because what they leave decides which store paths are in the image. NAR hashes that nobody
/// knows are placeholders in the Nix database, which is as large as the real one.
///
/// # Errors
///
/// As [`prepare`], but for files that cannot be read.
pub fn preview<'p>(
    spec: &ImageSpec,
    options: &PlanOptions<'_>,
    planners: Planners<'p>,
) -> Result<Preview<'p>, Error> {
    let context = Context {
        spec,
        options,
        planners,
    };
    all_phases(&context, TagContent::Defer).map(Preview::from)
}

fn all_phases<'p>(context: &Context<'_, 'p>, content: TagContent) -> Result<Prepared<'p>, Error> {
    // What is wrong with a pattern is told before anything is looked for.
    let ownership = context.ownership()?;
    let gathered = Gathered::of(context, content == TagContent::Read)?;
    let mut complete = gathered.close(context)?.complete(context)?;
    if context.spec.has_commands() {
        // Commands see the database, and may change who owns it.
        database::add(context, &mut complete, Hashes::Read)?;
        complete = complete.run_commands(context, &ownership)?;
        database::renew(context, &mut complete)?;
    } else {
        let hashes = match content {
            TagContent::Read => Hashes::AsLayersAreMade,
            TagContent::Defer => Hashes::Known,
        };
        database::add(context, &mut complete, hashes)?;
    }
    complete
        .identify(context, ownership, content)?
        .decide(context)?
        .assemble(context)
}

/// The closure of an image: the store paths that would go into its layers, and what they refer
/// to; and what tells the contents of those apart whose names have no hash. Nothing is decided, and programs are
/// looked at only to choose among the platforms of a base image, if they need not be fetched.
///
/// # Errors
///
/// As [`prepare`], as far as it comes to that.
pub fn closure(
    spec: &ImageSpec,
    options: &PlanOptions<'_>,
    planner: &Planner<'_>,
) -> Result<(Graph, BTreeMap<String, String>), Error> {
    let context = Context {
        spec,
        options,
        planners: Planners::one(planner),
    };
    let closed = Gathered::of(&context, false)?.close(&context)?;
    Ok((closed.graph(), closed.contents()?))
}
