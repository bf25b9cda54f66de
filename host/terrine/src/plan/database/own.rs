//! The records of the image's own closure.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::OFlags;
use terrine_oci::Digest;

use super::super::Error;
use super::super::complete::Complete;
use super::super::context::Context;
use super::super::identify::TagContent;
use super::Registered;
use crate::closure::{Database, Registration, Registrations};
use crate::layer::{self, Store, StorePath};
use crate::nar::{self, Nar};
use crate::store_database::{self, Record, Records, is_valid_path};

/// The largest derivation that is read, in bytes.
const MAX_DERIVATION: u64 = 64 << 20;

/// Makes the records of all store paths that the image needs.
pub(super) fn records(
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
    let read = File::from(file).take(MAX_DERIVATION).read_to_end(&mut text);
    read.map_err(|source| layer::Error::Io {
        action: "reading",
        path: place(),
        source,
    })?;
    Ok(store_database::outputs(path.as_str(), &text)?)
}
