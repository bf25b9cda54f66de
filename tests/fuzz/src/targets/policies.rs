//! Requests to planners: options of the built-in policies on graphs of any form, and the configuration of images.

use std::collections::BTreeSet;

use terrine_planner::bindings::image::{
    BaseImage, Inheritance, LayerRole, RenderRequest, RenderedLayer, ResolveRequest,
};
use terrine_planner::bindings::layering::{Request, StorePath};
use terrine_planner::{image, layering};

use crate::draw::Draw;
use crate::format::{Format, chunks};
use crate::{Limit, Target};

/// The most paths of a graph.
const PATHS: u64 = 24;

const WORDS: &[&str] = &[
    "pipeline",
    "popularity_contest",
    "split_paths",
    "subcomponent_in",
    "subcomponent_out",
    "limit_layers",
    "remove_paths",
    "reverse",
    "flatten",
    "over",
    "rest",
    "main",
    "common",
    "layers",
    "paths",
    "/nix/store/0",
    "/nix/store/1",
    "weight",
    "Cmd",
    "Entrypoint",
    "Env",
    "Labels",
    "Volumes",
    "ExposedPorts",
    "User",
    "config",
    "PATH=/bin",
    "$serde_json::private::Number",
];

pub(super) const TARGET: Target = Target {
    name: "policies",
    // The graph and what else is asked, options, a configuration, that of the base.
    format: Format::Chunks(&[Format::Bytes, Format::Json(WORDS)]),
    seeds,
    run,
    short: 8_000,
    longest: 4096,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let options = [
        "{}",
        r#"{"pipeline":[["popularity_contest"],["limit_layers",3]]}"#,
        r#"{"pipeline":[["split_paths",["/nix/store/1"]],["over","rest",["pipe",[["popularity_contest"],["reverse"]]]],["flatten"]]}"#,
        r#"{"layers":[["/nix/store/0"],["/nix/store/1","/nix/store/2"]]}"#,
    ];
    let config = r#"{"Cmd":["x"],"Env":["PATH=/bin","A=b"],"Labels":{"a":"b"},"n":1.50}"#;
    // What cannot be rendered is refused when it is resolved.
    let huge = r#"{"n":1e999}"#;
    let base = r#"{"config":{"Env":["PATH=/base"],"Volumes":{"/v":{}},"Entrypoint":["y"]}}"#;
    (0..8_u8)
        .map(|policy| {
            let graph: Vec<u8> = [policy, 1, 12]
                .into_iter()
                .chain((0..150).map(|at: u8| at.wrapping_mul(7) ^ policy))
                .collect();
            let options = options[usize::from(policy) % options.len()];
            let config = if policy == 7 { huge } else { config };
            chunks::join(&[
                &graph,
                options.as_bytes(),
                config.as_bytes(),
                base.as_bytes(),
            ])
        })
        .collect()
}

/// Draws a question of a graph.
fn request(draw: &mut Draw<'_>, options: &str) -> Request {
    let policies = layering::describe().policies;
    let policy = policies[usize::from(draw.byte()) % policies.len()]
        .name
        .clone();
    let count = draw.below(PATHS + 1);
    let some = |draw: &mut Draw<'_>, most: u64| {
        (0..draw.below(most))
            .map(|_| draw.below(PATHS + 2) as u32)
            .collect::<Vec<_>>()
    };
    let within = |list: Vec<u32>, draw: &mut Draw<'_>| {
        // Seldom one that the graph does not have.
        let limit = if draw.below(64) == 63 {
            u64::from(u32::MAX)
        } else {
            count
        };
        let set: BTreeSet<u32> = list
            .into_iter()
            .filter(|&index| u64::from(index) < limit)
            .collect();
        set.into_iter().collect::<Vec<_>>()
    };
    let paths = (0..count).map(|number| {
        let references = some(draw, 6);
        StorePath {
            path: format!("/nix/store/{number}"),
            name: format!("{number}"),
            package: format!("package-{}", number / 2),
            size: draw.number(),
            references: within(references, draw),
        }
    });
    let paths = paths.collect();
    let (roots, excluded) = (some(draw, 4), some(draw, 4));
    Request {
        policy,
        options: options.to_owned(),
        store_dir: "/nix/store".to_owned(),
        paths,
        roots: within(roots, draw),
        excluded: within(excluded, draw),
        max_layers: match draw.below(3) {
            0 => None,
            _ => Some(draw.below(30) as u32),
        },
        history: None,
    }
}

fn run(data: &[u8]) -> bool {
    let parts = chunks::split(data);
    let text =
        |place: usize| String::from_utf8_lossy(parts.get(place).copied().unwrap_or_default());
    let mut draw = Draw(parts.first().copied().unwrap_or_default());
    let request = request(&mut draw, &text(1));
    let is_planned = planned(&request);
    configured(&mut draw, &text(2), &text(3)) | is_planned
}

/// Checks that a plan has each path once, and no more layers than it may have.
fn planned(request: &Request) -> bool {
    let plan = layering::plan(request);
    let again = layering::plan(request);
    let shown = |plan: &Result<_, _>| format!("{plan:?}");
    assert_eq!(shown(&plan), shown(&again), "the same twice");
    let Ok(plan) = plan else {
        return false;
    };
    if let Some(most) = request.max_layers {
        assert!(
            plan.layers.len() <= most as usize,
            "{} layers of {most}",
            plan.layers.len()
        );
    }
    let mut seen = BTreeSet::new();
    let placed = plan
        .layers
        .iter()
        .flat_map(|layer| &layer.paths)
        .chain(&plan.left_out);
    for &index in placed {
        assert!(seen.insert(index), "path {index} is there twice: {plan:?}");
    }
    let wanted: BTreeSet<u32> = (0..request.paths.len() as u32)
        .filter(|index| !request.excluded.contains(index))
        .collect();
    assert_eq!(seen, wanted, "each path that is not excluded: {plan:?}");
    true
}

/// Checks that what is resolved is rendered, as JSON.
fn configured(draw: &mut Draw<'_>, config: &str, base: &str) -> bool {
    let name = |draw: &mut Draw<'_>| String::from_utf8_lossy(draw.bytes(20)).into_owned();
    let resolved = image::resolve(&ResolveRequest {
        reference: format!("name{}", name(draw)),
        tag: (draw.below(2) == 1).then(|| name(draw)),
        platform: ["linux/amd64", "x86_64-linux", "aarch64", "linux/arm/v7"]
            [draw.below(4) as usize]
            .to_owned(),
        variant: None,
        config: config.to_owned(),
        base: (draw.below(2) == 1).then(|| BaseImage {
            configuration: base.to_owned(),
            layers: 1,
        }),
        inherit: if draw.below(2) == 1 {
            Inheritance::All
        } else {
            Inheritance::Environment
        },
        labels: vec![("label".to_owned(), "value".to_owned())],
        max_layers: None,
        other_layers: 1,
        has_store_paths: true,
        identity: vec!["x".to_owned()],
    });
    let Ok(resolved) = resolved else {
        return false;
    };
    let layer = RenderedLayer {
        role: LayerRole::Store,
        diff_id: format!("sha256:{}", "0".repeat(64)),
        paths: vec![format!("/nix/store/{}", name(draw))],
        comment: None,
        created_by: None,
    };
    let rendered = image::render(&RenderRequest {
        created: "1970-01-01T00:00:01Z".to_owned(),
        author: None,
        os: resolved.os,
        architecture: resolved.architecture,
        variant: resolved.variant,
        config: resolved.config.clone(),
        layers: vec![layer],
    });
    let rendered = rendered.unwrap_or_else(|error| panic!("resolved, and not rendered: {error:?}"));
    let read = |text: &str| {
        serde_json::from_str::<serde_json::Value>(text).expect("a configuration is JSON")
    };
    // Numbers are written as Python does, so the values of some are others.
    let keys = |value: &serde_json::Value| {
        value
            .as_object()
            .map(|fields| fields.keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(
        keys(&read(&rendered)["config"]),
        keys(&read(&resolved.config))
    );
    true
}
