//! The requests that a binary cache gets, by its access log.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use terrine_tests::{Run, empty_cache, temporary, terrine};

use super::caches::{Caches, digest, url};
use super::server::{Answer, Server};

/// A build from a cache alone, on a machine whose layer cache is in `machine`.
fn build(caches: &Caches, spec: &Value, server: &Server, machine: &Path, to: &str) -> Command {
    if !machine.exists() {
        fs::create_dir(machine).unwrap();
        empty_cache(machine);
    }
    let mut command = caches.build_with(machine, spec, to);
    command
        .args(["--no-store", "--cache", &server.url()])
        .args(["--trusted-key", &caches.public]);
    command
}

/// The number of paths that a cache has.
fn narinfos_in(place: &Path) -> usize {
    let names = fs::read_dir(place).unwrap();
    let is_narinfo = |path: &Path| path.extension().is_some_and(|end| end == "narinfo");
    names
        .filter(|entry| is_narinfo(&entry.as_ref().unwrap().path()))
        .count()
}

/// The requests for NARs.
fn nars(asked: &[String]) -> usize {
    asked.iter().filter(|path| path.contains("/nar/")).count()
}

/// The platform of an image.
fn platform(reference: &str) -> String {
    let run = Run::of(terrine().args(["inspect", "--format", "json", reference])).ok();
    let facts: Value = serde_json::from_slice(&run.stdout).unwrap();
    facts["platform"].as_str().unwrap().to_owned()
}

#[test]
fn a_second_machine_fetches_no_nar() {
    let Some(caches) = Caches::shared() else {
        return;
    };
    let place = caches.cache("compression=zstd&write-nar-listing=true");
    second_machine(&caches, &place);
    foreign_image(&caches, &place);
}

#[test]
fn plans_records_and_checks_fetch_little() {
    let Some(caches) = Caches::shared() else {
        return;
    };
    let place = caches.cache("compression=none&write-nar-listing=true");
    plan(&caches, &place);
    record(&caches, &place);
    narinfos(&caches, &place);
    look_ups(&caches, &place);
    damaged_database(&caches, &place);
    fetched_ahead(&caches, &place);
}

/// A recorded closure is that of the store.
fn record(caches: &Caches, place: &Path) {
    let server = Server::of(place);
    let file = caches.file(&caches.spec().to_string());
    let record = |arguments: &[&str]| {
        let mut command = terrine();
        command
            .args(["replay", "record"])
            .arg(&file)
            .args(arguments)
            .env("NIX_CONF_DIR", caches.settings());
        Run::of(&mut command).ok().stdout
    };
    let root = caches.store.root();
    let expected = record(&["--store-root", root.to_str().unwrap()]);
    let (url, key) = (server.url(), &caches.public);
    let found = record(&["--no-store", "--cache", &url, "--trusted-key", key]);
    assert_eq!(
        String::from_utf8_lossy(&found),
        String::from_utf8_lossy(&expected)
    );
    assert_eq!(nars(&server.asked()), 0);
}

/// A machine that knows nothing finds the architecture without NARs.
fn second_machine(caches: &Caches, place: &Path) {
    let spec = caches.spec();
    assert_eq!(spec["architecture"], Value::Null);
    let server = Server::of(place);
    let folder = temporary();
    let machine = |name: &str| folder.path().join(name);
    let layout = format!("oci:{}", folder.path().join("layout").display());
    let expected = digest(caches.local(&spec, &layout));

    // The first machine has to look at programs, and remembers them.
    let first = || build(caches, &spec, &server, &machine("first"), &layout);
    assert_eq!(digest(first()), expected);
    assert!(nars(&server.asked()) > 0);
    assert_eq!(digest(first()), expected);
    assert_eq!(nars(&server.asked()), 0, "known to the first machine");

    // A machine that knows nothing believes the image that it replaces.
    let mut second = build(caches, &spec, &server, &machine("second"), &layout);
    let summary = folder.path().join("summary.json");
    second
        .args(["--layers-from", "target", "--summary"])
        .arg(&summary);
    assert_eq!(digest(second), expected);
    assert_eq!(nars(&server.asked()), 0, "known from the target");
    let summary: Value = serde_json::from_slice(&fs::read(summary).unwrap()).unwrap();
    assert_eq!(summary["architectureSource"]["from"], "image", "{summary}");

    // An image that other programs are in says nothing.
    let other = format!("oci:{}", folder.path().join("other").display());
    let mut unrelated = spec.clone();
    unrelated["contents"] = json!([caches.store.path("greeting-1.0")]);
    unrelated["config"] = json!({});
    digest(caches.local(&unrelated, &other));
    let third = folder.path().join("third");
    let mut third = build(caches, &spec, &server, &third, &layout);
    third.args(["--layers-from", &format!("{other}:1")]);
    assert_eq!(digest(third), expected);
    assert!(nars(&server.asked()) > 0);
}

/// An existing image for another architecture does not tell that of the new one.
fn foreign_image(caches: &Caches, place: &Path) {
    let spec = caches.spec();
    let server = Server::of(place);
    let folder = temporary();
    let layout = format!("oci:{}", folder.path().join("layout").display());
    let expected = digest(caches.local(&spec, &layout));
    let mut foreign = spec.clone();
    foreign["architecture"] = json!("riscv64");
    let mut wrong = caches.local(&foreign, &layout);
    wrong.arg("--allow-foreign");
    assert_ne!(digest(wrong), expected);
    assert_eq!(platform(&format!("{layout}:1")), "linux/riscv64");
    let mut build = build(
        caches,
        &spec,
        &server,
        &folder.path().join("machine"),
        &layout,
    );
    build.args(["--layers-from", "target"]);
    assert_eq!(digest(build), expected);
}

/// A plan assumes an architecture, says so, and estimates sizes.
fn plan(caches: &Caches, place: &Path) {
    let server = Server::of(place);
    let mut spec = caches.spec();
    let facts_of = |spec: &Value| {
        let mut command = caches.remote(spec, &server.url(), "-");
        let file = command.get_args().nth(1).unwrap().to_owned();
        command = terrine();
        command
            .arg("plan")
            .arg(file)
            .args(["--no-cache", "--no-store", "--cache", &server.url()])
            .args(["--trusted-key", &caches.public]);
        let run = Run::of(&mut command).ok();
        assert_eq!(nars(&server.asked()), 0);
        run
    };
    let run = facts_of(&spec);
    let note = format!(
        "the programs of `{}` are in a binary cache",
        caches.store.path("app")
    );
    assert!(run.stderr.contains(&note), "{}", run.stderr);
    let facts: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(facts["architectureSource"]["from"], "thisMachine");
    estimated(&facts, place);
    spec["architecture"] = json!("amd64");
    let run = facts_of(&spec);
    assert!(!run.stderr.contains("assumed"), "{}", run.stderr);
}

/// Checks that the size of each layer of store paths is that of their NARs.
fn estimated(facts: &Value, place: &Path) {
    let nar_sizes = fs::read_dir(place).unwrap().filter_map(|entry| {
        let text = fs::read_to_string(entry.unwrap().path()).ok()?;
        let field = |name| text.lines().find_map(|line| line.strip_prefix(name));
        let size: u64 = field("NarSize: ")?.parse().unwrap();
        Some((field("StorePath: ")?.to_owned(), size))
    });
    let nar_sizes: BTreeMap<String, u64> = nar_sizes.collect();
    let mut total = 0;
    for layer in facts["layers"].as_array().unwrap() {
        let is_of_store = layer["kind"] == "store";
        let size = layer["size"].as_u64().unwrap();
        total += size;
        assert_eq!(
            layer["sizeEstimated"] == json!(true),
            is_of_store,
            "{layer}"
        );
        let paths = layer["paths"].as_array().unwrap().iter();
        let sizes = paths.map(|path| nar_sizes[path["path"].as_str().unwrap()]);
        assert!(!is_of_store || size == sizes.sum::<u64>(), "{layer}");
    }
    assert_eq!(facts["size"], total);
}

/// Each cache is asked for each narinfo once.
fn narinfos(caches: &Caches, place: &Path) {
    let mut spec = caches.spec();
    spec["copyToRoot"] = json!([caches.store.path("greeting-1.0")]);
    spec["includeNixDB"] = json!(true);
    let (full, empty) = (
        Server::of(place),
        Server::changing(place, |_, _| Answer::status(404)),
    );
    let folder = temporary();
    let layout = format!("oci:{}", folder.path().join("layout").display());
    let mut command = build(
        caches,
        &spec,
        &empty,
        &folder.path().join("machine"),
        &layout,
    );
    command.args(["--cache", &full.url()]);
    digest(command);
    let paths = narinfos_in(place);
    for server in [full, empty] {
        let mut counts = BTreeMap::<String, usize>::new();
        for path in server.asked() {
            if path.ends_with(".narinfo") || path.ends_with("nix-cache-info") {
                *counts.entry(path).or_default() += 1;
            }
        }
        let repeated: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
        assert!(repeated.is_empty(), "{repeated:?}");
        assert!(counts.len() > paths, "{counts:?}");
    }
}

/// Failed look-ups of checks are warnings.
fn look_ups(caches: &Caches, place: &Path) {
    let spec = caches.spec();
    let folder = temporary();
    let layout = format!("oci:{}", folder.path().join("layout").display());
    let expected = digest(caches.local(&spec, &layout));
    let build = |server: &Server, arguments: &[&str]| {
        let mut command = caches.remote(&spec, &server.url(), &layout);
        let run = Run::of(command.args(arguments)).ok();
        assert!(String::from_utf8_lossy(&run.stdout).contains(&expected));
        run.stderr
    };

    // Only a check looks for the program that a link leads to.
    let program = caches.store.path("hello-program").to_owned();
    let listing = format!("/{}.ls", &program["/nix/store/".len()..][..32]);
    let asked_for = listing.clone();
    let server = Server::changing(place, move |request, answer| {
        if request.path == asked_for {
            Answer::status(500)
        } else {
            answer
        }
    });
    let told = build(&server, &["--retries", "0"]);
    let warning = format!("the files of `{program}` are not checked, because");
    assert_eq!(told.matches(&warning).count(), 1, "{told}");
    let asked = server.asked();
    let count = asked.iter().filter(|path| **path == listing).count();
    assert_eq!(count, 1, "{asked:?}");
}

/// A damaged database is a warning if caches have the paths.
fn damaged_database(caches: &Caches, place: &Path) {
    let spec = caches.spec();
    let folder = temporary();
    let layout = format!("oci:{}", folder.path().join("layout").display());
    let expected = digest(caches.local(&spec, &layout));
    let root = folder.path().join("root");
    let database = root.join("nix/var/nix/db/db.sqlite");
    fs::create_dir_all(database.parent().unwrap()).unwrap();
    fs::write(&database, "no database").unwrap();
    fs::create_dir_all(root.join(&caches.store.path("app")[1..])).unwrap();
    let mut command = caches.build(&spec, &layout);
    command
        .args(["--cache", &url(place), "--trusted-key", &caches.public])
        .arg("--store-root")
        .arg(&root);
    let run = Run::of(&mut command).ok();
    assert!(String::from_utf8_lossy(&run.stdout).contains(&expected));
    let warning = "store paths of this machine are not used, because";
    assert_eq!(run.stderr.matches(warning).count(), 1, "{}", run.stderr);
}

/// Small NARs of one layer are requested several at once, and each once.
fn fetched_ahead(caches: &Caches, place: &Path) {
    let mut spec = caches.spec();
    spec["architecture"] = json!("amd64");
    spec["maxLayers"] = json!(2);
    let folder = temporary();
    let layout = format!("oci:{}", folder.path().join("layout").display());
    let expected = digest(caches.local(&spec, &layout));
    let now = AtomicUsize::new(0);
    let most = Arc::new(AtomicUsize::new(0));
    let noted = Arc::clone(&most);
    let server = Server::changing(place, move |request, answer| {
        if request.path.contains("/nar/") {
            let count = now.fetch_add(1, Ordering::SeqCst) + 1;
            noted.fetch_max(count, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(100));
            now.fetch_sub(1, Ordering::SeqCst);
        }
        answer
    });
    let build = digest(caches.remote(&spec, &server.url(), &layout));
    assert_eq!(build, expected);
    assert!(most.load(Ordering::SeqCst) > 1);
    let mut asked = server.asked();
    asked.retain(|path| path.contains("/nar/"));
    let count = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), count);
    assert_eq!(count, narinfos_in(place));

    // One that breaks off ends the build, though others are on their way.
    let failing = Server::changing(place, |request, answer| {
        if request.path.contains("/nar/") {
            let half = answer.body[..answer.body.len() / 2].to_vec();
            answer.body(half)
        } else {
            answer
        }
    });
    let mut command = caches.remote(&spec, &failing.url(), &layout);
    let run = Run::of(command.args(["--retries", "0"]));
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("bytes, not"), "{}", run.stderr);
}
