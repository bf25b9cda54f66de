//! Archives of images, plain or compressed, whose members are known by name.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use terrine_compress::{Compression, MAGIC};
use terrine_tar::{Archive, BLOCK, Described, Input, MAX_UNPACKED, check_header};

use super::{Error, Fault};

/// Lists the members of an archive, plain or compressed.
pub(crate) fn open_archive(path: &Path) -> Result<Archive, Unpacking> {
    scan(File::open(path)?)
}

/// Lists the members of an open file. What cannot be read anywhere is unpacked first.
pub(crate) fn scan(file: File) -> Result<Archive, Unpacking> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Fault::Directory.into());
    }
    let file = seekable(file, metadata.is_file())?;
    let size = file.metadata()?.len();
    if size > 0 && size < BLOCK {
        return Err(Fault::NoKind.into());
    }
    Ok(Archive::scan(file)?)
}

/// Calls `visit` with the description of each member of a layer, in order, up to the first error.
///
/// # Errors
///
/// An archive that is broken or truncated, and what `visit` returns.
pub(crate) fn for_each(
    input: Input<'_>,
    mut visit: impl FnMut(Described) -> Result<(), Fault>,
) -> Result<(), Unpacking> {
    terrine_tar::read(input, |member, _| visit(member).map_err(Unpacking::from))
}

/// A failure inside an archive whose path the caller knows.
#[derive(Debug)]
pub(crate) enum Unpacking {
    Io(io::Error),
    /// About the temporary file that an archive is unpacked to.
    Spool {
        directory: PathBuf,
        source: io::Error,
    },
    Fault(Fault),
}

impl Unpacking {
    /// The failure of the image of that name.
    pub(crate) fn of(self, image: &str) -> Error {
        let image = image.to_owned();
        match self {
            Self::Io(source) => Error::Io { image, source },
            Self::Spool { directory, source } => Error::Spool {
                image,
                directory,
                source,
            },
            Self::Fault(fault) => Error::Fault { image, fault },
        }
    }
}

impl From<terrine_tar::Error> for Unpacking {
    fn from(error: terrine_tar::Error) -> Self {
        match error {
            terrine_tar::Error::Fault(fault) => Self::Fault(fault.into()),
            terrine_tar::Error::Io(error) => Self::Io(error),
            other => Self::Io(io::Error::other(other)),
        }
    }
}

impl From<terrine_tar::Fault> for Unpacking {
    fn from(fault: terrine_tar::Fault) -> Self {
        Self::Fault(fault.into())
    }
}

impl From<io::Error> for Unpacking {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Fault> for Unpacking {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A plain archive that can be read anywhere: the file itself, or what it unpacks to
/// in a temporary file that has no name and goes with the process.
fn seekable(mut file: File, regular: bool) -> Result<File, Unpacking> {
    let mut start = Vec::new();
    file.by_ref().take(MAGIC as u64).read_to_end(&mut start)?;
    let compression = Compression::detect(&start);
    if regular && compression == Compression::None {
        return Ok(file);
    }
    let whole = io::Cursor::new(start).chain(file);
    let unpack = |error: io::Error| -> Unpacking {
        match compression {
            Compression::None => error.into(),
            _ => Fault::Compression {
                what: "the archive".to_owned(),
                compression,
                why: error.to_string(),
            }
            .into(),
        }
    };
    let mut plain = compression
        .decoder(whole)
        .map_err(unpack)?
        .take(MAX_UNPACKED + 1);
    // What does not start as an archive does is not worth a place on the disk.
    let mut first = Vec::new();
    plain
        .by_ref()
        .take(BLOCK)
        .read_to_end(&mut first)
        .map_err(unpack)?;
    check_header(&first, 0)?;
    let spooling = |source| Unpacking::Spool {
        directory: std::env::temp_dir(),
        source,
    };
    let mut spool = tempfile::tempfile().map_err(spooling)?;
    io::Write::write_all(&mut spool, &first).map_err(spooling)?;
    let mut buffer = vec![0; 256 << 10];
    let mut total = first.len() as u64;
    loop {
        let count = match plain.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unpack(error)),
        };
        put(&mut spool, &buffer[..count]).map_err(spooling)?;
        total += count as u64;
    }
    // A hole at the end is not there yet.
    spool.set_len(total).map_err(spooling)?;
    if total > MAX_UNPACKED {
        let what = "the unpacked archive".to_owned();
        return Err(Fault::TooLarge {
            what,
            size: total,
            limit: MAX_UNPACKED,
        }
        .into());
    }
    spool.rewind()?;
    Ok(spool)
}

/// Adds bytes to a file; zeros become a hole, as an archive that is a bomb has little else.
fn put(spool: &mut File, bytes: &[u8]) -> io::Result<()> {
    // All are zeros if the first is, and each is what the next is.
    if bytes.first() == Some(&0) && bytes[1..] == bytes[..bytes.len() - 1] {
        return spool.seek_relative(bytes.len() as i64);
    }
    io::Write::write_all(spool, bytes)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that cannot be set up has failed"
    )]

    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn zeros_take_no_room_on_the_disk() {
        let mut header = tar::Header::new_gnu();
        header.set_path("layer.tar").unwrap();
        header.set_size(16 << 20);
        header.set_cksum();
        let mut plain = header.as_bytes().to_vec();
        plain.resize(plain.len() + (16 << 20), 0);
        // Bytes between zeros, and zeros at the end.
        plain[9 << 20] = 1;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&zstd::encode_all(&plain[..], 1).unwrap())
            .unwrap();
        file.rewind().unwrap();
        let Ok(mut spool) = seekable(file, true) else {
            panic!("it is an archive");
        };
        assert!(spool.metadata().unwrap().blocks() * 512 < 1 << 20);
        let mut read = Vec::new();
        spool.read_to_end(&mut read).unwrap();
        assert_eq!(read, plain);
    }
}
