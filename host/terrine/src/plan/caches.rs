//! Binary caches as the source of store paths and of their references.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use terrine_binary_cache::{
    self as binary_cache, BinaryCaches, CacheSource, Location, PublicKey, TrustedKeys,
};
use terrine_registry::Web;
use terrine_support::chain;
use terrine_support::hint::Hint;

use super::Error;
use super::context::Context;
use super::paths::Said;
use crate::closure::{self, Database, Graph, GraphEntry, Names, Registration, Registrations};
use crate::layer::Store;
use crate::spec::CacheSpec;
use crate::substitute::{self, IsLocal, Substitute, Substitutes, Warnings};

/// Options for binary caches that are not in the specification.
#[derive(Clone)]
pub struct CacheOptions<'a> {
    /// The client for caches, and the settings; none where there are no caches.
    pub access: Option<(&'a Web, &'a binary_cache::CacheOptions)>,
    /// True to take store paths of this machine from its store.
    pub use_store: bool,
    /// The directory for temporary files.
    pub temporary: PathBuf,
}

impl CacheOptions<'_> {
    /// No caches.
    pub fn none() -> Self {
        Self {
            access: None,
            use_store: true,
            temporary: std::env::temp_dir(),
        }
    }
}

/// Connects a store to the caches of the specification.
pub(super) fn connect(context: &Context<'_, '_>, store: &mut Store) -> Result<(), Error> {
    let Context { spec, options, .. } = context;
    if spec.caches.is_empty() {
        return Ok(());
    }
    let CacheOptions {
        access,
        use_store,
        temporary,
    } = &options.caches;
    let (web, settings) =
        access.ok_or_else(|| Error::field("caches", "binary caches cannot be used here"))?;
    let sources = spec.caches.iter().enumerate();
    let sources = sources.map(|(number, cache)| source(number, cache));
    let sources = sources.collect::<Result<_, _>>()?;
    let caches = BinaryCaches::new(sources, store.dir(), web.clone(), settings)
        .map_err(substitute::Error::from)?;
    let warnings = Arc::new(Warnings::default());
    let is_local = if *use_store {
        local(store, !spec.closure.0.is_empty(), &warnings)
    } else {
        Box::new(|_: &str| false)
    };
    let substitutes = Substitutes::new(caches, store.dir(), temporary, is_local, warnings)?;
    store.substitute(Arc::new(substitutes));
    Ok(())
}

/// Returns a cache of the specification.
fn source(number: usize, cache: &CacheSpec) -> Result<CacheSource, Error> {
    let location = Location::parse(&cache.url)
        .map_err(|error| failed(format!("caches[{number}].url"), &error))?;
    let mut keys = TrustedKeys::new();
    for (index, key) in cache.public_keys.iter().enumerate() {
        let field = || format!("caches[{number}].publicKeys[{index}]");
        keys.insert(PublicKey::parse(key).map_err(|error| failed(field(), &error))?);
    }
    Ok(CacheSource {
        location,
        priority: None,
        keys,
    })
}

/// A fault of a field, with its causes and the remedy.
fn failed(field: String, error: &impl Hint) -> Error {
    Error::Field {
        field,
        why: chain(error),
        hint: error.hint().map(Cow::into_owned),
    }
}

/// Returns a function that tells the paths of this machine: those that exist and are registered. A
/// closure in a file does not say what is registered where.
fn local(store: &Store, is_closure_given: bool, warnings: &Arc<Warnings>) -> IsLocal {
    let (local, warnings) = (store.clone(), Arc::clone(warnings));
    let file = Database::default_path(store.dir(), store.root());
    Box::new(move |path| {
        let exists = local.locate(path.as_ref()).symlink_metadata().is_ok();
        exists && (is_closure_given || is_registered(&file, path, &warnings))
    })
}

/// Returns whether a database has a path. One that cannot be read has none.
fn is_registered(file: &Path, path: &str, warnings: &Warnings) -> bool {
    if !file.exists() {
        return false;
    }
    // The database is opened for each look-up: one that stays open keeps its log from shrinking.
    let registered = Database::open(file).and_then(|database| database.contains(path));
    registered.unwrap_or_else(|error| {
        warnings.database(&error);
        false
    })
}

/// The references of store paths, on this machine and in caches.
pub(super) struct CachedReferences {
    substitutes: Arc<Substitutes>,
    /// The database of the store on this machine, if that is used and there is one.
    database: Option<Database>,
}

impl CachedReferences {
    /// Opens the database, where there is one that can be opened.
    pub(super) fn open(store: &Store, substitutes: &Arc<Substitutes>, use_store: bool) -> Self {
        let file = Database::default_path(store.dir(), store.root());
        let database = (use_store && file.exists()).then(|| Database::open(&file));
        let database = database.and_then(|opened| {
            let failed = |error| substitutes.warnings().database(&error);
            opened.map_err(failed).ok()
        });
        Self {
            substitutes: Arc::clone(substitutes),
            database,
        }
    }

    /// Returns the graph of everything that `roots` reach. What caches and the database say of the paths is added to
    /// `said`.
    pub(super) fn graph(&self, roots: &[String], said: &mut Said) -> Result<Graph, Error> {
        let fetched = self.substitutes.closure(roots)?;
        let mut entries = self.local(roots, &fetched, said)?;
        for path in &fetched {
            let info = path.info();
            entries.push(entry(path));
            said.nar_hashes
                .insert(info.store_path.clone(), info.nar_hash);
            let registered = Registrations::from([(info.store_path.clone(), registration(path))]);
            closure::merge(&mut said.registrations, registered).map_err(Error::Closures)?;
        }
        Graph::build(entries).map_err(Error::Closures)
    }

    /// Returns what the database knows of everything on this machine that `roots` and `fetched` paths refer to.
    fn local(
        &self,
        roots: &[String],
        fetched: &[Arc<Substitute>],
        said: &mut Said,
    ) -> Result<Vec<GraphEntry>, Error> {
        let references = fetched.iter().flat_map(|path| &path.info().references);
        let local: BTreeSet<&String> = roots.iter().chain(references).collect();
        let local = local
            .into_iter()
            .filter(|path| self.substitutes.is_local(path));
        let local: Vec<String> = local.cloned().collect();
        let Some(database) = self.database.as_ref().filter(|_| !local.is_empty()) else {
            return Ok(vec![]);
        };
        let graph = database.closure(&local)?;
        let paths = graph.nodes().iter().map(|node| node.path.as_str());
        said.nar_hashes.merge(database.nar_hashes(paths)?);
        Ok(graph.into_entries())
    }
}

fn entry(path: &Substitute) -> GraphEntry {
    let info = path.info();
    GraphEntry {
        path: info.store_path.clone(),
        size: info.nar_size,
        references: info.references.iter().cloned().collect(),
    }
}

fn registration(path: &Substitute) -> Registration {
    let info = path.info();
    Registration {
        nar_hash: Some(info.nar_hash),
        nar_size: Some(info.nar_size),
        signatures: info.signatures.clone(),
        content_address: info.content_address.clone(),
    }
}

impl Names for CachedReferences {
    fn contains(&self, path: &str) -> Result<bool, closure::Error> {
        let is_local = self
            .database
            .as_ref()
            .map(|database| database.contains(path));
        Ok(is_local.transpose()?.unwrap_or(false) || self.substitutes.get(path)?.is_some())
    }
}
