//! An archive of an OCI layout, as a place for images.
//!
//! A member's name is its digest and comes before its bytes, so blobs wait in a temporary file
//! without a name until all are there. `index.json` comes last: an archive that was cut off is
//! no image.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

use terrine_oci::{Annotations, Descriptor, Digest, Document, Index, Platform, Repository};
use terrine_tar::{END_OF_ARCHIVE, RECORD, padding};

use super::{Destination, Error, Staged, docker_archive};
use crate::source::Spool;

/// What `oci-layout` says (OCI image specification, "Image Layout").
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The time of every member: dockerTools' own.
const MTIME: i64 = 1;

/// An archive that is gathered, and written by [`OciArchive::write`].
#[derive(Debug)]
pub struct OciArchive {
    name: String,
    tag: Option<String>,
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
    /// An archive that people know as `name`, where the image gets this tag, or none.
    pub fn new(name: String, tag: Option<String>) -> Self {
        Self {
            name,
            tag,
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
        let mut archive = Writer { out, written: 0 };
        archive.all(&held, &self.spool).map_err(Error::Output)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Destination for OciArchive {
    fn holds(&self, blob: &Descriptor, _: &[Repository]) -> Result<bool, Error> {
        Ok(self.held().blobs.contains_key(&blob.digest))
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
            .map_err(|source| Error::Staging {
                place: std::env::temp_dir().display().to_string(),
                source,
            })?;
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
        let mut descriptor = Descriptor {
            platform: platform.cloned(),
            ..document.descriptor()
        };
        if let Some(tag) = &self.tag {
            descriptor
                .annotations
                .insert(terrine_oci::annotation::REF_NAME.to_owned(), tag.clone());
        }
        self.held().index.push(descriptor);
        Ok(())
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// The archive as far as it is written.
struct Writer<'a, W> {
    out: &'a mut W,
    written: u64,
}

impl<W: Write> Writer<'_, W> {
    fn all(&mut self, held: &Held, spool: &Spool) -> io::Result<()> {
        self.member("oci-layout", LAYOUT.len() as u64, LAYOUT)?;
        for (digest, &(offset, size)) in &held.blobs {
            self.member(&blob_name(digest), size, spool.content(offset, size)?)?;
        }
        for (digest, bytes) in &held.documents {
            self.member(&blob_name(digest), bytes.len() as u64, &bytes[..])?;
        }
        let index = Index::new(held.index.clone(), Annotations::new())
            .to_document()
            .bytes;
        self.member("index.json", index.len() as u64, &index[..])?;
        let end = (self.written + END_OF_ARCHIVE).next_multiple_of(RECORD);
        self.zeros(end - self.written)?;
        self.out.flush()
    }

    fn member(&mut self, name: &str, size: u64, mut content: impl Read) -> io::Result<()> {
        let mut block = Vec::new();
        docker_archive::header(name, size, MTIME).encode(&mut block);
        self.out.write_all(&block)?;
        let copied = io::copy(&mut content, self.out)?;
        if copied != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.written += block.len() as u64 + size;
        self.zeros(padding(size))
    }

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(count), self.out)?;
        self.written += count;
        Ok(())
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
