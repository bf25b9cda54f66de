//! Section 3.3, for graphs without circles. Steps are read from their JSON as they come,
//! and are taken to be right.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{Closure, Edges, Path, popularity, reach, reversed};

/// A graph in the course of a pipeline.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    pub(crate) vertices: Vec<Path>,
    pub(crate) edges: BTreeSet<(Path, Path)>,
}

/// A value that flows through a pipeline.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Graph(Graph),
    List(Vec<Value>),
    Dictionary(Vec<(String, Value)>),
}

/// The graph that a pipeline starts with: by size, then by name and path.
pub(crate) fn start(closure: &Closure) -> Value {
    let mut vertices: Vec<Path> = closure.sizes.keys().cloned().collect();
    vertices.sort_by_key(|path| closure.sizes[path]);
    let from = |(path, others): (&Path, &BTreeSet<Path>)| -> Vec<(Path, Path)> {
        others
            .iter()
            .map(|other| (path.clone(), other.clone()))
            .collect()
    };
    Value::Graph(Graph {
        vertices,
        edges: closure.references.iter().flat_map(from).collect(),
    })
}

/// Carries out a step on a value.
pub(crate) fn step(step: &Json, value: Value) -> Value {
    let argument = |i: usize| &step[i + 1];
    match step[0].as_str().unwrap() {
        "popularity_contest" => popularity_contest(&value.graph()),
        "limit_layers" => limit_layers(value.list(), count(argument(0))),
        "split_paths" => split_paths(&value.graph(), argument(0)),
        "subcomponent_out" => subcomponent(&value.graph(), argument(0), |edges| edges),
        "subcomponent_in" => subcomponent(&value.graph(), argument(0), |edges| reversed(&edges)),
        "over" => over(value, argument(0).as_str().unwrap(), argument(1)),
        "map" => Value::List(
            value
                .list()
                .into_iter()
                .map(|item| self::step(argument(0), item))
                .collect(),
        ),
        "pipe" => steps(argument(0).as_array().unwrap(), value),
        "split_every" => split_every(&value.graph(), count(argument(0))),
        "flatten" => Value::List(value.flat().into_iter().map(Value::Graph).collect()),
        "reverse" => Value::List(value.list().into_iter().rev().collect()),
        "remove_paths" => {
            let graph = value.graph();
            let removed = named(&graph, argument(0));
            Value::Graph(graph.induced(|path| !removed.contains(path)))
        }
        other => panic!("{other}"),
    }
}

/// Carries out steps on a value, one after the other.
pub(crate) fn steps(steps: &[Json], value: Value) -> Value {
    steps
        .iter()
        .fold(value, |value, step| self::step(step, value))
}

impl Value {
    /// All graphs in it, depth first.
    pub(crate) fn flat(self) -> Vec<Graph> {
        match self {
            Self::Graph(graph) => vec![graph],
            Self::List(items) => items.into_iter().flat_map(Self::flat).collect(),
            Self::Dictionary(entries) => entries.into_iter().flat_map(|(_, v)| v.flat()).collect(),
        }
    }

    fn graph(self) -> Graph {
        let Self::Graph(graph) = self else {
            panic!("{self:?}")
        };
        graph
    }

    fn list(self) -> Vec<Self> {
        let Self::List(items) = self else {
            panic!("{self:?}")
        };
        items
    }
}

impl Graph {
    fn induced(&self, keep: impl Fn(&Path) -> bool) -> Self {
        let edges = self
            .edges
            .iter()
            .filter(|(from, to)| keep(from) && keep(to));
        Self {
            vertices: self
                .vertices
                .iter()
                .filter(|path| keep(path))
                .cloned()
                .collect(),
            edges: edges.cloned().collect(),
        }
    }

    fn references(&self) -> Edges {
        let mut references: Edges = self
            .vertices
            .iter()
            .map(|path| (path.clone(), BTreeSet::new()))
            .collect();
        for (from, to) in &self.edges {
            references.get_mut(from).unwrap().insert(to.clone());
        }
        references
    }

    fn roots(&self) -> Vec<&Path> {
        let referred: BTreeSet<&Path> = self.edges.iter().map(|(_, to)| to).collect();
        self.vertices
            .iter()
            .filter(|path| !referred.contains(path))
            .collect()
    }
}

fn count(json: &Json) -> usize {
    json.as_u64().unwrap() as usize
}

/// The paths of a graph that are named: one, or a list of them.
fn named(graph: &Graph, json: &Json) -> BTreeSet<Path> {
    let names: Vec<&str> = match json {
        Json::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect(),
        name => vec![name.as_str().unwrap()],
    };
    graph
        .vertices
        .iter()
        .filter(|(_, path)| names.contains(&path.as_str()))
        .cloned()
        .collect()
}

fn popularity_contest(graph: &Graph) -> Value {
    let order = popularity::order(&graph.references());
    Value::List(
        order
            .into_iter()
            .map(|path| Value::Graph(graph.induced(|other| *other == path)))
            .collect(),
    )
}

/// The graphs at the end are put side by side: what ran between them before is forgotten.
fn limit_layers(mut items: Vec<Value>, count: usize) -> Value {
    let rest = items.split_off(items.len().min(count - 1));
    if !rest.is_empty() {
        let mut merged = Graph {
            vertices: vec![],
            edges: BTreeSet::new(),
        };
        for graph in rest.into_iter().map(Value::graph) {
            merged.vertices.extend(graph.vertices);
            merged.edges.extend(graph.edges);
        }
        items.push(Value::Graph(merged));
    }
    Value::List(items)
}

fn split_paths(graph: &Graph, splits: &Json) -> Value {
    let references = graph.references();
    let mut given: BTreeSet<Path> = BTreeSet::new();
    for split in splits.as_array().unwrap() {
        match split.get("children_of") {
            Some(parents) => {
                let parents = named(graph, parents);
                given.extend(parents.iter().flat_map(|parent| references[parent].clone()));
            }
            None => given.extend(named(graph, split)),
        }
    }
    if given.is_empty() {
        return Value::Dictionary(vec![("rest".to_owned(), Value::Graph(graph.clone()))]);
    }
    let (rooted, root) = with_one_root(graph);
    if given.contains(&root) {
        return Value::Dictionary(vec![("main".to_owned(), Value::Graph(graph.clone()))]);
    }
    let below = reach(&references, &given);
    let mut cut = rooted;
    cut.edges.retain(|(_, to)| !given.contains(to));
    let mut beside = reach(&cut.references(), [&root]);
    beside.retain(|path| graph.vertices.contains(path));
    let parts = [
        (
            "main",
            below
                .difference(&beside)
                .cloned()
                .collect::<BTreeSet<Path>>(),
        ),
        ("common", below.intersection(&beside).cloned().collect()),
        ("rest", beside.difference(&below).cloned().collect()),
    ];
    let parts = parts
        .into_iter()
        .map(|(key, paths)| (key, cut.induced(|path| paths.contains(path))));
    let parts = parts.filter(|(_, part)| !part.vertices.is_empty());
    Value::Dictionary(
        parts
            .map(|(key, part)| (key.to_owned(), Value::Graph(part)))
            .collect(),
    )
}

/// The graph with a root above its roots, unless there is just one.
fn with_one_root(graph: &Graph) -> (Graph, Path) {
    if let [root] = graph.roots().as_slice() {
        return (graph.clone(), (*root).clone());
    }
    let root = (String::new(), String::new());
    let mut rooted = graph.clone();
    rooted.edges.extend(
        graph
            .roots()
            .into_iter()
            .map(|path| (root.clone(), path.clone())),
    );
    rooted.vertices.push(root.clone());
    (rooted, root)
}

fn subcomponent(graph: &Graph, paths: &Json, direction: impl Fn(Edges) -> Edges) -> Value {
    let main = reach(&direction(graph.references()), &named(graph, paths));
    Value::Dictionary(vec![
        (
            "main".to_owned(),
            Value::Graph(graph.induced(|path| main.contains(path))),
        ),
        (
            "rest".to_owned(),
            Value::Graph(graph.induced(|path| !main.contains(path))),
        ),
    ])
}

fn over(value: Value, key: &str, step: &Json) -> Value {
    let Value::Dictionary(entries) = value else {
        panic!("{value:?}")
    };
    assert!(
        entries.iter().any(|(name, _)| name == key),
        "there is no {key}"
    );
    let mut entries: Vec<(String, Value)> = entries;
    for (_, value) in entries.iter_mut().filter(|(name, _)| name == key) {
        *value = self::step(step, value.clone());
    }
    Value::Dictionary(entries)
}

fn split_every(graph: &Graph, count: usize) -> Value {
    let chunk = |paths: &[Path]| Value::Graph(graph.induced(|path| paths.contains(path)));
    Value::List(graph.vertices.chunks(count).map(chunk).collect())
}

/// The layers that a pipeline ends with.
pub(crate) fn layers(value: Value) -> Vec<Vec<Path>> {
    value
        .flat()
        .into_iter()
        .map(|graph| graph.vertices)
        .filter(|layer| !layer.is_empty())
        .collect()
}

/// Returns the paths that are in no layer though they were there at the start.
pub(crate) fn left_out(closure: &Closure, layers: &[Vec<Path>]) -> BTreeSet<Path> {
    let placed: BTreeMap<&Path, ()> = layers.iter().flatten().map(|path| (path, ())).collect();
    closure
        .sizes
        .keys()
        .filter(|path| !placed.contains_key(path))
        .cloned()
        .collect()
}
