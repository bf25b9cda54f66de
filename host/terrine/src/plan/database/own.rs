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
use crate::cache::Cache;
use crate::closure::{Database, Registration, Registrations};
use crate::layer::{self, Store, StorePath};
use crate::nar::{self, Nar};
use crate::store_database::{self, Record, Records, is_valid_path};

/// The largest derivation that is read, in bytes.
const MAX_DERIVATION: u64 = 64 << 20;

/// Makes the records of all store paths that the image needs. Returns those beside them whose NAR
/// hashes neither their source nor the cache knows: their records have placeholders.
pub(super) fn records(
    context: &Context<'_, '_>,
    complete: &mut Complete,
) -> Result<(Records, Vec<StorePath>), Error> {
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
    let (nars, open) = nars(context.options.cache, store, &own, &said)?;
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
    Ok((records, open))
}

/// Reads the paths whose NAR hashes are placeholders.
pub(super) fn read(
    context: &Context<'_, '_>,
    store: &Store,
    open: &[StorePath],
    records: &mut Records,
) -> Result<(), Error> {
    let nars = nar::hash(store, open, context.options.cache)?;
    for (path, nar) in open.iter().zip(nars) {
        if let Some(record) = records.get_mut(path.as_str()) {
            (record.nar_hash, record.nar_size) = (nar.hash, nar.size);
        }
    }
    Ok(())
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

/// Hashes and sizes of the NARs of paths: what their source or the cache says, and placeholders for
/// the hashes of the rest, which are returned beside them.
fn nars(
    cache: &Cache,
    store: &Store,
    paths: &[&StorePath],
    said: &[&Registration],
) -> Result<(Vec<Nar>, Vec<StorePath>), Error> {
    let unsaid: Vec<StorePath> = paths
        .iter()
        .zip(said)
        .filter(|(_, said)| said.nar_hash.is_none())
        .map(|(path, _)| (*path).clone())
        .collect();
    let mut known = nar::known(store, &unsaid, cache)?.into_iter();
    let (mut nars, mut open) = (vec![], vec![]);
    for (path, said) in paths.iter().zip(said) {
        let size = || said.nar_size.map_or_else(|| nar::size(store, path), Ok);
        let nar = match said.nar_hash {
            Some(hash) => Nar {
                hash,
                size: size()?,
            },
            None => match known.next().flatten() {
                Some(nar) => nar,
                None => {
                    open.push((*path).clone());
                    Nar {
                        hash: Digest::of(b""),
                        size: nar::size(store, path)?,
                    }
                }
            },
        };
        nars.push(nar);
    }
    Ok((nars, open))
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
