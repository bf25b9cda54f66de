//! The content of store paths whose names have no hash, so that two of one name can be told apart: in the layers of an
//! image and in directories of this machine alike.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;
use terrine_tar::{Body, Described, EntryType, Kind};

use crate::layer::{self, Store, StorePath, Tree};
use crate::source::seekable::Unpacking;

/// The line of a place that an upper layer takes away.
pub(super) const GONE: &str = "gone";
/// The permission bits of which one makes a file an executable.
const EXECUTE: u32 = 0o111;
/// The number of bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// Returns the line of a member of an archive.
pub(super) fn member(member: &Described, body: &mut Body<'_, '_>) -> Result<String, Unpacking> {
    Ok(match member.kind {
        EntryType::Directory => "directory".to_owned(),
        EntryType::Symlink => link(&member.link),
        kind if kind.is_file() => {
            let mut hash = Sha256::new();
            loop {
                match body.chunk()? {
                    [] => break,
                    chunk => hash.update(chunk),
                }
            }
            file(member.mode, hash.into())
        }
        kind => format!("{kind:?} {}", member.link.escape_ascii()),
    })
}

fn link(target: &[u8]) -> String {
    format!("link {}", target.escape_ascii())
}

fn file(mode: u32, content: Digest) -> String {
    let kind = if mode & EXECUTE == 0 {
        "file"
    } else {
        "program"
    };
    format!("{kind} {content}")
}

/// Returns a text that is another one for other lines.
pub(super) fn digest(lines: &BTreeMap<Vec<u8>, String>) -> String {
    let mut hash = Sha256::new();
    for (path, line) in lines.iter().filter(|(_, line)| *line != GONE) {
        hash.update(format!("{} {line}\n", path.escape_ascii()));
    }
    Digest::from(hash).to_string()
}

/// Returns the text for a store path of this machine, as that of an image that holds it.
///
/// # Errors
///
/// What cannot be listed or read.
pub fn of_store(store: &Store, path: &StorePath) -> Result<String, layer::Error> {
    let mut lines = BTreeMap::new();
    let start = path.as_str().len();
    Tree::walk(store, std::slice::from_ref(path))?.for_each(|entry| {
        let Some(below) = entry.path.get(start..) else {
            return Ok(());
        };
        let line = match entry.kind {
            Kind::Directory => "directory".to_owned(),
            Kind::Symlink => link(entry.link),
            _ => file(entry.mode, read(store, entry.path)?),
        };
        lines.insert(below.to_vec(), line);
        Ok::<_, layer::Error>(())
    })?;
    Ok(digest(&lines))
}

/// The digest of a file in a store.
fn read(store: &Store, path: &[u8]) -> Result<Digest, layer::Error> {
    let failed = |source| layer::Error::Io {
        action: "reading",
        path: store.locate(Path::new(OsStr::from_bytes(path))),
        source,
    };
    let opened = store.open_at(path, OFlags::NONBLOCK);
    let mut file = File::from(opened.map_err(|errno| failed(errno.into()))?);
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.into()),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}
