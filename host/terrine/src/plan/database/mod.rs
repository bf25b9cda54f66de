//! Nix's database at the root: which store paths it registers, and what it says of them.
//!
//! | what | where |
//! |---|---|
//! | the records of the closure | `own` |
//! | those of the base image | `below` |
//! | the files and directories that Nix needs | `place` |
//!
//! [`add`] takes the image as it is when everything that it holds is known; [`renew`] brings the database
//! up to date when commands have brought more. NAR hashes that nobody knows are found out while layers are
//! made, unless the tag or commands need the database before ([`Hashes`]).

mod below;
mod own;
mod place;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Error;
use super::complete::Complete;
use super::context::Context;
use crate::layer::{Store, StorePath};
use crate::rootfs::LateFile;
use crate::spec::ImageSpec;
use crate::store_database::{self, LateDatabase, Records};
use place::Place;

/// Facts about the database.
#[derive(Debug, Default)]
pub(super) struct Registered {
    /// One of the store paths that have to be read before their NAR hashes are known. The database
    /// has placeholders then, and the same size.
    pub(super) unread: Option<PathBuf>,
    /// The database where it is known only when layers are made. Until then there are placeholders
    /// in the one at the root.
    pub(super) late: Option<LateDatabase>,
    /// Remarks for a person.
    pub(super) remarks: Vec<String>,
    /// The database that is at the root.
    database: Vec<u8>,
}

/// The way to NAR hashes that neither a source nor the cache knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashes {
    /// The files are read for them.
    Read,
    /// They are hashed as layers are made of the files, where nothing needs the database before.
    AsLayersAreMade,
    /// They stay open: there are placeholders for them.
    Known,
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
        (true, "") => refuse("a store in `/` has no directory for it", "set `storeDir`"),
        (true, _) if spec.include_store_paths == Some(false) => refuse(
            "`includeStorePaths` is false, so the image has no store paths to register",
            "leave out one of the two",
        ),
        (true, _) => Ok(()),
    }
}

/// Adds the database to the root, if it is asked for: once, when the closure is final.
pub(super) fn add(
    context: &Context<'_, '_>,
    complete: &mut Complete,
    hashes: Hashes,
) -> Result<(), Error> {
    if !context.spec.include_nix_db {
        return Ok(());
    }
    let mut registered = Registered::default();
    let found = records(context, complete, hashes, &mut registered)?;
    registered.database = store_database::write(&found.records)?;
    let roots = roots(complete, &found.records);
    place(context, complete).add(registered.database.clone(), &roots, &found.stale)?;
    if hashes == Hashes::AsLayersAreMade && !found.open.is_empty() {
        let path = Place::file(complete.store.dir());
        let late = LateDatabase::new(path, found.records, &complete.store, &found.open)?;
        registered.late = Some(late);
    }
    complete.registered = registered;
    Ok(())
}

/// Reads what the database was to learn from layers as they are made, for something that needs it
/// before.
pub(super) fn settle(context: &Context<'_, '_>, complete: &mut Complete) -> Result<(), Error> {
    if let Some(late) = complete.registered.late.take() {
        let database = late.content(&complete.store)?;
        late.passing().remember(context.options.cache);
        complete
            .root
            .replace_content(late.path().as_bytes(), database);
    }
    Ok(())
}

/// Brings the database up to date with the store paths that are in the image because of what
/// commands left, unless the commands have changed or removed it.
pub(super) fn renew(context: &Context<'_, '_>, complete: &mut Complete) -> Result<(), Error> {
    if !context.spec.include_nix_db {
        return Ok(());
    }
    let mut registered = Registered::default();
    let Found { records, .. } = records(context, complete, Hashes::Read, &mut registered)?;
    registered.database = store_database::write(&records)?;
    let roots = roots(complete, &records);
    let before = std::mem::take(&mut complete.registered.database);
    if registered.database != before
        && !place(context, complete).renew(&before, registered.database.clone(), &roots)?
    {
        registered.remarks.push(
            "commands changed the Nix database, so it stays as they left it: store paths that they added may be missing".to_owned(),
        );
    }
    complete.registered = registered;
    Ok(())
}

/// The place of the database in the root, and its owner.
fn place<'c>(context: &Context<'_, '_>, complete: &'c mut Complete) -> Place<'c> {
    let owner = context.spec.nix_database.unwrap_or_default();
    Place {
        root: &mut complete.root,
        store_dir: complete.store.dir(),
        owner: (owner.uid.into(), owner.gid.into()),
    }
}

/// The store paths that are kept.
fn roots(complete: &Complete, records: &Records) -> Vec<String> {
    let roots = complete.paths.roots.iter();
    roots
        .map(|&root| complete.paths.graph.nodes()[root].path.clone())
        .filter(|path| records.contains_key(path))
        .collect()
}

/// The records for a database.
struct Found {
    /// Those of the closure and of the base image.
    records: Records,
    /// The store paths whose NAR hashes are placeholders.
    open: Vec<StorePath>,
    /// Suffixes of files beside the base image's database that are not of this one.
    stale: Vec<&'static str>,
}

fn records(
    context: &Context<'_, '_>,
    complete: &mut Complete,
    hashes: Hashes,
    registered: &mut Registered,
) -> Result<Found, Error> {
    let (mut records, mut open) = own::records(context, complete)?;
    let mut stale = vec![];
    let mut below = Records::new();
    if let (Some(base), Some(listing)) = (&complete.base, &complete.listing) {
        let store_dir = complete.store.dir();
        below = below::records(base, listing, store_dir, &records)?;
        stale.extend(below::left(listing, store_dir));
    }
    // Two records of a path are merged by their hashes.
    if hashes == Hashes::Read || hashes == Hashes::AsLayersAreMade && !below.is_empty() {
        own::read(
            context,
            &complete.store,
            &std::mem::take(&mut open),
            &mut records,
        )?;
    }
    let place = |path: &StorePath| complete.store.locate(Path::new(path.as_str()));
    registered.unread = open.first().map(place);
    if !below.is_empty() {
        // What the base image holds whole is in no layer of this one.
        let held = |path: &str| {
            let index = complete.paths.graph.find(path);
            index.is_some_and(|index| complete.paths.excluded.binary_search(&index).is_ok())
        };
        store_database::merge(&mut records, below, held);
    }
    registered.remarks.extend(unregistered(complete, &records));
    Ok(Found {
        records,
        open,
        stale,
    })
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
        "{which} not in the Nix database, because the name is not one of Nix's or the references are not known: `nix-store --gc` would delete `{example}`"
    ))
}
