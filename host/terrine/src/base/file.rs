//! Files of a base image that are read.

use std::collections::{BTreeMap, BTreeSet};

use terrine_compress::Compression;
use terrine_tar::{EntryType, Input};

use super::listing::plain;
use super::merge::EntryKind;
use super::{Base, BaseLayer, Listing};
use crate::source::changes::clean;
use crate::source::seekable::Unpacking;
use crate::source::{self, Error, Fault};

impl Base {
    /// Reads the file at an absolute path of the image, where its layers leave one: none where
    /// there is something else, or nothing. No link is followed on the way to it.
    ///
    /// # Errors
    ///
    /// A layer that is truncated or broken, and a file of more than `limit` bytes.
    pub fn read_file(
        &self,
        listing: &Listing,
        path: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, Error> {
        let plain = plain(path.as_bytes());
        let Some(entry) = listing.entries.get(plain) else {
            return Ok(None);
        };
        let layer = self.layers.get(entry.layer as usize);
        let Some(layer) = layer.filter(|_| entry.kind == EntryKind::File) else {
            return Ok(None);
        };
        if entry.size > limit {
            let what = format!("`{path}`");
            let (size, image) = (entry.size, &self.name);
            return Err(Error::fault(image, Fault::TooLarge { what, size, limit }));
        }
        let found = self.members(layer, &BTreeSet::from([plain]), limit)?;
        Ok(found.into_values().next())
    }

    /// Reads files at absolute paths of the image, each layer once: those of at most `limit` bytes that can be read.
    pub(super) fn read_small(
        &self,
        listing: &Listing,
        paths: impl Iterator<Item = Vec<u8>>,
        limit: u64,
    ) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut by_layer: BTreeMap<u32, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for path in paths {
            let path = plain(&path).to_vec();
            let entry = listing.entries.get(&path);
            if let Some(entry) = entry.filter(|entry| entry.kind == EntryKind::File) {
                by_layer.entry(entry.layer).or_default().insert(path);
            }
        }
        let mut found = BTreeMap::new();
        for (number, paths) in &by_layer {
            let paths = paths.iter().map(Vec::as_slice).collect();
            let layer = self.layers.get(*number as usize);
            let read = layer.and_then(|layer| self.members(layer, &paths, limit).ok());
            let read = read.into_iter().flatten();
            found.extend(read.map(|(path, content)| ([b"/", path].concat(), content)));
        }
        found
    }

    fn members<'p>(
        &self,
        layer: &BaseLayer,
        paths: &BTreeSet<&'p [u8]>,
        limit: u64,
    ) -> Result<BTreeMap<&'p [u8], Vec<u8>>, Error> {
        let input = source::input(&self.name, layer.layer.as_ref())?;
        match members(input, paths, limit) {
            Ok(found) => Ok(found),
            Err(Unpacking::Fault(fault)) => Err(self.broken(layer, fault)),
            Err(Unpacking::Io(error)) if layer.compression() != Compression::None => {
                Err(self.unpacking(layer, &error))
            }
            Err(error) => Err(error.of(&self.name)),
        }
    }
}

/// Reads the file at a path of an archive, which has no slash at either end. One of more than `limit` bytes is none.
pub(super) fn member(
    input: Input<'_>,
    path: &[u8],
    limit: u64,
) -> Result<Option<Vec<u8>>, Unpacking> {
    let found = members(input, &BTreeSet::from([path]), limit)?;
    Ok(found.into_values().next())
}

/// Reads the files at some paths of an archive, which have no slash at either end: of members with one name the last
/// one. Those of more than `limit` bytes are left out.
fn members<'p>(
    input: Input<'_>,
    paths: &BTreeSet<&'p [u8]>,
    limit: u64,
) -> Result<BTreeMap<&'p [u8], Vec<u8>>, Unpacking> {
    let mut found = BTreeMap::new();
    terrine_tar::read(input, |member, body| {
        let is_file = matches!(
            member.kind,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse
        );
        if !is_file || member.size > limit {
            return Ok(());
        }
        let name = clean(&member.name)?;
        if let Some(path) = paths.get(&*name) {
            let mut bytes = vec![];
            loop {
                match body.chunk()? {
                    [] => break,
                    chunk => bytes.extend_from_slice(chunk),
                }
            }
            found.insert(*path, bytes);
        }
        Ok::<_, Unpacking>(())
    })?;
    Ok(found)
}
