//! Carrying out a pipeline.

use std::collections::{BTreeMap, BTreeSet};

use super::super::graph::{Components, Graph};
use super::super::{popularity, reason};
use super::step::{Operation, Split, Step};
use super::value::{Part, Value};
use super::{hinted, invalid};
use crate::bindings::layering::{Error, Request};

/// How many unknown paths are told of by name.
const MAX_UNKNOWN: usize = 5;

/// A pipeline that is being carried out.
pub(super) struct Run<'a> {
    request: &'a Request,
    graph: Graph,
    ranks: Vec<u32>,
    index: BTreeMap<&'a str, u32>,
    /// Paths that steps name and that are not in the closure.
    unknown: BTreeSet<String>,
}

impl<'a> Run<'a> {
    pub(super) fn new(request: &'a Request, graph: Graph, ranks: Vec<u32>) -> Self {
        let index = (0..).zip(&request.paths).map(|(i, path)| (path.path.as_str(), i)).collect();
        Self { request, graph, ranks, index, unknown: BTreeSet::new() }
    }

    /// Carries out one step after the other.
    pub(super) fn steps(&mut self, steps: &[Step], start: Part) -> Result<Value, Error> {
        steps.iter().try_fold(Value::Graph(start), |value, step| self.step(step, value))
    }

    /// What a person should be told.
    pub(super) fn remarks(self) -> Vec<String> {
        let more = self.unknown.len().saturating_sub(MAX_UNKNOWN);
        let named = self.unknown.iter().take(MAX_UNKNOWN);
        let mut remarks: Vec<String> = named
            .map(|path| format!("the pipeline names `{path}`, which is not in the closure"))
            .collect();
        if more > 0 {
            remarks.push(format!("the pipeline names {more} more paths that are not in the closure"));
        }
        remarks
    }

    fn step(&mut self, step: &Step, value: Value) -> Result<Value, Error> {
        Ok(match &step.operation {
            Operation::PopularityContest => self.popularity_contest(&graph(step, value)?),
            Operation::LimitLayers(count) => limit_layers(step, list(step, value)?, *count)?,
            Operation::SplitPaths(splits) => self.split_paths(&graph(step, value)?, splits),
            Operation::SubcomponentOut(paths) => self.subcomponent(&graph(step, value)?, paths, false),
            Operation::SubcomponentIn(paths) => self.subcomponent(&graph(step, value)?, paths, true),
            Operation::Over(key, inner) => self.over(step, value, key, inner)?,
            Operation::Map(inner) => {
                let items = list(step, value)?.into_iter().map(|item| self.step(inner, item));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Operation::Pipe(steps) => {
                steps.iter().try_fold(value, |value, step| self.step(step, value))?
            }
            Operation::SplitEvery(count) => split_every(&graph(step, value)?, *count),
            Operation::Flatten => Value::List(value.parts().into_iter().map(Value::Graph).collect()),
            Operation::Reverse => Value::List(list(step, value)?.into_iter().rev().collect()),
            Operation::RemovePaths(paths) => self.remove_paths(&graph(step, value)?, paths),
        })
    }

    fn popularity_contest(&self, part: &Part) -> Value {
        let single = |(vertex, count)| {
            let why = format!("{}, popularity {count}", reason::name(self.request, vertex));
            Value::Graph(part.cut(vec![vertex], why))
        };
        Value::List(
            popularity::contest(&self.graph, &self.ranks, &part.vertices)
                .into_iter()
                .map(single)
                .collect(),
        )
    }

    /// `main`: what only the given paths need, themselves included; `rest`: what only the
    /// others need; `common`: what both do.
    fn split_paths(&mut self, part: &Part, splits: &[Split]) -> Value {
        let inside = self.marks(&part.vertices);
        let given = self.split_points(splits, &inside);
        if given.is_empty() {
            return dictionary(part, [("rest", &inside)]);
        }
        let roots = self.roots(part);
        if matches!(roots.as_slice(), [root] if given.contains(root)) {
            return dictionary(part, [("main", &inside)]);
        }
        let below = self.reach(&given.iter().copied().collect::<Vec<_>>(), &inside, false);
        // No way into what is given.
        let mut around = inside.clone();
        given.iter().for_each(|&vertex| around[vertex as usize] = false);
        let others: Vec<u32> = roots.into_iter().filter(|root| !given.contains(root)).collect();
        let beside = self.reach(&others, &around, false);
        let both = |a: bool, b: bool| -> Vec<bool> {
            below.iter().zip(&beside).map(|(&below, &beside)| below == a && beside == b).collect()
        };
        let (main, common, rest) = (both(true, false), both(true, true), both(false, true));
        dictionary(part, [("main", &main), ("common", &common), ("rest", &rest)])
    }

    fn split_points(&mut self, splits: &[Split], inside: &[bool]) -> BTreeSet<u32> {
        let mut points = vec![];
        for split in splits {
            match split {
                Split::At(path) => points.extend(self.find(path)),
                Split::ChildrenOf(paths) => {
                    let parents: Vec<u32> = paths.iter().filter_map(|path| self.find(path)).collect();
                    let parents = parents.into_iter().filter(|&parent| inside[parent as usize]);
                    points.extend(
                        parents.flat_map(|parent| self.graph.references[parent as usize].clone()),
                    );
                }
            }
        }
        points.into_iter().filter(|&point| inside[point as usize]).collect()
    }

    /// The paths of a part that no other of its paths refers to. Of a circle that nothing
    /// else refers to, all paths count as such.
    fn roots(&self, part: &Part) -> Vec<u32> {
        let references = popularity::induced(&self.graph, &part.vertices);
        let components = Components::new(&references);
        let mut referred = vec![false; components.len()];
        for groups in components.references(&references) {
            groups.iter().for_each(|&group| referred[group as usize] = true);
        }
        let is_root = |(_, group): &(&u32, &u32)| !referred[**group as usize];
        part.vertices.iter().zip(&components.of).filter(is_root).map(|(&vertex, _)| vertex).collect()
    }

    /// `main`: the given paths and all that they need, or all that needs them (`inward`);
    /// `rest`: the others. Both are always there.
    fn subcomponent(&mut self, part: &Part, paths: &[String], inward: bool) -> Value {
        let inside = self.marks(&part.vertices);
        let given: Vec<u32> = paths.iter().filter_map(|path| self.find(path)).collect();
        let given: Vec<u32> = given.into_iter().filter(|&vertex| inside[vertex as usize]).collect();
        let main = self.reach(&given, &inside, inward);
        let rest: Vec<bool> = main.iter().map(|&main| !main).collect();
        Value::Dictionary(vec![
            ("main", Value::Graph(part.select(&main, "main"))),
            ("rest", Value::Graph(part.select(&rest, "rest"))),
        ])
    }

    fn over(&mut self, step: &Step, value: Value, key: &str, inner: &Step) -> Result<Value, Error> {
        let Value::Dictionary(mut entries) = value else {
            return Err(mismatch(step, "a dictionary", &value));
        };
        let Some(place) = entries.iter().position(|(name, _)| *name == key) else {
            let keys: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
            let hint = format!("there is `{}`", keys.join("`, `"));
            return Err(hinted(&format!("{}[1]", step.field), format!("there is no `{key}`"), hint));
        };
        let (name, value) = entries.remove(place);
        let value = self.step(inner, value)?;
        entries.insert(place, (name, value));
        Ok(Value::Dictionary(entries))
    }

    fn remove_paths(&mut self, part: &Part, paths: &[String]) -> Value {
        let removed: BTreeSet<u32> = paths.iter().filter_map(|path| self.find(path)).collect();
        let vertices = part.vertices.iter().copied().filter(|vertex| !removed.contains(vertex));
        Value::Graph(Part { vertices: vertices.collect(), trail: part.trail.clone() })
    }

    /// A path of the closure. One that is not in it is ignored, as in the original, but
    /// not in silence.
    fn find(&mut self, path: &str) -> Option<u32> {
        let found = self.index.get(path).copied();
        if found.is_none() {
            self.unknown.insert(path.to_owned());
        }
        found
    }

    fn marks(&self, vertices: &[u32]) -> Vec<bool> {
        let mut marks = vec![false; self.graph.len()];
        vertices.iter().for_each(|&vertex| marks[vertex as usize] = true);
        marks
    }

    /// Everything that some vertices reach, or are reached from (`inward`), without leaving
    /// what is `inside`.
    fn reach(&self, from: &[u32], inside: &[bool], inward: bool) -> Vec<bool> {
        let edges = if inward { &self.graph.referrers } else { &self.graph.references };
        let mut reached = vec![false; inside.len()];
        let mut open: Vec<u32> = from.to_vec();
        while let Some(current) = open.pop() {
            if inside[current as usize] && !std::mem::replace(&mut reached[current as usize], true) {
                open.extend(&edges[current as usize]);
            }
        }
        reached
    }
}

/// A dictionary of the parts that have any paths.
fn dictionary<const N: usize>(part: &Part, marked: [(&'static str, &Vec<bool>); N]) -> Value {
    let entries = marked.into_iter().map(|(key, marked)| (key, part.select(marked, key)));
    let entries = entries.filter(|(_, part)| !part.vertices.is_empty());
    Value::Dictionary(entries.map(|(key, part)| (key, Value::Graph(part))).collect())
}

fn split_every(part: &Part, count: usize) -> Value {
    let chunks = (1..).zip(part.vertices.chunks(count));
    let chunk = |(number, chunk): (usize, &[u32])| {
        Value::Graph(part.cut(chunk.to_vec(), format!("part {number}")))
    };
    Value::List(chunks.map(chunk).collect())
}

/// Keeps one less than so many items, and puts the rest together.
fn limit_layers(step: &Step, mut items: Vec<Value>, count: usize) -> Result<Value, Error> {
    if items.len() <= count {
        return Ok(Value::List(items));
    }
    let rest = items.split_off(count - 1);
    let total = rest.len();
    let mut vertices = vec![];
    for item in rest {
        match item {
            Value::Graph(part) => vertices.extend(part.vertices),
            other => {
                let message =
                    format!("`limit_layers` can put only graphs together, and got {}", other.kind());
                return Err(invalid(&step.field, message));
            }
        }
    }
    let trail = vec![format!("the last {total} of the list")];
    items.push(Value::Graph(Part { vertices, trail }));
    Ok(Value::List(items))
}

fn graph(step: &Step, value: Value) -> Result<Part, Error> {
    match value {
        Value::Graph(part) => Ok(part),
        other => Err(mismatch(step, "a graph", &other)),
    }
}

fn list(step: &Step, value: Value) -> Result<Vec<Value>, Error> {
    match value {
        Value::List(items) => Ok(items),
        other => Err(mismatch(step, "a list", &other)),
    }
}

fn mismatch(step: &Step, needed: &str, got: &Value) -> Error {
    invalid(&step.field, format!("`{}` needs {needed}, and got {}", step.name, got.kind()))
}
