//! Carrying out a pipeline.

use std::collections::{BTreeMap, BTreeSet};

use super::super::graph::{Components, Graph};
use super::super::options::invalid;
use super::super::{popularity, reason};
use super::hinted;
use super::step::{Operation, Split, Step};
use super::value::{Part, Value};
use crate::bindings::layering::{Error, Request};

/// The number of unknown paths that are reported by name.
const MAX_UNKNOWN: usize = 5;

/// A pipeline that is being carried out.
pub(super) struct Run<'a> {
    request: &'a Request,
    ranks: Vec<u32>,
    index: BTreeMap<&'a str, u32>,
    /// Paths that steps name and that are not in the closure.
    unknown: BTreeSet<String>,
}

impl<'a> Run<'a> {
    pub(super) fn new(request: &'a Request, ranks: Vec<u32>) -> Self {
        let index = (0..)
            .zip(&request.paths)
            .map(|(i, path)| (path.path.as_str(), i))
            .collect();
        Self {
            request,
            ranks,
            index,
            unknown: BTreeSet::new(),
        }
    }

    /// Carries out one step after the other.
    pub(super) fn steps(&mut self, steps: &[Step], start: Part) -> Result<Value, Error> {
        steps
            .iter()
            .try_fold(Value::Graph(start), |value, step| self.step(step, value))
    }

    /// Returns the remarks for the user.
    pub(super) fn remarks(self) -> Vec<String> {
        let more = self.unknown.len().saturating_sub(MAX_UNKNOWN);
        let named = self.unknown.iter().take(MAX_UNKNOWN);
        let mut remarks: Vec<String> = named
            .map(|path| format!("the pipeline names `{path}`, which is not in the closure"))
            .collect();
        match more {
            0 => {}
            1 => {
                remarks
                    .push("the pipeline names 1 more path that is not in the closure".to_owned());
            }
            _ => {
                let remark =
                    format!("the pipeline names {more} more paths that are not in the closure");
                remarks.push(remark);
            }
        }
        remarks
    }

    fn step(&mut self, step: &Step, value: Value) -> Result<Value, Error> {
        Ok(match &step.operation {
            Operation::PopularityContest => self.popularity_contest(&graph(step, value)?),
            Operation::LimitLayers(count) => limit_layers(step, list(step, value)?, *count)?,
            Operation::SplitPaths(splits) => self.split_paths(&graph(step, value)?, splits),
            Operation::SubcomponentOut(paths) => {
                self.subcomponent(&graph(step, value)?, paths, false)
            }
            Operation::SubcomponentIn(paths) => {
                self.subcomponent(&graph(step, value)?, paths, true)
            }
            Operation::Over(key, inner) => self.over(step, value, key, inner)?,
            Operation::Map(inner) => {
                let items = list(step, value)?
                    .into_iter()
                    .map(|item| self.step(inner, item));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Operation::Pipe(steps) => steps
                .iter()
                .try_fold(value, |value, step| self.step(step, value))?,
            Operation::SplitEvery(count) => split_every(&graph(step, value)?, *count),
            Operation::Flatten => {
                Value::List(value.parts().into_iter().map(Value::Graph).collect())
            }
            Operation::Reverse => Value::List(list(step, value)?.into_iter().rev().collect()),
            Operation::RemovePaths(paths) => self.remove_paths(&graph(step, value)?, paths),
        })
    }

    fn popularity_contest(&self, part: &Part) -> Value {
        let single = |(vertex, count)| {
            let why = format!("{}, popularity {count}", reason::name(self.request, vertex));
            Value::Graph(part.single(vertex, why))
        };
        let ranked = popularity::contest(&part.references, &self.ranks, &part.vertices);
        Value::List(ranked.into_iter().map(single).collect())
    }

    /// `main`: what only the given paths need, themselves included; `rest`: what only the
    /// others need; `common`: what both do. No reference to a given path remains.
    fn split_paths(&mut self, part: &Part, splits: &[Split]) -> Value {
        let all = vec![true; part.vertices.len()];
        let whole = |key| Value::Dictionary(vec![(key, Value::Graph(part.select(&all, key)))]);
        let given = self.split_points(part, splits);
        if given.is_empty() {
            return whole("rest");
        }
        let roots = roots(part);
        if matches!(roots.as_slice(), [root] if given.contains(root)) {
            return whole("main");
        }
        let below = Graph::reach(&part.references, &given.iter().copied().collect::<Vec<_>>());
        let part = part.without_ways_to(&given);
        let others: Vec<u32> = roots
            .into_iter()
            .filter(|root| !given.contains(root))
            .collect();
        let beside = Graph::reach(&part.references, &others);
        let both = |a: bool, b: bool| -> Vec<bool> {
            below
                .iter()
                .zip(&beside)
                .map(|(&below, &beside)| below == a && beside == b)
                .collect()
        };
        let entries = [
            ("main", both(true, false)),
            ("common", both(true, true)),
            ("rest", both(false, true)),
        ]
        .map(|(key, marked)| (key, part.select(&marked, key)));
        let entries = entries
            .into_iter()
            .filter(|(_, part)| !part.vertices.is_empty());
        Value::Dictionary(
            entries
                .map(|(key, part)| (key, Value::Graph(part)))
                .collect(),
        )
    }

    /// The places of the paths that a part is split at.
    fn split_points(&mut self, part: &Part, splits: &[Split]) -> BTreeSet<u32> {
        let mut points = BTreeSet::new();
        for split in splits {
            match split {
                Split::At(path) => points.extend(self.places(part, std::slice::from_ref(path))),
                Split::ChildrenOf(paths) => {
                    let parents = self.places(part, paths);
                    points.extend(
                        parents
                            .iter()
                            .flat_map(|&parent| &part.references[parent as usize]),
                    );
                }
            }
        }
        points
    }

    /// `main`: the given paths and all that they need, or all that needs them (`inward`);
    /// `rest`: the others. Both are always there.
    fn subcomponent(&mut self, part: &Part, paths: &[String], inward: bool) -> Value {
        let given = self.places(part, paths);
        let main = if inward {
            Graph::reach(&part.referrers(), &given)
        } else {
            Graph::reach(&part.references, &given)
        };
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
            return Err(hinted(
                &format!("{}[1]", step.field),
                format!("there is no `{key}`"),
                hint,
            ));
        };
        let (name, value) = entries.remove(place);
        let value = self.step(inner, value)?;
        entries.insert(place, (name, value));
        Ok(Value::Dictionary(entries))
    }

    fn remove_paths(&mut self, part: &Part, paths: &[String]) -> Value {
        let mut kept = vec![true; part.vertices.len()];
        self.places(part, paths)
            .into_iter()
            .for_each(|place| kept[place as usize] = false);
        Value::Graph(Part {
            trail: part.trail.clone(),
            ..part.select(&kept, "")
        })
    }

    /// The places of paths in a part, ascending. One that is not in the closure is ignored,
    /// as in the original, but not in silence.
    fn places(&mut self, part: &Part, paths: &[String]) -> Vec<u32> {
        let mut named = BTreeSet::new();
        for path in paths {
            match self.index.get(path.as_str()) {
                Some(vertex) => _ = named.insert(*vertex),
                None => _ = self.unknown.insert(path.clone()),
            }
        }
        let named = (0..)
            .zip(&part.vertices)
            .filter(|(_, vertex)| named.contains(vertex));
        named.map(|(place, _)| place).collect()
    }
}

/// The places of the paths of a part that no other of its paths refers to. Of a circle
/// that nothing else refers to, all paths count as such.
fn roots(part: &Part) -> Vec<u32> {
    let components = Components::new(&part.references);
    let mut referred = vec![false; components.len()];
    for groups in components.references(&part.references) {
        groups
            .iter()
            .for_each(|&group| referred[group as usize] = true);
    }
    let is_root = |(_, group): &(u32, &u32)| !referred[**group as usize];
    (0..)
        .zip(&components.of)
        .filter(is_root)
        .map(|(place, _)| place)
        .collect()
}

fn split_every(part: &Part, count: usize) -> Value {
    let starts = (0..part.vertices.len()).step_by(count);
    let chunk = |(number, start): (usize, usize)| {
        let end = part.vertices.len().min(start.saturating_add(count));
        Value::Graph(part.cut(start..end, format!("part {number}")))
    };
    Value::List((1..).zip(starts).map(chunk).collect())
}

/// Keeps one less than so many items, and puts the rest together.
fn limit_layers(step: &Step, mut items: Vec<Value>, count: usize) -> Result<Value, Error> {
    if items.len() <= count {
        return Ok(Value::List(items));
    }
    let rest = items.split_off(count - 1);
    let total = rest.len();
    let trail = vec![format!("the last {total} of the list")];
    let mut merged = Part {
        vertices: vec![],
        references: vec![],
        trail,
    };
    for item in rest {
        match item {
            Value::Graph(part) => merged.append(part),
            other => {
                let message = format!(
                    "`limit_layers` can put only graphs together, and got {}",
                    other.kind()
                );
                return Err(invalid(&step.field, message));
            }
        }
    }
    items.push(Value::Graph(merged));
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
    invalid(
        &step.field,
        format!("`{}` needs {needed}, and got {}", step.name, got.kind()),
    )
}
