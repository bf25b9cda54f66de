//! Images that `terrine build` makes run, as root and as another user, and have exactly the
//! root that was declared.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;
use terrine_tests::consumer::{self, Consumed};
use terrine_tests::{Archive, Generation, SpecFile, TestStore, fixture};

const GREETING: &str = "Hello from a layer of its own.\n";
const REFERENCE: &str = "hello:1.0";
const HELLO: &str = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0";
const GREETING_PATH: &str = "1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-greeting-1.0";

/// The example with everything at its root that can be declared.
fn build(user: &str) -> (TestStore, Archive) {
    let store = TestStore::default();
    for (path, mode) in [
        (format!("{HELLO}/bin/hello"), 0o555),
        (format!("{GREETING_PATH}/share/greeting.txt"), 0o444),
    ] {
        let content = fs::read(fixture("hello/nix/store").join(&path)).unwrap();
        store.file_with_mode(&path, &content, mode);
    }
    store.file("copied/srv/data", b"data");
    let spec = SpecFile::new(&store, &[HELLO])
        .graph(&[(HELLO, 1336, GREETING_PATH), (GREETING_PATH, 464, ""), ("copied", 8, "")])
        .with("name", REFERENCE)
        .with("copyToRoot", "/nix/store/copied")
        .with("config", json!({"Cmd": ["/bin/hello"], "User": user}))
        .with("fakeNss", json!({"extraPasswdLines": ["app:x:1000:1000::/:/bin/hello"], "extraGroupLines": ["app:x:1000:"]}))
        .with("tmp", true)
        .with("binSh", format!("/nix/store/{HELLO}/bin/hello"))
        .with("uid", 1234)
        .with("permissions", json!([{"path": "/srv/data", "mode": "0640", "uid": 12345, "gid": 12345}]))
        .with("files", json!({
            "/etc/motd": {"text": "hi\n", "mode": "0600"},
            "/var/log": {"directory": true, "mode": "0750", "uid": 1000, "gid": 1000},
            "/var/run": {"link": "/run"},
        }));
    let archive = spec.archive();
    fs::write(store.root().join("image.tar"), &archive.bytes).unwrap();
    (store, archive)
}

/// Returns true for what a container engine adds, or may add, to a root by itself.
fn is_the_engines(path: &str) -> bool {
    let own = [
        "dev",
        "proc",
        "sys",
        ".dockerenv",
        "run",
        "etc/hostname",
        "etc/hosts",
        "etc/resolv.conf",
        "etc/mtab",
    ];
    own.iter()
        .any(|own| path == *own || path.starts_with(&format!("{own}/")))
}

/// The root that a consumer exports: kind and mode, owner, and target of each entry.
fn root(consumed: &Consumed) -> BTreeMap<String, (char, u32, (u64, u64), String)> {
    let mut archive = tar::Archive::new(fs::File::open(consumed.file("rootfs.tar")).unwrap());
    let entry = |entry: tar::Entry<'_, fs::File>| {
        let header = entry.header();
        let kind = match header.entry_type() {
            tar::EntryType::Directory => 'd',
            tar::EntryType::Symlink => 'l',
            _ => 'f',
        };
        let target = entry.link_name_bytes().unwrap_or_default();
        let target = String::from_utf8_lossy(&target).into_owned();
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches("./").trim_matches('/').to_owned();
        (path, (kind, header.mode().unwrap() & 0o7777, owner, target))
    };
    archive
        .entries()
        .unwrap()
        .map(|e| entry(e.unwrap()))
        .filter(|(path, _)| !path.is_empty() && !is_the_engines(path))
        .collect()
}

fn check(generation: Generation, script: &str, tools: &[&str]) {
    if !consumer::available_in(generation, tools) {
        return;
    }
    for user in ["", "1000:1000", "app"] {
        let (store, archive) = build(user);
        let consumed = Consumed::by_generation(
            generation,
            script,
            &store.root().join("image.tar"),
            REFERENCE,
        );
        consumed.check(&archive, GREETING);
        let directory = |mode: u32, owner: u64| ('d', mode, (owner, owner), String::new());
        let file = |mode: u32, owner: u64| ('f', mode, (owner, owner), String::new());
        let link = |target: &str| ('l', 0o777, (0, 0), target.to_owned());
        let store_entry = |kind: char, mode: u32| (kind, mode, (1234, 0), String::new());
        let expected: BTreeMap<String, _> = [
            ("bin".to_owned(), directory(0o755, 0)),
            (
                "bin/hello".to_owned(),
                link(&format!("/nix/store/{HELLO}/bin/hello")),
            ),
            (
                "bin/sh".to_owned(),
                link(&format!("/nix/store/{HELLO}/bin/hello")),
            ),
            ("etc".to_owned(), directory(0o755, 0)),
            ("etc/group".to_owned(), file(0o644, 0)),
            ("etc/motd".to_owned(), file(0o600, 0)),
            ("etc/nsswitch.conf".to_owned(), file(0o644, 0)),
            ("etc/passwd".to_owned(), file(0o644, 0)),
            ("nix".to_owned(), store_entry('d', 0o755)),
            ("nix/store".to_owned(), store_entry('d', 0o755)),
            (
                format!("nix/store/{GREETING_PATH}"),
                store_entry('d', 0o755),
            ),
            (
                format!("nix/store/{GREETING_PATH}/share"),
                store_entry('d', 0o755),
            ),
            (
                format!("nix/store/{GREETING_PATH}/share/greeting.txt"),
                store_entry('f', 0o444),
            ),
            (format!("nix/store/{HELLO}"), store_entry('d', 0o755)),
            (format!("nix/store/{HELLO}/bin"), store_entry('d', 0o755)),
            (
                format!("nix/store/{HELLO}/bin/hello"),
                store_entry('f', 0o555),
            ),
            ("srv".to_owned(), directory(0o755, 0)),
            ("srv/data".to_owned(), file(0o640, 12345)),
            ("tmp".to_owned(), directory(0o1777, 0)),
            ("var".to_owned(), directory(0o755, 0)),
            ("var/empty".to_owned(), directory(0o755, 0)),
            ("var/log".to_owned(), directory(0o750, 1000)),
            ("var/run".to_owned(), link("/run")),
        ]
        .into();
        assert_eq!(
            root(&consumed),
            expected,
            "{script} as `{user}`, {generation:?}"
        );
    }
}

terrine_tests::for_each_generation!(
    docker_runs_it_and_has_the_declared_root,
    podman_runs_it_and_has_the_declared_root,
);

fn docker_runs_it_and_has_the_declared_root(generation: Generation) {
    check(
        generation,
        "docker",
        &["dockerd", "docker", "containerd", "runc"],
    );
}

fn podman_runs_it_and_has_the_declared_root(generation: Generation) {
    check(generation, "podman", &["podman", "runc"]);
}
