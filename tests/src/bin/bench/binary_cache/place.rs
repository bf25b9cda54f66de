//! The place where images are pushed from a binary cache: the cache with its server, the store, the registry.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use terrine_tests::registry::Registry;
use terrine_tests::terrine;

use super::Result;
use super::server::Server;
use super::written::{Member, Writer};
use crate::measure::{self, Sample};
use crate::store::Store;

/// The most layers that an image has, the root layer included.
const LAYERS: usize = 98;
/// The size of the path that changes, in bytes.
const CHANGED: u64 = 10_000_000;
/// The hash parts of the names of paths that are not in the store.
const NEW: [&str; 2] = [
    "00000000000000000000000000000001",
    "00000000000000000000000000000002",
];

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
    /// The path that refers to all others.
    pub(super) top: String,
    folder: tempfile::TempDir,
}

impl<'a> Place<'a> {
    /// Writes the cache, and starts its server.
    pub(super) fn new(store: &'a Store, registry: Registry) -> Result<Self> {
        let folder = terrine_tests::temporary();
        let cache = folder.path().join("binary-cache");
        let writer = Writer::new(&cache, &store.dir)?;
        let mut members = members(store);
        for member in &mut members {
            writer.add(member)?;
        }
        for mut member in changed(&members, folder.path())? {
            writer.add(&mut member)?;
        }
        let path = |name: &str| format!("{}/{name}", store.dir);
        let top = members.last().map(|member| member.name.clone());
        let top = top.ok_or("the store is empty")?;
        let (spec, graph) = (specification(store, &path(&top)), graph(store, &members));
        let write =
            |name: &str, value: &Value| fs::write(folder.path().join(name), value.to_string());
        let mut of_store = spec.clone();
        of_store["closure"] = "graph.json".into();
        write("graph.json", &graph)?;
        write("store.json", &of_store)?;
        write("cache.json", &spec)?;
        let top_changed = format!("{}-{}", NEW[0], name_part(&top));
        write("changed.json", &specification(store, &path(&top_changed)))?;
        let place = Self {
            store,
            registry,
            server: Server::of(&cache)?,
            key: writer.public_key(),
            top: path(&top),
            folder,
        };
        place.compile_planner()?;
        Ok(place)
    }

    /// A folder for files that are not measured.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Compiles the planner, which all runs find in their caches.
    fn compile_planner(&self) -> Result<()> {
        let mut command = terrine();
        command
            .args(["plan", "--allow-foreign", "--store-root"])
            .arg(&self.store.root)
            .arg(self.folder.path().join("store.json"))
            .env("XDG_CACHE_HOME", self.planner())
            .stderr(Stdio::null());
        measure::alone(&mut command).map(drop)
    }

    fn planner(&self) -> PathBuf {
        self.folder.path().join("planner")
    }

    /// Pushes an image on a machine that has no layer cache.
    pub(super) fn push(&self, from: Origin) -> Result<Moved> {
        let file = |name: &str| self.folder.path().join(name);
        let machine = file("machine");
        if machine.exists() {
            fs::remove_dir_all(&machine)?;
        }
        measure::succeed(
            Command::new("cp")
                .arg("-a")
                .arg(self.planner())
                .arg(&machine),
        )?;
        if matches!(from, Origin::Store | Origin::Cache) {
            self.registry.clear();
        }
        // So that nothing of the run before is still being written.
        measure::succeed(&mut Command::new("sync"))?;
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
            .env("NIX_CONF_DIR", self.folder.path())
            .stderr(File::create(file("messages"))?);
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
        let sample = measure::alone(&mut command).map_err(|error| {
            let messages = fs::read_to_string(file("messages")).unwrap_or_default();
            format!("{error}: {messages}")
        })?;
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

/// The paths of a store. The last one refers to all.
fn members(store: &Store) -> Vec<Member> {
    let names: Vec<String> = store.paths.iter().map(|path| path.name.clone()).collect();
    let member = |name: &String| Member {
        name: name.clone(),
        place: store.host().join(name),
        references: match names.last() {
            Some(top) if top == name => names.clone(),
            _ => vec![],
        },
        nar_hash: String::new(),
        nar_size: 0,
    };
    names.iter().map(member).collect()
}

/// Returns two new paths: one that refers to all as the last one does, but to the other in place of
/// the path whose size is closest to [`CHANGED`], from which it differs in the start of a file.
fn changed(members: &[Member], folder: &Path) -> Result<[Member; 2]> {
    let (top, rest) = members.split_last().ok_or("the store is empty")?;
    let old = rest
        .iter()
        .min_by_key(|member| member.nar_size.abs_diff(CHANGED));
    let old = old.ok_or("the store has one path")?;
    let place = folder.join("changed");
    measure::succeed(Command::new("cp").arg("-a").arg(&old.place).arg(&place))?;
    change(&place)?;
    let new = Member {
        name: format!("{}-{}", NEW[1], name_part(&old.name)),
        place,
        ..old.clone()
    };
    let replaced = |name: &String| match *name == old.name {
        true => new.name.clone(),
        false => name.clone(),
    };
    let top = Member {
        name: format!("{}-{}", NEW[0], name_part(&top.name)),
        references: rest.iter().map(|member| replaced(&member.name)).collect(),
        ..top.clone()
    };
    Ok([top, new])
}

/// The name of a store path without the hash.
fn name_part(name: &str) -> &str {
    name.split_once('-').map_or(name, |(_, rest)| rest)
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

/// The specification of an image of everything that a path refers to.
fn specification(store: &Store, top: &str) -> Value {
    json!({
        "name": "big:1", "architecture": "amd64", "storeDir": store.dir,
        "contents": [top], "maxLayers": LAYERS,
    })
}

/// What the database of Nix has of the paths.
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
