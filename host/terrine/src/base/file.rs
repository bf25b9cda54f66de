//! Files of a base image that are read.

use terrine_compress::Compression;
use terrine_tar::{EntryType, Input};

use super::merge::EntryKind;
use super::{Base, Listing};
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
        let plain = path.trim_matches('/').as_bytes();
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
        let input = source::input(&self.name, layer.layer.as_ref())?;
        match member(input, plain, limit) {
            Ok(found) => Ok(found),
            Err(Unpacking::Fault(fault)) => Err(self.broken(layer, fault)),
            Err(Unpacking::Io(error)) if layer.compression() != Compression::None => {
                Err(self.unpacking(layer, &error))
            }
            Err(error) => Err(error.of(&self.name)),
        }
    }
}

/// Reads the file at a path of an archive, which has no slash at either end: of members with one name the last one. One
/// of more than `limit` bytes is none.
pub(super) fn member(
    input: Input<'_>,
    path: &[u8],
    limit: u64,
) -> Result<Option<Vec<u8>>, Unpacking> {
    let mut found = None;
    terrine_tar::read(input, |member, body| {
        let is_file = matches!(
            member.kind,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse
        );
        if is_file && member.size <= limit && clean(&member.name)? == path {
            let mut bytes = vec![];
            loop {
                match body.chunk()? {
                    [] => break,
                    chunk => bytes.extend_from_slice(chunk),
                }
            }
            found = Some(bytes);
        }
        Ok::<_, Unpacking>(())
    })?;
    Ok(found)
}
