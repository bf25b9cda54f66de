//! NARs of generated trees: as `nix-store --dump` writes them, and as `nix-store --restore` reads them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
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
fn name(number: usize) -> String {
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
fn build(folder: &Path, spec: &Value, to: &str) -> Command {
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
fn narinfo(number: usize, compression: &str, hash: &str, size: u64) -> String {
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
    assert!(archive(made.remote(to)) == archive(made.local(to)));
}

/// The size of a file that no plain header of a tar archive can say.
const HUGE: u64 = 8 << 30;

/// Zeros without an end; those of the standard library come one by one.
struct Zeros;

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(0);
        Ok(buffer.len())
    }
}

/// The NAR of a huge file of zeros up to its content, and after it.
fn around_huge() -> [Vec<u8>; 2] {
    let mut start = vec![];
    for text in ["nix-archive-1", "(", "type", "regular", "contents"] {
        start.extend((text.len() as u64).to_le_bytes());
        start.extend(text.as_bytes());
        start.resize(start.len().next_multiple_of(8), 0);
    }
    start.extend(HUGE.to_le_bytes());
    let end = [&1_u64.to_le_bytes()[..], b")\0\0\0\0\0\0\0"].concat();
    [start, end]
}

#[test]
fn a_huge_file_passes_by() {
    if peer::find("nix-store").is_none() {
        return;
    }
    let folder = temporary();
    let place = folder.path().join("huge");
    File::create(&place).unwrap().set_len(HUGE).unwrap();
    let [start, end] = around_huge();
    // Nix takes half a minute for all of it.
    let mut dump = Command::new("nix-store");
    dump.arg("--dump").arg(&place).stdout(Stdio::piped());
    let mut child = dump.spawn().unwrap();
    let mut by_nix = vec![0; start.len()];
    let outcome = child.stdout.as_mut().unwrap().read_exact(&mut by_nix);
    child.kill().unwrap();
    child.wait().unwrap();
    outcome.unwrap();
    assert!(by_nix == start);
    let zeros = Zeros.take(HUGE);
    let mut reader = NarReader::new((&start[..]).chain(zeros).chain(&end[..]));
    let entry = reader.next_entry().unwrap().unwrap();
    let executable = false;
    let size = HUGE;
    assert_eq!(entry.kind, NarKind::Regular { executable, size });
    assert!(reader.next_entry().unwrap().is_none());
}

/// Writes the NAR of a huge file of zeros, in frames of zstd that unpack to as many bytes each.
fn huge_nar(place: &Path) {
    const FRAME: u64 = 64 << 20;
    let [start, end] = around_huge();
    let frame = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let zeros = zstd::encode_all(Zeros.take(FRAME), 1).unwrap();
    let zeros = zeros.repeat(usize::try_from(HUGE / FRAME).unwrap());
    fs::write(place, [frame(&start), zeros, frame(&end)].concat()).unwrap();
}

#[test]
fn a_huge_file_in_a_cache_has_an_extended_header() {
    let folder = temporary();
    let cache = folder.path().join("cache");
    fs::create_dir_all(cache.join("nar")).unwrap();
    huge_nar(&cache.join("nar/0.nar"));
    // Nothing waits for the end of the NAR, so that its hash does not matter.
    let hash = Digest::of(b"").to_string();
    fs::write(
        cache.join(format!("{:032}.narinfo", 0)),
        narinfo(0, "zstd", &hash, HUGE + 112),
    )
    .unwrap();
    let listing = json!({"version": 1, "root": {"type": "regular", "size": HUGE, "narOffset": 96}});
    fs::write(cache.join(format!("{:032}.ls", 0)), listing.to_string()).unwrap();
    let env = format!("HUGE=/nix/store/{}", name(0));
    let spec = json!({"name": "x:1", "architecture": "amd64", "config": {"Env": [env]}});
    let mut command = build(folder.path(), &spec, "docker-archive:/dev/stdout");
    command.args(["--no-store", "--no-check-sigs", "--cache", &url(&cache)]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut start = vec![0; 8192];
    let outcome = child.stdout.as_mut().unwrap().read_exact(&mut start);
    child.kill().unwrap();
    child.wait().unwrap();
    outcome.unwrap();
    // The layer in the archive, and the file in the layer.
    let text = String::from_utf8_lossy(&start);
    assert_eq!(text.matches("19 size=8589946880\n").count(), 1, "{text}");
    assert_eq!(text.matches("19 size=8589934592\n").count(), 1, "{text}");
}
