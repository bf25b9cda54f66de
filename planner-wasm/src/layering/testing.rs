//! Helpers that the tests of policies share.

use crate::bindings::layering::{Planned, Request, StorePath};

/// A request for graph of paths, each with its size and the paths that it refers to. A
/// path's name is its last component, without what stands before a dash.
pub(super) fn request(graph: &[(&str, u64, &str)]) -> Request {
    let index = |path: &str| graph.iter().position(|(other, ..)| *other == path).unwrap() as u32;
    let path = |(path, size, references): &(&str, u64, &str)| {
        let last = path.rsplit('/').next().unwrap_or_default();
        let name = last.split_once('-').map_or(last, |(_, name)| name);
        StorePath {
            path: (*path).to_owned(),
            name: name.to_owned(),
            package: name.to_owned(),
            size: *size,
            references: references.split_whitespace().map(index).collect(),
        }
    };
    Request {
        policy: String::new(),
        options: "{}".to_owned(),
        store_dir: "/nix/store".to_owned(),
        paths: graph.iter().map(path).collect(),
        roots: vec![],
        excluded: vec![],
        max_layers: None,
        history: None,
    }
}

/// A plan as the names of its paths: `a b|c`, and what is left out after a semicolon.
pub(super) fn names(request: &Request, planned: &Planned) -> String {
    let names = |paths: &[u32]| {
        let names = paths
            .iter()
            .map(|&path| request.paths[path as usize].name.as_str());
        names.collect::<Vec<_>>().join(" ")
    };
    let layers: Vec<String> = planned
        .layers
        .iter()
        .map(|layer| names(&layer.paths))
        .collect();
    let left_out = if planned.left_out.is_empty() {
        String::new()
    } else {
        format!("; left out {}", names(&planned.left_out))
    };
    layers.join("|") + &left_out
}
