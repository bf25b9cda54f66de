//! NARs and listings of store paths (Nix manual, "Nix Archive format").

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Map, Value, json};

/// The length that everything is padded to a multiple of.
const UNIT: u64 = 8;

/// Writes the NAR of what is at `place`, and returns its listing.
pub(super) fn write(place: &Path, out: &mut dyn Write) -> io::Result<Value> {
    let mut nar = Nar { out, written: 0 };
    nar.texts(&[b"nix-archive-1"])?;
    let root = nar.node(place)?;
    Ok(json!({"version": 1, "root": root}))
}

/// A NAR that is being written.
struct Nar<'w> {
    out: &'w mut dyn Write,
    /// In bytes.
    written: u64,
}

impl Nar<'_> {
    /// Writes a file, a link, or a directory with everything below it.
    fn node(&mut self, place: &Path) -> io::Result<Value> {
        let metadata = fs::symlink_metadata(place)?;
        self.texts(&[b"(", b"type"])?;
        let listed = if metadata.is_dir() {
            self.directory(place)?
        } else if metadata.is_symlink() {
            let target = fs::read_link(place)?;
            self.texts(&[b"symlink", b"target", target.as_os_str().as_bytes()])?;
            json!({"type": "symlink", "target": target.to_string_lossy()})
        } else {
            self.file(place, metadata.permissions().mode() & 0o100 != 0)?
        };
        self.texts(&[b")"])?;
        Ok(listed)
    }

    fn directory(&mut self, place: &Path) -> io::Result<Value> {
        self.texts(&[b"directory"])?;
        let names = fs::read_dir(place)?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort_by(|a: &std::ffi::OsString, b| a.as_bytes().cmp(b.as_bytes()));
        let mut entries = Map::new();
        for name in names {
            self.texts(&[b"entry", b"(", b"name", name.as_bytes(), b"node"])?;
            let entry = self.node(&place.join(&name))?;
            self.texts(&[b")"])?;
            entries.insert(OsStr::to_string_lossy(&name).into_owned(), entry);
        }
        Ok(json!({"type": "directory", "entries": entries}))
    }

    fn file(&mut self, place: &Path, executable: bool) -> io::Result<Value> {
        self.texts(&[b"regular"])?;
        if executable {
            self.texts(&[b"executable", b""])?;
        }
        self.texts(&[b"contents"])?;
        let mut file = File::open(place)?;
        let size = file.metadata()?.len();
        self.bytes(&size.to_le_bytes())?;
        let offset = self.written;
        let copied = io::copy(&mut Read::by_ref(&mut file).take(size), self.out)?;
        self.written += copied;
        self.pad(size)?;
        let mut listed = json!({"type": "regular", "size": size, "narOffset": offset});
        if executable {
            listed["executable"] = true.into();
        }
        Ok(listed)
    }

    fn texts(&mut self, texts: &[&[u8]]) -> io::Result<()> {
        for text in texts {
            let length = text.len() as u64;
            self.bytes(&length.to_le_bytes())?;
            self.bytes(text)?;
            self.pad(length)?;
        }
        Ok(())
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = size.next_multiple_of(UNIT) - size;
        self.bytes(&[0; UNIT as usize][..padding as usize])
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}
