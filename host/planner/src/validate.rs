//! Nothing that a component returns is trusted: a plan is used only if it places
//! every path exactly once and keeps to the budget.

use terrine_support::hint::Hint;

use super::layering::{Planned, Request};

/// The rule for layers without a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyLayers {
    /// They are refused: they cost a client a request and bring it nothing.
    Refused,
    /// They are allowed, because the caller's own grouping has them.
    AsGiven,
}

/// A rule that a plan breaks, with an example.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// More layers than the request allows.
    #[error("it has {layers} layers, but at most {limit} are allowed")]
    TooManyLayers {
        /// The number that the plan has.
        layers: usize,
        /// The number that it may have.
        limit: u32,
    },
    /// A layer without a path.
    #[error("its layer {layer} is empty")]
    EmptyLayer {
        /// The layer, counted from 1.
        layer: usize,
    },
    /// An index that stands for no path.
    #[error("its layer {layer} contains the index {index}, but there are {paths} paths")]
    OutOfRange {
        /// The layer, counted from 1.
        layer: usize,
        /// The index.
        index: u32,
        /// The number of paths.
        paths: usize,
    },
    /// A path that is placed twice.
    #[error("it contains `{path}` twice, in layers {first} and {second}")]
    Twice {
        /// The path.
        path: String,
        /// The layer that holds it first, counted from 1.
        first: usize,
        /// The layer that holds it again.
        second: usize,
    },
    /// A path that is placed and should not be.
    #[error("its layer {layer} contains `{path}`, which the request excludes")]
    Excluded {
        /// The path.
        path: String,
        /// The layer, counted from 1.
        layer: usize,
    },
    /// An index among those left out that stands for no path.
    #[error("it leaves out the index {index}, but there are {paths} paths")]
    LeftOutOfRange {
        /// The index.
        index: u32,
        /// The number of paths.
        paths: usize,
    },
    /// Indices among those left out that are not in order, or there twice.
    #[error("its list of what it leaves out is not in ascending order at the index {index}")]
    LeftOutOfOrder {
        /// The index.
        index: u32,
    },
    /// A path that is both placed and left out.
    #[error("it leaves out `{path}`, which is in its layer {layer}")]
    PlacedAndLeftOut {
        /// The path.
        path: String,
        /// The layer, counted from 1.
        layer: usize,
    },
    /// A path that is left out though no option asks for that.
    #[error("it leaves out `{path}`, but it was given no options that ask for that")]
    LeftOut {
        /// The path.
        path: String,
    },
    /// Paths that are in no layer.
    #[error("it leaves out {} of {paths} paths, `{path}` among them", missing)]
    Missing {
        /// The number of paths that are left out.
        missing: usize,
        /// The number of paths to place.
        paths: usize,
        /// One of them.
        path: String,
    },
}

impl Hint for Violation {}

/// Checks a plan against its request.
///
/// # Errors
///
/// The first rule that the plan breaks.
pub fn validate(request: &Request, planned: &Planned, empty: EmptyLayers) -> Result<(), Violation> {
    if let Some(limit) = request
        .max_layers
        .filter(|&limit| planned.layers.len() > limit as usize)
    {
        return Err(Violation::TooManyLayers {
            layers: planned.layers.len(),
            limit,
        });
    }
    let mut excluded = vec![false; request.paths.len()];
    for &index in &request.excluded {
        excluded[index as usize] = true;
    }
    // The layer that holds each path, counted from 1; 0 for none.
    let mut holder = vec![0; request.paths.len()];
    for (layer, paths) in (1..).zip(planned.layers.iter().map(|layer| &layer.paths)) {
        if paths.is_empty() && empty == EmptyLayers::Refused {
            return Err(Violation::EmptyLayer { layer });
        }
        for &index in paths {
            let i = index as usize;
            let path = || request.paths[i].path.clone();
            match holder.get(i) {
                None => {
                    return Err(Violation::OutOfRange {
                        layer,
                        index,
                        paths: holder.len(),
                    });
                }
                Some(_) if excluded[i] => {
                    return Err(Violation::Excluded {
                        path: path(),
                        layer,
                    });
                }
                Some(0) => holder[i] = layer,
                Some(&first) => {
                    return Err(Violation::Twice {
                        path: path(),
                        first,
                        second: layer,
                    });
                }
            }
        }
    }
    let left_out = left_out(request, planned, &holder)?;
    let mut missing = (0..holder.len()).filter(|&i| holder[i] == 0 && !excluded[i] && !left_out[i]);
    match missing.next() {
        None => Ok(()),
        Some(i) => Err(Violation::Missing {
            missing: 1 + missing.count(),
            paths: excluded.iter().filter(|&&excluded| !excluded).count(),
            path: request.paths[i].path.clone(),
        }),
    }
}

/// Returns which paths a plan leaves out because the user's options say so.
fn left_out(
    request: &Request,
    planned: &Planned,
    holder: &[usize],
) -> Result<Vec<bool>, Violation> {
    if let Some(pair) = planned.left_out.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(Violation::LeftOutOfOrder { index: pair[1] });
    }
    let mut left_out = vec![false; holder.len()];
    for &index in &planned.left_out {
        let i = index as usize;
        let path = || request.paths[i].path.clone();
        match holder.get(i) {
            None => {
                return Err(Violation::LeftOutOfRange {
                    index,
                    paths: holder.len(),
                });
            }
            Some(0) if request.options.trim() == "{}" => {
                return Err(Violation::LeftOut { path: path() });
            }
            Some(0) => left_out[i] = true,
            Some(&layer) => {
                return Err(Violation::PlacedAndLeftOut {
                    path: path(),
                    layer,
                });
            }
        }
    }
    Ok(left_out)
}

#[cfg(test)]
mod tests {
    use super::super::layering::{Layer, StorePath};
    use super::*;

    /// Three paths, to be placed in any number of layers.
    fn request(options: &str) -> Request {
        Request {
            policy: String::new(),
            options: options.to_owned(),
            store_dir: "/nix/store".to_owned(),
            paths: ["a", "b", "c"]
                .map(|name| StorePath {
                    path: format!("/nix/store/{name}"),
                    name: name.to_owned(),
                    package: name.to_owned(),
                    size: 1,
                    references: vec![],
                })
                .to_vec(),
            roots: vec![],
            excluded: vec![],
            max_layers: None,
            history: None,
        }
    }

    fn check(
        layers: &[&[u32]],
        excluded: &[u32],
        max_layers: u32,
        empty: EmptyLayers,
    ) -> Result<(), String> {
        let request = Request {
            excluded: excluded.to_vec(),
            max_layers: Some(max_layers),
            ..request("{}")
        };
        let layers = layers
            .iter()
            .map(|paths| Layer {
                paths: paths.to_vec(),
                reason: String::new(),
                cost: None,
            })
            .collect();
        let planned = Planned {
            layers,
            left_out: vec![],
            remarks: vec![],
        };
        validate(&request, &planned, empty).map_err(|violation| violation.to_string())
    }

    #[test]
    fn paths_are_left_out_only_if_options_can_ask_for_it() {
        let check = |options: &str, placed: &[u32], left_out: &[u32]| {
            let request = request(options);
            let layers = vec![Layer {
                paths: placed.to_vec(),
                reason: String::new(),
                cost: None,
            }];
            let planned = Planned {
                layers,
                left_out: left_out.to_vec(),
                remarks: vec![],
            };
            validate(&request, &planned, EmptyLayers::Refused)
                .map_err(|violation| violation.to_string())
        };
        let says = |text: &str| Err(text.to_owned());
        assert_eq!(check(r#"{"x": 1}"#, &[0, 1], &[2]), Ok(()));
        let unasked = "it leaves out `/nix/store/c`, but it was given no options that ask for that";
        assert_eq!(check("{}", &[0, 1], &[2]), says(unasked));
        let both = "it leaves out `/nix/store/b`, which is in its layer 1";
        assert_eq!(check(r#"{"x": 1}"#, &[0, 1], &[1, 2]), says(both));
        let order = "its list of what it leaves out is not in ascending order at the index 1";
        assert_eq!(check(r#"{"x": 1}"#, &[0], &[2, 1]), says(order));
        assert_eq!(check(r#"{"x": 1}"#, &[0], &[1, 1, 2]), says(order));
        let range = "it leaves out the index 3, but there are 3 paths";
        assert_eq!(check(r#"{"x": 1}"#, &[0, 1], &[2, 3]), says(range));
    }

    /// Layers, excluded paths, budget, whether empty layers are allowed; what is said.
    type Case<'a> = (
        &'a [&'a [u32]],
        &'a [u32],
        u32,
        EmptyLayers,
        Result<(), &'a str>,
    );

    #[test]
    fn every_rule_is_checked_and_named() {
        use EmptyLayers::{AsGiven, Refused};
        let table: &[Case<'_>] = &[
            (&[&[0], &[2, 1]], &[], 2, Refused, Ok(())),
            (&[&[0, 2]], &[1], 1, Refused, Ok(())),
            (
                &[&[0], &[1], &[2]],
                &[],
                2,
                Refused,
                Err("it has 3 layers, but at most 2 are allowed"),
            ),
            (
                &[&[0, 1, 2], &[]],
                &[],
                2,
                Refused,
                Err("its layer 2 is empty"),
            ),
            (&[&[0, 1, 2], &[]], &[], 2, AsGiven, Ok(())),
            (
                &[&[0, 3]],
                &[],
                2,
                Refused,
                Err("its layer 1 contains the index 3, but there are 3 paths"),
            ),
            (
                &[&[0, 1], &[1]],
                &[],
                2,
                Refused,
                Err("it contains `/nix/store/b` twice, in layers 1 and 2"),
            ),
            (
                &[&[0, 0]],
                &[],
                2,
                Refused,
                Err("it contains `/nix/store/a` twice, in layers 1 and 1"),
            ),
            (
                &[&[0, 1]],
                &[1],
                2,
                Refused,
                Err("its layer 1 contains `/nix/store/b`, which the request excludes"),
            ),
            (
                &[&[0]],
                &[],
                2,
                Refused,
                Err("it leaves out 2 of 3 paths, `/nix/store/b` among them"),
            ),
            (
                &[],
                &[0],
                2,
                Refused,
                Err("it leaves out 2 of 2 paths, `/nix/store/b` among them"),
            ),
            (&[], &[0, 1, 2], 2, Refused, Ok(())),
        ];
        for (layers, excluded, max, empty, expected) in table {
            let outcome = check(layers, excluded, *max, *empty);
            assert_eq!(
                outcome.as_ref().map_err(String::as_str),
                expected.as_ref().map_err(|e| *e),
                "{layers:?}"
            );
        }
    }
}
