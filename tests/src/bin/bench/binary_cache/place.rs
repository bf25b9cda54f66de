//! The place where images are pushed from a binary cache: the cache with its server, the store, the registry.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::registry::Registry;
use terrine_tests::terrine;

use super::Result;
use super::server::Server;
use super::written::{Member, Writer};
use crate::caches::Caches;
use crate::measure::{self, Sample};
use crate::process;
use crate::store::Store;

/// The most layers that an image has, the root layer included.
const LAYERS: usize = 98;
/// The size of the path that changes, in bytes.
const CHANGED: u64 = 10_000_000;

/// The source of store paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The store on disk.
    Store,
    /// The binary cache alone, and no layers that exist.
    Cache,
    /// The binary cache, and the layers of the image in the registry.
    CacheAndTarget,
    /// The same, for an image of which one path has changed.
    Changed,
}

/// A run, and the bytes that it moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    pub(super) sample: Sample,
    /// The bytes from the cache, and those from and to the registry.
    pub(super) bytes: u64,
}

/// All that the images need.
pub(super) struct Place<'a> {
    pub(super) store: &'a Store,
    pub(super) registry: Registry,
    pub(super) server: Server,
    /// The key that the cache's signatures are checked by.
    pub(super) key: String,
    /// The paths that the image names. Everything else is in their closure.
    pub(super) paths: [String; 2],
    caches: Caches,
    folder: tempfile::TempDir,
}

impl<'a> Place<'a> {
    /// Writes the cache, and starts its server.
    pub(super) fn new(store: &'a Store, registry: Registry) -> Result<Self> {
        let folder = terrine_tests::temporary();
        let cache = folder.path().join("binary-cache");
        let writer = Writer::new(&cache, &store.dir)?;
        let mut members = members(store)?;
        for member in &mut members {
            writer.add(member)?;
        }
        let [top, old] = &members[..2] else {
            return Err("the store has too few paths".into());
        };
        let mut new = changed(old, folder.path())?;
        writer.add(&mut new)?;
        let path = |member: &Member| format!("{}/{}", store.dir, member.name);
        let spec = |changing| specification(store, &path(top), &path(changing));
        let write =
            |name: &str, value: &Value| fs::write(folder.path().join(name), value.to_string());
        let mut of_store = spec(old);
        of_store["closure"] = "graph.json".into();
        write("graph.json", &graph(store, &members))?;
        write("store.json", &of_store)?;
        write("cache.json", &spec(old))?;
        write("changed.json", &spec(&new))?;
        let paths = [path(top), path(old)];
        Ok(Self {
            caches: Caches::new()?,
            store,
            registry,
            server: Server::of(&cache)?,
            key: writer.public_key(),
            paths,
            folder,
        })
    }

    /// A folder for files that are not measured.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Pushes an image on a machine that has no layer cache.
    pub(super) fn push(&self, from: Origin) -> Result<Moved> {
        let file = |name: &str| self.folder.path().join(name);
        let machine = self.caches.without_layers("machine")?;
        if matches!(from, Origin::Store | Origin::Cache) {
            self.registry.clear();
        }
        // So that nothing of the run before is still being written.
        process::succeed(&mut Command::new("sync"))?;
        let specification = match from {
            Origin::Store => "store.json",
            Origin::Cache | Origin::CacheAndTarget => "cache.json",
            Origin::Changed => "changed.json",
        };
        let mut command = terrine();
        command
            .args(["-q", "build", "--allow-foreign", "--compression", "gzip"])
            .arg(file(specification))
            .args(["--to", &format!("docker://{}/big:1", self.registry.host())])
            .arg("--digest-file")
            .arg(file("digest"))
            .arg("--summary")
            .arg(file("summary.json"))
            .env("XDG_CACHE_HOME", &machine)
            .env("NIX_CONF_DIR", self.folder.path());
        match from {
            Origin::Store => command.arg("--store-root").arg(&self.store.root),
            _ => command
                .args(["--no-store", "--cache", &self.server.url()])
                .args(["--trusted-key", &self.key]),
        };
        if matches!(from, Origin::CacheAndTarget | Origin::Changed) {
            command.args(["--layers-from", "target"]);
        }
        self.server.sent();
        let sample = measure::alone(&mut command)?;
        let summary: Value = serde_json::from_slice(&fs::read(file("summary.json"))?)?;
        let transferred = &summary["transferred"];
        let bytes = ["sent", "received"].map(|name| transferred[name].as_u64().unwrap_or_default());
        Ok(Moved {
            sample,
            bytes: self.server.sent() + bytes.iter().sum::<u64>(),
        })
    }

    /// Returns the digest of the image that was pushed last.
    pub(super) fn digest(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("digest"))?)
    }
}

/// The paths of a store: the smallest, which refers to all but the second, and the one whose size is closest to
/// [`CHANGED`].
fn members(store: &Store) -> Result<Vec<Member>> {
    let mut paths: Vec<_> = store.paths.iter().collect();
    let top = paths.pop().ok_or("the store is empty")?;
    let changing = paths.iter().min_by_key(|path| path.bytes.abs_diff(CHANGED));
    let changing = *changing.ok_or("the store has one path")?;
    paths.retain(|path| path.name != changing.name);
    let member = |name: &String, references| Member {
        name: name.clone(),
        place: store.host().join(name),
        references,
        nar_hash: String::new(),
        nar_size: 0,
    };
    let others: Vec<String> = paths.iter().map(|path| path.name.clone()).collect();
    let named = [
        member(&top.name, others.clone()),
        member(&changing.name, vec![]),
    ];
    let others = others.iter().map(|name| member(name, vec![]));
    Ok(named.into_iter().chain(others).collect())
}

/// Returns a new path that differs from an old one in the start of a file.
fn changed(old: &Member, folder: &Path) -> Result<Member> {
    let place = folder.join("changed");
    process::succeed(Command::new("cp").arg("-a").arg(&old.place).arg(&place))?;
    change(&place)?;
    Ok(Member {
        name: renamed(&old.name)?,
        place,
        ..old.clone()
    })
}

/// Returns the name of a store path with another last digit of its hash, so that it stays in order among others.
fn renamed(name: &str) -> Result<String> {
    let (hash, rest) = name.split_once('-').ok_or("a store path has no hash")?;
    let last = if hash.ends_with('0') { '1' } else { '0' };
    let start = &hash[..hash.len().saturating_sub(1)];
    Ok(format!("{start}{last}-{rest}"))
}

/// Changes the first file that is found below a directory.
fn change(place: &Path) -> Result<()> {
    let mut open = vec![place.to_owned()];
    while let Some(place) = open.pop() {
        let metadata = fs::symlink_metadata(&place)?;
        if metadata.is_dir() {
            for entry in fs::read_dir(&place)? {
                open.push(entry?.path());
            }
        } else if metadata.is_file() && metadata.len() > 0 {
            fs::set_permissions(&place, fs::Permissions::from_mode(0o644))?;
            File::options().write(true).open(&place)?.write_all(b"~")?;
            return Ok(fs::set_permissions(&place, metadata.permissions())?);
        }
    }
    Err("there is no file to change".into())
}

/// The specification of an image of everything that `top` refers to, and of a path that its environment names.
fn specification(store: &Store, top: &str, named: &str) -> Value {
    json!({
        "name": "big:1", "architecture": "amd64", "storeDir": store.dir, "contents": [top],
        "config": {"Env": [format!("NAMED={named}")]}, "maxLayers": LAYERS,
    })
}

/// The closure, as the database of Nix has it.
fn graph(store: &Store, members: &[Member]) -> Value {
    let path = |name: &String| format!("{}/{name}", store.dir);
    let node = |member: &Member| {
        json!({
            "path": path(&member.name), "narHash": member.nar_hash, "narSize": member.nar_size,
            "references": member.references.iter().map(path).collect::<Vec<_>>(),
        })
    };
    members.iter().map(node).collect()
}
