//! The outcome of commands: the tree of the layer, and the store paths that it mentions.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::memmem::Finder;
use terrine_isolate::{Changes, Kind};

use super::PlanError;
use super::ask::Asked;
use super::keep::Kept;
use crate::beneath::Beneath;
use crate::closure;
use crate::layer::Store;
use crate::rootfs::{New, Origin, Root};
use crate::source::changes::{opaque, whiteout};

/// The most that is read of a file at once, in bytes.
const BUFFER: usize = 1 << 20;
/// The longest name of a store path, in bytes.
const MAX_NAME: usize = 255;

/// The tree of the layer.
pub(super) fn root(kept: &Kept) -> Result<Root, PlanError> {
    let origin = Arc::new(Origin::Commands);
    let mut root = Root::new();
    let changes = &kept.changes;
    let mut folders = Folders::default();
    for entry in &changes.entries {
        let new = match &entry.kind {
            Kind::Directory => New::directory(),
            Kind::Symlink(target) => New::symlink(target.clone()),
            Kind::Inline(bytes) => New::file(bytes.clone()),
            Kind::Copy { source, .. } => folders.file(source)?,
            Kind::Device {
                block,
                major,
                minor,
            } => New::device(*block, *major, *minor),
            Kind::Fifo => New::fifo(),
        };
        let new = new
            .mode(entry.mode)
            .owner(entry.uid.into(), entry.gid.into())
            .xattrs(entry.xattrs.clone());
        root.put(&[b"/", &*entry.path].concat(), new, &origin)?;
    }
    let marks = changes.removed.iter().map(|path| whiteout(path));
    let marks = marks.chain(changes.opaque.iter().map(|path| opaque(path)));
    for mark in marks {
        root.put(&[b"/", &*mark].concat(), New::whiteout(), &origin)?;
    }
    if let Some(held) = &kept.held {
        root.keep(Arc::clone(held));
    }
    Ok(root)
}

/// The folders that hold the files: one, for the most part.
#[derive(Default)]
struct Folders {
    last: Option<(PathBuf, Arc<Beneath>)>,
}

impl Folders {
    /// Returns a file that is in one of them.
    fn file(&mut self, source: &Path) -> Result<New, PlanError> {
        let (Some(folder), Some(name)) = (source.parent(), source.file_name()) else {
            return Ok(New::copy_of(source));
        };
        let last = self.last.take().filter(|(path, _)| path == folder);
        let (path, opened) = match last {
            Some(last) => last,
            None => {
                let opened = Beneath::open(folder).map_err(PlanError::Trees)?;
                (folder.to_owned(), Arc::new(opened))
            }
        };
        let file = New::copy_from(&opened, name.as_bytes());
        self.last = Some((path, opened));
        Ok(file)
    }
}

/// The store paths that links and files mention, of those that commands could see.
pub(super) fn mentions(
    changes: &Changes,
    asked: &Asked,
    store: &Store,
) -> Result<Vec<String>, PlanError> {
    let prefix = format!("{}/", store.dir());
    let mut text = String::new();
    for entry in &changes.entries {
        match &entry.kind {
            Kind::Symlink(target) => {
                text.push_str(&String::from_utf8_lossy(target));
                text.push('\n');
            }
            Kind::Copy { source, .. } => {
                let read = File::open(source).and_then(|file| scan(file, &prefix, &mut text));
                read.map_err(PlanError::Trees)?;
            }
            _ => {}
        }
    }
    Ok(closure::mentions(&text, store.dir(), &asked.visible)?.known)
}

/// Adds all that may be the name of a store path to a text.
fn scan(mut file: impl Read, prefix: &str, text: &mut String) -> io::Result<()> {
    let finder = Finder::new(prefix);
    let longest = prefix.len() + MAX_NAME;
    let mut buffer = vec![0; BUFFER + longest];
    let mut length = 0;
    loop {
        let count = match file.read(&mut buffer[length..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        length += count;
        let is_end = count == 0;
        // What begins near the end of what is here is looked at with what follows.
        let whole = if is_end {
            length
        } else {
            length.saturating_sub(longest)
        };
        for start in finder
            .find_iter(&buffer[..length])
            .filter(|start| *start < whole)
        {
            let end = length.min(start + longest);
            text.push_str(&String::from_utf8_lossy(&buffer[start..end]));
            text.push('\n');
        }
        if is_end {
            return Ok(());
        }
        buffer.copy_within(whole..length, 0);
        length -= whole;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives few bytes at once.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(7).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn names_are_found_wherever_reading_stops() {
        let mut bytes = vec![b'x'; 5000];
        bytes.extend_from_slice(b"/nix/store/abc-d\0");
        bytes.extend(vec![0xff; 3000]);
        bytes.extend_from_slice(b"/nix/store/end");
        let mut texts = vec![];
        for slow in [true, false] {
            let mut text = String::new();
            let read: Box<dyn Read> = if slow {
                Box::new(Slow(&bytes))
            } else {
                Box::new(&bytes[..])
            };
            scan(read, "/nix/store/", &mut text).unwrap();
            texts.push(text);
        }
        assert_eq!(texts[0], texts[1]);
        assert_eq!(texts[0].matches("/nix/store/").count(), 2);
        assert!(texts[0].starts_with("/nix/store/abc-d\0"));
    }
}
