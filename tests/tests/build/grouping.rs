//! The content of each layer.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::base::{self, BaseImage};
use terrine_tests::{ConfFile, SpecFile, oracle};

use super::{GRAPH, all, diff_ids, spec, store};

#[test]
fn layers_are_those_of_the_oracle() {
    let store = store();
    store
        .link("lib/link", "lib/lib.so")
        .directory("lib/empty")
        .file("lib/é", b"x");
    let archive = spec(&store)
        .with("uid", 1000)
        .with("gid", 100)
        .with("uname", "user")
        .archive();
    let plan = spec(&store).layers();
    let layers: Vec<Vec<&str>> = plan
        .split('|')
        .map(|layer| layer.split(' ').collect())
        .collect();
    let layers: Vec<&[&str]> = layers.iter().map(Vec::as_slice).collect();
    let conf = ConfFile::new(&store, &layers)
        .with("uid", "1000")
        .with("gid", "100")
        .with("uname", "user");
    let Some(theirs) = oracle::image(&conf) else {
        return;
    };
    assert_eq!(archive.layers().len(), theirs.layers().len());
    let stores = layers.len();
    assert_eq!(archive.layers()[..stores], theirs.layers()[..stores]);
}

#[test]
fn two_images_of_one_closure_share_layers() {
    let store = store();
    store.file("tool/bin/tool", b"tool");
    let graph = [GRAPH, &[("tool", 5, "libc")]].concat();
    let one = SpecFile::new(&store, &["app"]).graph(&graph).archive();
    let other = SpecFile::new(&store, &["tool"]).graph(&graph).archive();
    let shared = diff_ids(&one)
        .into_iter()
        .filter(|id| diff_ids(&other).contains(id))
        .count();
    assert_eq!(shared, 1);
}

#[test]
fn layers_keep_to_the_budget_and_lose_nothing() {
    let store = store();
    for (max, expected) in [(2, "lib|app"), (100, "")] {
        let archive = spec(&store).with("maxLayers", max).archive();
        assert_eq!(archive.layers().len(), max.min(4), "{expected}");
        let files: Vec<String> = all(&archive)
            .into_keys()
            .filter(|path| path.starts_with("nix/store/"))
            .collect();
        assert_eq!(files.iter().filter(|path| path.ends_with(".so")).count(), 2);
    }
    // One of them the base's, one the root's.
    let base = BaseImage::old(
        &[&base::layer("base/a", b"a"), &base::layer("base/b", b"b")],
        &[],
    )
    .write(&store);
    let stacked = spec(&store)
        .with("fromImage", base.to_str().unwrap())
        .with("maxLayers", 4);
    assert_eq!(stacked.archive().layers().len(), 4);
    let tight = stacked.with("maxLayers", 3).run();
    assert_eq!(tight.code, Some(1));
    assert!(
        tight.stderr.contains("allow at least 4 layers"),
        "{}",
        tight.stderr
    );
}

#[test]
fn policies_are_chosen_by_name_or_by_a_pipeline() {
    let store = store();
    let layers = |field: &str, value: Value| spec(&store).with(field, value).layers();
    assert_eq!(spec(&store).layers(), "libc|lib|app");
    assert_eq!(layers("planner", json!("popularity")), "libc|lib|app");
    assert_eq!(layers("planner", json!("single")), "app lib libc");
    assert_eq!(
        layers("planner", json!({"policy": "path-per-layer"})),
        "libc|app|lib"
    );
    let explicit = json!({"policy": "explicit", "options": {"layers": [["/nix/store/app"], ["/nix/store/libc", "/nix/store/lib"]]}});
    assert_eq!(layers("planner", explicit), "app|libc lib");
    let pipeline = json!([["split_paths", ["/nix/store/lib"]]]);
    assert_eq!(layers("layeringPipeline", pipeline.clone()), "lib|libc|app");
    fs::write(store.root().join("pipeline.json"), pipeline.to_string()).unwrap();
    assert_eq!(
        layers("layeringPipeline", json!("pipeline.json")),
        "lib|libc|app"
    );
}

#[test]
fn paths_that_a_pipeline_removes_are_said_to_be() {
    let store = store();
    let spec = spec(&store).with(
        "layeringPipeline",
        json!([["remove_paths", "/nix/store/libc"]]),
    );
    assert_eq!(spec.layers(), "lib app");
    let run = spec.run().ok();
    assert!(
        run.stderr.contains("warning: 1 of the store paths is in no layer, as the options of `pipeline` ask for: `/nix/store/libc`"),
        "{}",
        run.stderr
    );
}
