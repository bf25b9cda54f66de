//! Real consumers take what is written, agree on its id and its layers, and run it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::process::geteuid;
use serde_json::{Value, json};
use terrine_tests::archive::filter;
use terrine_tests::base::{self, BaseImage};
use terrine_tests::consumer::{self, Consumed};
use terrine_tests::registry;
use terrine_tests::{Archive, ConfFile, Generation, Run, TestStore, conf, fixture, peer, terrine};

/// The text that the example prints.
const GREETING: &str = "Hello from a layer of its own.\n";
/// The name of the example.
const REFERENCE: &str = "hello:1.0";

/// A store that holds the example, with permissions that do not depend on the checkout,
/// and beside it everything that a root file system can show.
fn store() -> (TestStore, Value) {
    let store = TestStore::default();
    let conf = fs::read(fixture("hello/conf.json")).unwrap();
    let mut conf: Value = serde_json::from_slice(&conf).unwrap();
    let example = fixture("hello/nix/store");
    for path in [
        "1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-greeting-1.0/share/greeting.txt",
        "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0/bin/hello",
    ] {
        let mode = if path.ends_with("hello") {
            0o555
        } else {
            0o444
        };
        store.file_with_mode(path, &fs::read(example.join(path)).unwrap(), mode);
    }
    let customisation = "0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-hello-customisation-layer";
    conf::customise(
        &store,
        customisation,
        &fs::read(example.join(customisation).join("layer.tar")).unwrap(),
    );
    store
        .file_with_mode("x/setuid", b"s", 0o4755)
        .file("x/plain", b"plain")
        .directory("x/empty");
    store
        .link("x/link", "plain")
        .link("x/absolute", "/nix/store/x")
        .file(&format!("x/{}/é", "long".repeat(40)), b"x");
    fs::hard_link(store.host("x/plain"), store.host("x/hard")).unwrap();
    conf["store_layers"]
        .as_array_mut()
        .unwrap()
        .push(json!(["/nix/store/x"]));
    conf["uid"] = json!("1234");
    conf["gid"] = json!("4321");
    conf["from_image"] = json!(base_image(&store));
    (store, conf)
}

/// A base image with everything that is hard on consumers: layers of all compressions,
/// and one that occurs twice.
fn base_image(store: &TestStore) -> std::path::PathBuf {
    let layers: Vec<Vec<u8>> = ["plain", "gzip", "bzip2", "xz", "zstd"]
        .into_iter()
        .filter(|tool| *tool == "plain" || peer::find(tool).is_some())
        .map(|tool| base::layer(&format!("base/{tool}"), tool.as_bytes()))
        .collect();
    let mut all: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    all.push(&layers[0]);
    let mut image = BaseImage::old(&all, &["BASE=1"]);
    let first = image.members[0].0.clone();
    for (name, content) in &mut image.members[1..] {
        let tool = ["gzip", "bzip2", "xz", "zstd"].into_iter().find(|tool| {
            content
                .windows(5 + tool.len())
                .any(|window| window == format!("base/{tool}").as_bytes())
        });
        match tool {
            Some(tool) => *content = filter(tool, &[], content),
            None => {
                *name = "again/layer.tar".to_owned();
                *content = format!("-> ../{first}").into_bytes();
            }
        }
    }
    let last = layers.len();
    image.manifest[0]["Layers"][last] = json!("again/layer.tar");
    image.write(store)
}

/// The image, and the file that it is in.
fn image(store: &TestStore, json: Value) -> (Archive, std::path::PathBuf) {
    let mut conf = ConfFile::new(store, &[]);
    conf.json = json;
    let archive = conf.archive();
    let file = store.root().join("image.tar");
    fs::write(&file, &archive.bytes).unwrap();
    (archive, file)
}

/// Lets a consumer load and run the image, and checks what it says.
fn consume(generation: Generation, script: &str, tools: &[&str]) -> Option<(Consumed, Archive)> {
    if !consumer::available_in(generation, tools) {
        return None;
    }
    let (store, conf) = store();
    let (archive, file) = image(&store, conf);
    let consumed = Consumed::by_generation(generation, script, &file, REFERENCE);
    consumed.check(&archive, GREETING);
    Some((consumed, archive))
}

/// Checks the root file system that a consumer exports.
fn check_root(consumed: &Consumed) {
    let mut archive = tar::Archive::new(fs::File::open(consumed.file("rootfs.tar")).unwrap());
    let mut seen = 0;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = format!(
            "/{}",
            entry
                .path()
                .unwrap()
                .to_str()
                .unwrap()
                .trim_end_matches('/')
        );
        let header = entry.header().clone();
        let mut content = vec![];
        entry.read_to_end(&mut content).unwrap();
        let of_store = path.starts_with("/nix");
        let expected = match path.as_str() {
            "/nix" | "/nix/store" | "/nix/store/x/empty" => {
                (0o755, &b""[..], tar::EntryType::Directory)
            }
            "/nix/store/x/setuid" => (0o4755, &b"s"[..], tar::EntryType::Regular),
            "/nix/store/x/plain" => (0o444, &b"plain"[..], tar::EntryType::Regular),
            "/nix/store/x/link" | "/nix/store/x/absolute" | "/bin/hello" => {
                (0o777, &b""[..], tar::EntryType::Symlink)
            }
            _ => continue,
        };
        seen += 1;
        assert_eq!(
            (
                header.mode().unwrap() & 0o7777,
                content.as_slice(),
                header.entry_type()
            ),
            expected,
            "{path}"
        );
        let owner = if of_store {
            (1234, 4321, 1)
        } else {
            (0, 0, 315_532_800)
        };
        assert_eq!(
            (
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mtime().unwrap()
            ),
            owner,
            "{path}"
        );
    }
    assert_eq!(seen, 8);
}

terrine_tests::for_each_generation!(
    docker_loads_and_runs_it,
    podman_loads_and_runs_it,
    containerd_imports_and_runs_it,
    skopeo_inspects_and_copies_it,
    an_image_that_was_interrupted_is_refused_by_those_who_load,
);

fn docker_loads_and_runs_it(generation: Generation) {
    let tools = ["dockerd", "docker", "containerd", "runc"];
    let Some((consumed, archive)) = consume(generation, "docker", &tools) else {
        return;
    };
    check_root(&consumed);
    assert!(
        consumed
            .text("load")
            .contains(&format!("Loaded image: {REFERENCE}"))
    );
    what_docker_saves_is_a_base(&consumed.file("saved.tar"), &archive);
}

fn what_docker_saves_is_a_base(saved: &Path, archive: &Archive) {
    let (store, mut json) = store();
    json["from_image"] = json!(saved);
    json["store_layers"] = json!([]);
    let (derived, _) = image(&store, json);
    let base = archive.diff_ids();
    assert_eq!(derived.diff_ids()[..base.len()], base);
}

fn podman_loads_and_runs_it(generation: Generation) {
    let Some((consumed, _)) = consume(generation, "podman", &["podman", "runc"]) else {
        return;
    };
    check_root(&consumed);
}

fn containerd_imports_and_runs_it(generation: Generation) {
    consume(generation, "containerd", &["containerd", "ctr", "runc"]);
}

fn skopeo_inspects_and_copies_it(generation: Generation) {
    let (store, conf) = store();
    let (archive, file) = image(&store, conf);
    let source = format!("docker-archive:{}", file.display());
    let Some(run) = generation.skopeo(store.root(), &["inspect", "--config", "--raw", &source])
    else {
        return;
    };
    assert_eq!(
        String::from_utf8(run.stdout).unwrap().trim_end(),
        archive.configuration
    );
    let run = generation
        .skopeo(store.root(), &["inspect", "--raw", &source])
        .unwrap();
    let manifest: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(
        manifest["config"]["digest"],
        format!("sha256:{}", archive.id)
    );

    let layout = store.root().join("layout");
    generation.skopeo(
        store.root(),
        &[
            "copy",
            "--quiet",
            &source,
            &format!("oci:{}:copy", layout.display()),
        ],
    );
    let blob = |digest: &Value| {
        let hex = digest
            .as_str()
            .unwrap()
            .trim_start_matches("sha256:")
            .to_owned();
        fs::read(layout.join("blobs/sha256").join(hex)).unwrap()
    };
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0]["digest"])).unwrap();
    let config: Value = serde_json::from_slice(&blob(&manifest["config"]["digest"])).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], json!(archive.diff_ids()));
    assert_eq!(
        manifest["layers"].as_array().unwrap().len(),
        archive.layers().len()
    );

    umoci_unpacks(generation, &store, &layout);
}

/// Unpacks the layout that skopeo wrote, and looks at the files.
fn umoci_unpacks(generation: Generation, store: &TestStore, layout: &Path) {
    if !geteuid().is_root() {
        return peer::missing("umoci sets owners as root only");
    }
    let (bundle, image) = (
        store.root().join("bundle"),
        format!("{}:copy", layout.display()),
    );
    if generation
        .umoci(
            store.root(),
            &["unpack", "--image", &image, bundle.to_str().unwrap()],
        )
        .is_none()
    {
        return;
    }
    let root = bundle.join("rootfs");
    for (path, mode, owner) in [
        ("nix", 0o40755, (1234, 4321)),
        ("nix/store", 0o40755, (1234, 4321)),
        ("nix/store/x/setuid", 0o104_755, (1234, 4321)),
        ("nix/store/x/plain", 0o100_444, (1234, 4321)),
        ("nix/store/x/hard", 0o100_444, (1234, 4321)),
        ("nix/store/x/link", 0o120_777, (1234, 4321)),
        ("bin", 0o40755, (0, 0)),
    ] {
        let metadata = fs::symlink_metadata(root.join(path)).unwrap();
        assert_eq!(
            (metadata.mode(), (metadata.uid(), metadata.gid())),
            (mode, owner),
            "{path}"
        );
        let time = metadata
            .modified()
            .unwrap()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        assert_eq!(time, if path == "bin" { 315_532_800 } else { 1 }, "{path}");
    }
    assert_eq!(fs::read(root.join("base/gzip")).unwrap(), b"gzip");
    // Hard links are files of their own.
    assert_eq!(
        fs::metadata(root.join("nix/store/x/hard")).unwrap().nlink(),
        1
    );
    assert_eq!(
        fs::read_link(root.join("nix/store/x/absolute")).unwrap(),
        Path::new("/nix/store/x")
    );
    assert_eq!(
        fs::read(root.join(format!("nix/store/x/{}/é", "long".repeat(40)))).unwrap(),
        b"x"
    );
}

fn an_image_that_was_interrupted_is_refused_by_those_who_load(generation: Generation) {
    let (store, json) = store();
    let (archive, file) = image(&store, json);
    fs::write(&file, &archive.bytes[..archive.bytes.len() - 10240]).unwrap();
    let source = format!("docker-archive:{}", file.display());
    let inspect = || generation.try_skopeo(store.root(), &["inspect", &source]);
    let Some(run) = inspect() else { return };
    assert_eq!(run.code, Some(1));
    fs::write(&file, &archive.bytes).unwrap();
    inspect().unwrap().ok();
}

#[test]
fn the_command_of_the_readme_runs() {
    // As it stands there, but for cargo and the consumer.
    let run = Run::of(terrine().current_dir(terrine_tests::workspace()).args([
        "build",
        "--store-root",
        "tests/hello",
        "tests/hello/image.json",
    ]));
    let archive = Archive::read(run.ok().stdout);
    assert_eq!(archive.manifest["RepoTags"], json!([REFERENCE]));
    assert_eq!(archive.layers().len(), 3);
}

#[test]
fn docker_and_terrine_share_logins() {
    let tools = ["docker", "dockerd", "containerd", "runc", "docker-registry"];
    if !consumer::available(&tools) {
        return;
    }
    let (store, json) = store();
    let (_, file) = image(&store, json);
    let passwords = store.root().join("htpasswd");
    fs::write(&passwords, registry::HTPASSWD).unwrap();
    let terrine = terrine();
    let said = Consumed::with(
        "docker-login",
        &[
            terrine.get_program(),
            file.as_os_str(),
            passwords.as_os_str(),
            registry::USER.as_ref(),
            registry::PASSWORD.as_ref(),
        ],
    )
    .text("said");
    let name = "127.0.0.1:5000/acme/web:1";
    assert_eq!(said, format!("Login Succeeded\n{name}\n{name}\n"));
}
