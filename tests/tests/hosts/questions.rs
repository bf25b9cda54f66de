//! The questions to the planner in every host: each policy on several closures, with and without a
//! limit, a history and layers that clients hold, the image interface, and requests that are
//! refused.

use serde_json::{Value, json};
use terrine_tests::built_in;

/// The number of earlier closures that are known.
const STEPS: usize = 12;

/// All of them, as `{"FUNCTION": REQUEST}`.
pub(crate) fn all() -> Vec<Value> {
    let mut questions = vec![json!({ "describe": null })];
    let policies = policies();
    for (count, seed) in [(0, 1), (1, 2), (2, 3), (12, 4), (60, 5)] {
        let paths = closure(count, seed);
        for (limit, history) in situations(&paths) {
            for policy in &policies {
                for options in options(policy, &paths) {
                    questions.push(plan(policy, &options.to_string(), &paths, &limit, &history));
                }
            }
        }
    }
    questions.extend(refused());
    questions.extend(image());
    questions
}

/// Every built-in policy; and none, which is the first one.
fn policies() -> Vec<String> {
    let policies = built_in().policies.into_iter().map(|policy| policy.name);
    policies.chain([String::new()]).collect()
}

/// The options that a policy is asked with; none is left out because it was forgotten here.
fn options(policy: &str, paths: &[Value]) -> Vec<Value> {
    let names: Vec<&Value> = paths.iter().map(|path| &path["path"]).collect();
    match policy {
        "" | "auto" | "popularity" | "path-per-layer" | "single" => vec![json!({})],
        "least-pull" => vec![
            json!({}),
            json!({ "changes": 2.5, "horizon": 7, "memory": 3.3 }),
        ],
        "pipeline" => vec![match names.last() {
            Some(last) => {
                json!({ "pipeline": [["split_paths", [last]], ["flatten"], ["limit_layers", 7]] })
            }
            None => json!({ "pipeline": [["flatten"]] }),
        }],
        "explicit" => {
            let halves = names.split_at(names.len() / 2);
            vec![json!({ "layers": [halves.0, halves.1] })]
        }
        _ => panic!("there are no options to ask the policy `{policy}` with"),
    }
}

/// Returns situations: how many layers there may be, and what is known of the history.
fn situations(paths: &[Value]) -> [(Value, Value); 5] {
    let (observed, held) = (observations(paths), held(paths));
    let past = |observed: &Value, held: &Value| {
        let steps = if observed == &json!([]) { 0 } else { STEPS };
        json!({ "steps": steps, "observations": observed, "held": held })
    };
    let none = json!([]);
    [
        (json!(100), Value::Null),
        (json!(7), Value::Null),
        (json!(7), past(&observed, &none)),
        (json!(7), past(&none, &held)),
        (Value::Null, past(&observed, &held)),
    ]
}

/// A closure of so many paths, made up by chance, but always the same for the same seed.
fn closure(count: u64, seed: u64) -> Vec<Value> {
    let mut state = seed;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below.max(1)
    };
    let path = |i: u64| {
        let package = if i.is_multiple_of(5) {
            format!("päckage-{i}")
        } else {
            format!("package-{i}")
        };
        let name = format!("{package}-1.{i}");
        let mut references: Vec<u64> = (0..3).map(|_| random(i)).filter(|_| i > 0).collect();
        references.sort_unstable();
        references.dedup();
        // Some do not fit into 32 bits; all do into a number of JavaScript.
        let size = if i.is_multiple_of(7) {
            random(1 << 30) << 20
        } else {
            random(1 << 20)
        };
        json!({
            "path": format!("/nix/store/{i:032}-{name}"), "name": name, "package": package,
            "size": size, "references": references,
        })
    };
    (0..count).map(path).collect()
}

/// Returns what earlier closures say about each path: every third one has changed, each at other times.
fn observations(paths: &[Value]) -> Value {
    (0..paths.len()).map(observation).collect()
}

fn observation(path: usize) -> Value {
    let mut changes: Vec<usize> = (1..STEPS).collect();
    changes.retain(|step| path.is_multiple_of(3) && step.is_multiple_of(path % 5 + 1));
    let versions: Vec<&usize> = changes.iter().filter(|&step| step % 2 == 0).collect();
    json!({ "closures": STEPS, "changes": changes, "version-changes": versions })
}

/// An image that clients hold: layers of five paths, and a path of every other layer has changed
/// since.
fn held(paths: &[Value]) -> Value {
    let layers: Vec<Value> = paths.chunks(5).enumerate().map(held_layer).collect();
    json!([{ "layers": layers }])
}

fn held_layer((number, paths): (usize, &[Value])) -> Value {
    let mut paths: Vec<Value> = paths.iter().map(without_references).collect();
    if number % 2 == 1 {
        paths[0]["path"] = json!(format!("{}-before", paths[0]["path"].as_str().unwrap()));
    }
    json!({ "transfer-size": 1000 + number, "paths": paths })
}

fn without_references(path: &Value) -> Value {
    let mut path = path.clone();
    path.as_object_mut().unwrap().remove("references");
    path
}

fn plan(policy: &str, options: &str, paths: &[Value], limit: &Value, history: &Value) -> Value {
    let roots: Vec<usize> = paths.len().checked_sub(1).into_iter().collect();
    // What the caller groups by hand may not be left out.
    let excluded = if paths.len() > 2 && policy != "explicit" {
        json!([0])
    } else {
        json!([])
    };
    json!({ "plan": {
        "policy": policy, "options": options, "store-dir": "/nix/store", "paths": paths,
        "roots": roots, "excluded": excluded, "max-layers": limit, "history": history,
    }})
}

/// Requests that are refused, each for another reason.
fn refused() -> Vec<Value> {
    let paths = closure(3, 6);
    let none = &Value::Null;
    let mut questions = vec![
        plan("best", "{}", &paths, none, none),
        plan("auto", "{", &paths, none, none),
        plan("auto", r#"{"x": 1}"#, &paths, none, none),
        plan("auto", "{}", &paths, &json!(0), none),
        plan(
            "explicit",
            r#"{"layers": [["/nix/store/unknown"]]}"#,
            &paths,
            none,
            none,
        ),
    ];
    let mut out_of_range = plan("auto", "{}", &paths, none, none);
    out_of_range["plan"]["roots"] = json!([7]);
    questions.push(out_of_range);
    questions
}

/// The interface `image`.
fn image() -> Vec<Value> {
    let resolve = |reference: &str, base: Value| {
        json!({ "resolve": {
            "reference": reference, "tag": null, "platform": "linux/arm/v7", "variant": null,
            "config": r#"{"Cmd": ["/bin/wéb"], "Env": ["A=1"]}"#, "base": base, "inherit": "all",
            "labels": [["a", "b"], ["c", "d"]], "max-layers": 10, "other-layers": 1,
            "has-store-paths": true, "identity": ["/nix/store/a"],
        }})
    };
    let configuration = r#"{"architecture": "arm", "os": "linux", "config": {"Env": ["B=2"]}}"#;
    let layer = |role: &str, comment: Value| {
        let diff_id = format!("sha256:{}", "0".repeat(64));
        json!({
            "role": role, "diff-id": diff_id, "paths": ["/nix/store/é"], "comment": comment,
            "created-by": null,
        })
    };
    let render = |config: &str| {
        json!({ "render": {
            "created": "1970-01-01T00:00:01+00:00", "author": "nobody", "os": "linux",
            "architecture": "arm", "variant": "v7", "config": config,
            "layers": [
                layer("base", json!("base")), layer("store", Value::Null),
                layer("customisation", json!("root")),
            ],
        }})
    };
    vec![
        resolve("ghcr.io/Acme/web", Value::Null),
        resolve(
            "web:1.0",
            json!({ "configuration": configuration, "layers": 2 }),
        ),
        resolve(
            "web:1.0",
            json!({ "configuration": configuration, "layers": 20 }),
        ),
        resolve("not a name", Value::Null),
        render(r#"{"Cmd": ["/bin/wéb"]}"#),
        render("["),
    ]
}
