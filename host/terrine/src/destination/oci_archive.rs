//! An archive of an OCI layout, as a place for images.
//!
//! A member's name is its digest and comes before its bytes, so blobs wait in a temporary file
//! without a name until all are there. `index.json` comes last: an archive that was cut off is
//! no image.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use terrine_oci::{Annotations, Descriptor, Digest, Document, Index, Platform, Repository};
use terrine_tar::Header;

use super::{Destination, Error, Members, Presence, Staged, docker_archive};
use crate::source::Spool;

/// The content of the file `oci-layout` (OCI image specification, "Image Layout").
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The time of every member: dockerTools' own.
const MTIME: i64 = 1;

/// An archive that is gathered, and written by [`OciArchive::write`].
#[derive(Debug)]
pub struct OciArchive {
    name: String,
    tags: Vec<String>,
    spool: Spool,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By digest, with the offset in the spool and the size of each.
    blobs: BTreeMap<Digest, (u64, u64)>,
    documents: BTreeMap<Digest, Vec<u8>>,
    index: Vec<Descriptor>,
}

impl OciArchive {
    /// An archive that people know as `name`, where the image gets these tags, or none.
    pub fn new(name: String, tags: impl IntoIterator<Item = String>) -> Self {
        Self {
            name,
            tags: tags.into_iter().collect(),
            spool: Spool::default(),
            held: Mutex::default(),
        }
    }

    /// Writes the archive: blobs in the order of their digests, documents, and the index.
    ///
    /// # Errors
    ///
    /// An output that does not take it.
    pub fn write(self, out: &mut impl Write) -> Result<(), Error> {
        let held = self
            .held
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        write(&held, &self.spool, out).map_err(Error::Output)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Destination for OciArchive {
    fn holds(&self, blob: &Descriptor, _: &[Repository]) -> Result<Presence, Error> {
        Ok(Presence::of_held(
            self.held().blobs.contains_key(&blob.digest),
        ))
    }

    fn stage(&self) -> Result<Staged, Error> {
        Staged::temporary()
    }

    fn keep(&self, staged: Staged, blob: &Descriptor, _: &dyn Fn(u64)) -> Result<(), Error> {
        if self.held().blobs.contains_key(&blob.digest) {
            return Ok(());
        }
        let file = staged.into_file(self.name())?;
        let offset = self
            .spool
            .append(&file, blob.size)
            .map_err(Error::temporary)?;
        self.held().blobs.insert(blob.digest, (offset, blob.size));
        Ok(())
    }

    fn put_document(&self, document: &Document) -> Result<(), Error> {
        self.held()
            .documents
            .insert(document.digest(), document.bytes.clone());
        Ok(())
    }

    fn publish(&self, document: &Document, platform: Option<&Platform>) -> Result<(), Error> {
        self.put_document(document)?;
        let descriptor = Descriptor {
            platform: platform.cloned(),
            ..document.descriptor()
        };
        let mut held = self.held();
        for tag in &self.tags {
            let mut named = descriptor.clone();
            named
                .annotations
                .insert(terrine_oci::annotation::REF_NAME.to_owned(), tag.clone());
            held.index.push(named);
        }
        if self.tags.is_empty() {
            held.index.push(descriptor);
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

fn write(held: &Held, spool: &Spool, out: &mut impl Write) -> io::Result<()> {
    let mut archive = Members::new(out);
    archive.member(&header("oci-layout", LAYOUT.len()), LAYOUT)?;
    for (digest, &(offset, size)) in &held.blobs {
        let name = blob_name(digest);
        let header = docker_archive::header(&name, size, MTIME);
        archive.member(&header, spool.content(offset, size)?)?;
    }
    for (digest, bytes) in &held.documents {
        archive.member(&header(&blob_name(digest), bytes.len()), &bytes[..])?;
    }
    let index = Index::new(held.index.clone(), Annotations::new());
    let index = index.to_document().bytes;
    archive.member(&header("index.json", index.len()), &index[..])?;
    archive.finish()
}

fn header(name: &str, size: usize) -> Header<'_> {
    docker_archive::header(name, size as u64, MTIME)
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
