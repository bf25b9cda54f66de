//! Builders in network name spaces of their own, which share nothing but a registry and a binary cache. The
//! access log of the cache says what each of them fetches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use terrine_tests::{NixStore, Run, peer, run, temporary, terrine};

/// A folder for a cache, images of it, and the builders' own.
struct Scene {
    store: NixStore,
    folder: tempfile::TempDir,
    public: String,
}

impl Scene {
    fn new() -> Option<Self> {
        let programs = ["docker-registry", "ip", "unshare", "nsenter", "python3"];
        if programs.iter().any(|program| peer::find(program).is_none()) {
            return None;
        }
        let store = NixStore::build()?;
        let folder = temporary();
        let at = |name: &str| folder.path().join(name);
        let (secret, public, cache) = (at("secret"), at("public"), at("cache"));
        let keys = [secret.to_str().unwrap(), public.to_str().unwrap()];
        store.run(
            "nix-store",
            &["--generate-binary-cache-key", "test-1", keys[0], keys[1]],
        );
        let public = fs::read_to_string(&public).unwrap().trim().to_owned();
        fs::create_dir(&cache).unwrap();
        let storage = at("storage");
        fs::write(
            at("registry.yml"),
            format!(
                "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 0.0.0.0:5000\n  secret: x\n",
                storage.display()
            ),
        )
        .unwrap();
        Some(Self {
            store,
            folder,
            public,
        })
    }

    /// Adds a file to the store, and returns its path.
    fn add(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        let path = self
            .store
            .run("nix-store", &["--add", file.to_str().unwrap()]);
        path.trim().to_owned()
    }

    /// Copies paths to the cache.
    fn copy(&self, paths: &[&str]) {
        let (cache, secret) = (self.at("cache"), self.at("secret"));
        let to = format!(
            "file://{}?secret-key={}&compression=zstd&write-nar-listing=true",
            cache.display(),
            secret.display()
        );
        self.store
            .run("nix", &[&["copy", "--to", &to], paths].concat());
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the script of a builder with a disk of its own that builds an image with a file of settings.
    fn builder(&self, name: &str, settings: &str) -> PathBuf {
        let home = self.at(name);
        for folder in ["tmp", "cache/terrine"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        let planner = run::cache().join("terrine/planner");
        fs::create_dir_all(&planner).unwrap();
        std::os::unix::fs::symlink(planner, home.join("cache/terrine/planner")).unwrap();
        let spec = json!({
            "name": "web",
            "contents": [self.store.path("app")],
            "architecture": "amd64",
            "config": {"Cmd": ["/bin/app"], "Env": [format!("SETTINGS={settings}")]}
        });
        fs::write(home.join("image.json"), spec.to_string()).unwrap();
        let binary = terrine().get_program().to_str().unwrap().to_owned();
        let home = home.display();
        let script = format!(
            "export HOME={home} TMPDIR={home}/tmp XDG_CACHE_HOME={home}/cache NIX_CONF_DIR={home}\n\
             exec {binary} build {home}/image.json --plain-http --no-store --cache \"$2\" --trusted-key {} \
             --layers-from \"docker://$1/acme/layers\" --layers-to \"docker://$1/acme/layers\" \
             --summary {home}/summary.json --to \"docker://$1/acme/{name}:1\"\n",
            self.public
        );
        let file = self.at(&format!("{name}.sh"));
        fs::write(&file, script).unwrap();
        file
    }

    /// Runs builders, one after the other. Returns for each the files of NARs that it fetched.
    fn run(&self, builders: &[&Path]) -> Option<Vec<Vec<String>>> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layers_from/namespaces.sh");
        let mut command = Command::new(peer::find("unshare")?);
        command
            .args([
                "--user",
                "--map-root-user",
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--mount-proc",
                "--kill-child",
            ])
            .args(["sh".as_ref(), script.as_os_str()])
            .args([self.folder.path(), &self.at("cache")])
            .args(builders);
        let run = Run::of(&mut command);
        if run.stderr.contains("unshare failed")
            || run.stderr.contains("RTNETLINK answers: Operation not")
        {
            peer::missing("this system allows no network name spaces");
            return None;
        }
        let log = fs::read_to_string(self.at("access.log")).unwrap();
        assert_eq!(run.code, Some(0), "{}\n{log}", run.stderr);
        let fetched = log.split("builder ").skip(1).map(|log| {
            let lines = log.lines().filter(|line| line.contains("GET /nar/"));
            lines.map(str::to_owned).collect()
        });
        Some(fetched.collect())
    }

    /// The digest of the image that a builder has pushed.
    fn digest(&self, name: &str) -> String {
        let link = "storage/docker/registry/v2/repositories/acme";
        let tag = self
            .at(link)
            .join(name)
            .join("_manifests/tags/1/current/link");
        fs::read_to_string(tag).unwrap()
    }

    /// The numbers of layers by their sources in a builder's summary.
    fn made(&self, name: &str) -> usize {
        let text = fs::read(self.at(name).join("summary.json")).unwrap();
        let facts: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let layers = facts["layers"].as_array().unwrap().iter();
        layers.filter(|layer| layer["source"] == "made").count()
    }
}

#[test]
fn a_builder_with_an_empty_disk_fetches_only_what_nobody_has_made() {
    let Some(scene) = Scene::new() else { return };
    let (old, new) = (
        scene.add("settings-1", "one"),
        scene.add("settings-2", "two"),
    );
    scene.copy(&[scene.store.path("app"), &old, &new]);
    let builders = [
        scene.builder("first", &old),
        scene.builder("second", &old),
        scene.builder("third", &new),
    ];
    let builders: Vec<&Path> = builders.iter().map(PathBuf::as_path).collect();
    let Some(fetched) = scene.run(&builders) else {
        return;
    };
    let [first, second, third] = &fetched[..] else {
        panic!("{fetched:?}")
    };
    assert!(first.len() > 3, "{first:?}");
    assert_eq!(second, &[""; 0], "nothing is left to fetch");
    assert_eq!(scene.digest("second"), scene.digest("first"));
    assert_eq!(third.len(), 1, "the path that changed: {third:?}");
    assert_ne!(scene.digest("third"), scene.digest("first"));
    // The layer of the path, and the one of the root.
    assert_eq!((scene.made("second"), scene.made("third")), (1, 2));
}
