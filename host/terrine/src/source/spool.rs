//! A layer that is fetched once, however often it is read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use terrine_compress::Compression;
use terrine_oci::{Descriptor, Digest, Repository};

use super::{Attributes, Error, FilePart, Layer, Verified};

/// A temporary file without a name that the layers of an image share: with a file for each, an
/// image of many layers would need more than a process may have open.
#[derive(Debug, Default)]
pub struct Spool {
    file: OnceLock<File>,
    /// The offset from which on the file is free.
    end: Mutex<u64>,
}

impl Spool {
    /// Finds room for so many bytes: the offset of a place that is nobody else's.
    pub(crate) fn reserve(&self, size: u64) -> io::Result<(&File, u64)> {
        let mut end = self.lock();
        let file = self.file(&end)?;
        let offset = *end;
        *end = offset
            .checked_add(size)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok((file, offset))
    }

    /// Adds all of a file, which must have so many bytes; its offset.
    pub(crate) fn append(&self, mut from: &File, size: u64) -> io::Result<u64> {
        let mut end = self.lock();
        let mut file = self.file(&end)?;
        from.rewind()?;
        file.seek(SeekFrom::Start(*end))?;
        if io::copy(&mut from, &mut file)? != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let offset = *end;
        *end += size;
        Ok(offset)
    }

    /// Bytes that were put at an offset.
    pub(crate) fn content(&self, offset: u64, size: u64) -> io::Result<FilePart<'_>> {
        Ok(FilePart::new(self.file(&self.lock())?, offset, size))
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, which is made when it is first wanted: under the lock, so only once.
    fn file(&self, _end: &MutexGuard<'_, u64>) -> io::Result<&File> {
        match self.file.get() {
            Some(file) => Ok(file),
            None => {
                let file = tempfile::tempfile()?;
                Ok(self.file.get_or_init(|| file))
            }
        }
    }
}

/// A layer whose bytes come to a temporary file without a name when they are first wanted, and
/// are verified on the way.
#[derive(Debug)]
pub struct Spooled {
    inner: Arc<dyn Layer>,
    /// The name of the image in errors.
    image: String,
    spool: Arc<Spool>,
    /// The offset of the bytes in the file, once they are stored.
    place: OnceLock<u64>,
    /// Held while the bytes are fetched.
    fetching: Mutex<()>,
}

impl Spooled {
    /// A layer of the image that errors call `image`; `spool` may be shared.
    pub fn new(inner: Arc<dyn Layer>, image: String, spool: Arc<Spool>) -> Self {
        Self {
            inner,
            image,
            spool,
            place: OnceLock::new(),
            fetching: Mutex::new(()),
        }
    }

    /// Fetches it now, unless it is there already. `progress` is told of all bytes, a part after
    /// the other.
    ///
    /// # Errors
    ///
    /// A layer that cannot be read or is not what it should be, and no room for it.
    pub fn fetch(&self, progress: &dyn Fn(u64)) -> Result<(), Error> {
        self.fetched(progress).map(drop)
    }

    fn fetched(&self, progress: &dyn Fn(u64)) -> Result<FilePart<'_>, Error> {
        let _fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match self.place.get() {
            Some(place) => *place,
            None => {
                let place = self.copy(progress)?;
                *self.place.get_or_init(|| place)
            }
        };
        self.spool
            .content(place, self.stored_size())
            .map_err(|source| self.spooling(source))
    }

    fn copy(&self, progress: &dyn Fn(u64)) -> Result<u64, Error> {
        let descriptor = self.inner.descriptor()?;
        let mut content = Verified::new(
            self.inner.open()?,
            self.name(),
            descriptor.size,
            descriptor.digest,
        );
        let spooling = |source| self.spooling(source);
        // There are no more, as they are verified.
        let (file, place) = self.spool.reserve(descriptor.size).map_err(spooling)?;
        let mut end = place;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(place),
                Ok(count) => {
                    file.write_all_at(&buffer[..count], end).map_err(spooling)?;
                    end += count as u64;
                    progress(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::reading(&self.image, error)),
            }
        }
    }

    fn spooling(&self, source: io::Error) -> Error {
        Error::Spool {
            image: self.image.clone(),
            directory: std::env::temp_dir(),
            source,
        }
    }
}

impl Layer for Spooled {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn diff_id(&self) -> Digest {
        self.inner.diff_id()
    }

    fn descriptor(&self) -> Result<Descriptor, Error> {
        self.inner.descriptor()
    }

    fn stored_size(&self) -> u64 {
        self.inner.stored_size()
    }

    fn compression(&self) -> Compression {
        self.inner.compression()
    }

    fn look(&self) -> Result<Compression, Error> {
        // Whoever wants to know this is about to read it.
        self.fetched(&|_| {})?;
        self.inner.look()
    }

    fn seen(&self) -> Option<Compression> {
        self.inner.seen()
    }

    fn told(&self, compression: Compression) {
        self.inner.told(compression);
    }

    fn is_foreign(&self) -> bool {
        self.inner.is_foreign()
    }

    fn open(&self) -> Result<Box<dyn Read + Send + '_>, Error> {
        Ok(Box::new(self.fetched(&|_| {})?))
    }

    fn content(&self) -> Result<Option<FilePart<'_>>, Error> {
        self.fetched(&|_| {}).map(Some)
    }

    fn repository(&self) -> Option<&Repository> {
        self.inner.repository()
    }

    fn attributes(&self) -> Attributes {
        self.inner.attributes()
    }
}
