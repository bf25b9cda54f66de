//! Images out of binary caches that Nix wrote, against images of the same paths in a local store.

mod faults;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::{NixStore, Run, temporary, terrine, workspace};

use server::Server;

/// A store of Nix, and caches that it copies paths to.
struct Caches {
    store: NixStore,
    folder: tempfile::TempDir,
    public: String,
}

impl Caches {
    /// A store with a key; nothing, said aloud, without Nix.
    fn new() -> Option<Self> {
        let store = NixStore::build()?;
        let folder = temporary();
        let key = |name: &str| folder.path().join(name);
        let (secret, public) = (key("secret"), key("public"));
        let keys = [secret.to_str().unwrap(), public.to_str().unwrap()];
        store.run(
            "nix-store",
            &["--generate-binary-cache-key", "test-1", keys[0], keys[1]],
        );
        let public = fs::read_to_string(public).unwrap();
        Some(Self {
            store,
            folder,
            public,
        })
    }

    /// Copies the closures of paths into a cache, and returns its directory.
    fn copy(&self, parameters: &str, names: &[&str]) -> PathBuf {
        let place = temporary().keep();
        let secret = self.folder.path().join("secret");
        let to = format!(
            "file://{}?secret-key={}&{parameters}",
            place.display(),
            secret.display()
        );
        let paths = names.iter().map(|name| self.store.path(name));
        let arguments: Vec<&str> = ["copy", "--to", &to].into_iter().chain(paths).collect();
        self.store.run("nix", &arguments);
        place
    }

    /// A specification of an image of a package and of files that its environment mentions.
    fn spec(&self) -> Value {
        let path = |name: &str| self.store.path(name).to_owned();
        let files = format!("FILES={}:{}", path("current"), path("settings"));
        json!({
            "name": "x:1",
            "contents": [path("app")],
            "config": {"Cmd": ["/bin/app"], "Env": [files]}
        })
    }

    /// A build of a specification from the local store.
    fn local(&self, spec: &Value, to: &str) -> Command {
        let mut command = self.build(spec, to);
        command.arg("--store-root").arg(self.store.root());
        command
    }

    /// A build of a specification from a cache alone.
    fn remote(&self, spec: &Value, cache: &str, to: &str) -> Command {
        let mut command = self.build(spec, to);
        command
            .args(["--no-store", "--cache", cache])
            .args(["--trusted-key", self.public.trim()]);
        command
    }

    fn build(&self, spec: &Value, to: &str) -> Command {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        let (_, file) = file.keep().unwrap();
        fs::write(&file, spec.to_string()).unwrap();
        let mut command = terrine();
        command
            .arg("build")
            .arg(file)
            .args(["--no-cache", "--to", to])
            .env("NIX_CONF_DIR", self.folder.path());
        command
    }
}

fn url(place: &Path) -> String {
    format!("file://{}", place.display())
}

/// The digest of the manifest that a build prints.
fn digest(mut command: Command) -> String {
    let run = Run::of(&mut command).ok();
    let text = String::from_utf8(run.stdout).unwrap();
    text.rsplit_once('@').unwrap().1.trim().to_owned()
}

const NAMES: [&str; 3] = ["app", "current", "settings"];

#[test]
fn images_are_those_of_the_store_for_every_compression() {
    let Some(caches) = Caches::new() else {
        return;
    };
    let spec = caches.spec();
    let folder = temporary();
    let layout = |name: &str| format!("oci:{}", folder.path().join(name).display());
    let expected = digest(caches.local(&spec, &layout("local")));
    let archive = |mut command: Command| {
        let run = Run::of(&mut command).ok();
        assert!(run.stdout.len() > 10_000, "an archive");
        run.stdout
    };
    let tar = "docker-archive:/dev/stdout";
    let expected_archive = archive(caches.local(&spec, tar));
    for compression in ["none", "xz", "zstd", "bzip2", "br", "gzip", "lz4"] {
        for listing in ["true", "false"] {
            let parameters = format!("compression={compression}&write-nar-listing={listing}");
            let place = caches.copy(&parameters, &NAMES);
            let cache = url(&place);
            let found = digest(caches.remote(&spec, &cache, &layout(&parameters)));
            assert_eq!(found, expected, "{parameters}");
            assert!(
                archive(caches.remote(&spec, &cache, tar)) == expected_archive,
                "the archive with {parameters}"
            );
            fs::remove_dir_all(place).unwrap();
        }
    }
}

#[test]
fn plans_need_no_nar_and_unchanged_images_no_more() {
    let Some(caches) = Caches::new() else {
        return;
    };
    let mut spec = caches.spec();
    let place = caches.copy("compression=zstd&write-nar-listing=true", &NAMES);
    let server = Server::of(&place);
    let mut plan = caches.remote(&spec, &server.url(), "-");
    let file = plan.get_args().nth(1).unwrap().to_owned();
    plan = terrine();
    plan.arg("plan")
        .arg(file)
        .args(["--no-store", "--cache", &server.url()])
        .args(["--trusted-key", caches.public.trim()]);
    let run = Run::of(&mut plan).ok();
    let facts: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert!(facts["layers"].as_array().unwrap().len() > 3, "{facts}");
    let asked = server.asked();
    assert!(asked.iter().any(|path| path.ends_with(".narinfo")));
    let nars = |asked: &[String]| asked.iter().filter(|path| path.contains("/nar/")).count();
    assert_eq!(nars(&asked), 0, "{asked:?}");

    // The cache of layers knows them by what is in them.
    spec["architecture"] = json!("amd64");
    let folder = temporary();
    let build = |name: &str| {
        let to = format!("oci:{}", folder.path().join("layout").display());
        let mut command = caches.remote(&spec, &server.url(), &to);
        let arguments: Vec<_> = command
            .get_args()
            .filter(|argument| *argument != "--no-cache")
            .map(ToOwned::to_owned)
            .collect();
        command = terrine();
        command
            .args(arguments)
            .env("XDG_CACHE_HOME", folder.path().join(name))
            .env("NIX_CONF_DIR", caches.folder.path());
        digest(command)
    };
    let first = build("cache");
    let asked = server.asked();
    assert_eq!(nars(&asked), 5, "each path once: {asked:?}");
    assert_eq!(build("cache"), first);
    let asked = server.asked();
    assert_eq!(nars(&asked), 0, "{asked:?}");
    fs::remove_dir_all(place).unwrap();
}

#[test]
fn files_come_out_of_caches_wherever_they_are_used() {
    let Some(caches) = Caches::new() else {
        return;
    };
    let place = caches.copy("compression=none&write-nar-listing=true", &NAMES);
    let folder = temporary();
    let layout = |name: &str| format!("oci:{}", folder.path().join(name).display());
    let store = |name: &str| caches.store.path(name).to_owned();
    let specs = [
        json!({"name": "x:1", "copyToRoot": [store("app")]}),
        json!({"name": "x:1", "files": {"/etc/settings": {"source": store("settings")}}}),
        json!({"name": "x:1", "config": {"Env": [format!("SETTINGS={}", store("settings"))]}}),
        json!({"name": "x:1", "contents": [store("app")], "includeNixDB": true}),
        json!({"name": "x:1", "contents": [store("app")], "tag": null}),
        json!({"name": "x:1", "contents": [store("app")], "permissions": [{"path": "/nix/store/*/share/**", "uid": 7}]}),
    ];
    for (number, spec) in specs.iter().enumerate() {
        let expected = digest(caches.local(spec, &layout(&format!("local{number}"))));
        let to = layout(&format!("remote{number}"));
        assert_eq!(
            digest(caches.remote(spec, &url(&place), &to)),
            expected,
            "{spec}"
        );
    }
    fs::remove_dir_all(place).unwrap();
}

#[test]
fn the_command_and_the_specification_of_the_guide_work() {
    let Some(caches) = Caches::new() else {
        return;
    };
    let place = caches.copy("compression=xz", &["app"]);
    let folder = temporary();
    let layout = format!("oci:{}", folder.path().join("layout").display());
    let page = fs::read_to_string(workspace().join("docs/binary-caches.md")).unwrap();
    let shown = |text: &str| {
        text.replace("/nix/store/…-web", caches.store.path("app"))
            .replace("https://cache.example.org", &url(&place))
            .replace("docker://ghcr.io/acme/web", &layout)
            .replace("cache.example.org-1:…", caches.public.trim())
    };
    let command = page
        .lines()
        .find_map(|line| line.strip_prefix("    terrine "))
        .unwrap();
    let command = shown(command);
    let mut run = terrine();
    run.args(command.split(' ').take_while(|word| *word != "--"))
        .args(["--trusted-key", caches.public.trim(), "--no-store"])
        .env("NIX_CONF_DIR", caches.folder.path())
        .args(["--", "/bin/web"]);
    let run = Run::of(&mut run).ok();
    assert!(String::from_utf8_lossy(&run.stdout).contains("@sha256:"));
    let (_, block) = page.split_once("```json\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let spec: Value = serde_json::from_str(&shown(block)).unwrap();
    let mut build = caches.build(&spec, &layout);
    Run::of(build.arg("--no-store")).ok();
    fs::remove_dir_all(place).unwrap();
}
