//! Images that are made to do harm, to `verify`, `copy`, `export` and as bases: a clear error, in
//! bounded memory and time, and nothing outside the image is touched.

#![allow(clippy::unwrap_used, reason = "a test that can not be set up has failed")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use terrine_tests::archive::{digest, filter};
use terrine_tests::registry::Registry;
use terrine_tests::{Run, Shipment, TestStore, base, peer};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// How much memory any of it may take, in KiB. Without wasmtime it is much less.
const MEMORY: u64 = 260 << 10;

/// A layout that is written by hand.
struct Layout {
    store: TestStore,
}

impl Layout {
    fn new() -> Self {
        let store = TestStore::default();
        fs::create_dir_all(store.root().join("l/blobs/sha256")).unwrap();
        fs::write(store.root().join("l/oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { store }
    }

    fn path(&self) -> PathBuf {
        self.store.root().join("l")
    }

    fn blob(&self, hex: &str) -> PathBuf {
        self.path().join("blobs/sha256").join(hex.trim_start_matches("sha256:"))
    }

    /// Writes a blob, and gives its descriptor.
    fn put(&self, kind: &str, bytes: &[u8]) -> Value {
        let hex = digest(bytes);
        fs::write(self.blob(&hex), bytes).unwrap();
        json!({"mediaType": kind, "digest": format!("sha256:{hex}"), "size": bytes.len()})
    }

    fn index(&self, manifests: &Value) -> &Self {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        fs::write(self.path().join("index.json"), index.to_string()).unwrap();
        self
    }

    /// An image of these layers and diff ids.
    fn image(&self, layers: &[Value], diff_ids: &[String]) -> Value {
        let config = json!({"architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = self.put(CONFIG, config.to_string().as_bytes());
        self.manifest(&config, layers)
    }

    fn manifest(&self, config: &Value, layers: &[Value]) -> Value {
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        self.put(MANIFEST, manifest.to_string().as_bytes())
    }

    /// An image of one layer, listed.
    fn only(&self, kind: &str, layer: &[u8], plain: &[u8]) -> Value {
        let layer = self.put(kind, layer);
        let image = self.image(std::slice::from_ref(&layer), &[format!("sha256:{}", digest(plain))]);
        self.index(&json!([image]));
        layer
    }
}

/// How a run ended, how long it took, and how much memory it held, in KiB.
struct Measured {
    run: Run,
    time: Duration,
    memory: u64,
}

fn measured(command: &mut Command) -> Measured {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        memory = memory.max(line.and_then(|line| line.trim().parse().ok()).unwrap_or(0));
        assert!(start.elapsed() < Duration::from_secs(120), "it hangs");
        std::thread::sleep(Duration::from_millis(1));
    }
    let time = start.elapsed();
    Measured { run: child.wait_with_output().unwrap().into(), time, memory }
}

/// Gives an image to all who read one: each fails and says one of these.
fn refused(what: &str, image: &str, says: &[&str]) {
    let shipment = Shipment::new(&[("own", 1000)]);
    let out = shipment.home().join("out").display().to_string();
    let (layout, archive, tar) =
        (format!("oci:{out}:x"), format!("docker-archive:{out}.tar"), format!("{out}.flat"));
    let mut limit = Duration::from_secs(10);
    if cfg!(debug_assertions) {
        limit *= 6;
    }
    let mut commands: Vec<(&str, Vec<&str>)> = vec![
        ("verify", vec![image]),
        ("copy", vec![image, &layout]),
        ("copy", vec![image, &archive]),
        ("export", vec![image, "-o", &tar]),
    ];
    if what.contains("bomb") && cfg!(debug_assertions) {
        commands.truncate(2);
    }
    for (subcommand, arguments) in commands {
        let mut command = shipment.at_home(terrine_tests::terrine());
        let measured = measured(command.args(["-q", subcommand]).args(&arguments));
        let Measured { run, time, memory } = measured;
        let what = format!("{what}: {subcommand} {arguments:?}: {}", run.stderr);
        assert!(run.code == Some(1) && !run.stderr.contains("panicked"), "{:?} {what}", run.code);
        assert!(run.stderr.contains("error: "), "{what}");
        assert!(says.iter().any(|says| run.stderr.contains(says)), "{what}");
        assert!(run.stderr.len() < 4000, "{what}");
        assert!(time < limit, "{time:?} {what}");
        assert!(memory < MEMORY, "{memory} KiB {what}");
    }
    let spec = shipment.spec().with("fromImage", image);
    let mut command = shipment.at_home(spec.command("build"));
    let built = shipment.home().join("built").display().to_string();
    if !what.contains("bomb") {
        let Measured { run, time, memory } =
            measured(command.args(["-q", "--to", &format!("oci:{built}:x")]));
        let what = format!("{what}: as a base: {}", run.stderr);
        // Where only the word for a layer is wrong, its bytes say what it is.
        let valid = run.code == Some(0) && shipment.is_valid(&format!("oci:{built}:x"));
        assert!(valid || run.code == Some(1), "{:?} {what}", run.code);
        assert!(!run.stderr.contains("panicked"), "{what}");
        assert!(time < limit && memory < 2 * MEMORY, "{time:?} {memory} KiB {what}");
    }
    // Nothing half-made has a name.
    let index = fs::read_to_string(Path::new(&out).join("index.json")).unwrap_or_default();
    assert!(!index.contains("sha256:"), "{what}: {index}");
    assert!(!Path::new(&format!("{out}.tar")).exists() && !Path::new(&tar).exists(), "{what}");
    assert!(shipment.leftovers().is_empty(), "{what}");
}

#[test]
fn many_layers_with_large_windows_take_no_more_memory_than_a_few() {
    if peer::find("zstd").is_none() {
        return;
    }
    let layout = Layout::new();
    let (mut layers, mut diff_ids) = (vec![], vec![]);
    for number in 0..5 {
        let plain = base::layer(&format!("etc/{number}"), &vec![0; 64 << 20]);
        layers.push(layout.put(ZSTD, &filter("zstd", &["--long=26", "-1"], &plain)));
        diff_ids.push(format!("sha256:{}", digest(&plain)));
    }
    layout.index(&json!([layout.image(&layers, &diff_ids)]));
    let out = terrine_tests::temporary();
    let to = format!("oci:{}:x", out.path().join("x").display());
    let mut command = terrine_tests::terrine();
    let Measured { run, memory, .. } =
        measured(command.args(["-q", "copy", "--no-cache", "--jobs", "5", &oci(&layout), &to]));
    run.ok();
    assert!(memory < 200 << 10, "{memory} KiB");
}

fn oci(layout: &Layout) -> String {
    format!("oci:{}", layout.path().display())
}

#[test]
fn descriptors_that_lie_are_found_out() {
    let plain = base::layer("etc/x", b"x");
    let with = |change: &dyn Fn(&Layout, &mut Value)| {
        let layout = Layout::new();
        let mut layer = layout.put(TAR, &plain);
        change(&layout, &mut layer);
        let image = layout.image(&[layer], &[format!("sha256:{}", digest(&plain))]);
        layout.index(&json!([image]));
        layout
    };
    type Change<'a> = &'a dyn Fn(&Layout, &mut Value);
    let changes: &[(&str, Change<'_>, &[&str])] = &[
        ("too small", &|_, layer| layer["size"] = json!(10), &["bytes, not 10"]),
        ("too large", &|_, layer| layer["size"] = json!(u64::MAX), &["bytes, not 18446744073709551615"]),
        ("negative", &|_, layer| layer["size"] = json!(-1), &["can not be used"]),
        ("a fraction", &|_, layer| layer["size"] = json!(1.5), &["can not be used"]),
        (
            "another digest",
            &|layout, layer| {
                layer["digest"] = json!(format!("sha256:{}", "1".repeat(64)));
                fs::write(layout.blob(&"1".repeat(64)), base::layer("etc/x", b"y")).unwrap();
            },
            &["digest", "expected"],
        ),
        (
            "no digest",
            &|_, layer| layer["digest"] = json!("sha256:../../../etc/passwd"),
            &["can not be used"],
        ),
        ("another algorithm", &|_, layer| layer["digest"] = json!("md5:00"), &["can not be used"]),
        ("gzip that is none", &|_, layer| layer["mediaType"] = json!(GZIP), &["its bytes are"]),
        (
            "a kind that nobody knows",
            &|_, layer| layer["mediaType"] = json!("text/html"),
            &["no layer of an image"],
        ),
        (
            "a blob that is not there",
            &|layout, layer| fs::remove_file(layout.blob(layer["digest"].as_str().unwrap())).unwrap(),
            &["it has no member"],
        ),
        (
            "a blob that is a link",
            &|layout, layer| {
                let blob = layout.blob(layer["digest"].as_str().unwrap());
                let real = layout.path().join("real");
                fs::rename(&blob, &real).unwrap();
                symlink(real, blob).unwrap();
            },
            &["is not a file"],
        ),
        (
            "a blob that is a fifo",
            &|layout, layer| {
                let blob = layout.blob(layer["digest"].as_str().unwrap());
                fs::remove_file(&blob).unwrap();
                Run::of(Command::new("mkfifo").arg(blob)).ok();
            },
            &["is not a file"],
        ),
        (
            "a blob that is a directory",
            &|layout, layer| {
                let blob = layout.blob(layer["digest"].as_str().unwrap());
                fs::remove_file(&blob).unwrap();
                fs::create_dir(blob).unwrap();
            },
            &["is not a file"],
        ),
    ];
    for (what, change, says) in changes {
        refused(what, &oci(&with(change)), says);
    }
}

#[test]
fn configurations_that_lie_are_found_out() {
    let plain = base::layer("etc/x", b"x");
    let id = format!("sha256:{}", digest(&plain));
    let layout = Layout::new();
    let layer = layout.put(TAR, &plain);
    let ids = |count: usize| vec![id.clone(); count];
    for (what, layers, diff_ids, says) in [
        ("more diff ids", 1, ids(2), "it lists 1 layers and 2 diff ids"),
        ("fewer", 2, ids(1), "it lists 2 layers and 1 diff ids"),
        ("none", 1, vec![], "it lists 1 layers and 0 diff ids"),
        ("many diff ids", 1, ids(100_000), "it lists 1 layers and 100000 diff ids"),
        ("many layers", 5000, ids(5000), "and 1000 are allowed"),
        ("another diff id", 1, vec![format!("sha256:{}", "2".repeat(64))], "sha256:2222"),
        ("no diff id", 1, vec!["x".to_owned()], "can not be read"),
    ] {
        let image = layout.image(&vec![layer.clone(); layers], &diff_ids);
        layout.index(&json!([image]));
        refused(what, &oci(&layout), &[says]);
    }
    for (what, text) in [
        ("no JSON", "x".to_owned()),
        ("deep", format!("{}{}", r#"{"rootfs":"#.repeat(100_000), "1")),
        ("deep lists", "[".repeat(1_000_000)),
        (
            "twice",
            format!(
                r#"{{"rootfs":{{"type":"layers","diff_ids":["{id}"]}},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
            ),
        ),
        ("a number", "1e999999999".to_owned()),
        ("a huge number", format!(r#"{{"rootfs":{}}}"#, "9".repeat(1_000_000))),
        ("nothing", String::new()),
        ("not UTF-8", "\u{0}".to_owned()),
    ] {
        let config = layout.put(CONFIG, text.as_bytes());
        let image = layout.manifest(&config, std::slice::from_ref(&layer));
        layout.index(&json!([image]));
        refused(what, &oci(&layout), &["can not be read", "it lists 1 layers", "can not be used"]);
    }
    // Said to be huge; nothing of that is made room for.
    let mut config = layout.put(CONFIG, b"{}");
    config["size"] = json!(1_u64 << 60);
    let image = layout.manifest(&config, &[layer]);
    layout.index(&json!([image]));
    refused("a configuration of an exbibyte", &oci(&layout), &["are allowed"]);
}

#[test]
fn indexes_have_an_end() {
    let layout = Layout::new();
    let plain = base::layer("etc/x", b"x");
    let layer = layout.put(TAR, &plain);
    let image = layout.image(&[layer], &[format!("sha256:{}", digest(&plain))]);
    let index = |manifests: &Value| {
        let text = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
        layout.put(INDEX, text.as_bytes())
    };
    let mut nested = image.clone();
    for _ in 0..50 {
        nested = index(&json!([nested]));
    }
    layout.index(&json!([nested]));
    refused("fifty deep", &oci(&layout), &["nested too deep"]);
    // Ten in each of ten in each of ten: a thousand and more.
    let mut wide = index(&json!(vec![image.clone(); 30]));
    for _ in 0..2 {
        wide = index(&json!(vec![wide; 30]));
    }
    layout.index(&json!([wide]));
    refused("many in many", &oci(&layout), &["manifests", "holds"]);
    layout.index(&json!(vec![image.clone(); 5000]));
    refused("many", &oci(&layout), &["it lists 5000 manifests, and 1000 are allowed"]);
    // Its digest is that of something else, or it would not be possible.
    let own = "3".repeat(64);
    let entry = json!({"mediaType": INDEX, "digest": format!("sha256:{own}"), "size": 400});
    let mut text = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string();
    text.push_str(&" ".repeat(400 - text.len()));
    fs::write(layout.blob(&own), text).unwrap();
    layout.index(&json!([entry]));
    refused("itself", &oci(&layout), &["it has the digest", "has the digest"]);
    // Kinds that disagree.
    let mut other = image.clone();
    other["mediaType"] = json!(INDEX);
    layout.index(&json!([other]));
    refused("an index that is a manifest", &oci(&layout), &["can not be used"]);
    layout.index(&json!([]));
    refused("an empty index", &oci(&layout), &["lists no image"]);
    for (what, text) in [
        ("deep JSON", "[".repeat(2_000_000)),
        ("no list", r#"{"schemaVersion":2,"manifests":7}"#.to_owned()),
        ("twice", r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#.to_owned()),
        ("too large", " ".repeat(5 << 20)),
    ] {
        fs::write(layout.path().join("index.json"), text).unwrap();
        refused(what, &oci(&layout), &["can not be used", "are allowed"]);
    }
    fs::remove_file(layout.path().join("index.json")).unwrap();
    Run::of(Command::new("mkfifo").arg(layout.path().join("index.json"))).ok();
    refused("an index that is a fifo", &oci(&layout), &["is not a file"]);
    fs::remove_file(layout.path().join("oci-layout")).unwrap();
    Run::of(Command::new("mkfifo").arg(layout.path().join("oci-layout"))).ok();
    refused("a marker that is a fifo", &oci(&layout), &["is not a file"]);
}

/// As many bytes of zeros as no image has, compressed: frames may follow one another.
fn bomb(frame: &[u8], times: usize) -> Vec<u8> {
    frame.repeat(times)
}

#[test]
fn bombs_are_not_unpacked_to_their_end() {
    const GIB: usize = 1 << 30;
    let zeros = vec![0; 1 << 20];
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..GIB >> 20 {
        zstd.write_all(&zeros).unwrap();
    }
    let zstd = bomb(&zstd.finish().unwrap(), 70);
    let layout = Layout::new();
    layout.only(ZSTD, &zstd, b"");
    refused("a bomb by zstd", &oci(&layout), &["unpack to more than 4294967296 bytes"]);
    if cfg!(debug_assertions) {
        return;
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        gzip.write_all(&zeros).unwrap();
    }
    let gzip = bomb(&gzip.finish().unwrap(), 70 << 4);
    layout.only(GZIP, &gzip, b"");
    refused("a bomb by gzip", &oci(&layout), &["unpack to more than 4294967296 bytes"]);
    // An archive that is one as a whole comes to no more of the disk than that.
    let path = layout.store.root().join("bomb.tar.zst");
    let mut header = tar::Header::new_gnu();
    header.set_path("layer.tar").unwrap();
    header.set_size(70 << 30);
    header.set_cksum();
    // Without one the first block would be enough to refuse it.
    let start = zstd::encode_all(&header.as_bytes()[..], 1).unwrap();
    fs::write(&path, [start, zstd].concat()).unwrap();
    refused(
        "a bomb of an archive",
        &path.display().to_string(),
        &["unpack to more than 4294967296 bytes"],
    );
}

/// A layer with names that may not be.
fn layer_with(name: &str, kind: tar::EntryType, target: &str, times: usize) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for _ in 0..times {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn names_that_lead_out_lead_nowhere() {
    use tar::EntryType as Kind;
    for (what, layer) in [
        ("up", layer_with("../../evil", Kind::Regular, "", 1)),
        ("up within", layer_with("a/../../evil", Kind::Regular, "", 1)),
        ("a hard link out", layer_with("link", Kind::Link, "../../../etc/passwd", 1)),
        ("a hard link to nothing", layer_with("link", Kind::Link, "/etc/passwd", 1)),
    ] {
        let layout = Layout::new();
        layout.only(TAR, &layer, &layer);
        let run = Run::of(
            terrine_tests::terrine()
                .args(["export", &oci(&layout), "-o"])
                .arg(layout.path().join("x.tar")),
        );
        assert!(run.code == Some(1) && run.stderr.contains("error: "), "{what}: {}", run.stderr);
        assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
    }
    // Absolute names are names of the image, and so are links that lead anywhere.
    for layer in [
        layer_with("/etc/x", Kind::Regular, "", 1),
        layer_with("etc/x", Kind::Symlink, "/../../../../etc/passwd", 1),
    ] {
        let layout = Layout::new();
        layout.only(TAR, &layer, &layer);
        let out = Run::of(terrine_tests::terrine().args(["export", &oci(&layout)])).ok().stdout;
        let names = terrine_tests::Archive::entries(&out);
        assert!(names.iter().all(|name| !name.starts_with('/') && !name.contains("..")), "{names:?}");
    }
}

#[test]
fn docker_archives_are_no_better() {
    let plain = base::layer("etc/x", b"x");
    let image = || base::BaseImage::old(&[&plain], &[]);
    type Change<'a> = &'a dyn Fn(&mut base::BaseImage);
    let changes: &[(&str, Change<'_>, &[&str])] = &[
        (
            "a layer that leads out",
            &|image| {
                image.manifest[0]["Layers"][0] = json!("../../etc/passwd");
            },
            &["leads out", "has no member"],
        ),
        (
            "an absolute layer",
            &|image| image.manifest[0]["Layers"][0] = json!("/etc/passwd"),
            &["no member", "leads out"],
        ),
        (
            "a layer that is a link out",
            &|image| {
                let name = image.members[0].0.clone();
                image.members[0] = (name, b"-> /etc/passwd".to_vec());
            },
            &["leads out", "no member", "is not a file", "leads nowhere"],
        ),
        (
            "a link to itself",
            &|image| {
                let name = image.members[0].0.clone();
                image.members[0] = (name, b"-> layer.tar".to_vec());
            },
            &["leads nowhere", "is a link"],
        ),
        (
            "a configuration that is the manifest",
            &|image| {
                image.manifest[0]["Config"] = json!("manifest.json");
            },
            &["can not be"],
        ),
        ("a list of nothing", &|image| image.manifest = json!([]), &["lists no image"]),
        ("no list", &|image| image.manifest = json!({"Config": "x"}), &["can not be read"]),
        (
            "other bytes",
            &|image| image.members[0].1 = base::layer("etc/x", b"y"),
            &["digest", "expected"],
        ),
        (
            "many members",
            &|image| {
                image.members.extend((0..30_000).map(|number| (format!("m{number}"), vec![])));
            },
            &["members"],
        ),
    ];
    for (what, change, says) in changes {
        let store = TestStore::default();
        let mut broken = image();
        change(&mut broken);
        let path = broken.write(&store);
        refused(what, &format!("docker-archive:{}", path.display()), says);
    }
}

#[test]
fn what_a_registry_holds_is_not_believed() {
    let Some(registry) = Registry::start() else { return };
    let plain = base::layer("etc/x", b"x");
    let id = format!("sha256:{}", digest(&plain));
    let put = |tag: &str, layer: Value, config: &Value| {
        let text = config.to_string();
        let config = registry.put_blob("evil/web", text.as_bytes());
        let config = json!({"mediaType": CONFIG, "digest": config, "size": text.len()});
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        registry.put_manifest("evil/web", tag, MANIFEST, manifest.to_string().as_bytes());
        format!("docker://{}/evil/web:{tag}", registry.host())
    };
    let blob = registry.put_blob("evil/web", &plain);
    let config = |ids: &Value| json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}});
    let layer = |size: u64, kind: &str| json!({"mediaType": kind, "digest": blob, "size": size});
    let size = plain.len() as u64;
    for (tag, layer, ids, says) in [
        ("small", layer(10, TAR), json!([id]), "bytes, not 10"),
        ("large", layer(1 << 50, TAR), json!([id]), "bytes, not 1125899906842624"),
        ("kind", layer(size, GZIP), json!([id]), ""),
        ("id", layer(size, TAR), json!([format!("sha256:{}", "4".repeat(64))]), "sha256:4444"),
        ("many", layer(size, TAR), json!(vec![&id; 3]), "it lists 1 layers and 3 diff ids"),
    ] {
        let image = put(tag, layer, &config(&ids));
        refused(tag, &image, &[says]);
    }
}
