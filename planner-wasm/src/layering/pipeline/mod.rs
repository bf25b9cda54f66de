//! The policy `pipeline`: dockerTools' language for layers.
//!
//! A pipeline is a list of steps, each an operation with its arguments: [`step`] reads
//! them, [`run`] carries them out. The first step gets the graph of all paths.

mod run;
mod step;
mod value;

use std::collections::BTreeSet;

use serde_json::json;

use super::graph::{Graph, ranks};
use super::options::{Declared, Given, Kind, invalid};
use super::{Policy, popularity};
use crate::bindings::layering::{Error, ErrorKind, Layer, Planned, Request};
use run::Run;
use value::Part;

pub(super) const POLICY: Policy = Policy {
    name: "pipeline",
    summary: "carries out a layering pipeline of dockerTools",
    options: &[PIPELINE],
    uses_history: false,
    plan,
};

const PIPELINE: Declared = Declared {
    name: "pipeline",
    description: "the steps, carried out from left to right",
    kind: Kind::List {
        items: || {
            let operation = json!({
                "description": "the operation; its arguments follow",
                "enum": step::OPERATIONS,
            });
            json!({ "type": "array", "minItems": 1, "prefixItems": [operation] })
        },
    },
};

fn plan(request: &Request, given: &Given) -> Result<Planned, Error> {
    let steps = step::parse(given.list(&PIPELINE))?;
    let excluded: BTreeSet<u32> = request.excluded.iter().copied().collect();
    let ranks = ranks(request);
    let mut vertices: Vec<u32> = (0..).take(request.paths.len()).collect();
    vertices.retain(|path| !excluded.contains(path));
    vertices.sort_unstable_by_key(|&i| (request.paths[i as usize].size, ranks[i as usize]));
    let references = popularity::induced(&Graph::without(request, &excluded), &vertices);
    let mut run = Run::new(request, ranks);
    let start = Part {
        vertices: vertices.clone(),
        references,
        trail: vec![],
    };
    let outcome = run.steps(&steps, start)?;
    let parts: Vec<Part> = outcome
        .parts()
        .into_iter()
        .filter(|part| !part.vertices.is_empty())
        .collect();
    check_budget(request, parts.len())?;
    let mut left_out = vertices;
    let mut placed = vec![false; request.paths.len()];
    parts
        .iter()
        .flat_map(|part| &part.vertices)
        .for_each(|&path| placed[path as usize] = true);
    left_out.retain(|&path| !placed[path as usize]);
    left_out.sort_unstable();
    Ok(Planned {
        layers: parts.into_iter().map(layer).collect(),
        left_out,
        remarks: run.remarks(),
    })
}

fn layer(part: Part) -> Layer {
    let reason = if part.trail.is_empty() {
        "as the pipeline has it".to_owned()
    } else {
        part.trail.join(" > ")
    };
    Layer {
        paths: part.vertices,
        reason,
        cost: None,
    }
}

fn check_budget(request: &Request, layers: usize) -> Result<(), Error> {
    let Some(limit) = request.max_layers.filter(|&limit| layers > limit as usize) else {
        return Ok(());
    };
    Err(Error {
        kind: ErrorKind::OverBudget,
        message: format!("the pipeline makes {layers} layers, and only {limit} are allowed"),
        field: Some("options.pipeline".to_owned()),
        hint: Some(format!(
            "end the pipeline with `[\"flatten\"], [\"limit_layers\", {limit}]`"
        )),
    })
}

fn hinted(field: &str, message: String, hint: String) -> Error {
    Error {
        hint: Some(hint),
        ..invalid(field, message)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{names, request};
    use super::*;

    /// The graph of the specification's vectors.
    const GRAPH: &[(&str, u64, &str)] =
        &[("A", 2, "C"), ("B", 4, "C D"), ("C", 6, ""), ("D", 8, "")];

    fn with(
        graph: &[(&str, u64, &str)],
        pipeline: &str,
        change: impl FnOnce(&mut Request),
    ) -> Result<String, Error> {
        let mut request = request(graph);
        request.policy = "pipeline".to_owned();
        request.options = format!("{{\"pipeline\": {pipeline}}}");
        change(&mut request);
        super::super::plan(&request).map(|planned| names(&request, &planned))
    }

    fn layers(pipeline: &str) -> String {
        with(GRAPH, pipeline, |_| {})
            .unwrap_or_else(|error| format!("{:?}: {}", error.field, error.message))
    }

    #[test]
    fn the_vectors_of_the_specification() {
        assert_eq!(layers(r#"[["split_paths", ["B"]]]"#), "B D|C|A");
        let nested = r#"[["split_paths", ["B"]], ["over", "main", ["subcomponent_in", ["B"]]]]"#;
        assert_eq!(layers(nested), "B|D|C|A");
        let without = |path: u32| {
            with(GRAPH, r#"[["split_paths", ["B"]]]"#, |request| {
                request.excluded = vec![path];
            })
        };
        assert_eq!(without(0).unwrap(), "B C D");
        assert_eq!(without(3).unwrap(), "B|C|A");
    }

    #[test]
    fn every_operation_does_what_it_says() {
        for (pipeline, expected) in [
            ("[]", "A B C D"),
            (r#"[["popularity_contest"]]"#, "C|D|A|B"),
            (
                r#"[["popularity_contest"], ["limit_layers", 2]]"#,
                "C|D A B",
            ),
            (
                r#"[["popularity_contest"], ["limit_layers", 1]]"#,
                "C D A B",
            ),
            (
                r#"[["popularity_contest"], ["limit_layers", 9]]"#,
                "C|D|A|B",
            ),
            (r#"[["popularity_contest"], ["reverse"]]"#, "B|A|D|C"),
            (
                r#"[["popularity_contest"], ["reverse"], ["limit_layers", 2]]"#,
                "B|A D C",
            ),
            (r#"[["split_every", 3]]"#, "A B C|D"),
            (r#"[["split_every", 1], ["limit_layers", 3]]"#, "A|B|C D"),
            (r#"[["subcomponent_out", ["A"]]]"#, "A C|B D"),
            (r#"[["subcomponent_in", ["D", "nowhere"]]]"#, "B D|A C"),
            (r#"[["subcomponent_in", ["nowhere"]]]"#, "A B C D"),
            (r#"[["subcomponent_in", "D"]]"#, "B D|A C"),
            (r#"[["split_paths", ["nowhere"]]]"#, "A B C D"),
            (r#"[["split_paths", [{"children_of": "B"}]]]"#, "C D|A B"),
            (r#"[["split_paths", [{"children_of": ["A"]}]]]"#, "C|A B D"),
            (r#"[["split_paths", ["A", "B"]]]"#, "A B C D"),
            (
                r#"[["split_every", 2], ["map", ["popularity_contest"]], ["flatten"]]"#,
                "A|B|C|D",
            ),
            (
                r#"[["split_every", 2], ["map", ["pipe", [["split_every", 1], ["reverse"]]]]]"#,
                "B|A|D|C",
            ),
            (
                r#"[["pipe", [["split_every", 2], ["reverse"]]]]"#,
                "C D|A B",
            ),
            (
                r#"[["subcomponent_out", ["A"]], ["over", "rest", ["split_every", 1]], ["flatten"], ["limit_layers", 2]]"#,
                "A C|B D",
            ),
            (r#"[["remove_paths", "C"]]"#, "A B D; left out C"),
            (
                r#"[["remove_paths", ["C", "D"]], ["split_every", 1]]"#,
                "A|B; left out C D",
            ),
            (r#"[["flatten"], ["limit_layers", 1]]"#, "A B C D"),
        ] {
            assert_eq!(layers(pipeline), expected, "{pipeline}");
        }
    }

    #[test]
    fn removed_paths_take_part_in_nothing_that_follows() {
        // Without C, nothing but B needs anything.
        assert_eq!(
            layers(r#"[["remove_paths", ["D"]], ["popularity_contest"]]"#),
            "C|A|B; left out D"
        );
    }

    #[test]
    fn errors_name_the_step_and_the_operation() {
        for (pipeline, field, message) in [
            ("{}", "options.pipeline", "must be a list of steps"),
            (
                r#"["flatten"]"#,
                "options.pipeline[0]",
                "must be a list: an operation and its arguments",
            ),
            (
                "[[]]",
                "options.pipeline[0]",
                "must be a list: an operation and its arguments",
            ),
            (
                "[[3]]",
                "options.pipeline[0]",
                "must be a list: an operation and its arguments",
            ),
            (
                r#"[["limit_layer", 3]]"#,
                "options.pipeline[0]",
                "`limit_layer` is not an operation",
            ),
            (
                r#"[["flatten"], ["limit_layers"]]"#,
                "options.pipeline[1]",
                "`limit_layers` takes 1 argument, and got 0",
            ),
            (
                r#"[["reverse", 1]]"#,
                "options.pipeline[0]",
                "`reverse` takes 0 arguments, and got 1",
            ),
            (
                r#"[["limit_layers", 0]]"#,
                "options.pipeline[0][1]",
                "`limit_layers` needs a number above 0",
            ),
            (
                r#"[["limit_layers", "3"]]"#,
                "options.pipeline[0][1]",
                "`limit_layers` needs a number above 0",
            ),
            (
                r#"[["split_every", 1.5]]"#,
                "options.pipeline[0][1]",
                "`split_every` needs a number above 0",
            ),
            (
                r#"[["limit_layers", 3]]"#,
                "options.pipeline[0]",
                "`limit_layers` needs a list, and got a graph",
            ),
            (
                r#"[["popularity_contest"], ["popularity_contest"]]"#,
                "options.pipeline[1]",
                "`popularity_contest` needs a graph, and got a list",
            ),
            (
                r#"[["subcomponent_in", ["A"]], ["reverse"]]"#,
                "options.pipeline[1]",
                "`reverse` needs a list, and got a dictionary",
            ),
            (
                r#"[["map", ["flatten"]]]"#,
                "options.pipeline[0]",
                "`map` needs a list, and got a graph",
            ),
            (
                r#"[["over", "main", ["flatten"]]]"#,
                "options.pipeline[0]",
                "`over` needs a dictionary, and got a graph",
            ),
            (
                r#"[["split_paths", ["x"]], ["over", "main", ["flatten"]]]"#,
                "options.pipeline[1][1]",
                "there is no `main`",
            ),
            (
                r#"[["subcomponent_in", ["A"]], ["over", "main", ["reverse"]]]"#,
                "options.pipeline[1][2]",
                "`reverse` needs a list, and got a graph",
            ),
            (
                r#"[["split_every", 1], ["map", ["pipe", [["flatten"], ["split_every", 2]]]]]"#,
                "options.pipeline[1][1][1][1]",
                "`split_every` needs a graph, and got a list",
            ),
            (
                r#"[["over", 3, ["flatten"]]]"#,
                "options.pipeline[0][1]",
                "`over` needs a key, which is a string",
            ),
            (
                r#"[["map", "flatten"]]"#,
                "options.pipeline[0][1]",
                "must be a list: an operation and its arguments",
            ),
            (
                r#"[["split_paths", [{"children": "A"}]]]"#,
                "options.pipeline[0][1][0]",
                "must be a path, or an object with `children_of`",
            ),
            (
                r#"[["split_paths", "A"]]"#,
                "options.pipeline[0][1]",
                "`split_paths` needs a list",
            ),
            (
                r#"[["subcomponent_in", [1]]]"#,
                "options.pipeline[0][1][0]",
                "must be a path",
            ),
            (
                r#"[["split_every", 2], ["map", ["split_every", 1]], ["limit_layers", 1]]"#,
                "options.pipeline[2]",
                "`limit_layers` can put only graphs together, and got a list",
            ),
        ] {
            let error = with(GRAPH, pipeline, |_| {}).unwrap_err();
            assert_eq!(
                (error.field.as_deref(), error.message.as_str()),
                (Some(field), message),
                "{pipeline}"
            );
            assert_eq!(error.kind, ErrorKind::InvalidOptions);
        }
        let deep = format!("{}[\"flatten\"]{}", "[\"map\", ".repeat(70), "]".repeat(70));
        assert!(
            with(GRAPH, &format!("[{deep}]"), |_| {})
                .unwrap_err()
                .message
                .contains("nested deeper")
        );
        let unknown = with(GRAPH, r#"[["limit_layer", 3]]"#, |_| {}).unwrap_err();
        assert!(
            unknown
                .hint
                .unwrap()
                .starts_with("the operations are `flatten`, `limit_layers`,")
        );
    }

    #[test]
    fn a_pipeline_over_the_budget_is_refused() {
        let tight = |pipeline: &str| with(GRAPH, pipeline, |request| request.max_layers = Some(3));
        let error = tight(r#"[["split_every", 1]]"#).unwrap_err();
        assert_eq!(error.kind, ErrorKind::OverBudget);
        assert_eq!(
            error.message,
            "the pipeline makes 4 layers, and only 3 are allowed"
        );
        assert_eq!(tight(r#"[["split_every", 2]]"#).unwrap(), "A B|C D");
    }

    #[test]
    fn paths_that_nobody_knows_are_remarked_on() {
        let mut request = request(GRAPH);
        request.policy = "pipeline".to_owned();
        let many: Vec<String> = (0..9).map(|i| format!("\"x{i}\"")).collect();
        request.options = format!(
            r#"{{"pipeline": [["remove_paths", [{}]]]}}"#,
            many.join(",")
        );
        let remarks = super::super::plan(&request).unwrap().remarks;
        assert_eq!(remarks.len(), 6);
        assert_eq!(
            remarks[0],
            "the pipeline names `x0`, which is not in the closure"
        );
        assert_eq!(
            remarks[5],
            "the pipeline names 4 more paths that are not in the closure"
        );
    }
}
