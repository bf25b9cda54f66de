//! The data that the plots are drawn from.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::{Fleet, Report, Run};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    images: Vec<&'a str>,
    steps: Vec<Step<'a>>,
    /// Path and size.
    paths: Vec<(&'a str, u64)>,
    runs: Vec<RunData>,
}

#[derive(Serialize)]
struct Step<'a> {
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
    /// The paths in each layer.
    layers: Vec<Vec<usize>>,
    /// For each step and each image its layers, bottom to top: number, in how many steps so far
    /// it has changed, and whether this is one of them.
    states: Vec<Vec<Vec<(u32, u32, u8)>>>,
}

/// The data as JSON text that can stand in a script element.
pub(super) fn data(fleet: &Fleet, report: &Report) -> String {
    // Only the paths that are in layers, in the order of the fleet.
    let mut places: BTreeMap<u32, usize> = BTreeMap::new();
    let contents = report.runs.iter().flat_map(|run| &run.layers.contents);
    places.extend(contents.flatten().map(|&path| (path, 0)));
    places.values_mut().enumerate().for_each(|(place, value)| *value = place);
    let path = |&id: &u32| {
        let path = &fleet.paths()[id as usize];
        (path.path.as_str(), path.size)
    };
    let several = report.has_several_components();
    let data = Data {
        images: report.images.iter().map(|image| image.name.as_str()).collect(),
        steps: report
            .steps
            .iter()
            .map(|step| Step { number: step.number, label: &step.label })
            .collect(),
        paths: places.keys().map(path).collect(),
        runs: report.runs.iter().map(|run| self::run(run, several, &places)).collect(),
    };
    // A structure of lists, numbers and strings does not fail to serialize.
    let text = serde_json::to_string(&data).unwrap_or_default();
    // Nothing in it can end the element, or begin a comment.
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn run(run: &Run, several: bool, places: &BTreeMap<u32, usize>) -> RunData {
    let steps = || std::iter::once(&run.first).chain(&run.steps);
    let layer = |paths: &Vec<u32>| paths.iter().map(|path| places[path]).collect();
    let states = run.states.iter().map(|images| {
        let image = images.iter().map(|layers| {
            let layer = layers.iter();
            layer.map(|state| (state.layer, state.changes, u8::from(state.changed))).collect()
        });
        image.collect()
    });
    RunData {
        name: run.name(several),
        max_layers: run.max_layers,
        ratio: run.total.ratio,
        pulled: steps().map(|step| step.pulled).collect(),
        bound: steps().map(|step| step.lower_bound).collect(),
        requests: steps().map(|step| step.requests).collect(),
        layers: run.layers.contents.iter().map(layer).collect(),
        states: states.collect(),
    }
}
