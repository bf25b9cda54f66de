//! Entries of an index that are not images: signatures, attestations, and types that terrine does
//! not know. They are copied unchanged.

use terrine_oci::{Content, Descriptor, Document};
use terrine_support::chain;

use super::lanes::{ByLane, Lanes};
use super::{Copying, Error};
use crate::destination::{self, Carrier};
use crate::source::{self, ImageIndex};

/// An entry of an index, at a destination.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// An image, or another index.
    Image(Descriptor),
    /// Something that speaks of an image, or stands beside it.
    Other(Descriptor),
    /// Something of an unknown type. A registry may refuse an index that lists it.
    Unknown(Descriptor),
    /// Something that is not there.
    LeftOut,
}

impl Copying<'_> {
    /// Brings the blobs of something that is kept like an image and is none.
    pub(super) fn opaque(
        &self,
        lanes: &mut Lanes<'_, '_>,
        index: &ImageIndex,
        child: &Descriptor,
    ) -> Result<Document, Error> {
        let document = source::document(index.blobs().as_ref(), &index.name, child)?;
        if let Content::Manifest(manifest) = &document.content {
            for blob in manifest.layers.iter().chain([&manifest.config]) {
                self.blob(lanes, index, blob)?;
            }
        }
        Ok(document)
    }

    /// Brings a blob to all destinations.
    fn blob(
        &self,
        lanes: &mut Lanes<'_, '_>,
        index: &ImageIndex,
        blob: &Descriptor,
    ) -> Result<(), Error> {
        let (alive, carriers) = lanes.alive();
        let blobs = index.blobs().as_ref();
        let blob = source::sized(blobs, blob)?;
        let brought = destination::blob(&carriers, &index.name, blobs, &blob, self.reporter)?;
        for (lane, brought) in alive.into_iter().zip(brought) {
            lanes.step(lane, brought);
        }
        Ok(())
    }

    /// Brings something of a type that terrine does not know. In layouts it is a blob. Registries have it as a blob or as a
    /// manifest; where it came from tells which.
    pub(super) fn unknown(
        &self,
        lanes: &mut Lanes<'_, '_>,
        index: &ImageIndex,
        child: &Descriptor,
    ) -> Result<ByLane<Entry>, Error> {
        let absent = match self.blob(lanes, index, child) {
            Err(Error::Source(error)) if error.is_absent_blob() => error,
            brought => {
                brought?;
                let (alive, _) = lanes.alive();
                let entry = || Entry::Unknown(child.clone());
                return Ok(alive.into_iter().map(|lane| (lane, entry())).collect());
            }
        };
        let (alive, carriers) = lanes.alive();
        let bytes = match source::unknown_document(index.blobs().as_ref(), &index.name, child) {
            Some(read) => read.map_err(|_| absent)?,
            None => return Err(absent.into()),
        };
        let mut entries = ByLane::new();
        for (lane, carrier) in alive.into_iter().zip(carriers) {
            let put = self.put_unknown(&carrier, child, &bytes);
            if let Some(entry) = lanes.step(lane, put) {
                entries.insert(lane, entry);
            }
        }
        Ok(entries)
    }

    /// Puts a document of an unknown type. A destination that refuses it gets the index without it; one that
    /// fails has failed.
    fn put_unknown(
        &self,
        carrier: &Carrier<'_>,
        child: &Descriptor,
        bytes: &[u8],
    ) -> Result<Entry, destination::Error> {
        let put = carrier.destination.put_unknown(child, bytes);
        let put = put.unwrap_or_else(|| {
            let staged = destination::from_bytes(carrier.destination, bytes)?;
            carrier.settle(staged, child, &|bytes| self.reporter.sent(bytes))?;
            Ok(())
        });
        match put {
            Ok(()) => Ok(Entry::Unknown(child.clone())),
            Err(error) if error.is_refusal() => {
                self.refused(child, &error);
                Ok(Entry::LeftOut)
            }
            Err(error) => Err(error),
        }
    }

    /// Tells of something that a destination does not take.
    pub(super) fn refused(&self, child: &Descriptor, why: &destination::Error) {
        let Descriptor {
            media_type, digest, ..
        } = child;
        let text = chain(why);
        self.reporter.left_out(&format!(
            "`{digest}` of the index, which is `{media_type}`: {text}"
        ));
    }
}
