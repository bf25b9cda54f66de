//! The contract's records as JSON with the contract's names, for the native host. The compiler
//! and `unwrap` see to it that no field is forgotten.

use serde_json::{Value, json};
use terrine::planner::image::{
    BaseImage, Inheritance, LayerRole, RenderRequest, RenderedLayer, ResolveRequest, Resolved,
};
use terrine::planner::layering::{
    HeldImage, HeldLayer, HeldPath, History, Info, Layer, Observation, Planned, PolicyInfo,
    Request, StorePath,
};
use terrine::planner::{EmptyLayers, Error, Planner};

/// Asks the native host: the answer to a question such as `{"plan": REQUEST}`. Its errors have
/// no `kind`, which the host does not tell.
pub(crate) fn ask(planner: &Planner<'_>, question: &Value) -> Value {
    let (function, request) = question.as_object().unwrap().iter().next().unwrap();
    let answer = match function.as_str() {
        "describe" => planner.describe().map(info),
        "plan" => planner
            .plan(&plan_request(request), EmptyLayers::AsGiven)
            .map(planned),
        "resolve" => planner.resolve(&resolve_request(request)).map(resolved),
        "render" => planner.render(&render_request(request)).map(Value::from),
        _ => panic!("{function}"),
    };
    match answer {
        Ok(value) => json!({ "ok": value }),
        Err(Error::Refused {
            message,
            field,
            hint,
            ..
        }) => {
            json!({ "err": { "message": message, "field": field, "hint": hint } })
        }
        Err(error) => panic!("{error}: {question}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn optional(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| text(value))
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn list<T>(value: &Value, item: fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(item).collect()
}

fn plan_request(value: &Value) -> Request {
    Request {
        policy: text(&value["policy"]),
        options: text(&value["options"]),
        store_dir: text(&value["store-dir"]),
        paths: list(&value["paths"], store_path),
        roots: list(&value["roots"], number),
        excluded: list(&value["excluded"], number),
        max_layers: value["max-layers"]
            .as_u64()
            .map(|_| number(&value["max-layers"])),
        history: (!value["history"].is_null()).then(|| history(&value["history"])),
    }
}

fn store_path(value: &Value) -> StorePath {
    StorePath {
        path: text(&value["path"]),
        name: text(&value["name"]),
        package: text(&value["package"]),
        size: value["size"].as_u64().unwrap(),
        references: list(&value["references"], number),
    }
}

fn history(value: &Value) -> History {
    let observation = |value: &Value| Observation {
        closures: number(&value["closures"]),
        changes: list(&value["changes"], number),
        version_changes: list(&value["version-changes"], number),
    };
    let held = |value: &Value| HeldImage {
        layers: list(&value["layers"], held_layer),
    };
    History {
        steps: number(&value["steps"]),
        observations: list(&value["observations"], observation),
        held: list(&value["held"], held),
    }
}

fn held_layer(value: &Value) -> HeldLayer {
    let path = |value: &Value| HeldPath {
        path: text(&value["path"]),
        name: text(&value["name"]),
        package: text(&value["package"]),
        size: value["size"].as_u64().unwrap(),
    };
    HeldLayer {
        paths: list(&value["paths"], path),
        transfer_size: value["transfer-size"].as_u64().unwrap(),
    }
}

fn resolve_request(value: &Value) -> ResolveRequest {
    let label = |value: &Value| (text(&value[0]), text(&value[1]));
    let base = &value["base"];
    ResolveRequest {
        reference: text(&value["reference"]),
        tag: optional(&value["tag"]),
        platform: text(&value["platform"]),
        variant: optional(&value["variant"]),
        config: text(&value["config"]),
        base: (!base.is_null()).then(|| BaseImage {
            configuration: text(&base["configuration"]),
            layers: number(&base["layers"]),
        }),
        inherit: match value["inherit"].as_str().unwrap() {
            "environment" => Inheritance::Environment,
            "all" => Inheritance::All,
            other => panic!("{other}"),
        },
        labels: list(&value["labels"], label),
        max_layers: value["max-layers"]
            .as_u64()
            .map(|_| number(&value["max-layers"])),
        other_layers: number(&value["other-layers"]),
        has_store_paths: value["has-store-paths"].as_bool().unwrap(),
        identity: list(&value["identity"], text),
    }
}

fn render_request(value: &Value) -> RenderRequest {
    let layer = |value: &Value| RenderedLayer {
        role: match value["role"].as_str().unwrap() {
            "base" => LayerRole::Base,
            "store" => LayerRole::Store,
            "customisation" => LayerRole::Customisation,
            other => panic!("{other}"),
        },
        diff_id: text(&value["diff-id"]),
        paths: list(&value["paths"], text),
        comment: optional(&value["comment"]),
        created_by: optional(&value["created-by"]),
    };
    RenderRequest {
        created: text(&value["created"]),
        author: optional(&value["author"]),
        os: text(&value["os"]),
        architecture: text(&value["architecture"]),
        variant: optional(&value["variant"]),
        config: text(&value["config"]),
        layers: list(&value["layers"], layer),
    }
}

fn info(info: Info) -> Value {
    let Info {
        name,
        version,
        policies,
    } = info;
    let policy = |policy: PolicyInfo| {
        let PolicyInfo {
            name,
            summary,
            options_schema,
            uses_history,
        } = policy;
        json!({ "name": name, "summary": summary, "options-schema": options_schema, "uses-history": uses_history })
    };
    let policies: Vec<Value> = policies.into_iter().map(policy).collect();
    json!({ "name": name, "version": version, "policies": policies })
}

fn planned(planned: Planned) -> Value {
    let Planned {
        layers,
        left_out,
        remarks,
    } = planned;
    let layer = |layer: Layer| {
        let Layer {
            paths,
            reason,
            cost,
        } = layer;
        json!({ "paths": paths, "reason": reason, "cost": cost })
    };
    let layers: Vec<Value> = layers.into_iter().map(layer).collect();
    json!({ "layers": layers, "left-out": left_out, "remarks": remarks })
}

fn resolved(resolved: Resolved) -> Value {
    let Resolved {
        repository,
        tag,
        tag_generated,
        base_name,
        os,
        architecture,
        variant,
        config,
        store_layers,
        remarks,
    } = resolved;
    json!({
        "repository": repository, "tag": tag, "tag-generated": tag_generated, "base-name": base_name,
        "os": os, "architecture": architecture, "variant": variant, "config": config,
        "store-layers": store_layers, "remarks": remarks,
    })
}
