//! `terrine planner`: what components are and do, as users see it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use terrine::oci::Digest;
use terrine::planner::check::{Outcome, corpus, trial};
use terrine::planner::{EMBEDDED, Imports, Limits, Runtime};
use terrine_tests::{Run, temporary, terrine};

use super::component::{Policy, data, describing, good, info, planning, words};

/// `terrine planner SUBCOMMAND x.wasm`, and the paths and digests of this machine by others.
fn planner(policy: &Policy, arguments: &[&str]) -> Run {
    let folder = temporary();
    let component = policy.build();
    fs::write(folder.path().join("x.wasm"), &component).unwrap();
    fs::write(
        folder.path().join("graph.json"),
        r#"[{"path": "/nix/store/app", "narSize": 9, "references": ["/nix/store/lib"]},
            {"path": "/nix/store/lib", "narSize": 5, "references": []}]"#,
    )
    .unwrap();
    let mut run = Run::of(
        terrine()
            .current_dir(folder.path())
            .arg("planner")
            .args(arguments),
    );
    let text = String::from_utf8(run.stdout).unwrap();
    run.stdout = text
        .replace(&Digest::of(&component).to_string(), "[DIGEST]")
        .into_bytes();
    run
}

#[test]
fn the_built_in_policies_are_listed() {
    let list = |format: &str| Run::of(terrine().args(["planner", "list", "--format", format]));
    insta::assert_snapshot!("list-table", list("table").snapshot(&[]));
    insta::assert_snapshot!("list-json", list("json").snapshot(&[]));
}

#[test]
fn a_component_is_described() {
    let mut policy = good();
    policy.rest = info(
        "two-of-them",
        "0.1.0-rc.1",
        &[
            (
                "first",
                "Says \u{1b}[31mred.",
                r#"{"b": {"x": "\u009b"}, "a": [1.50]}"#,
            ),
            ("second", "", "true"),
        ],
    );
    let describe =
        |format| planner(&policy, &["describe", "x.wasm", "--format", format]).snapshot(&[]);
    insta::assert_snapshot!("describe-table", describe("table"));
    insta::assert_snapshot!("describe-json", describe("json"));
    let built_in = Run::of(terrine().args(["planner", "describe"])).ok();
    let built_in: Value = serde_json::from_slice(&built_in.stdout).unwrap();
    assert_eq!(built_in["digest"], Digest::of(EMBEDDED).to_string());
    assert_eq!(
        (&built_in["file"], &built_in["imports"]),
        (&Value::Null, &serde_json::json!([]))
    );
    let wrong = planner(&policy, &["describe", "--sealed-wasi"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}

#[test]
fn a_good_component_copes_with_every_graph() {
    let table = planner(&good(), &["check", "x.wasm", "--format", "table"]);
    insta::assert_snapshot!("check-good", table.snapshot(&[]));
    // Fuel and memory are the same again, in JSON as well; time is only there if it is asked for.
    let json =
        |arguments: &[&str]| planner(&good(), &[&["check", "x.wasm"], arguments].concat()).ok();
    let first = json(&[]);
    assert_eq!(first.stdout, json(&["--format", "json"]).stdout);
    let facts: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(
        facts["summary"],
        serde_json::json!({"ok": 37, "refused": 0, "failed": 0, "notRun": 0})
    );
    assert_eq!(facts["trials"][0].get("milliseconds"), None);
    let timed: Value = serde_json::from_slice(&json(&["--time"]).stdout).unwrap();
    assert!(timed["trials"][0]["milliseconds"].is_u64());
}

#[test]
fn a_graph_of_one_s_own_is_tried_with_every_budget() {
    let check = [
        "check",
        "x.wasm",
        "--closure",
        "graph.json",
        "--format",
        "table",
    ];
    insta::assert_snapshot!("check-closure", planner(&good(), &check).snapshot(&[]));
    let missing = planner(&good(), &["check", "x.wasm", "--closure", "missing.json"]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.contains("missing.json"),
        "{}",
        missing.stderr
    );
}

#[test]
fn the_built_in_planner_copes_with_every_graph() {
    let run = Run::of(terrine().args(["planner", "check", "--format", "json"])).ok();
    let facts: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(facts["summary"]["failed"], 0);
    let trials = facts["trials"].as_array().unwrap();
    for trial in trials {
        // Two policies do nothing without options.
        let needs_options = trial["policy"] == "explicit" || trial["policy"] == "pipeline";
        assert_eq!(trial["result"] == "refused", needs_options, "{trial}");
        assert_eq!(trial["dependsOnOrder"], false, "{trial}");
        // Nothing else tells paths of one name apart.
        let same_names = trial["case"] == "two paths of one name";
        assert!(trial["dependsOnHashes"] == false || same_names, "{trial}");
    }
}

#[test]
fn failures_are_rows_and_make_the_exit_code() {
    let check = |policy: &Policy, arguments: &[&str]| {
        planner(
            policy,
            &[&["check", "x.wasm", "--format", "table"], arguments].concat(),
        )
    };
    // Traps at more than a hundred paths.
    let mut large = planning(
        "(if (i32.gt_u (i32.load offset=28 (local.get 0)) (i32.const 100)) (then (call $too_many)))
         (call $one_layer (local.get 0))",
    );
    large.rest += "(func $too_many (unreachable))";
    insta::assert_snapshot!("check-traps", check(&large, &[]).snapshot(&[]));
    let forever = planning("(loop (br 0)) (unreachable)");
    let run = check(
        &forever,
        &["--closure", "graph.json", "--planner-fuel", "100000"],
    );
    insta::assert_snapshot!("check-loops", run.snapshot(&[]));
    // A plan that is the one for two paths, whatever there is.
    let mut fixed = planning("(i32.const 0)");
    fixed.rest += &(words(0, &[0, 32, 1, 0, 0, 0, 0])
        + &words(32, &[128, 2, 0, 0, 0, 0, 0, 0])
        + &words(128, &[1, 0]));
    let run = check(&fixed, &[]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr
            .contains("planner `x.wasm` failed in 37 of 37 cases"),
        "{}",
        run.stderr
    );
    let run = check(&fixed, &["--closure", "graph.json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(
        said.contains("ok, depends on the order of the request"),
        "{said}"
    );
    let mut refusing = planning("(i32.const 0)");
    refusing.rest += &(words(0, &[1, 3, 64, 8, 0, 0, 0, 0, 0, 0]) + &data(64, b"too few!"));
    let run = check(&refusing, &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(
        said.contains("refused     in every case: too few!"),
        "{said}"
    );
}

/// A policy that takes 50,000 units of fuel, so often, where a graph has so many paths. It fills
/// memory that nothing else uses, which takes fuel faster than time.
fn burning(times: u64, condition: &str) -> Policy {
    planning(&format!(
        "(local $i i64) (local $paths i32)
         (local.set $paths (i32.load offset=28 (local.get 0)))
         (if {condition} (then
            (loop $more
                (memory.fill (i32.const 15000) (i32.const 0) (i32.const 50000))
                (local.set $i (i64.add (local.get $i) (i64.const 1)))
                (br_if $more (i64.lt_u (local.get $i) (i64.const {times}))))))
         (call $one_layer (local.get 0))"
    ))
}

#[test]
fn a_policy_that_loops_without_end_is_told_in_seconds() {
    let start = Instant::now();
    // A fast machine would use up the fuel of a check within its time.
    let table = [
        "check",
        "x.wasm",
        "--format",
        "table",
        "--planner-time",
        "2",
        "--planner-fuel",
        "1000000000000",
    ];
    let forever = planner(&planning("(loop (br 0)) (unreachable)"), &table);
    insta::assert_snapshot!("check-loops-everywhere", forever.snapshot(&[]));
    let describe = planner(&describing("(loop (br 0)) (unreachable)"), &table);
    insta::assert_snapshot!("check-loops-in-describe", describe.snapshot(&[]));
    // All fuel in all cases would be minutes.
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_policy_that_is_merely_slow_is_told_its_fuel() {
    let check = |policy: &Policy| {
        let run = planner(policy, &["check", "x.wasm", "--format", "json"]);
        let facts: Value = serde_json::from_slice(&run.stdout).unwrap();
        (run.code, facts)
    };
    let row = |facts: &Value, case: &str| {
        let mut rows = facts["trials"].as_array().unwrap().iter();
        rows.find(|row| row["case"] == case).unwrap().clone()
    };
    // More than a small graph has at first, in one case of them.
    let (code, once) = check(&burning(
        120_000,
        "(i32.eq (local.get $paths) (i32.const 60))",
    ));
    assert_eq!(
        (code, &once["summary"]["ok"]),
        (Some(0), &Value::from(37)),
        "{once}"
    );
    assert!(
        row(&once, "forest")["fuel"].as_u64().unwrap() > 6_000_000_000,
        "{once}"
    );
    // As much, in large graphs.
    let (code, large) = check(&burning(
        120_000,
        "(i32.gt_u (local.get $paths) (i32.const 1000))",
    ));
    assert_eq!(
        (code, &large["summary"]["ok"]),
        (Some(0), &Value::from(37)),
        "{large}"
    );
    assert!(
        row(&large, "deep")["fuel"].as_u64().unwrap() > 6_000_000_000,
        "{large}"
    );
    // More than there is, in two large graphs of three: the third is not asked.
    let (code, more) = check(&burning(
        3_000_000,
        "(i32.gt_u (local.get $paths) (i32.const 1000))",
    ));
    assert_eq!(code, Some(1));
    let summary = serde_json::json!({"ok": 34, "refused": 0, "failed": 2, "notRun": 1});
    assert_eq!(more["summary"], summary, "{more}");
    let said = "planner `x.wasm` used up its fuel in `plan`, the limit is 20000000000 units";
    assert_eq!(row(&more, "wide")["why"], said);
    assert_eq!(row(&more, "deep")["result"], "not-run");
    assert_eq!(
        row(&more, "deep")["why"],
        "it used up its limits in 2 cases"
    );
    // More than there is, in one small graph.
    let (code, one) = check(&burning(
        3_000_000,
        "(i32.eq (local.get $paths) (i32.const 60))",
    ));
    assert_eq!(
        (code, &one["summary"]["failed"]),
        (Some(1), &Value::from(1)),
        "{one}"
    );
    assert_eq!(row(&one, "forest")["why"], said);
}

#[test]
fn what_a_plan_depends_on_is_seen() {
    let trials = |policy: &Policy| {
        let runtime = Runtime::new(Limits::default(), None).unwrap();
        let component = policy.build();
        let planner = runtime
            .load("x.wasm", &component, Imports::Nothing)
            .unwrap();
        let cases = corpus();
        let find = |name: &str| cases.iter().find(|case| case.name == name).unwrap();
        ["chain", "empty"].map(|name| trial(&planner, "", "{}", find(name)))
    };
    // In the order of the request: one layer whose paths are in that order.
    let [chain, empty] = trials(&good());
    assert!(chain.depends_on_order && !chain.depends_on_hashes);
    assert!(!empty.depends_on_order);
    // The path whose hash begins with the highest letter is alone in the first layer; the
    // others are in the second.
    let by_hash = planning(
        "(local $i i32) (local $best i32) (local $letter i32) (local $highest i32) (local $answer i32)
         (local $out i32)
         (local.set $answer (call $one_layer (local.get 0)))
         (if (i32.eqz (i32.load offset=28 (local.get 0))) (then (return (local.get $answer))))
         (loop $next
            (local.set $letter (i32.load8_u offset=11 (i32.load
                (i32.add (i32.load offset=24 (local.get 0)) (i32.mul (local.get $i) (i32.const 40))))))
            (if (i32.gt_u (local.get $letter) (local.get $highest)) (then
                (local.set $highest (local.get $letter)) (local.set $best (local.get $i))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.load offset=28 (local.get 0)))))
         ;; It changes places with the first.
         (local.set $out (i32.load offset=32 (local.get $answer)))
         (i32.store (i32.add (local.get $out) (i32.mul (local.get $best) (i32.const 4))) (i32.const 0))
         (i32.store (local.get $out) (local.get $best))
         (local.get $answer)",
    );
    let [chain, _] = trials(&by_hash);
    assert!(
        matches!(chain.outcome, Outcome::Planned { layers: 1, .. }),
        "{chain:?}"
    );
    assert!(chain.depends_on_hashes);
}

#[test]
fn arguments_that_do_not_go_together_are_a_usage_error() {
    let mut two = good();
    two.rest = info("two", "1.0.0", &[("a", "", "{}"), ("b", "", "{}")]);
    let run = planner(&two, &["check", "x.wasm", "--option", "x=1"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stderr.contains("choose one with `--policy`"),
        "{}",
        run.stderr
    );
    let one = planner(&good(), &["check", "x.wasm", "--option", "x=1"]);
    assert_eq!(one.code, Some(1));
    assert!(one.stderr.contains("has no such option"), "{}", one.stderr);
    let none = planner(&two, &["check", "x.wasm", "--policy", "c"]);
    assert!(none.stderr.contains("has no policy `c`"), "{}", none.stderr);
    for arguments in [
        &["check", "--sealed-wasi"][..],
        &["check", "x.wasm", "--planner-fuel", "0"],
        &["list", "x.wasm"],
    ] {
        assert_eq!(planner(&good(), arguments).code, Some(2), "{arguments:?}");
    }
}
