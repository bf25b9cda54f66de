//! Nix's database at the root: which store paths it registers, and what it says of them.
//!
//! [`add`] takes the image as it is when everything that it holds is known, so commands that add
//! store paths come before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use terrine_oci::Digest;

use super::Error;
use super::complete::Complete;
use super::context::Context;
use super::identify::TagContent;
use crate::base::{Base, Listing};
use crate::closure::{Database, Registration, Registrations};
use crate::layer::{self, Store, StorePath};
use crate::nar::{self, Nar};
use crate::rootfs::{New, Origin, Root};
use crate::spec::ImageSpec;
use crate::store_database::{self, Image, Record, Records, is_valid_path};

/// The largest database of a base image that is read, in bytes: that of some 200,000 paths.
const MAX_SIZE: u64 = 256 << 20;
/// Suffixes of the files that SQLite leaves beside a database, and would apply to another in its place.
const BESIDE: [&str; 3] = ["-journal", "-shm", "-wal"];

/// Facts about the database.
#[derive(Debug, Default)]
pub(super) struct Registered {
    /// One of the store paths that have to be read before their NAR hashes are known. The database
    /// has placeholders then, and the same size.
    pub(super) unread: Option<PathBuf>,
    /// Remarks for a person.
    pub(super) remarks: Vec<String>,
}

/// Checks that the image can have the database that is asked for.
pub(super) fn check(spec: &ImageSpec, store: &Store) -> Result<(), Error> {
    let refuse = |why: &str, hint: &str| Err(Error::hinted("includeNixDB", why, hint));
    match (spec.include_nix_db, store.dir()) {
        (false, _) if spec.nix_database.is_some() => Err(Error::hinted(
            "nixDatabase",
            "the image has no Nix database",
            "set `includeNixDB` to true",
        )),
        (false, _) => Ok(()),
        (true, "/gnu/store") => refuse(
            "Guix, whose store is `/gnu/store`, does not read the database of Nix",
            "leave it out",
        ),
        (true, "") => refuse("a store in `/` has no place for it", "set `storeDir`"),
        (true, _) if spec.include_store_paths == Some(false) => refuse(
            "`includeStorePaths` is false, so the image has no store paths to register",
            "leave out one of the two",
        ),
        (true, _) => Ok(()),
    }
}

/// Adds the database to the root, if it is asked for: once, when the closure is final.
///
/// NAR hashes that neither a source nor the cache knows are computed, or stay open.
pub(super) fn add(
    context: &Context<'_, '_>,
    complete: &mut Complete,
    content: TagContent,
) -> Result<(), Error> {
    if !context.spec.include_nix_db {
        return Ok(());
    }
    let mut registered = Registered::default();
    let mut records = own_records(context, complete, content, &mut registered)?;
    let mut stale = vec![];
    if let (Some(base), Some(listing)) = (&complete.base, &complete.listing) {
        let store_dir = complete.store.dir();
        let below = base_records(base, listing, store_dir, &records)?;
        // What the base image holds whole is in no layer of this one.
        let held = |path: &str| {
            let index = complete.paths.graph.find(path);
            index.is_some_and(|index| complete.paths.excluded.binary_search(&index).is_ok())
        };
        store_database::merge(&mut records, below, held);
        let left = |suffix: &&str| listing.exists(at_base(store_dir, suffix).as_bytes());
        stale.extend(BESIDE.into_iter().filter(left));
    }
    registered.remarks.extend(unregistered(complete, &records));
    let roots = complete.paths.roots.iter();
    let roots: Vec<String> = roots
        .map(|&root| complete.paths.graph.nodes()[root].path.clone())
        .filter(|path| records.contains_key(path))
        .collect();
    let database = store_database::write(&records)?;
    let owner = context.spec.nix_database.unwrap_or_default();
    let place = Place {
        root: &mut complete.root,
        store_dir: complete.store.dir(),
        owner: (owner.uid.into(), owner.gid.into()),
    };
    place.add(database, &roots, &stale)?;
    complete.registered = registered;
    Ok(())
}

/// Returns a remark about paths in the store that no record is about. Nix takes them for garbage.
fn unregistered(complete: &Complete, records: &Records) -> Option<String> {
    let store_dir = complete.store.dir();
    let in_base = complete.listing.iter().flat_map(|listing| {
        let names = listing.names(store_dir.as_bytes());
        let names = names.filter(|name| !name.starts_with(b"."));
        names.map(|name| format!("{store_dir}/{}", String::from_utf8_lossy(name)))
    });
    let own = complete.paths.graph.nodes().iter();
    let paths: BTreeSet<String> = own
        .map(|node| node.path.clone())
        .chain(in_base)
        .filter(|path| !records.contains_key(path))
        .collect();
    let which = match paths.len() {
        1 => "1 path in the store is".to_owned(),
        count => format!("{count} paths in the store are"),
    };
    let example = paths.first()?;
    Some(format!(
        "{which} not in the Nix database, because it has no name of Nix's or nothing tells what it refers to: `nix-store --gc` would delete `{example}`"
    ))
}

/// The records of the image's own closure.
fn own_records(
    context: &Context<'_, '_>,
    complete: &mut Complete,
    content: TagContent,
    registered: &mut Registered,
) -> Result<Records, Error> {
    let said = registrations(context, complete)?;
    let Complete { store, paths, .. } = &*complete;
    let nodes = paths.graph.nodes();
    let is_valid = |path: &str| is_valid_path(path, store.dir());
    let valid: Vec<usize> = (0..nodes.len())
        .filter(|&index| is_valid(&nodes[index].path))
        .collect();
    let nothing = Registration::default();
    let said: Vec<&Registration> = valid
        .iter()
        .map(|&index| said.get(&nodes[index].path).unwrap_or(&nothing))
        .collect();
    let own: Vec<&StorePath> = valid.iter().map(|&index| &paths.paths[index]).collect();
    let nars = nars(context, store, &own, &said, content, registered)?;
    let mut records = Records::new();
    for (((&index, path), said), nar) in valid.iter().zip(own).zip(said).zip(nars) {
        let references = nodes[index].references.iter().map(|&i| &nodes[i].path);
        let record = Record {
            nar_hash: nar.hash,
            nar_size: nar.size,
            references: references.filter(|path| is_valid(path)).cloned().collect(),
            signatures: said.signatures.clone(),
            content_address: said.content_address.clone(),
            outputs: outputs(store, path)?,
        };
        records.insert(path.as_str().to_owned(), record);
    }
    Ok(records)
}

/// Returns the registrations in the source of the closure.
fn registrations(
    context: &Context<'_, '_>,
    complete: &mut Complete,
) -> Result<Registrations, Error> {
    let Complete { store, paths, .. } = complete;
    if !context.spec.closure.0.is_empty() {
        return Ok(std::mem::take(&mut paths.registrations));
    }
    let file = Database::default_path(store.dir(), store.root());
    if paths.paths.is_empty() || !file.exists() {
        return Ok(Registrations::new());
    }
    let nodes = paths.graph.nodes().iter();
    Ok(Database::open(&file)?.registrations(nodes.map(|node| node.path.as_str()))?)
}

/// Hashes and sizes of the NARs of paths: what their source says, and the rest from the cache or
/// the files.
fn nars(
    context: &Context<'_, '_>,
    store: &Store,
    paths: &[&StorePath],
    said: &[&Registration],
    content: TagContent,
    registered: &mut Registered,
) -> Result<Vec<Nar>, Error> {
    let cache = context.options.cache;
    let unknown: Vec<StorePath> = paths
        .iter()
        .zip(said)
        .filter(|(_, said)| said.nar_hash.is_none())
        .map(|(path, _)| (*path).clone())
        .collect();
    let mut computed = match content {
        TagContent::Read => nar::hash(store, &unknown, cache)?
            .into_iter()
            .map(Some)
            .collect(),
        TagContent::Defer => nar::known(store, &unknown, cache)?,
    }
    .into_iter();
    let mut nars = vec![];
    for (path, said) in paths.iter().zip(said) {
        let size = || said.nar_size.map_or_else(|| nar::size(store, path), Ok);
        let nar = match said.nar_hash {
            Some(hash) => Nar {
                hash,
                size: size()?,
            },
            None => match computed.next().flatten() {
                Some(nar) => nar,
                None => {
                    let place = || store.locate(Path::new(path.as_str()));
                    registered.unread.get_or_insert_with(place);
                    Nar {
                        hash: Digest::of(b""),
                        size: nar::size(store, path)?,
                    }
                }
            },
        };
        nars.push(nar);
    }
    Ok(nars)
}

/// The outputs of a derivation; none of any other path.
fn outputs(store: &Store, path: &StorePath) -> Result<BTreeMap<String, String>, Error> {
    if !path.as_str().ends_with(".drv") {
        return Ok(BTreeMap::new());
    }
    let place = || store.locate(Path::new(path.as_str()));
    let file = store
        .open_at(path.as_str().as_bytes(), OFlags::NONBLOCK)
        .map_err(|errno| layer::opening(&place(), errno))?;
    let mut text = vec![];
    let read = File::from(file).take(MAX_SIZE).read_to_end(&mut text);
    read.map_err(|source| layer::Error::Io {
        action: "reading",
        path: place(),
        source,
    })?;
    Ok(store_database::outputs(path.as_str(), &text)?)
}

/// The path of the database in an image, or of a file beside it.
fn at_base(store_dir: &str, suffix: &str) -> String {
    format!("{}/db/db.sqlite{suffix}", Database::state_dir(store_dir))
}

/// The records of a base image's database, of what the image holds together with `own`.
fn base_records(
    base: &Base,
    listing: &Listing,
    store_dir: &str,
    own: &Records,
) -> Result<Records, Error> {
    let read = |suffix: &str| base.read_file(listing, &at_base(store_dir, suffix), MAX_SIZE);
    let path = at_base(store_dir, "");
    let Some(file) = read("")? else {
        if listing.exists(path.as_bytes()) {
            let why = format!("`{path}` is reached by links in it, and cannot be read");
            return Err(Error::field("fromImage", why));
        }
        return Ok(Records::new());
    };
    let mut beside = vec![];
    for suffix in ["-journal", "-wal"] {
        beside.extend(read(suffix)?.map(|content| (suffix, content)));
    }
    let mut records = store_database::read(&Image {
        name: base.name(),
        store_dir,
        file: &file,
        beside: &beside,
    })?;
    store_database::retain(&mut records, |path| {
        listing.exists(path.as_bytes()) || own.contains_key(path)
    });
    Ok(records)
}

/// The place of the database in a root.
struct Place<'a> {
    root: &'a mut Root,
    store_dir: &'a str,
    owner: (i64, i64),
}

impl Place<'_> {
    /// Adds the database, and what Nix needs beside it: directories that its user may write to, so
    /// that no daemon is needed, and links that keep what the image was asked to hold.
    fn add(mut self, database: Vec<u8>, roots: &[String], stale: &[&str]) -> Result<(), Error> {
        let state = Database::state_dir(self.store_dir);
        let log = format!("{}/log/nix", state.strip_suffix("/nix").unwrap_or(&state));
        let links = format!("{}/.links", self.store_dir);
        for directory in [self.store_dir, &links, &state, &log] {
            self.put(directory, New::directory())?;
        }
        for name in ["db", "gcroots", "gcroots/docker", "profiles", "temproots"] {
            self.put(&format!("{state}/{name}"), New::directory())?;
        }
        let database = New::file(database);
        self.put(&format!("{state}/db/db.sqlite"), database)?;
        let schema = New::file(store_database::SCHEMA);
        self.put(&format!("{state}/db/schema"), schema)?;
        for root in roots {
            let name = &root[self.store_dir.len() + 1..];
            let link = New::symlink(root.as_str());
            self.put(&format!("{state}/gcroots/docker/{name}"), link)?;
        }
        for suffix in stale {
            // A whiteout: what is left of the base image's database is not of this one.
            let path = format!("{state}/db/.wh.db.sqlite{suffix}");
            self.put(&path, New::file(vec![]))?;
        }
        Ok(())
    }

    fn put(&mut self, path: &str, new: New) -> Result<(), Error> {
        let (uid, gid) = self.owner;
        let origin = Origin::Helper("includeNixDB");
        Ok(self.root.add(path, new.owner(uid, gid), origin)?)
    }
}
