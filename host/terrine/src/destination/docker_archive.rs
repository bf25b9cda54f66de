//! The docker-archive: what `docker load`, `podman load` and `skopeo` take.
//!
//! An archive of archives: the layers, then the image configurations, then `manifest.json`. The
//! manifest comes last, so that an archive that was cut off cannot be mistaken for an image. It is
//! a stream without digests, so it is no [`Destination`](super::Destination): [`DockerArchive`]
//! writes layers that are yet to be made and layers that exist, of one image or of several.

use std::io::{self, Read};
use std::sync::Arc;

use terrine_oci::{ArchiveManifest, Digest};
use terrine_tar::{END_OF_ARCHIVE, Header, Kind, RECORD, padding};

use super::{CarryError, LayerOutcome, Reporter};
use crate::base::{Base, BaseLayer};
use crate::layer::{self, Entries, LayerOrigin, NewLayer};
use crate::pipe::{Closed, Feeder, Stamps};
use crate::source;

/// The header of a member that is not copied from another archive, as `stream_layered_image.py`
/// writes it.
pub fn header(name: &str, size: u64, mtime: i64) -> Header<'_> {
    Header {
        name: name.as_bytes(),
        kind: Kind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        size,
        mtime,
        link: b"",
        uname: b"",
        gname: b"",
        xattrs: &[],
    }
}

/// A docker-archive as far as it is written.
pub struct DockerArchive<'a, 'f> {
    feeder: &'a mut Feeder<'f>,
    reporter: &'a dyn Reporter,
    /// The layers that are listed so far.
    count: usize,
    /// The layer that each stretch of hashed bytes must match.
    expected: Vec<Expected<'a>>,
}

/// A layer that was written, whose digest [`DockerArchive::digests`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch(usize);

impl Stretch {
    /// Returns the digest of the layer.
    pub fn digest(self, digests: &[Digest]) -> Digest {
        digests[self.0]
    }
}

/// A layer that a stretch of hashed bytes must match.
enum Expected<'a> {
    New(&'a dyn NewLayer),
    Existing(&'a Base, &'a str, Digest),
}

impl<'a, 'f> DockerArchive<'a, 'f> {
    /// Starts an archive.
    pub fn new(feeder: &'a mut Feeder<'f>, reporter: &'a dyn Reporter) -> Self {
        Self {
            feeder,
            reporter,
            count: 0,
            expected: vec![],
        }
    }

    /// Writes a layer that is yet to be made.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is not what it was, and an output that is closed.
    pub fn new_layer(
        &mut self,
        layer: &'a dyn NewLayer,
        entries: &dyn Entries,
        header: &Header<'_>,
    ) -> Result<Stretch, CarryError> {
        self.begin(layer.origin(), header.size);
        self.expected.push(Expected::New(layer));
        self.hashed(header, |feeder| Ok(layer::feed(feeder, entries)?))
    }

    /// Writes a layer that is yet to be made, and does not hash it: another pass over the same files does, which
    /// has the same `stamps`.
    ///
    /// # Errors
    ///
    /// As [`DockerArchive::new_layer`], and a file that is not what it is for the other pass.
    pub(crate) fn moved_layer(
        &mut self,
        layer: &dyn NewLayer,
        entries: &dyn Entries,
        header: &Header<'_>,
        stamps: Arc<Stamps>,
    ) -> Result<(), CarryError> {
        self.begin(layer.origin(), header.size);
        let mut block = Vec::new();
        header.encode(&mut block);
        self.feeder.put(&block)?;
        self.feeder.compare(Some(stamps));
        let start = self.feeder.total();
        let fed = layer::feed(self.feeder, entries);
        self.feeder.compare(None);
        fed?;
        debug_assert_eq!(self.feeder.total() - start, header.size);
        self.feeder.zeros(padding(header.size))?;
        Ok(())
    }

    /// Writes a layer of an existing image, plain or by gzip, because not every consumer takes
    /// anything else there. `header` makes the member's header of its size, which is returned.
    ///
    /// # Errors
    ///
    /// A layer that cannot be read or is not the one that it should be, and an output that is
    /// closed.
    pub fn existing<'h>(
        &mut self,
        base: &'a Base,
        layer: &'a BaseLayer,
        origin: LayerOrigin<'_>,
        header: impl FnOnce(u64) -> Header<'h>,
    ) -> Result<u64, CarryError> {
        // Said before a compressed layer is looked through, which takes its time.
        self.begin(origin, layer.stored_size());
        let transfer = base.transfer(layer)?;
        self.expected
            .push(Expected::Existing(base, &layer.name, transfer.digest));
        self.hashed(&header(transfer.size), |feeder| {
            copy(
                feeder,
                base.content(layer, transfer)?,
                transfer.size,
                |error| source::Error::reading(base.name(), error).into(),
            )
        })?;
        Ok(transfer.size)
    }

    /// Counts a layer, which was written or is the same as another one.
    pub fn list(&mut self) {
        self.count += 1;
        self.reporter.finished(self.count, LayerOutcome::Brought);
    }

    /// Returns the digests of all layers that were written, after checking that each is what it
    /// had to be.
    ///
    /// # Errors
    ///
    /// A layer that is not what it had to be, and an output that is closed.
    pub fn digests(&mut self) -> Result<Vec<Digest>, CarryError> {
        let digests = self.feeder.digests()?;
        for (expected, &actual) in self.expected.iter().zip(&digests) {
            match expected {
                Expected::New(layer) => layer.verify(actual)?,
                Expected::Existing(base, name, digest) => base.check(name, *digest, actual)?,
            }
        }
        Ok(digests)
    }

    /// Writes a member that is in memory.
    ///
    /// # Errors
    ///
    /// An output that is closed.
    pub fn document(&mut self, name: &str, content: &[u8], mtime: i64) -> Result<(), Closed> {
        let mut block = Vec::new();
        header(name, content.len() as u64, mtime).encode(&mut block);
        self.feeder.put(&block)?;
        self.feeder.put(content)?;
        self.feeder.zeros(padding(content.len() as u64))
    }

    /// Writes the list of the images, and the end of the archive.
    ///
    /// # Errors
    ///
    /// An output that is closed.
    pub fn finish(mut self, images: &[ArchiveManifest], mtime: i64) -> Result<(), Closed> {
        let list = ArchiveManifest::list_to_json(images);
        self.document("manifest.json", &list, mtime)?;
        self.feeder.zeros(END_OF_ARCHIVE)?;
        let total = self.feeder.total();
        self.feeder.zeros(total.next_multiple_of(RECORD) - total)
    }

    fn begin(&self, origin: LayerOrigin<'_>, size: u64) {
        self.reporter.layer(self.count + 1, origin, size);
    }

    /// Writes a member whose content is hashed, and must have the size that the header promises.
    fn hashed(
        &mut self,
        header: &Header<'_>,
        content: impl FnOnce(&mut Feeder<'_>) -> Result<(), CarryError>,
    ) -> Result<Stretch, CarryError> {
        let mut block = Vec::new();
        header.encode(&mut block);
        self.feeder.put(&block)?;
        self.feeder.begin_hash()?;
        let start = self.feeder.total();
        content(self.feeder)?;
        debug_assert_eq!(self.feeder.total() - start, header.size);
        self.feeder.end_hash()?;
        self.feeder.zeros(padding(header.size))?;
        Ok(Stretch(self.expected.len() - 1))
    }
}

/// Feeds exactly `size` bytes of a reader; `failed` makes an error of the reader's.
fn copy(
    feeder: &mut Feeder<'_>,
    mut content: impl Read,
    size: u64,
    failed: impl Fn(io::Error) -> CarryError,
) -> Result<(), CarryError> {
    let mut rest = size;
    while rest > 0 {
        let spare = feeder.spare()?;
        let length = usize::try_from(rest).map_or(spare.len(), |rest| spare.len().min(rest));
        match content.read(&mut spare[..length]) {
            Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                feeder.advance(count);
                rest -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}
