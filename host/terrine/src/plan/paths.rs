//! The closure: which store paths the image needs, and which of them it brings itself.

use std::collections::BTreeSet;

use terrine_planner_host as planner;

use super::Error;
use super::caches::CachedReferences;
use super::context::Context;
use super::items::{Item, Items};
use super::place;
use crate::base::Listing;
use crate::cache::Cache;
use crate::closure::{
    self, Database, Graph, GraphEntry, Mentions, Names, NarHashes, Node, Registrations,
};
use crate::layer::{Hashed, Store, StorePath};
use crate::nar;
use crate::rootfs::Root;
use crate::spec::{ImageSpec, Json};

/// The store paths of an image.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// The references between all paths that the image needs.
    pub(super) graph: Graph,
    /// The same paths, where they are; in the order of the graph.
    pub(super) paths: Vec<StorePath>,
    /// The paths that were asked for, ascending.
    pub(super) roots: Vec<usize>,
    /// Those among them that tell the architecture, ascending: of a whole closure, the ones that nothing else refers to and those that
    /// are linked.
    pub(super) named: Vec<usize>,
    /// The paths that the base image has already, ascending.
    pub(super) excluded: Vec<usize>,
    /// The number of paths of a given closure that nothing asks for.
    pub(super) unreached: usize,
    /// True if the paths go into the image.
    pub(super) included: bool,
    /// The registrations in given closures, where the image has a database.
    pub(super) registrations: Registrations,
    /// The NAR hashes of the paths, as far as the source of the closure has them.
    pub(super) nar_hashes: NarHashes,
    /// The store paths that were read for their NAR hashes or for the tag although their names say nothing about their content, as they
    /// were then.
    pub(super) hashed: Vec<Hashed>,
}

impl Paths {
    /// Reports whether the image has store paths of its own.
    pub(super) fn any(&self) -> bool {
        self.excluded.len() < self.paths.len()
    }

    /// The paths that go into layers.
    pub(super) fn own(&self) -> impl Iterator<Item = &StorePath> {
        self.own_indexed().map(|(_, path)| path)
    }

    /// The paths that go into layers, with their indices.
    pub(super) fn own_indexed(&self) -> impl Iterator<Item = (usize, &StorePath)> {
        let all = self.paths.iter().enumerate();
        all.filter(|(index, _)| self.excluded.binary_search(index).is_err())
    }

    /// Reads the directories of this machine for their NAR hashes.
    fn hash_directories(&mut self, store: &Store) -> Result<(), Error> {
        let grafts = self.paths.iter().filter(|path| store.is_grafted(path));
        let grafts: Vec<StorePath> = grafts.cloned().collect();
        // Before they are read, or a change meanwhile would go unseen.
        let hashed = grafts.iter().map(|path| Hashed::of(store, path));
        self.hashed = hashed.collect::<Result<_, _>>()?;
        let nars = nar::hash(store, &grafts, &Cache::none())?;
        for (path, nar) in grafts.iter().zip(nars) {
            self.nar_hashes.insert(path.as_str().to_owned(), nar.hash);
        }
        Ok(())
    }

    /// Leaves out the paths that the base image holds whole.
    pub(super) fn exclude_held(
        &mut self,
        store: &Store,
        base: Option<&Listing>,
    ) -> Result<(), Error> {
        let Some(base) = base else { return Ok(()) };
        for (index, path) in self.paths.iter().enumerate() {
            // A name that carries no hash says nothing about the content.
            let immutable = planner::is_hashed(path.as_str()) && !store.is_grafted(path);
            if immutable && base.claims(path.as_str()) {
                self.excluded.push(index);
            } else if immutable && base.exists(path.as_str().as_bytes()) {
                let fingerprint = crate::base::fingerprint(store, path)?;
                if base.holds(path.as_str(), &fingerprint) {
                    self.excluded.push(index);
                }
            }
        }
        Ok(())
    }

    /// Returns the remarks for the user.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = vec![];
        match self.unreached {
            0 => {}
            1 => remarks.push(
                "1 of the closure's paths is left out because nothing in the image refers to it".to_owned(),
            ),
            count => remarks.push(format!(
                "{count} of the closure's paths are left out because nothing in the image refers to them"
            )),
        }
        remarks
    }
}

/// Finds the closure of everything that the specification names or mentions, and of what has
/// `joined` it since.
pub(super) fn find(
    context: &Context<'_, '_>,
    store: &Store,
    items: &Items,
    root: &Root,
    base: Option<&Listing>,
    joined: &[String],
) -> Result<Paths, Error> {
    let spec = context.spec;
    if spec.include_store_paths == Some(false) {
        return Ok(Paths::default());
    }
    let texts = texts(spec, root);
    let needed = Needed::of(store, items);
    let mut said = Said::default();
    let (graph, whole) = source(context, store, &needed, &texts, &mut said)?;
    let Some(source) = graph else {
        return close(store, Graph::default(), items, &[], 0);
    };
    let mut roots: BTreeSet<String> = needed.linked.clone();
    roots.extend(source.references(&needed.copied)?);
    roots.extend(mentioned(context, store, &texts, &source, base)?);
    roots.extend(joined.iter().cloned());
    let graph = source.graph(&roots.iter().cloned().collect::<Vec<_>>(), &mut said)?;
    let is_whole = whole && spec.whole_closure.unwrap_or(needed.is_empty());
    let roots: Vec<usize> = if is_whole {
        (0..graph.nodes().len()).collect()
    } else {
        roots
            .iter()
            .map(|path| known(&graph, path))
            .collect::<Result<_, _>>()?
    };
    let keep = graph.closure(&roots);
    let unreached = match spec.whole_closure {
        Some(false) => 0,
        _ => graph.nodes().len() - keep.len(),
    };
    let roots: Vec<String> = roots
        .iter()
        .map(|&root| graph.nodes()[root].path.clone())
        .collect();
    let paths = close(store, graph.restrict(&keep), items, &roots, unreached)?;
    let mut paths = Paths {
        registrations: said.registrations,
        nar_hashes: said.nar_hashes,
        ..paths
    };
    if is_whole {
        let linked = needed.linked.iter();
        let linked = linked.filter_map(|path| paths.graph.find(path));
        let named: BTreeSet<usize> = paths.graph.roots().into_iter().chain(linked).collect();
        paths.named = named.into_iter().collect();
    }
    if context.options.hash_contents {
        paths.hash_directories(store)?;
    }
    Ok(paths)
}

/// The closure of what commands see: of the contents, of their tools, and of what their scripts
/// mention.
pub(super) fn visible(
    context: &Context<'_, '_>,
    store: &Store,
    items: &Items,
    scripts: &str,
) -> Result<Graph, Error> {
    let mut needed = Needed::of(store, items);
    let tools = items
        .tools
        .iter()
        .filter_map(|item| item.store_path.as_ref());
    needed
        .linked
        .extend(tools.map(|path| path.as_str().to_owned()));
    let mut said = Said::default();
    let (Some(source), _) = source(context, store, &needed, scripts, &mut said)? else {
        return Ok(Graph::default());
    };
    let mut roots = needed.linked;
    roots.extend(closure::mentions(scripts, store.dir(), source.names())?.known);
    let roots: Vec<String> = roots.into_iter().collect();
    let graph = source.graph(&roots, &mut said)?;
    let known = roots.iter().map(|path| known(&graph, path));
    let known: Vec<usize> = known.collect::<Result<_, _>>()?;
    Ok(graph.restrict(&graph.closure(&known)))
}

/// The store paths that a specification names.
struct Needed {
    /// Links lead to these.
    linked: BTreeSet<String>,
    /// These are copied, and belong to the image only if something refers to them.
    copied: BTreeSet<String>,
}

impl Needed {
    fn of(store: &Store, items: &Items) -> Self {
        let in_store = |path: &&StorePath| !store.is_grafted(path);
        let linked = items
            .linked()
            .filter(in_store)
            .map(|path| path.as_str().to_owned());
        let copies = items
            .copied
            .iter()
            .chain(items.sources.iter().map(|(_, item)| item));
        let copied = copies
            .filter_map(|item: &Item| item.store_path.as_ref())
            .filter(in_store);
        Self {
            linked: linked.collect(),
            copied: copied.map(|path| path.as_str().to_owned()).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.linked.is_empty() && self.copied.is_empty()
    }
}

/// Every text that may mention a store path.
fn texts(spec: &ImageSpec, root: &Root) -> String {
    let mut texts = String::new();
    let mut add = |text: &str| {
        texts.push_str(text);
        texts.push('\n');
    };
    for value in spec.config_json.iter().flat_map(|config| config.values()) {
        Json::for_each_string(value, &mut add);
    }
    spec.labels.values().for_each(|label| add(label));
    for text in root.texts() {
        add(&String::from_utf8_lossy(text));
    }
    texts
}

/// Facts that sources of references tell beside them.
#[derive(Default)]
pub(super) struct Said {
    /// Those of given closures, where the image has a database, and of binary caches.
    pub(super) registrations: Registrations,
    pub(super) nar_hashes: NarHashes,
}

/// A source of the references of store paths.
enum ReferenceSource {
    Graph(Graph),
    Database(Database),
    Caches(CachedReferences),
}

/// Finds the source of references, if one is needed, and whether that is a closure of this image
/// alone. What a given closure says beside references is added to `said`.
fn source(
    context: &Context<'_, '_>,
    store: &Store,
    needed: &Needed,
    texts: &str,
    said: &mut Said,
) -> Result<(Option<ReferenceSource>, bool), Error> {
    let spec = context.spec;
    if !spec.closure.0.is_empty() {
        let mut graph = Graph::default();
        for (number, file) in spec.closure.0.iter().enumerate() {
            let file = place::existing(spec, &format!("closure[{number}]"), file)?;
            let other = if spec.include_nix_db {
                let (other, registered) = closure::read_registered(&file, store.dir())?;
                said.nar_hashes.add_registered(&registered);
                closure::merge(&mut said.registrations, registered).map_err(Error::Closures)?;
                other
            } else {
                let (other, hashes) = closure::read_hashed(&file, store.dir())?;
                said.nar_hashes.merge(hashes);
                other
            };
            graph = graph.merge(other).map_err(Error::Closures)?;
        }
        return Ok((Some(ReferenceSource::Graph(graph)), true));
    }
    if let Some(substitutes) = store.substitutes() {
        let use_store = context.options.caches.use_store;
        let references = CachedReferences::open(store, substitutes, use_store);
        return Ok((Some(ReferenceSource::Caches(references)), false));
    }
    let file = Database::default_path(store.dir(), store.root());
    if file.exists() {
        let mentions = !needed.is_empty() || texts.contains(&format!("{}/", store.dir()));
        let database = mentions.then(|| Database::open(&file)).transpose()?;
        return Ok((database.map(ReferenceSource::Database), false));
    }
    match needed.linked.iter().chain(&needed.copied).next() {
        None => Ok((Some(ReferenceSource::Graph(Graph::default())), false)),
        Some(path) => Err(Error::hinted(
            "closure",
            format!(
                "the references of `{path}` are not known: the database `{}` does not exist",
                file.display()
            ),
            "give the closure, as `nix path-info --json --recursive` prints it; for a store below another directory, give `--store-root`",
        )),
    }
}

impl ReferenceSource {
    fn names(&self) -> &dyn Names {
        match self {
            Self::Graph(graph) => graph,
            Self::Database(database) => database,
            Self::Caches(caches) => caches,
        }
    }

    /// Returns the graph of at least everything that `roots` reach. What a database says of these
    /// paths beside is added to `said`.
    fn graph(self, roots: &[String], said: &mut Said) -> Result<Graph, Error> {
        match self {
            Self::Graph(graph) => Ok(graph),
            Self::Database(database) => {
                let graph = database.closure(roots)?;
                let paths = graph.nodes().iter().map(|node| node.path.as_str());
                said.nar_hashes = database.nar_hashes(paths)?;
                Ok(graph)
            }
            Self::Caches(caches) => caches.graph(roots, said),
        }
    }

    /// Returns the references of some paths.
    fn references(&self, paths: &BTreeSet<String>) -> Result<Vec<String>, Error> {
        let list = |graph: &Graph| {
            let mut references = vec![];
            for path in paths {
                let node = &graph.nodes()[known(graph, path)?];
                references.extend(
                    node.references
                        .iter()
                        .map(|&i| graph.nodes()[i].path.clone()),
                );
            }
            Ok(references)
        };
        match self {
            _ if paths.is_empty() => Ok(vec![]),
            Self::Graph(graph) => list(graph),
            Self::Database(database) => {
                list(&database.closure(&paths.iter().cloned().collect::<Vec<_>>())?)
            }
            Self::Caches(caches) => {
                let paths: Vec<String> = paths.iter().cloned().collect();
                list(&caches.graph(&paths, &mut Said::default())?)
            }
        }
    }
}

/// The index of a path that the specification names.
fn known(graph: &Graph, path: &str) -> Result<usize, Error> {
    graph.find(path).ok_or_else(|| {
        Error::hinted(
            "closure",
            format!("`{path}` is not in it"),
            "use the closure of all paths that the image names",
        )
    })
}

/// The store paths that texts mention.
fn mentioned(
    context: &Context<'_, '_>,
    store: &Store,
    texts: &str,
    source: &ReferenceSource,
    base: Option<&Listing>,
) -> Result<Vec<String>, Error> {
    let Mentions { known, unknown } = closure::mentions(texts, store.dir(), source.names())?;
    let in_base = |path: &str| base.is_some_and(|base| base.exists(path.as_bytes()));
    let Context { spec, options, .. } = context;
    let may_be_absent =
        |path: &String| options.allow_absent || spec.absent_paths.contains(path) || in_base(path);
    match unknown.iter().find(|path| !may_be_absent(path)) {
        None => Ok(known),
        Some(path) => {
            let in_config = spec.config_json.iter().flat_map(|config| config.iter());
            let field = in_config
                .into_iter()
                .find(|(_, value)| value.to_string().contains(path.as_str()));
            let field = field.map_or("files".to_owned(), |(key, _)| format!("config.{key}"));
            let why = match source {
                ReferenceSource::Graph(_) => format!("`{path}` is not in the closure"),
                ReferenceSource::Database(_) => format!("`{path}` is not in the store"),
                ReferenceSource::Caches(_) => {
                    format!("`{path}` is neither in the store nor in a binary cache")
                }
            };
            Err(Error::hinted(
                field,
                why,
                "build or fetch it, and use the closure of all paths that the image names",
            ))
        }
    }
}

/// Adds the directories that became store paths, and says where everything is.
fn close(
    store: &Store,
    graph: Graph,
    items: &Items,
    roots: &[String],
    unreached: usize,
) -> Result<Paths, Error> {
    let grafts = items.linked().filter(|path| store.is_grafted(path));
    let grafts: Vec<&StorePath> = grafts.collect();
    let mut entries = vec![];
    for path in &grafts {
        if graph.find(path.as_str()).is_some() {
            let why = format!(
                "`{}` is both in the closure and a directory of `contents`",
                path.as_str()
            );
            return Err(Error::hinted("contents", why, "rename the directory"));
        }
        let size = closure::size(store, path)?;
        entries.push(GraphEntry {
            path: path.as_str().to_owned(),
            size,
            references: vec![],
        });
    }
    let grafted = Graph::build(entries).map_err(Error::Closures)?;
    let graph = graph.merge(grafted).map_err(Error::Closures)?;
    let roots = roots
        .iter()
        .map(String::as_str)
        .chain(grafts.iter().map(|path| path.as_str()));
    let roots: BTreeSet<usize> = roots.filter_map(|path| graph.find(path)).collect();
    let paths = graph
        .nodes()
        .iter()
        .map(|Node { path, .. }| Ok(store.path(path)?));
    let paths = paths.collect::<Result<_, Error>>()?;
    let roots: Vec<usize> = roots.into_iter().collect();
    Ok(Paths {
        graph,
        paths,
        named: roots.clone(),
        roots,
        excluded: vec![],
        unreached,
        included: true,
        registrations: Registrations::new(),
        nar_hashes: NarHashes::default(),
        hashed: vec![],
    })
}
