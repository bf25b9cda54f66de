//! What the planner is asked in every host: each policy on several closures, with and without a
//! history and a limit, the image interface, and requests that are refused.

use serde_json::{Value, json};

/// All of them, as `{"FUNCTION": REQUEST}`.
pub(crate) fn all() -> Vec<Value> {
    let mut questions = vec![json!({ "describe": null })];
    for (count, seed) in [(0, 1), (1, 2), (2, 3), (12, 4), (60, 5)] {
        let paths = closure(count, seed);
        for (policy, options) in policies(&paths) {
            for (limit, history) in [(json!(100), Value::Null), (Value::Null, history(&paths))] {
                questions.push(plan(policy, &options, &paths, &limit, &history));
            }
        }
    }
    questions.extend(refused());
    questions.extend(image());
    questions
}

/// Every built-in policy, with options that fit it.
fn policies(paths: &[Value]) -> Vec<(&'static str, String)> {
    let names: Vec<&Value> = paths.iter().map(|path| &path["path"]).collect();
    let halves = names.split_at(names.len() / 2);
    let explicit = json!({ "layers": [halves.0, halves.1] }).to_string();
    let pipeline = match names.last() {
        Some(last) => {
            json!({ "pipeline": [["split_paths", [last]], ["flatten"], ["limit_layers", 7]] })
        }
        None => json!({ "pipeline": [["flatten"]] }),
    };
    let pipeline = pipeline.to_string();
    let plain = || "{}".to_owned();
    vec![
        ("", plain()),
        ("auto", plain()),
        ("popularity", plain()),
        ("pipeline", pipeline),
        ("explicit", explicit),
        ("path-per-layer", plain()),
        ("single", plain()),
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

/// A history in which every third path has changed.
fn history(paths: &[Value]) -> Value {
    let observation = |i: usize| {
        let changes = if i.is_multiple_of(3) {
            json!([1, 2])
        } else {
            json!([])
        };
        let version_changes = if i.is_multiple_of(3) {
            json!([2])
        } else {
            json!([])
        };
        json!({ "closures": 3, "changes": changes, "version-changes": version_changes })
    };
    let held = |path: &Value| {
        let paths = json!([{
            "path": path["path"], "name": path["name"], "package": path["package"], "size": path["size"],
        }]);
        json!({ "transfer-size": 1000, "paths": paths })
    };
    let observations: Vec<Value> = (0..paths.len()).map(observation).collect();
    let layers: Vec<Value> = paths.iter().map(held).collect();
    json!({ "steps": 3, "observations": observations, "held": [{ "layers": layers }] })
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
