//! Reading a pipeline.

use serde_json::Value as Json;

use super::super::options::invalid;
use super::hinted;
use crate::bindings::layering::Error;

/// The depth to which steps may be nested.
const MAX_DEPTH: usize = 64;

/// The operations that there are.
pub(super) const OPERATIONS: &[&str] = &[
    "flatten",
    "limit_layers",
    "map",
    "over",
    "pipe",
    "popularity_contest",
    "remove_paths",
    "reverse",
    "split_every",
    "split_paths",
    "subcomponent_in",
    "subcomponent_out",
];

/// A step, and where it stands.
#[derive(Debug)]
pub(super) struct Step {
    /// Its place, such as `options.pipeline[2]`.
    pub(super) field: String,
    /// The operation's name.
    pub(super) name: &'static str,
    pub(super) operation: Operation,
}

#[derive(Debug)]
pub(super) enum Operation {
    PopularityContest,
    LimitLayers(usize),
    SplitPaths(Vec<Split>),
    SubcomponentOut(Vec<String>),
    SubcomponentIn(Vec<String>),
    Over(String, Box<Step>),
    Map(Box<Step>),
    Pipe(Vec<Step>),
    SplitEvery(usize),
    Flatten,
    Reverse,
    RemovePaths(Vec<String>),
}

/// The place where `split_paths` splits.
#[derive(Debug)]
pub(super) enum Split {
    /// At a path.
    At(String),
    /// At what these paths refer to.
    ChildrenOf(Vec<String>),
}

/// Reads the steps of a pipeline.
pub(super) fn parse(pipeline: &Json) -> Result<Vec<Step>, Error> {
    steps(pipeline, "options.pipeline", 0)
}

fn steps(json: &Json, field: &str, depth: usize) -> Result<Vec<Step>, Error> {
    let Json::Array(steps) = json else {
        return Err(invalid(field, "must be a list of steps"));
    };
    steps
        .iter()
        .enumerate()
        .map(|(i, json)| step(json, format!("{field}[{i}]"), depth))
        .collect()
}

fn step(json: &Json, field: String, depth: usize) -> Result<Step, Error> {
    if depth >= MAX_DEPTH {
        return Err(invalid(
            &field,
            format!("nested deeper than {MAX_DEPTH} steps"),
        ));
    }
    let Some([Json::String(name), arguments @ ..]) = json.as_array().map(Vec::as_slice) else {
        return Err(invalid(
            &field,
            "must be a list: an operation and its arguments",
        ));
    };
    let Some(&name) = OPERATIONS.iter().find(|operation| *operation == name) else {
        let hint = format!("the operations are `{}`", OPERATIONS.join("`, `"));
        return Err(hinted(
            &field,
            format!("`{name}` is not an operation"),
            hint,
        ));
    };
    let operation = Arguments {
        name,
        field: &field,
        depth,
        arguments,
    }
    .operation()?;
    Ok(Step {
        field,
        name,
        operation,
    })
}

/// The arguments of an operation that is being read.
struct Arguments<'a> {
    name: &'static str,
    field: &'a str,
    depth: usize,
    arguments: &'a [Json],
}

impl Arguments<'_> {
    fn operation(&self) -> Result<Operation, Error> {
        self.check_count()?;
        Ok(match self.name {
            "popularity_contest" => Operation::PopularityContest,
            "limit_layers" => Operation::LimitLayers(self.count()?),
            "split_paths" => Operation::SplitPaths(self.splits()?),
            "subcomponent_out" => Operation::SubcomponentOut(self.paths()?),
            "subcomponent_in" => Operation::SubcomponentIn(self.paths()?),
            "over" => Operation::Over(self.key()?, self.step(1)?),
            "map" => Operation::Map(self.step(0)?),
            "pipe" => Operation::Pipe(steps(&self.arguments[0], &self.place(0), self.depth + 1)?),
            "split_every" => Operation::SplitEvery(self.count()?),
            "flatten" => Operation::Flatten,
            "reverse" => Operation::Reverse,
            _ => Operation::RemovePaths(self.paths()?),
        })
    }

    fn check_count(&self) -> Result<(), Error> {
        let needed = match self.name {
            "popularity_contest" | "flatten" | "reverse" => 0,
            "over" => 2,
            _ => 1,
        };
        let given = self.arguments.len();
        if given == needed {
            return Ok(());
        }
        let plural = if needed == 1 { "" } else { "s" };
        let message = format!(
            "`{}` takes {needed} argument{plural}, and got {given}",
            self.name
        );
        Err(invalid(self.field, message))
    }

    /// Returns the place of an argument; the operation's name comes before the first.
    fn place(&self, argument: usize) -> String {
        format!("{}[{}]", self.field, argument + 1)
    }

    fn count(&self) -> Result<usize, Error> {
        let number = self.arguments[0].as_u64().filter(|&number| number > 0);
        // A number that is too large to count to limits nothing.
        let number = number.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        number.ok_or_else(|| {
            invalid(
                self.place(0),
                format!("`{}` needs a number above 0", self.name),
            )
        })
    }

    fn key(&self) -> Result<String, Error> {
        let key = self.arguments[0].as_str().map(str::to_owned);
        key.ok_or_else(|| invalid(self.place(0), "`over` needs a key, which is a string"))
    }

    fn step(&self, argument: usize) -> Result<Box<Step>, Error> {
        step(
            &self.arguments[argument],
            self.place(argument),
            self.depth + 1,
        )
        .map(Box::new)
    }

    fn paths(&self) -> Result<Vec<String>, Error> {
        paths(&self.arguments[0], &self.place(0))
    }

    fn splits(&self) -> Result<Vec<Split>, Error> {
        let place = self.place(0);
        let Json::Array(splits) = &self.arguments[0] else {
            return Err(invalid(&place, "`split_paths` needs a list"));
        };
        splits
            .iter()
            .enumerate()
            .map(|(i, split)| self::split(split, &format!("{place}[{i}]")))
            .collect()
    }
}

fn split(json: &Json, field: &str) -> Result<Split, Error> {
    match json {
        Json::String(path) => Ok(Split::At(path.clone())),
        Json::Object(object) if object.len() == 1 && object.contains_key("children_of") => {
            paths(&object["children_of"], &format!("{field}.children_of")).map(Split::ChildrenOf)
        }
        _ => Err(invalid(
            field,
            "must be a path, or an object with `children_of`",
        )),
    }
}

/// A path, or a list of them.
fn paths(json: &Json, field: &str) -> Result<Vec<String>, Error> {
    let path = |json: &Json, field: &str| match json {
        Json::String(path) => Ok(path.clone()),
        _ => Err(invalid(field, "must be a path")),
    };
    match json {
        Json::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, json)| path(json, &format!("{field}[{i}]")))
            .collect(),
        one => Ok(vec![path(one, field)?]),
    }
}
