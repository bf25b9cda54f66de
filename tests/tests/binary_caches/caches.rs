//! A store of Nix, and caches that Nix copies its paths to.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};
use terrine_tests::{NixStore, Run, debian, empty_cache, temporary, terrine};

/// The store paths that caches have, with all that they refer to.
pub(super) const NAMES: [&str; 3] = ["app", "current", "settings"];

/// The caches of the tests that run at the moment.
static SHARED: Mutex<Weak<Caches>> = Mutex::new(Weak::new());

/// A store of Nix, and caches that it copies paths to.
pub(super) struct Caches {
    pub(super) store: NixStore,
    folder: tempfile::TempDir,
    pub(super) public: String,
    /// The root of Debian that the Nix is in; none for the Nix of this machine.
    root: Option<PathBuf>,
    /// The directories of caches by their parameters.
    made: Mutex<BTreeMap<String, PathBuf>>,
}

impl Caches {
    /// Caches of this machine's Nix, which all tests share; nothing, said aloud, without Nix.
    pub(super) fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap();
        if let Some(caches) = shared.upgrade() {
            return Some(caches);
        }
        let caches = Arc::new(Self::of(None)?);
        *shared = Arc::downgrade(&caches);
        Some(caches)
    }

    /// Caches of the newest Nix that Debian has; nothing, said aloud, where that cannot be.
    pub(super) fn of_newest() -> Option<Self> {
        Self::of(Some(debian::root("sid", "nix-bin")?))
    }

    fn of(root: Option<PathBuf>) -> Option<Self> {
        let mut caches = Self {
            store: NixStore::build()?,
            folder: temporary(),
            public: String::new(),
            root,
            made: Mutex::default(),
        };
        let secret = caches.secret();
        let key = caches.run("nix", &["key", "generate-secret", "--key-name", "test-1"]);
        fs::write(&secret, key.trim()).unwrap();
        let mut convert = caches.nix("nix");
        convert
            .args(["key", "convert-secret-to-public"])
            .stdin(File::open(&secret).unwrap());
        let public = Run::of(&mut convert).ok().stdout;
        String::from_utf8(public)
            .unwrap()
            .trim()
            .clone_into(&mut caches.public);
        Some(caches)
    }

    /// The file with the secret key.
    pub(super) fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// A program of the Nix that writes the caches.
    fn nix(&self, program: &str) -> Command {
        match &self.root {
            None => self.store.command(program),
            Some(root) => self
                .store
                .command_in(root, &[self.folder.path()], program)
                .unwrap(),
        }
    }

    /// Returns what a program of the Nix that writes the caches prints.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let run = Run::of(self.nix(program).args(arguments)).ok();
        String::from_utf8(run.stdout).unwrap()
    }

    /// Returns the directory of a cache with signed paths, which Nix writes once. Nobody changes it.
    pub(super) fn cache(&self, parameters: &str) -> PathBuf {
        let mut made = self.made.lock().unwrap();
        if let Some(place) = made.get(parameters) {
            return place.clone();
        }
        let signed = format!("secret-key={}&{parameters}", self.secret().display());
        let paths = NAMES.map(|name| self.store.path(name));
        let place = self.copy(&signed, &paths);
        made.insert(parameters.to_owned(), place.clone());
        place
    }

    /// Copies the closures of paths into a new cache, and returns its directory.
    pub(super) fn copy(&self, parameters: &str, paths: &[&str]) -> PathBuf {
        let place = self.directory();
        let to = format!("file://{}?{parameters}", place.display());
        self.run("nix", &[&["copy", "--to", &to], paths].concat());
        place
    }

    /// Makes an empty directory.
    pub(super) fn directory(&self) -> PathBuf {
        let builder = tempfile::Builder::new().tempdir_in(self.folder.path());
        builder.unwrap().keep()
    }

    /// Copies a cache without its listings, and returns the directory of the copy.
    pub(super) fn without_listings(&self, cache: &Path) -> PathBuf {
        let place = self.directory();
        fs::create_dir(place.join("nar")).unwrap();
        for folder in ["", "nar"] {
            for entry in fs::read_dir(cache.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let is_listing = path.extension().is_some_and(|extension| extension == "ls");
                if path.is_file() && !is_listing {
                    let name = path.file_name().unwrap();
                    fs::hard_link(&path, place.join(folder).join(name)).unwrap();
                }
            }
        }
        place
    }

    /// A specification of an image of a package and of files that its environment mentions.
    pub(super) fn spec(&self) -> Value {
        let path = |name: &str| self.store.path(name).to_owned();
        let files = format!("FILES={}:{}", path("current"), path("settings"));
        json!({
            "name": "x:1",
            "contents": [path("app")],
            "config": {"Cmd": ["/bin/app"], "Env": [files]}
        })
    }

    /// A build of a specification from the local store.
    pub(super) fn local(&self, spec: &Value, to: &str) -> Command {
        let mut command = self.build(spec, to);
        command.arg("--store-root").arg(self.store.root());
        command
    }

    /// A build of a specification from a cache alone.
    pub(super) fn remote(&self, spec: &Value, cache: &str, to: &str) -> Command {
        let mut command = self.untrusting(spec, cache, to);
        command.args(["--trusted-key", &self.public]);
        command
    }

    /// A build of a specification from a cache alone, whose key is not trusted.
    pub(super) fn untrusting(&self, spec: &Value, cache: &str, to: &str) -> Command {
        let mut command = self.build(spec, to);
        command.args(["--no-store", "--cache", cache]);
        command
    }

    /// A build that knows nothing of earlier ones.
    pub(super) fn build(&self, spec: &Value, to: &str) -> Command {
        let cache = self.directory();
        empty_cache(&cache);
        self.build_with(&cache, spec, to)
    }

    /// A build with a cache of layers.
    pub(super) fn build_with(&self, cache: &Path, spec: &Value, to: &str) -> Command {
        let mut command = terrine();
        command
            .arg("build")
            .arg(self.file(&spec.to_string()))
            .args(["--to", to])
            .env("XDG_CACHE_HOME", cache)
            .env("NIX_CONF_DIR", self.folder.path());
        command
    }

    /// Writes a new file.
    pub(super) fn file(&self, text: &str) -> PathBuf {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        let (_, file) = file.keep().unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    /// The directory of the settings of Nix that builds read: there are none.
    pub(super) fn settings(&self) -> &Path {
        self.folder.path()
    }
}

/// The location of a directory.
pub(super) fn url(place: &Path) -> String {
    format!("file://{}", place.display())
}

/// The digest of the manifest that a build prints.
pub(super) fn digest(mut command: Command) -> String {
    let run = Run::of(&mut command).ok();
    let text = String::from_utf8(run.stdout).unwrap();
    text.rsplit_once('@').unwrap().1.trim().to_owned()
}
