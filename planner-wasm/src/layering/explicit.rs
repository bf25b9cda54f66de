//! The policy `explicit`: the grouping is the caller's own, checked.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Policy;
use super::options::{Declared, Given, Kind, invalid};
use crate::bindings::layering::{Error, ErrorKind, Layer, Planned, Request};

pub(super) const POLICY: Policy = Policy {
    name: "explicit",
    summary: "takes the grouping that the caller gives, bottom to top, and checks it",
    options: &[LAYERS],
    uses_history: false,
    plan,
};

const LAYERS: Declared = Declared {
    name: "layers",
    description: "the store paths of each layer, bottom to top",
    kind: Kind::List {
        items: || json!({ "type": "array", "items": { "type": "string" } }),
    },
};

fn plan(request: &Request, given: &Given) -> Result<Planned, Error> {
    let groups = parse(given.list(&LAYERS))?;
    if let Some(limit) = request
        .max_layers
        .filter(|&limit| groups.len() > limit as usize)
    {
        return Err(Error {
            kind: ErrorKind::OverBudget,
            message: format!(
                "the grouping has {} layers, and only {limit} are allowed",
                groups.len()
            ),
            field: Some("options.layers".to_owned()),
            hint: None,
        });
    }
    let layers = assign(request, &groups)?;
    Ok(Planned {
        layers,
        left_out: vec![],
        remarks: vec![],
    })
}

/// Turns the paths of each group into indices: each path of the request that is
/// not excluded, exactly once.
fn assign(request: &Request, groups: &[Vec<&str>]) -> Result<Vec<Layer>, Error> {
    let index: BTreeMap<&str, usize> = request
        .paths
        .iter()
        .enumerate()
        .map(|(i, path)| (path.path.as_str(), i))
        .collect();
    // Which field placed each path; the excluded ones are placed from the start.
    let mut placed: Vec<Option<String>> = vec![None; request.paths.len()];
    for &excluded in &request.excluded {
        placed[excluded as usize] = Some("excluded".to_owned());
    }
    let mut layers = Vec::with_capacity(groups.len());
    for (g, group) in groups.iter().enumerate() {
        let mut paths = Vec::with_capacity(group.len());
        for (p, &path) in group.iter().enumerate() {
            let field = format!("options.layers[{g}][{p}]");
            let Some(&i) = index.get(path) else {
                return Err(invalid(field, format!("`{path}` is not in the closure")));
            };
            if let Some(first) = &placed[i] {
                let message = format!("`{path}` is there twice, first in `{first}`");
                return Err(invalid(field, message));
            }
            placed[i] = Some(field);
            // An index came in as a u32, so it goes out as one.
            paths.push(i as u32);
        }
        layers.push(Layer {
            paths,
            reason: "as given".to_owned(),
            cost: None,
        });
    }
    match placed.iter().position(Option::is_none) {
        Some(i) => Err(invalid(
            "options.layers",
            format!("`{}` is in no layer", request.paths[i].path),
        )),
        None => Ok(layers),
    }
}

fn parse(layers: &Value) -> Result<Vec<Vec<&str>>, Error> {
    array(layers, "options.layers")?
        .iter()
        .enumerate()
        .map(|(g, group)| {
            let field = format!("options.layers[{g}]");
            array(group, &field)?
                .iter()
                .enumerate()
                .map(|(p, path)| match path {
                    Value::String(path) => Ok(path.as_str()),
                    _ => Err(invalid(format!("{field}[{p}]"), "must be a string")),
                })
                .collect()
        })
        .collect()
}

fn array<'v>(value: &'v Value, field: &str) -> Result<&'v [Value], Error> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(invalid(field, "must be an array")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{plan, tests::request};
    use super::*;

    const PATHS: &[&str] = &["/nix/store/a", "/nix/store/b", "/nix/store/c"];

    #[test]
    fn the_grouping_and_its_order_are_kept() {
        let options = r#"{"layers": [["/nix/store/c"], [], ["/nix/store/b", "/nix/store/a"]]}"#;
        let planned = plan(&request(PATHS, options)).unwrap();
        let layers: Vec<_> = planned
            .layers
            .into_iter()
            .map(|layer| layer.paths)
            .collect();
        assert_eq!(layers, [vec![2], vec![], vec![1, 0]]);
    }

    #[test]
    fn no_paths_and_no_layers_are_a_plan() {
        assert_eq!(plan(&request(&[], r#"{"layers": []}"#)).unwrap().layers, []);
    }

    #[test]
    fn a_grouping_that_breaks_a_rule_is_refused_with_its_place() {
        let table = [
            (
                "",
                "options",
                "not JSON: EOF while parsing a value at line 1 column 0",
            ),
            ("[]", "options", "must be an object"),
            ("{}", "options.layers", "is missing"),
            (
                r#"{"layers": [], "size": 1}"#,
                "options.size",
                "is not an option of `explicit`",
            ),
            (r#"{"layers": {}}"#, "options.layers", "must be an array"),
            (
                r#"{"layers": [[], "x"]}"#,
                "options.layers[1]",
                "must be an array",
            ),
            (
                r#"{"layers": [["/nix/store/a", 7]]}"#,
                "options.layers[0][1]",
                "must be a string",
            ),
            (
                r#"{"layers": [["/nix/store/z"]]}"#,
                "options.layers[0][0]",
                "`/nix/store/z` is not in the closure",
            ),
            (
                r#"{"layers": [["/nix/store/a"], ["/nix/store/b", "/nix/store/a"]]}"#,
                "options.layers[1][1]",
                "`/nix/store/a` is there twice, first in `options.layers[0][0]`",
            ),
            (
                r#"{"layers": [["/nix/store/a", "/nix/store/b"]]}"#,
                "options.layers",
                "`/nix/store/c` is in no layer",
            ),
        ];
        for (options, field, message) in table {
            let error = plan(&request(PATHS, options)).unwrap_err();
            assert_eq!(
                (error.field.as_deref(), error.message.as_str()),
                (Some(field), message),
                "{options}"
            );
        }
    }

    #[test]
    fn excluded_paths_stay_out() {
        let options = r#"{"layers": [["/nix/store/a", "/nix/store/b"]]}"#;
        let without_c = Request {
            excluded: vec![2],
            ..request(PATHS, options)
        };
        assert_eq!(plan(&without_c).unwrap().layers[0].paths, [0, 1]);
        let without_b = Request {
            excluded: vec![1, 2],
            ..request(PATHS, options)
        };
        assert_eq!(
            plan(&without_b).unwrap_err().message,
            "`/nix/store/b` is there twice, first in `excluded`"
        );
    }

    #[test]
    fn the_budget_is_kept() {
        let options = r#"{"layers": [["/nix/store/a"], ["/nix/store/b"], ["/nix/store/c"]]}"#;
        let tight = Request {
            max_layers: Some(2),
            ..request(PATHS, options)
        };
        let error = plan(&tight).unwrap_err();
        assert_eq!(error.kind, ErrorKind::OverBudget);
        assert_eq!(
            error.message,
            "the grouping has 3 layers, and only 2 are allowed"
        );
        assert!(
            plan(&Request {
                max_layers: None,
                ..request(PATHS, options)
            })
            .is_ok()
        );
    }
}
