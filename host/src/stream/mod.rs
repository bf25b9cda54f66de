//! `terrine stream`: an image whose grouping is ready-made in `conf.json`.
//!
//! [`Job::prepare`] does everything that can fail before a byte is written: it opens
//! the base, asks the planner, and looks for every path. [`Job::run`] then writes the
//! archive in one pass.

mod customisation;
mod error;
mod plan;
mod run;

use std::path::{Path, PathBuf};

pub use error::Error;
pub use run::{Outcome, Reporter, Source};

use crate::base::Base;
use crate::layer::{Ownership, Permissions, Store, StorePath};
use crate::planner::{Planner, image};
use crate::spec::{Conf, Time};
use customisation::Customisation;

/// What `conf.json` does not say.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that stands for `/` when store paths are looked for.
    pub store_root: PathBuf,
    /// The name to use instead of the one in `conf.json`.
    pub repo_tag: Option<String>,
    /// What `now` means.
    pub now: Time,
}

/// An image that is about to be streamed.
#[derive(Debug)]
pub struct Job<'p> {
    planner: &'p Planner<'p>,
    store: Store,
    ownership: Ownership,
    created: Time,
    base: Option<Base>,
    resolved: image::Resolved,
    layers: Vec<StoreLayer>,
    customisation: Customisation,
}

/// A layer of store paths.
#[derive(Debug)]
struct StoreLayer {
    /// The paths as `conf.json` writes them, for the history.
    named: Vec<String>,
    paths: Vec<StorePath>,
}

impl<'p> Job<'p> {
    /// Decides and checks everything that can be decided and checked beforehand.
    ///
    /// # Errors
    ///
    /// A base image, a path or a decision that can not be had.
    pub fn prepare(conf: &Conf, options: &Options, planner: &'p Planner<'p>) -> Result<Self, Error> {
        let store = Store::open(&conf.store_dir, &options.store_root)?;
        let base =
            conf.from_image.as_deref().map(|path| Base::open(&locate(&store, path))).transpose()?;
        let customisation = Customisation::open(&conf.customisation_layer, &store)?;
        let resolved = plan::resolve(conf, options, base.as_ref(), customisation.digest, planner)?;
        let layers = plan::layers(conf, &store, planner)?;
        plan::check_paths(&layers, &store)?;
        let ownership = Ownership {
            uid: conf.uid,
            gid: conf.gid,
            uname: conf.uname.clone(),
            gname: conf.gname.clone(),
            mtime: conf.mtime.or_now(options.now).seconds(),
            permissions: Permissions::default(),
        };
        let created = conf.created.or_now(options.now);
        Ok(Self { planner, store, ownership, created, base, resolved, layers, customisation })
    }

    /// The name that the image is loaded under.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.resolved.repository, self.resolved.tag)
    }

    /// Whether the tag in it was generated.
    pub fn tag_is_generated(&self) -> bool {
        self.resolved.tag_generated
    }

    /// How many layers the image has.
    pub fn layer_count(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.layers().len()) + self.layers.len() + 1
    }

    /// What a person should be told before it is made.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = self.resolved.remarks.clone();
        if self.layer_count() > DOCKER_MAX_LAYERS {
            remarks.push(format!(
                "the image has {} layers, and Docker takes {DOCKER_MAX_LAYERS}",
                self.layer_count()
            ));
        }
        remarks
    }
}

/// How many layers an image may have for Docker: 127 in its storage drivers, two of
/// which it needs itself.
const DOCKER_MAX_LAYERS: usize = 125;

/// Where a path of `conf.json` is on this machine: below the store's root if it is in
/// the store, links within it resolved, else where it says.
fn locate(store: &Store, path: &Path) -> PathBuf {
    match path.to_str().map(|text| store.path(text)) {
        Some(Ok(path)) => store.resolve(Path::new(path.as_str())),
        _ => path.to_owned(),
    }
}
