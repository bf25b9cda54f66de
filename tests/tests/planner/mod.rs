//! The component boundary: what a component may not do, and how that is told.

mod built_in;
mod check;
mod cli;
mod compiling;
pub(super) mod component;
mod contained;
mod costs;
mod limits;
mod loading;
mod plans;
mod pure;
mod ready;
mod sealed;

use terrine::planner::layering::{Planned, Request, StorePath};
use terrine::planner::{EmptyLayers, Error, Imports, Limits, Runtime};

/// Limits that are reached at once.
fn tight() -> Limits {
    let mut limits = Limits::default();
    limits.memory = 1 << 20;
    limits.table_elements = 100;
    limits.instances = 8;
    limits.handles = 100;
    limits.fuel = 1_000_000;
    limits.stack = 256 << 10;
    limits.lifted = 16 << 10;
    limits
}

/// Returns the error of a component that cannot be loaded.
fn refused(component: &[u8]) -> Error {
    let runtime = Runtime::new(tight(), None).unwrap();
    runtime
        .load("hostile.wasm", component, Imports::Nothing)
        .expect_err("it should have been refused")
}

/// Returns the error of a component whose `describe` fails.
fn describe(component: &[u8]) -> Error {
    let runtime = Runtime::new(tight(), None).unwrap();
    let planner = runtime
        .load("hostile.wasm", component, Imports::Nothing)
        .unwrap();
    planner.describe().expect_err("it should have failed")
}

/// Returns what a component answers for some paths, in at most two layers.
fn plan(component: &[u8], request: &Request) -> Result<Planned, Error> {
    let runtime = Runtime::new(tight(), None).unwrap();
    let planner = runtime
        .load("hostile.wasm", component, Imports::Nothing)
        .unwrap();
    planner.plan(request, EmptyLayers::Refused)
}

fn request(paths: usize) -> Request {
    let path = |i: usize| StorePath {
        path: format!("/nix/store/{i}"),
        name: i.to_string(),
        package: i.to_string(),
        size: 1,
        references: vec![],
    };
    Request {
        policy: String::new(),
        options: "{}".to_owned(),
        store_dir: "/nix/store".to_owned(),
        paths: (0..paths).map(path).collect(),
        roots: vec![],
        excluded: vec![],
        max_layers: Some(2),
        history: None,
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
