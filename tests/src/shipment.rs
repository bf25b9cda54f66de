//! Images that are built and sent somewhere, with a cache, credentials and temporary files of
//! their own.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::archive::digest;
use super::{Run, SpecFile, TestStore, temporary, terrine};

/// A store, and a home to send images from.
#[derive(Debug)]
pub struct Shipment {
    /// The store that the images are made of.
    pub store: TestStore,
    home: tempfile::TempDir,
    paths: Vec<(String, usize)>,
    /// True if the closure has the NAR hashes of the paths.
    is_keyed: bool,
}

impl Shipment {
    /// An image of such store paths, each of so many bytes that cannot be compressed, and with
    /// a layer of its own.
    pub fn new(packages: &[(&str, usize)]) -> Self {
        let home = temporary();
        for folder in ["cache/terrine", "tmp"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let mut shipment = Self {
            store: TestStore::default(),
            home,
            paths: vec![],
            is_keyed: false,
        };
        for (name, size) in packages {
            shipment.add(name, *size);
        }
        shipment
    }

    /// Three layers of some hundred kilobytes and the root.
    pub fn small() -> Self {
        Self::new(&[("a", 300_000), ("b", 200_000), ("c", 100_000)])
    }

    /// Gives the closure the NAR hashes of the paths, so that their layers have keys that every machine knows
    /// them by.
    #[must_use]
    pub fn keyed(mut self) -> Self {
        self.is_keyed = true;
        self.set_permissions(0o555);
        self
    }

    /// Adds a store path.
    pub fn add(&mut self, name: &str, size: usize) {
        let name = hashed(name);
        self.store
            .file(&format!("{name}/share/data"), &noise(&name, size));
        self.paths.push((name, size));
        if self.is_keyed {
            self.set_permissions(0o555);
        }
    }

    /// Sets the permissions of the tops of all paths.
    fn set_permissions(&self, mode: u32) {
        for (name, _) in &self.paths {
            // One that a test has removed needs none.
            let _ = fs::set_permissions(self.store.host(name), Permissions::from_mode(mode));
        }
    }

    /// Adds the NAR hashes of the paths to the closure.
    fn add_nar_hashes(&self) {
        let file = self.store.root().join("graph.json");
        let mut graph: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let entries = graph.as_array_mut().unwrap().iter_mut();
        for (entry, (name, size)) in entries.zip(&self.paths) {
            entry["narHash"] = json!(format!("sha256:{}", digest(&nar(&noise(name, *size)))));
        }
        fs::write(file, graph.to_string()).unwrap();
    }

    /// Puts another path of the same name and another hash in the place of one.
    pub fn change(&mut self, name: &str, size: usize) {
        self.paths.retain(|(path, _)| *path != hashed(name));
        self.add(&format!("{name}-changed"), size);
    }

    /// Removes the files, which are not in the tops, so that the file system says nothing else of
    /// the tops than before: a program that reads a file, or so much as lists what is below, fails.
    pub fn remove_files(&self) {
        for (name, _) in &self.paths {
            fs::remove_file(self.store.host(&format!("{name}/share/data"))).unwrap();
        }
    }

    /// The specification. The paths are mentioned, and not joined at the root, which is the same
    /// whatever is in them.
    pub fn spec(&self) -> SpecFile<'_> {
        let mentioned: Vec<String> = self
            .paths
            .iter()
            .map(|(name, _)| format!("P={}", self.store.path(name)))
            .collect();
        let graph: Vec<_> = self
            .paths
            .iter()
            .map(|(name, size)| (name.as_str(), *size as u64, ""))
            .collect();
        let spec = SpecFile::new(&self.store, &[]).graph(&graph);
        if self.is_keyed {
            self.add_nar_hashes();
        }
        spec.with(
            "config",
            json!({"Cmd": ["/bin/hello"], "Labels": {"paths": mentioned.join(" ")}}),
        )
    }

    /// The home, an existing folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns the folder that temporary files go to.
    pub fn tmp(&self) -> PathBuf {
        self.home.path().join("tmp")
    }

    /// The database of the cache.
    pub fn database(&self) -> PathBuf {
        self.home.path().join("cache/terrine/layers.sqlite")
    }

    /// Forgets what is known of layers, so that the next run makes and sends all of them.
    pub fn forget(&self) -> &Self {
        // There may be none yet.
        let _ = fs::remove_file(self.database());
        self
    }

    /// Keeps a command to the home.
    pub fn at_home(&self, mut command: Command) -> Command {
        command
            .current_dir(self.home())
            .env("HOME", self.home())
            .env("TMPDIR", self.tmp());
        command.env("XDG_CACHE_HOME", self.home().join("cache"));
        for name in [
            "XDG_RUNTIME_DIR",
            "XDG_CONFIG_HOME",
            "DOCKER_CONFIG",
            "REGISTRY_AUTH_FILE",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// `terrine` with arguments, at home.
    pub fn terrine(&self, arguments: &[&str]) -> Run {
        let mut command = self.at_home(terrine());
        Run::of(command.args(arguments))
    }

    /// `terrine build --to` somewhere.
    pub fn build_command(&self, to: &str, arguments: &[&str]) -> Command {
        let mut command = self.at_home(self.spec().command("build"));
        command.args(["--to", to]).args(arguments);
        command
    }

    /// Builds the image and sends it somewhere.
    pub fn build(&self, to: &str, arguments: &[&str]) -> Run {
        Run::of(&mut self.build_command(to, arguments))
    }

    /// Returns true if an image is what it says.
    pub fn is_valid(&self, reference: &str) -> bool {
        self.terrine(&["verify", reference]).code == Some(0)
    }

    /// Returns the temporary files that are left.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        fs::read_dir(self.tmp())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

impl Drop for Shipment {
    fn drop(&mut self) {
        if self.is_keyed {
            // Only root can remove what is in a directory that nobody may write to.
            self.set_permissions(0o755);
        }
    }
}

/// Returns the NAR of a directory with the file `share/data` (Nix manual, "Nix Archive format").
fn nar(data: &[u8]) -> Vec<u8> {
    let mut nar = vec![];
    let mut text = |bytes: &[u8]| {
        nar.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        nar.extend_from_slice(bytes);
        nar.resize(nar.len().next_multiple_of(8), 0);
    };
    text(b"nix-archive-1");
    for name in ["share", "data"] {
        for word in ["(", "type", "directory", "entry", "(", "name", name, "node"] {
            text(word.as_bytes());
        }
    }
    for word in ["(", "type", "regular", "contents"] {
        text(word.as_bytes());
    }
    text(data);
    for _ in 0..5 {
        text(b")");
    }
    nar
}

/// The name of a store path with a hash, which is another for each name.
pub fn hashed(name: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
    let hash = noise(name, 32)
        .into_iter()
        .map(|byte| char::from(DIGITS[usize::from(byte % 32)]));
    format!("{}-{name}", hash.collect::<String>())
}

/// Bytes that cannot be compressed, the same for the same seed.
pub fn noise(seed: &str, size: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
