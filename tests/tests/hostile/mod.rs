//! Images that are made to do harm, to `verify`, `copy`, `export` and as bases: a clear error, in
//! bounded memory and time, and nothing outside the image is touched.

mod content;
mod documents;
mod races;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use terrine_tests::archive::digest;
use terrine_tests::{Run, Shipment, TestStore};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// The memory that any of it may take, in KiB. Without wasmtime it is much less.
const MEMORY: u64 = 260 << 10;

/// A layout that is written by hand.
struct Layout {
    store: TestStore,
}

impl Layout {
    fn new() -> Self {
        let store = TestStore::default();
        fs::create_dir_all(store.root().join("l/blobs/sha256")).unwrap();
        fs::write(
            store.root().join("l/oci-layout"),
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .unwrap();
        Self { store }
    }

    fn path(&self) -> PathBuf {
        self.store.root().join("l")
    }

    fn blob(&self, hex: &str) -> PathBuf {
        self.path()
            .join("blobs/sha256")
            .join(hex.trim_start_matches("sha256:"))
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
        let image = self.image(
            std::slice::from_ref(&layer),
            &[format!("sha256:{}", digest(plain))],
        );
        self.index(&json!([image]));
        layer
    }
}

/// The end of a run, the processor time that it took, and the memory that it held, in KiB.
struct Measured {
    run: Run,
    time: Duration,
    memory: u64,
}

fn measured(command: &mut Command) -> Measured {
    let start = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let (mut memory, mut time) = (0, Duration::ZERO);
    while child.try_wait().unwrap().is_none() {
        time = processor_time(&process).unwrap_or(time);
        let text = fs::read_to_string(process.join("status")).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        memory = memory.max(line.and_then(|line| line.trim().parse().ok()).unwrap_or(0));
        assert!(start.elapsed() < Duration::from_secs(300), "it hangs");
        std::thread::sleep(Duration::from_millis(1));
    }
    Measured {
        run: child.wait_with_output().unwrap().into(),
        time,
        memory,
    }
}

/// Returns the processor time that a process has used so far: a machine with other things to do
/// does not make it more (proc(5), `stat`).
fn processor_time(process: &Path) -> Option<Duration> {
    let text = fs::read_to_string(process.join("stat")).ok()?;
    // The name before it may have spaces.
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields
        .get(11..13)?
        .iter()
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Some(Duration::from_millis(
        ticks * 1000 / rustix::param::clock_ticks_per_second(),
    ))
}

/// Gives an image to all commands that read one: each fails and says one of these.
fn refused(what: &str, image: &str, says: &[&str]) {
    let shipment = Shipment::new(&[("own", 1000)]);
    let out = shipment.home().join("out").display().to_string();
    let (layout, archive, tar) = (
        format!("oci:{out}:x"),
        format!("docker-archive:{out}.tar"),
        format!("{out}.flat"),
    );
    // A bomb is unpacked up to the limit of its size, which takes longer where other things run. The message proves the
    // stop.
    let mut limit = Duration::from_secs(if what.contains("bomb") { 40 } else { 10 });
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
        assert!(
            run.code == Some(1) && !run.stderr.contains("panicked"),
            "{:?} {what}",
            run.code
        );
        assert!(run.stderr.contains("error: "), "{what}");
        assert!(says.iter().any(|says| run.stderr.contains(says)), "{what}");
        assert!(run.stderr.len() < 4000, "{what}");
        assert!(time < limit, "{time:?} {what}");
        // What has to be unpacked takes time that can be seen.
        assert!(time > Duration::ZERO || !what.contains("bomb"), "{what}");
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
        assert!(
            time < limit && memory < 2 * MEMORY,
            "{time:?} {memory} KiB {what}"
        );
    }
    // Nothing half-made has a name.
    let index = fs::read_to_string(Path::new(&out).join("index.json")).unwrap_or_default();
    assert!(!index.contains("sha256:"), "{what}: {index}");
    assert!(
        !Path::new(&format!("{out}.tar")).exists() && !Path::new(&tar).exists(),
        "{what}"
    );
    assert!(shipment.leftovers().is_empty(), "{what}");
}

fn oci(layout: &Layout) -> String {
    format!("oci:{}", layout.path().display())
}
