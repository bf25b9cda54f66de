//! NARs of generated trees: as `nix-store --dump` writes them, and as `nix-store --restore` reads them.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use terrine::binary_cache::{NarKind, NarReader};
use terrine::cache::Cache;
use terrine::layer::Store;
use terrine::nar;
use terrine::oci::Digest;
use terrine_tests::nix::writable;
use terrine_tests::{Run, TestStore, empty_cache, peer, temporary, terrine};

use super::caches::{digest, url};
use super::trees::{Tree, corners, tree};

/// The number of generated trees.
const TREES: usize = 40;

/// The store path of a number, without the store directory. Digits are letters of hash parts as well.
pub(super) fn name(number: usize) -> String {
    format!("{number:032}-tree")
}

/// The trees, which are the same each time.
fn trees() -> Vec<Tree> {
    let mut runner = TestRunner::deterministic();
    let generated = (0..TREES).map(|_| tree().new_tree(&mut runner).unwrap().current());
    corners().into_iter().chain(generated).collect()
}

/// The NAR of a file or directory, by Nix.
fn dump(path: &Path) -> Vec<u8> {
    let mut command = Command::new("nix-store");
    let output = command.arg("--dump").arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Unpacks a NAR, by Nix.
fn restore(nar: &[u8], path: &Path) {
    let mut command = Command::new("nix-store");
    command.arg("--restore").arg(path).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(nar).unwrap();
    assert!(child.wait().unwrap().success());
}

/// The listing of a NAR, by Nix; none if it has names that are not UTF-8, which newer versions do not list.
fn listing(nar: &Path) -> Option<Vec<u8>> {
    let mut command = Command::new("nix");
    command.args(["--extra-experimental-features", "nix-command"]);
    command.args(["nar", "ls", "--json", "--recursive"]);
    let output = command.arg(nar).arg("/").output().unwrap();
    let root = output.status.success().then_some(output.stdout)?;
    Some([br#"{"version":1,"root":"#, &root[..], b"}"].concat())
}

/// The entries of a NAR, one a line, with the hashes of their contents.
fn read(nar: &[u8]) -> Vec<String> {
    let mut reader = NarReader::new(nar);
    let mut lines = vec![];
    while let Some(entry) = reader.next_entry().unwrap() {
        let path = entry.path.escape_ascii().to_string();
        assert_eq!(
            entry.depth,
            entry
                .path
                .split(|&b| b == b'/')
                .filter(|name| !name.is_empty())
                .count()
        );
        lines.push(match entry.kind {
            NarKind::Directory => format!("{path} directory"),
            NarKind::Symlink { target } => format!("{path} link {}", target.escape_ascii()),
            NarKind::Regular { executable, size } => {
                let mut content = vec![];
                reader.content().read_to_end(&mut content).unwrap();
                assert_eq!(content.len() as u64, size);
                format!("{path} file {executable} {}", Digest::of(&content))
            }
        });
    }
    lines
}

/// A store with trees, and a cache of their NARs. Nix unpacks them beside it.
struct Trees {
    store: TestStore,
    cache: PathBuf,
    folder: tempfile::TempDir,
    nars: Vec<Vec<u8>>,
}

impl Trees {
    fn new(trees: &[Tree]) -> Self {
        let folder = temporary();
        let cache = folder.path().join("cache");
        fs::create_dir_all(cache.join("nar")).unwrap();
        let store = TestStore::default();
        let mut nars = vec![];
        for (number, tree) in trees.iter().enumerate() {
            let place = store.host(&name(number));
            tree.write(&place);
            let nar = dump(&place);
            fs::write(cache.join(format!("nar/{number}.nar")), &nar).unwrap();
            let info = narinfo(
                number,
                "none",
                &Digest::of(&nar).to_string(),
                nar.len() as u64,
            );
            fs::write(cache.join(format!("{number:032}.narinfo")), info).unwrap();
            nars.push(nar);
        }
        Self {
            store,
            cache,
            folder,
            nars,
        }
    }

    /// Adds listings to the cache.
    fn list(&self) {
        let mut count = 0;
        // A listing may be one directory less deep than a NAR.
        for number in 1..self.nars.len() {
            if let Some(listing) = listing(&self.cache.join(format!("nar/{number}.nar"))) {
                fs::write(self.cache.join(format!("{number:032}.ls")), listing).unwrap();
                count += 1;
            }
        }
        assert!(count > TREES / 2, "{count} listings");
    }

    /// An image of all trees.
    fn spec(&self) -> Value {
        let paths: Vec<String> = (0..self.nars.len())
            .map(|number| self.store.path(&name(number)))
            .collect();
        json!({"name": "x:1", "architecture": "amd64", "config": {"Env": [format!("TREES={}", paths.join(":"))]}})
    }

    /// The trees as a graph of paths, for a store without a database.
    fn graph(&self) -> Value {
        let nars = self.nars.iter().enumerate();
        let path = |(number, nar): (usize, &Vec<u8>)| {
            json!({
                "path": self.store.path(&name(number)),
                "narHash": Digest::of(nar).to_string(),
                "narSize": nar.len(),
                "references": []
            })
        };
        nars.map(path).collect()
    }

    /// A build that knows nothing of earlier ones.
    fn build(&self, spec: &Value, to: &str) -> Command {
        build(self.folder.path(), spec, to)
    }

    /// A build from the store.
    fn local(&self, to: &str) -> Command {
        let mut spec = self.spec();
        fs::write(
            self.folder.path().join("graph.json"),
            self.graph().to_string(),
        )
        .unwrap();
        spec["closure"] = json!("graph.json");
        let mut command = self.build(&spec, to);
        command.arg("--store-root").arg(self.store.root());
        command
    }

    /// A build from the cache.
    fn remote(&self, to: &str) -> Command {
        let mut command = self.build(&self.spec(), to);
        command.args([
            "--no-store",
            "--no-check-sigs",
            "--cache",
            &url(&self.cache),
        ]);
        command
    }
}

impl Drop for Trees {
    fn drop(&mut self) {
        writable(&self.store.host(""));
        writable(self.folder.path());
    }
}

/// A build of a specification in a folder, which knows nothing of earlier ones.
pub(super) fn build(folder: &Path, spec: &Value, to: &str) -> Command {
    let cache = tempfile::Builder::new().tempdir_in(folder).unwrap().keep();
    empty_cache(&cache);
    let file = folder.join("image.json");
    fs::write(&file, spec.to_string()).unwrap();
    let mut command = terrine();
    command.arg("build").arg(file).args(["--to", to]);
    command
        .env("XDG_CACHE_HOME", cache)
        .env("NIX_CONF_DIR", folder);
    command
}

/// The description of a path without references and signatures.
pub(super) fn narinfo(number: usize, compression: &str, hash: &str, size: u64) -> String {
    format!(
        "StorePath: /nix/store/{}\nURL: nar/{number}.nar\nCompression: {compression}\nNarHash: {hash}\nNarSize: {size}\n",
        name(number)
    )
}

#[test]
fn trees_have_the_nars_that_nix_makes_of_them() {
    if peer::find("nix-store").is_none() {
        return;
    }
    let trees = trees();
    let made = Trees::new(&trees);
    let store = Store::open("/nix/store", made.store.root()).unwrap();
    let paths: Vec<_> = (0..trees.len())
        .map(|number| store.path(&made.store.path(&name(number))).unwrap())
        .collect();
    let hashed = nar::hash(&store, &paths, &Cache::none()).unwrap();
    for (number, tree) in trees.iter().enumerate() {
        let nar = &made.nars[number];
        assert_eq!(read(nar), tree.lines(), "{tree:?}");
        let found = hashed[number];
        assert_eq!(
            (found.hash, found.size),
            (Digest::of(nar), nar.len() as u64),
            "{tree:?}"
        );
        let restored = made.folder.path().join("restored").join(number.to_string());
        fs::create_dir_all(restored.parent().unwrap()).unwrap();
        restore(nar, &restored);
        assert!(Tree::read(&restored) == *tree, "{tree:?}");
    }
}

#[test]
fn images_of_generated_trees_are_those_of_the_store() {
    if peer::find("nix-store").is_none() {
        return;
    }
    let made = Trees::new(&trees());
    let layout = |name: &str| format!("oci:{}", made.folder.path().join(name).display());
    let expected = digest(made.local(&layout("local")));
    // As streams, and by way of the disk: a docker-archive needs sizes first.
    assert_eq!(digest(made.remote(&layout("remote"))), expected);
    let archive = |mut command: Command| Run::of(&mut command).ok().stdout;
    let to = "docker-archive:/dev/stdout";
    let expected_archive = archive(made.local(to));
    assert!(archive(made.remote(to)) == expected_archive);
    made.list();
    assert_eq!(digest(made.remote(&layout("listed"))), expected);
    assert!(archive(made.remote(to)) == expected_archive);
}
