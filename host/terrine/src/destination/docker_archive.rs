//! The docker-archive: what `docker load`, `podman load` and `skopeo` take.
//!
//! An archive of archives: the layers, then the image configuration, then
//! `manifest.json`. The manifest comes last, so that an archive that was cut off can
//! not be mistaken for an image.

use std::io::{self, Read};

use terrine_oci::{ArchiveManifest, Digest};
use terrine_tar::{END_OF_ARCHIVE, Header, Kind, RECORD, padding};

use crate::pipe::{Closed, Feeder};

/// The header of a member that is not copied from elsewhere (spec section 2.4).
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
    }
}

/// Writes a layer: its header, then what `content` feeds, which is hashed and must
/// have the size that the header promises.
///
/// # Errors
///
/// What `content` returns, and an output that is closed.
pub fn layer<E: From<Closed>>(
    feeder: &mut Feeder<'_>,
    header: &Header<'_>,
    content: impl FnOnce(&mut Feeder<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut block = Vec::new();
    header.encode(&mut block);
    feeder.put(&block)?;
    feeder.begin_hash()?;
    let start = feeder.total();
    content(feeder)?;
    debug_assert_eq!(feeder.total() - start, header.size);
    feeder.end_hash()?;
    feeder.zeros(padding(header.size))?;
    Ok(())
}

/// Writes what makes an image of the layers, and the end of the archive. Returns the
/// image id.
///
/// # Errors
///
/// An output that is closed.
pub fn finish(
    feeder: &mut Feeder<'_>,
    configuration: &[u8],
    repo_tag: String,
    layers: Vec<String>,
    mtime: i64,
) -> Result<Digest, Closed> {
    let id = Digest::of(configuration);
    let config = format!("{}.json", id.hex());
    file(feeder, &config, configuration, mtime)?;
    let manifest = ArchiveManifest {
        config,
        repo_tags: vec![repo_tag],
        layers,
    };
    file(feeder, "manifest.json", &manifest.to_json(), mtime)?;
    end(feeder)?;
    Ok(id)
}

/// Writes the end of the archive.
///
/// # Errors
///
/// An output that is closed.
pub fn end(feeder: &mut Feeder<'_>) -> Result<(), Closed> {
    feeder.zeros(END_OF_ARCHIVE)?;
    feeder.zeros(feeder.total().next_multiple_of(RECORD) - feeder.total())
}

/// Feeds exactly `size` bytes of a reader; `failed` makes an error of the reader's.
///
/// # Errors
///
/// A reader that fails or has fewer bytes, and an output that is closed.
pub fn copy<E: From<Closed>>(
    feeder: &mut Feeder<'_>,
    mut content: impl Read,
    size: u64,
    failed: impl Fn(io::Error) -> E,
) -> Result<(), E> {
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

/// Writes a member that is in memory.
///
/// # Errors
///
/// An output that is closed.
pub fn file(feeder: &mut Feeder<'_>, name: &str, content: &[u8], mtime: i64) -> Result<(), Closed> {
    let mut block = Vec::new();
    header(name, content.len() as u64, mtime).encode(&mut block);
    feeder.put(&block)?;
    feeder.put(content)?;
    feeder.zeros(padding(content.len() as u64))
}
