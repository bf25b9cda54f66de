//! The data that the plots are drawn from.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::super::{Fleet, Report, Run};
use super::packed::{self, Paths};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    images: Vec<&'a str>,
    steps: Vec<PageStep<'a>>,
    /// Each with its size, those of a package one after the other.
    paths: Paths<'a>,
    runs: Vec<RunData>,
}

#[derive(Serialize)]
struct PageStep<'a> {
    number: usize,
    label: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunData {
    name: String,
    max_layers: Option<u32>,
    ratio: Option<f64>,
    /// For each step, that of the first pull first.
    pulled: Vec<u64>,
    bound: Vec<u64>,
    requests: Vec<usize>,
    /// The number of layers in `layers`.
    layer_count: usize,
    /// The paths in each layer.
    layers: String,
    /// For each step the layers of each image, bottom to top: number, in how many steps so far
    /// it has changed, and whether this is one of them.
    states: Vec<String>,
}

/// The data as JSON text that can stand in a script element.
pub(super) fn data(fleet: &Fleet, report: &Report) -> String {
    let order = order(fleet, report);
    let paths: Vec<(&str, u64)> = order
        .iter()
        .map(|&id| {
            let path = &fleet.paths()[id as usize];
            (path.path.as_str(), path.size)
        })
        .collect();
    let places = Places::new(fleet, &order);
    let several = report.has_several_components();
    let data = Data {
        images: report
            .images
            .iter()
            .map(|image| image.name.as_str())
            .collect(),
        steps: report
            .steps
            .iter()
            .map(|step| PageStep {
                number: step.number,
                label: &step.label,
            })
            .collect(),
        paths: Paths::new(&paths),
        runs: report
            .runs
            .iter()
            .map(|run| self::run(run, several, &places))
            .collect(),
    };
    // A structure of lists, numbers and strings does not fail to serialize.
    let text = serde_json::to_string(&data).unwrap_or_default();
    // Nothing in it can end the element, or begin a comment.
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

/// The paths that are in layers, by packages, and those of a package in the order in which they
/// came.
fn order(fleet: &Fleet, report: &Report) -> Vec<u32> {
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    let contents = report.runs.iter().flat_map(|run| &run.layers.contents);
    seen.extend(contents.flatten());
    let mut came: HashMap<u32, usize> = HashMap::new();
    for step in 1..=fleet.steps() {
        for image in fleet.images() {
            for &path in image.closure(step) {
                came.entry(path).or_insert(step);
            }
        }
    }
    let mut order: Vec<u32> = seen.into_iter().collect();
    order.sort_by_key(|&id| {
        let path = &fleet.paths()[id as usize];
        (&path.package, came.get(&id).copied(), &path.path)
    });
    order
}

/// The places of paths and packages in that order.
struct Places {
    /// By the path's number in the fleet.
    place: HashMap<u32, u32>,
    /// A number for the package of each path, by the path's place.
    package: Vec<u32>,
}

impl Places {
    fn new(fleet: &Fleet, order: &[u32]) -> Self {
        let mut package: Vec<u32> = Vec::with_capacity(order.len());
        for (place, &id) in order.iter().enumerate() {
            let of = |id: u32| &fleet.paths()[id as usize].package;
            let last = package.last().copied().unwrap_or(0);
            let another = place > 0 && of(order[place - 1]) != of(id);
            package.push(last + u32::from(another));
        }
        Self {
            place: order.iter().copied().zip(0..).collect(),
            package,
        }
    }

    /// The places of a layer's paths, ascending.
    fn layer(&self, paths: &[u32]) -> Vec<u32> {
        let mut places: Vec<u32> = paths.iter().map(|path| self.place[path]).collect();
        places.sort_unstable();
        places
    }
}

fn run(run: &Run, several: bool, places: &Places) -> RunData {
    let steps = || std::iter::once(&run.first).chain(&run.steps);
    let contents: Vec<Vec<u32>> = run
        .layers
        .contents
        .iter()
        .map(|paths| places.layer(paths))
        .collect();
    let before = std::iter::once(None).chain(run.states.iter().map(Some));
    RunData {
        name: run.name(several),
        max_layers: run.max_layers,
        ratio: run.total.ratio,
        pulled: steps().map(|step| step.pulled).collect(),
        bound: steps().map(|step| step.lower_bound).collect(),
        requests: steps().map(|step| step.requests).collect(),
        layer_count: contents.len(),
        layers: packed::layers(&contents, &run.states, |place| {
            places.package[place as usize]
        }),
        states: run
            .states
            .iter()
            .zip(before)
            .map(|(now, before)| packed::step(before, now))
            .collect(),
    }
}
