//! `terrine build` and `terrine plan`: from an image specification to an image that is
//! ready to be written, and to what is to be said about it.
//!
//! [`prepare`] goes through these steps, each a module, and writes nothing:
//!
//! | step | module |
//! |---|---|
//! | what `contents` and the like name, and where that is | `items` |
//! | the image that it is built on | `base` |
//! | the tree at the image's root | `tree` |
//! | the closure: which store paths the image needs | `paths` |
//! | what its programs run on | `machine` |
//! | what clients hold and how often what changed, as far as the user says | `past` |
//! | name, tag, configuration and layers, by the planner | `decide` |
//! | what there is to say about all that | `facts`, `explain` |

mod base;
mod component;
mod decide;
pub mod dockertools;
mod error;
mod explain;
mod facts;
mod group;
mod items;
mod machine;
mod past;
mod paths;
mod tree;

use std::path::PathBuf;

use terrine_oci::annotation;
use terrine_planner_host::{Planner, Planners};

use crate::assemble::{self, Image, Top};
use crate::cache::Cache;
use crate::closure::Graph;
use crate::layer::{Ownership, Pattern, Permissions, Rule, Store};
use crate::source::Opener;
use crate::spec::{ImageSpec, PermissionSpec, Time, When};
pub use component::component;
pub use decide::DEFAULT_POLICY;
pub use error::Error;
pub use explain::Explanation;
pub use facts::{
    ArchitectureSource, Budget, Facts, LayerFacts, LayerKind, PathFacts, PlannerFacts,
    SCHEMA_VERSION,
};
pub use group::{Grouping, group, request};

/// What the specification does not say.
#[derive(Clone)]
pub struct Options<'a> {
    /// The directory that stands for `/` when store paths are looked for.
    pub store_root: PathBuf,
    /// Whether programs that the image's platform can not run are allowed.
    pub allow_foreign: bool,
    /// Whether an image of `previous` that is not there is passed over.
    pub allow_missing_previous: bool,
    /// What `now` means.
    pub now: Time,
    /// Who opens a base image that is in no file.
    pub images: &'a dyn Opener,
    /// What is known of the programs in store paths.
    pub cache: &'a Cache,
}

impl<'a> Options<'a> {
    /// Store paths where they say that they are, no programs of other platforms, and the clock of
    /// this machine for a specification that asks for `now`.
    pub fn new(images: &'a dyn Opener, cache: &'a Cache) -> Self {
        let store_root = PathBuf::from("/");
        Self {
            store_root,
            allow_foreign: false,
            allow_missing_previous: false,
            now: Time::now(),
            images,
            cache,
        }
    }
}

/// An image that is ready to be written, and what there is to say about it.
#[derive(Debug)]
pub struct Prepared<'p> {
    /// The image.
    pub image: Image<'p>,
    /// What there is to say about it.
    pub facts: Facts,
}

/// The time of files and of the image, unless they are given (spec section 1.2).
const DEFAULT_TIME: &str = "1970-01-01T00:00:01+00:00";

/// Decides and checks everything that can be decided and checked before a byte is
/// written. Of files, no more than the first bytes of programs are read.
///
/// # Errors
///
/// A specification that contradicts itself, and anything that it names and that can not
/// be had.
pub fn prepare<'p>(
    spec: &ImageSpec,
    options: &Options<'_>,
    planners: Planners<'p>,
) -> Result<Prepared<'p>, Error> {
    let Planners {
        image: planner,
        layering,
    } = planners;
    let ownership = ownership(spec, options)?;
    let mut store = Store::open(
        spec.store_dir.as_deref().unwrap_or("/nix/store"),
        &options.store_root,
    )?;
    let items = items::find(spec, &mut store)?;
    let base = base::open(spec, options, &store, &items, planner)?;
    let listing = base
        .as_ref()
        .map(|base| base.holdings(store.dir()))
        .transpose()?;
    let mut root = tree::grow(spec, &store, &items)?;
    let mut paths = paths::find(spec, &store, &items, &root, listing.as_ref())?;
    tree::add_found(spec, &store, &paths, &mut root)?;
    paths.exclude_held(&store, listing.as_ref())?;
    let view = machine::View {
        store: &store,
        root: &root,
        listing: listing.as_ref(),
        paths: &paths,
    };
    let machine = machine::find(spec, &view, base.as_ref(), options.cache)?;
    let past = past::find(spec, options, &store, &machine, planner)?;
    let resolved = decide::resolve(
        spec,
        base.as_ref(),
        &machine,
        &paths,
        &past,
        &root,
        &ownership,
        &store,
        planners,
    )?;
    machine.check(&resolved, options.allow_foreign)?;
    let plan = decide::layers(
        spec,
        &paths,
        &past.past,
        &store,
        resolved.store_layers,
        layering,
    )?;
    let mut remarks = paths.remarks();
    remarks.extend(past.remarks);
    remarks.extend(machine.remarks(&view));
    remarks.extend(tree::hidden_links(&root, listing.as_ref()));
    remarks.extend(plan.remarks.iter().cloned());
    let created = time(spec.created.map(|field| field.0), options)?.to_string();
    let mut provenance = assemble::provenance(plan.origin.as_ref(), base.as_ref());
    if !resolved.tag_generated {
        provenance.insert(annotation::VERSION.to_owned(), resolved.tag.clone());
    }
    provenance.extend(assemble::labels(&resolved.config));
    provenance.extend(spec.annotations.clone());
    let image = Image {
        planner,
        store,
        ownership,
        created,
        base,
        resolved,
        layers: plan.layers(&paths),
        top: Top::Root(root),
        provenance,
    };
    remarks.extend(image.remarks());
    let facts = facts::gather(spec, &image, &paths, &plan, &machine, remarks);
    Ok(Prepared { image, facts })
}

/// The closure of an image: the store paths that would go into its layers, and what they refer
/// to. Nothing is decided, and no program is looked at.
///
/// # Errors
///
/// As [`prepare`], as far as it comes to that.
pub fn closure(
    spec: &ImageSpec,
    options: &Options<'_>,
    planner: &Planner<'_>,
) -> Result<Graph, Error> {
    let mut store = Store::open(
        spec.store_dir.as_deref().unwrap_or("/nix/store"),
        &options.store_root,
    )?;
    let items = items::find(spec, &mut store)?;
    let base = base::open(spec, options, &store, &items, planner)?;
    let listing = base
        .as_ref()
        .map(|base| base.holdings(store.dir()))
        .transpose()?;
    let root = tree::grow(spec, &store, &items)?;
    let mut paths = paths::find(spec, &store, &items, &root, listing.as_ref())?;
    paths.exclude_held(&store, listing.as_ref())?;
    let own: Vec<usize> = (0..paths.paths.len())
        .filter(|index| paths.excluded.binary_search(index).is_err())
        .collect();
    Ok(paths.graph.restrict(&own))
}

/// A time of the specification, or the one that stands for none.
fn time(given: Option<When>, options: &Options<'_>) -> Result<Time, Error> {
    match given {
        Some(when) => Ok(when.or_now(options.now)),
        None => {
            Time::parse(DEFAULT_TIME).map_err(|error| Error::field("created", error.to_string()))
        }
    }
}

/// Who owns the entries of layers.
fn ownership(spec: &ImageSpec, options: &Options<'_>) -> Result<Ownership, Error> {
    let name = |given: &Option<String>| given.clone().unwrap_or_else(|| "root".to_owned());
    let rules = spec.permissions.iter().enumerate();
    let rules = rules.map(|(i, rule)| permission(rule, &format!("permissions[{i}]")));
    Ok(Ownership {
        uid: spec.uid.into(),
        gid: spec.gid.into(),
        uname: name(&spec.uname),
        gname: name(&spec.gname),
        mtime: time(spec.mtime.map(|field| field.0), options)?.seconds(),
        permissions: Permissions::new(rules.collect::<Result<_, _>>()?),
    })
}

fn permission(spec: &PermissionSpec, field: &str) -> Result<Rule, Error> {
    let pattern = match (&spec.path, &spec.regex) {
        (Some(glob), None) => Pattern::glob(glob).map_err(|e| (format!("{field}.path"), e)),
        (None, Some(regex)) => Pattern::regex(regex).map_err(|e| (format!("{field}.regex"), e)),
        _ => {
            return Err(Error::field(
                field,
                "it needs one of `path` and `regex`, and not both",
            ));
        }
    };
    Ok(Rule {
        pattern: pattern.map_err(|(field, error)| Error::field(field, error.to_string()))?,
        mode: spec.mode.map(|mode| mode.0),
        uid: spec.uid.map(i64::from),
        gid: spec.gid.map(i64::from),
        uname: spec.uname.clone(),
        gname: spec.gname.clone(),
    })
}
