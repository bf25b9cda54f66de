//! Pipelines that fit the values which flow through them.

use serde_json::{Value as Json, json};

use crate::reference::pipeline::{Value, step};

/// The depth to which steps are nested.
const DEPTH: usize = 4;

/// Numbers to choose by; 0 when they have run out.
pub(crate) struct Tape(std::vec::IntoIter<u16>);

impl Tape {
    pub(crate) fn new(numbers: Vec<u16>) -> Self {
        Self(numbers.into_iter())
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.next().map_or(0, |number| number as usize % limit)
    }
}

/// A pipeline for each of some values. `paths` are those that it may name.
pub(crate) fn steps(
    tape: &mut Tape,
    paths: &[String],
    values: &[Value],
    depth: usize,
) -> Vec<Json> {
    let mut values = values.to_vec();
    let mut steps = vec![];
    for _ in 0..tape.below(5) {
        let next = one(tape, paths, &values, depth);
        values = values.into_iter().map(|value| step(&next, value)).collect();
        steps.push(next);
    }
    steps
}

/// A step that each of some values can take.
fn one(tape: &mut Tape, paths: &[String], values: &[Value], depth: usize) -> Json {
    if depth < DEPTH && tape.below(6) == 5 {
        return json!(["pipe", steps(tape, paths, values, depth + 1)]);
    }
    if values.iter().all(|value| matches!(value, Value::Graph(_))) {
        return for_graphs(tape, paths);
    }
    let items = |value: &Value| {
        if let Value::List(items) = value {
            Some(items.clone())
        } else {
            None
        }
    };
    if let Some(lists) = values.iter().map(items).collect::<Option<Vec<_>>>() {
        return for_lists(tape, paths, &lists, depth);
    }
    let entries = |value: &Value| {
        if let Value::Dictionary(entries) = value {
            Some(entries.clone())
        } else {
            None
        }
    };
    match values.iter().map(entries).collect::<Option<Vec<_>>>() {
        Some(dictionaries) => for_dictionaries(tape, paths, &dictionaries, depth),
        None => json!(["flatten"]),
    }
}

fn for_graphs(tape: &mut Tape, paths: &[String]) -> Json {
    match tape.below(10) {
        0 => json!(["popularity_contest"]),
        1 => json!(["split_every", 1 + tape.below(9)]),
        2 => json!(["remove_paths", some(tape, paths)]),
        3 => json!(["remove_paths", path(tape, paths)]),
        4 => json!(["subcomponent_out", some(tape, paths)]),
        5 => json!(["subcomponent_in", some(tape, paths)]),
        _ => {
            let splits = (0..tape.below(4)).map(|_| split(tape, paths));
            json!(["split_paths", splits.collect::<Vec<_>>()])
        }
    }
}

fn split(tape: &mut Tape, paths: &[String]) -> Json {
    match tape.below(4) {
        0 => json!({ "children_of": path(tape, paths) }),
        1 => json!({ "children_of": some(tape, paths) }),
        _ => json!(path(tape, paths)),
    }
}

fn for_lists(tape: &mut Tape, paths: &[String], lists: &[Vec<Value>], depth: usize) -> Json {
    let all: Vec<Value> = lists.iter().flatten().cloned().collect();
    match tape.below(6) {
        0 => json!(["reverse"]),
        1 => json!(["flatten"]),
        2 if all.iter().all(|item| matches!(item, Value::Graph(_))) => {
            json!(["limit_layers", 1 + tape.below(8)])
        }
        _ if depth < DEPTH => json!(["map", one(tape, paths, &all, depth + 1)]),
        _ => json!(["reverse"]),
    }
}

fn for_dictionaries(
    tape: &mut Tape,
    paths: &[String],
    dictionaries: &[Vec<(String, Value)>],
    depth: usize,
) -> Json {
    let key = ["main", "common", "rest"][tape.below(3)];
    let value = |entries: &Vec<(String, Value)>| {
        entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
    };
    match dictionaries.iter().map(value).collect::<Option<Vec<_>>>() {
        Some(values) if depth < DEPTH => json!(["over", key, one(tape, paths, &values, depth + 1)]),
        _ => json!(["flatten"]),
    }
}

fn some(tape: &mut Tape, paths: &[String]) -> Vec<String> {
    (0..tape.below(4)).map(|_| path(tape, paths)).collect()
}

/// A path of the closure, or now and then one that is not in it.
fn path(tape: &mut Tape, paths: &[String]) -> String {
    paths
        .get(tape.below(paths.len() + 1))
        .map_or("/nix/store/0000-nowhere".to_owned(), Clone::clone)
}
