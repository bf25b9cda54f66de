//! A layer that is fetched once, however often it is read.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Attributes, Content, Error, Layer, Verified};
use crate::compress::{Compression, MAGIC};
use crate::image::{Descriptor, Digest, Repository};

/// A layer whose bytes come to a temporary file without a name when they are first wanted, and
/// are verified on the way.
#[derive(Debug)]
pub struct Spooled {
    inner: Arc<dyn Layer>,
    /// What errors call the image.
    image: String,
    file: OnceLock<File>,
    /// Held while the file is made.
    making: Mutex<()>,
}

impl Spooled {
    /// A layer of the image that errors call `image`.
    pub fn new(inner: Arc<dyn Layer>, image: String) -> Self {
        Self { inner, image, file: OnceLock::new(), making: Mutex::new(()) }
    }

    fn file(&self) -> Result<&File, Error> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        match self.file.get() {
            Some(file) => Ok(file),
            None => {
                let file = self.fetch()?;
                Ok(self.file.get_or_init(|| file))
            }
        }
    }

    fn fetch(&self) -> Result<File, Error> {
        let descriptor = self.inner.descriptor()?;
        let directory = std::env::temp_dir();
        let spooling =
            |source| Error::Spool { image: self.image.clone(), directory: directory.clone(), source };
        let mut file = tempfile::tempfile().map_err(spooling)?;
        let mut content =
            Verified::new(self.inner.open()?, self.name(), descriptor.size, descriptor.digest);
        let mut buffer = vec![0; 256 << 10];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(file),
                Ok(count) => file.write_all(&buffer[..count]).map_err(spooling)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::reading(&self.image, error)),
            }
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
        let Some(file) = self.file.get() else { return self.inner.compression() };
        let mut start = [0; MAGIC];
        match file.read_at(&mut start, 0) {
            Ok(count) => Compression::detect(&start[..count]),
            Err(_) => self.inner.compression(),
        }
    }

    fn open(&self) -> Result<Box<dyn Read + Send + '_>, Error> {
        Ok(Box::new(Content::new(self.file()?, 0, self.stored_size())))
    }

    fn content(&self) -> Result<Option<Content<'_>>, Error> {
        Ok(Some(Content::new(self.file()?, 0, self.stored_size())))
    }

    fn repository(&self) -> Option<&Repository> {
        self.inner.repository()
    }

    fn attributes(&self) -> Attributes {
        self.inner.attributes()
    }
}
