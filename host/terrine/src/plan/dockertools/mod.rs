//! `terrine stream`: an image whose grouping is ready-made in `conf.json`; and the way there, for an image
//! that terrine has planned.
//!
//! Such an image is written ([`prepare()`]), or read like one that exists ([`open`]).

mod conf;
mod describe;
mod error;
mod existing;
mod prepare;
mod remarks;

use std::path::{Path, PathBuf};

use terrine_oci::{Platform, annotation};
use terrine_planner_host::Planner;

use super::context;
use crate::assemble::{self, Customisation, NewImage, PlanOrigin, Top};
use crate::base::Base;
use crate::cache::Cache;
use crate::layer::{Ownership, Store};
use crate::source::{self, LocalOpener, Opened};
use crate::spec::Time;
pub use conf::{Conf, ConfError};
pub use describe::{LAYER, describe};
pub use error::Error;
pub use existing::{is_conf, open};
pub use remarks::remarks;

/// The number of images that may be built on each other, each described by a `conf.json`.
const MAX_DEPTH: usize = 64;

/// The options that `conf.json` does not hold.
#[derive(Debug, Clone)]
pub struct ConfOptions {
    /// The directory that stands for `/` when store paths are looked for.
    pub store_root: PathBuf,
    /// The name to use instead of the one in `conf.json`.
    pub repo_tag: Option<String>,
    /// The platform to use instead of the one in `conf.json`.
    pub platform: Option<Platform>,
    /// The time that `now` means.
    pub now: Time,
}

/// Decides and checks everything that can be decided and checked beforehand.
///
/// # Errors
///
/// A base image, a path or a decision that cannot be had. Layers of base images that are described by a
/// `conf.json` are read here, unless the cache knows their digests.
pub fn prepare<'p>(
    conf: &Conf,
    options: &ConfOptions,
    planner: &'p Planner<'p>,
    cache: &Cache,
) -> Result<NewImage<'p>, Error> {
    prepare_at(conf, options, planner, cache, 0)
}

/// The same of an image on which so many others are built.
fn prepare_at<'p>(
    conf: &Conf,
    options: &ConfOptions,
    planner: &'p Planner<'p>,
    cache: &Cache,
    depth: usize,
) -> Result<NewImage<'p>, Error> {
    let store = Store::open(&conf.store_dir, &options.store_root).map_err(assemble::Error::from)?;
    let base = conf.from_image.as_deref().map(|path| locate(&store, path));
    let base = match base {
        Some(path) if is_conf(&path) => {
            // Its own name is of no interest here.
            let options = ConfOptions {
                repo_tag: None,
                ..options.clone()
            };
            if depth == MAX_DEPTH {
                return Err(Error::Nested(MAX_DEPTH));
            }
            let opened = existing::open_at(&path, &options, planner, cache, depth + 1);
            Some(Base::new(opened.map_err(|error| error.of_base(path))?))
        }
        Some(path) => Some(open_base(conf, options, planner, &path)?),
        None => None,
    };
    Ok(on_base(conf, options, planner, store, base)?)
}

/// Opens a base image that is not described by a `conf.json`. Of several that for the image's platform is taken.
fn open_base(
    conf: &Conf,
    options: &ConfOptions,
    planner: &Planner<'_>,
    path: &Path,
) -> Result<Base, assemble::Error> {
    let image = match source::open_first(&path.display().to_string(), path, &LocalOpener)? {
        Opened::Image(image) => image,
        several => {
            let (platform, variant) = prepare::platform(conf, options);
            let wanted = super::base::platform(&platform, variant, planner)?;
            source::pick(several, Some(&wanted))?
        }
    };
    Ok(Base::new(image))
}

fn on_base<'p>(
    conf: &Conf,
    options: &ConfOptions,
    planner: &'p Planner<'p>,
    store: Store,
    base: Option<Base>,
) -> Result<NewImage<'p>, assemble::Error> {
    let customisation = customisation(&conf.customisation_layer, &store)?;
    let mut resolved = prepare::resolve(
        conf,
        options,
        base.as_ref(),
        customisation.digest(),
        planner,
    )?;
    let (layers, request) = prepare::layers(conf, &store, planner, &mut resolved.remarks)?;
    prepare::check_paths(&layers, &store)?;
    let ownership = Ownership {
        uid: conf.uid,
        gid: conf.gid,
        uname: conf.uname.clone(),
        gname: conf.gname.clone(),
        mtime: conf.mtime.or_now(options.now).seconds(),
        permissions: context::permissions(&conf.permissions)
            .map_err(|(field, why)| assemble::Error::Conf { field, why })?,
    };
    let created = conf.created.or_now(options.now).to_string();
    let top = Top::Archive(customisation);
    let origin = if layers.is_empty() {
        None
    } else {
        let info = planner.describe()?;
        Some(PlanOrigin::new(planner, &info, "explicit", request))
    };
    let mut provenance = assemble::provenance(origin.as_ref(), base.as_ref());
    if !resolved.tag_generated {
        provenance.insert(annotation::VERSION.to_owned(), resolved.tag.clone());
    }
    provenance.extend(assemble::labels(&resolved.config));
    provenance.extend(conf.annotations.clone());
    Ok(NewImage {
        planner,
        store,
        ownership,
        created,
        base,
        resolved,
        layers,
        top,
        tags: vec![],
        provenance,
        late: None,
        unseen: None,
    })
}

/// The `layer.tar` and its `checksum` in a directory.
fn customisation(directory: &str, store: &Store) -> Result<Customisation, assemble::Error> {
    let file = |name| locate(store, &Path::new(directory).join(name));
    Ok(Customisation::open(
        directory,
        file("layer.tar"),
        file("checksum"),
    )?)
}

/// Returns where a path of `conf.json` is on this machine: below the store's root if it is in
/// the store, links within it resolved, else where it says.
fn locate(store: &Store, path: &Path) -> PathBuf {
    match path.to_str().map(|text| store.path(text)) {
        Some(Ok(path)) => store.resolve(Path::new(path.as_str())),
        _ => path.to_owned(),
    }
}
