//! Commands that are run again and those that are not, what differs, and what joins the image.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use terrine_tests::{Archive, Run};

use super::place::{self, Bench, SINGLE};
use super::{With, entries, spec, top};

/// A script that no two runs leave alike.
const RANDOM: &str = "head -c 8 /dev/urandom > random";

fn tag(run: &Run) -> String {
    let archive = Archive::read(run.stdout.clone());
    archive.manifest["RepoTags"][0].as_str().unwrap().to_owned()
}

#[test]
fn what_is_written_to_while_commands_run_is_named_and_nothing_is_kept() {
    let Some(bench) = Bench::new() else { return };
    let source = bench.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "before").unwrap();
    let tool = bench.tools().join("note");
    fs::write(&tool, "before").unwrap();
    let spec = spec(&bench, "extraCommands", "cat file > seen; sleep 5")
        .with("copyToRoot", &*source.to_string_lossy());
    let tools = format!("`{}`", bench.tools().display());
    for (file, named) in [(source.join("file"), "`/file`"), (tool, tools.as_str())] {
        let cache = bench.cache();
        let mut command = bench.command("build", &spec, SINGLE, &cache);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let trees = cache.join("terrine/trees");
        let seen = || {
            let works = fs::read_dir(&trees).into_iter().flatten().flatten();
            works
                .map(|work| work.path())
                .any(|work| holds(&work, "seen"))
        };
        while !seen() && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(20));
        }
        fs::write(&file, "behind").unwrap();
        let run: Run = child.wait_with_output().unwrap().into();
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        let said = format!("{named} has changed while the commands at the root ran");
        assert!(run.stderr.contains(&said), "{}", run.stderr);
        assert!(run.stderr.contains("hint: run again"), "{}", run.stderr);
        fs::write(&file, "before").unwrap();
        let again = Run::of(&mut bench.command("build", &spec, SINGLE, &cache)).ok();
        assert!(!again.stderr.contains("unchanged"), "{}", again.stderr);
        assert_eq!(entries(&top(&again))["seen"].text, "before");
    }
}

/// Reports whether a folder has a file of a name, however deep.
fn holds(folder: &Path, name: &str) -> bool {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            entry.file_name() == name || is_folder && holds(&entry.path(), name)
        })
}

#[test]
fn what_differs_between_two_runs_is_found() {
    let Some(bench) = Bench::new() else { return };
    let Some(root) = bench.dynamic(&["bash", "date", "mkdir", "ln"]) else {
        return;
    };
    let check = |spec: &Value| {
        let cache = bench.cache();
        Run::of(
            bench
                .command("build", spec, SINGLE, &cache)
                .arg("--check-root"),
        )
    };
    for (script, path) in [
        (
            "mkdir d; date +%N > d/now",
            "`/d/now` has different content",
        ),
        ("mkdir d; echo $SRANDOM > d/x", "`/d/x` has "),
        ("mkdir \"d$(date +%N)\"", "exists after only one run"),
        ("ln -s \"$(date +%N)\" l", "`/l` is of a different kind"),
    ] {
        let spec = json!({"name": "test:1", "architecture": "amd64", "copyToRoot": root, "enableFakechroot": true})
            .with("fakeRootCommands", script);
        let run = check(&spec);
        assert_eq!(run.code, Some(1), "{script}: {}", run.stderr);
        assert!(run.stderr.contains(path), "{script}: {}", run.stderr);
    }
    let random = check(&spec(
        &bench,
        "extraCommands",
        &format!("mkdir d; {RANDOM}"),
    ));
    assert!(
        random.stderr.contains("`/random` has different content"),
        "{}",
        random.stderr
    );
    let clean = "echo a > a; ln -s a l; ln a h; mkdir -p d/e; chown -R 5:6 d; mknod n c 1 3";
    let spec = spec(&bench, "fakeRootCommands", clean);
    let once = bench.build(&spec, SINGLE).ok().stdout;
    assert!(check(&spec).ok().stdout == once);
}

#[test]
fn an_unchanged_image_runs_nothing() {
    let Some(bench) = Bench::new() else { return };
    let cache = bench.cache();
    let site = bench.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("page"), "one").unwrap();
    let mut spec = spec(&bench, "extraCommands", RANDOM)
        .with("name", "test")
        .with("copyToRoot", site.to_str().unwrap());
    let build = |spec: &Value| Run::of(&mut bench.command("build", spec, SINGLE, &cache)).ok();
    let ran = |run: &Run| {
        let kept = run.stderr.contains("unchanged, the cache has their result");
        assert!(
            kept != run.stderr.contains("running `extraCommands`"),
            "{}",
            run.stderr
        );
        !kept
    };
    // A plan runs them, and what it kept is built.
    let plan = Run::of(
        bench
            .command("plan", &spec, SINGLE, &cache)
            .args(["--format", "json"]),
    )
    .ok();
    assert!(ran(&plan));
    let first = build(&spec);
    assert!(!ran(&first));
    let second = build(&spec);
    assert!(!ran(&second) && second.stdout == first.stdout);
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(
        format!("test:{}", plan["tag"].as_str().unwrap()),
        tag(&first)
    );
    // The outcome is no part of the tag, nor is the level.
    let mut tags = BTreeSet::from([tag(&first)]);
    for at in place::all() {
        let again = bench.build(&spec, at).ok();
        assert!(again.stdout != first.stdout);
        tags.insert(tag(&again));
    }
    assert_eq!(tags.len(), 1, "{tags:?}");
    // What goes in is.
    let mut changed = |spec: &Value, what: &str| {
        let run = build(spec);
        assert!(ran(&run), "{what}");
        assert!(tags.insert(tag(&run)), "{what}");
    };
    fs::write(site.join("page"), "two").unwrap();
    changed(&spec, "the tree");
    fs::write(bench.tools().join("bin/new"), "x").unwrap();
    changed(&spec, "the tools");
    spec["extraCommands"] = format!("{RANDOM}\n#").into();
    changed(&spec, "the script");
    spec["fakeRootCommands"] = "true".into();
    changed(&spec, "another script");
    spec["enableFakechroot"] = true.into();
    changed(&spec, "where it runs");
    // A tree that is not whole any more is made anew.
    for tree in fs::read_dir(cache.join("terrine/trees")).unwrap().flatten() {
        fs::remove_dir_all(tree.path()).unwrap();
        fs::create_dir(tree.path()).unwrap();
    }
    assert!(ran(&build(&spec)));
}

#[test]
fn store_paths_that_commands_write_join_the_image() {
    let Some(bench) = Bench::new() else { return };
    let (app, lib, other, unseen) = (
        "00000000000000000000000000000000-app",
        "11111111111111111111111111111111-lib",
        "22222222222222222222222222222222-other",
        "33333333333333333333333333333333-unseen",
    );
    let store = bench.path().join("nix/store");
    let path = |name: &str| format!("/nix/store/{name}");
    let base = "44444444444444444444444444444444-base";
    for name in [app, lib, other, unseen, base] {
        fs::create_dir_all(store.join(name)).unwrap();
        fs::write(store.join(name).join("file"), name).unwrap();
    }
    let graph = json!([
        {"path": path(app), "narSize": 1, "references": [path(lib)]},
        {"path": path(lib), "narSize": 1, "references": []},
        {"path": path(other), "narSize": 1, "references": []},
        {"path": path(unseen), "narSize": 1, "references": []},
        {"path": path(base), "narSize": 1, "references": []},
    ]);
    fs::write(bench.path().join("graph.json"), graph.to_string()).unwrap();
    let paths = |script: &str| {
        let spec = spec(&bench, "extraCommands", script)
            .with("contents", path(base))
            .with("commands", json!({"path": [bench.tools(), path(app)]}))
            .with("closure", bench.path().join("graph.json").to_str().unwrap());
        let cache = bench.cache();
        let mut command = bench.command("plan", &spec, SINGLE, &cache);
        command
            .arg("--store-root")
            .arg(bench.path())
            .args(["--format", "json"]);
        let plan: Value = serde_json::from_slice(&Run::of(&mut command).ok().stdout).unwrap();
        let text = plan["layers"].to_string();
        let all = [app, lib, other, unseen].into_iter();
        all.filter(|name| text.contains(name)).collect::<Vec<_>>()
    };
    // The tools are no part of the image by themselves.
    assert_eq!(paths("cat /nix/store/*-app/file > /dev/null"), [""; 0]);
    let each = |what: &str, action: &str| {
        paths(&format!("for l in /nix/store/*-{what}; do {action}; done"))
    };
    assert_eq!(each("lib", "ln -s $l/file l"), [lib]);
    assert_eq!(each("lib", "printf 'x\\0%s/file\\0' $l > f"), [lib]);
    assert_eq!(each("app", "echo $l > f"), [app, lib]);
    assert_eq!(paths("[ $(ls /nix/store | wc -l) = 3 ]"), [""; 0]);
    // What the text of a script names is seen by it.
    assert_eq!(
        paths(&format!("[ -e {0}/file ]; ln -s {0} l", path(other))),
        [other]
    );
}
