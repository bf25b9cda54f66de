//! Layers of store paths that come out of binary caches: their NARs become entries as they pass by.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use terrine_binary_cache::{ListingEntry, NarEntry, NarError};
use terrine_tar::{END_OF_ARCHIVE, RECORD, padding};

use super::feed::feed_entry;
use super::reorder::{Entry, Held, Kind, Reorder};
use super::store_layer::Watching;
use super::tree::{check, mode_in_layer};
use super::{Error, LayerOfStore, StorePath, Tree, TreeEntry};
use crate::pipe::Feeder;
use crate::substitute::{self, Closing, ReadAhead, Substitute, Substitutes};

impl LayerOfStore<'_> {
    /// Returns whether files of the layer are still in binary caches.
    pub(super) fn is_streamed(&self) -> Result<bool, Error> {
        for path in &self.layer.paths {
            let substitute = self.store.substituted(path)?;
            if substitute.is_some_and(|substitute| !substitute.is_whole()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Feeds the layer, some of whose paths are in binary caches.
    pub(super) fn stream(&self, feeder: &mut Feeder<'_>) -> Result<(), Error> {
        let mut parts = vec![];
        for path in &self.layer.paths {
            let substitute = self.store.substituted(path)?;
            parts.push((path, substitute.filter(|found| !found.is_whole())));
        }
        let Some(substitutes) = self.store.substitutes() else {
            return self.feed_parts(feeder, &parts, None);
        };
        let fetched = parts.iter().filter_map(|(_, found)| found.as_deref());
        let ahead = ReadAhead::new(substitutes, fetched);
        thread::scope(|scope| {
            // Before the scope waits for its threads.
            let _closing = Closing(&ahead);
            ahead.start(scope);
            self.feed_parts(feeder, &parts, Some((substitutes, &ahead)))
        })
    }

    /// Feeds the paths of the layer, each from this machine or from a binary cache.
    fn feed_parts(
        &self,
        feeder: &mut Feeder<'_>,
        parts: &[(&StorePath, Option<Arc<Substitute>>)],
        from: Option<(&Substitutes, &ReadAhead<'_>)>,
    ) -> Result<(), Error> {
        let mut output = Output {
            layer: self,
            feeder,
            watching: Watching::new(&self.layer.paths, self.watches),
            written: 0,
        };
        output.tree(&Tree::walk(self.store, &[])?, 0)?;
        let ancestors = self.store.ancestors().count();
        for (path, substitute) in parts {
            match (from, substitute) {
                (Some((substitutes, ahead)), Some(substitute)) => {
                    output.nar(&Source {
                        path,
                        substitutes,
                        substitute,
                        ahead,
                    })?;
                }
                _ => output.tree(
                    &Tree::walk(self.store, std::slice::from_ref(*path))?,
                    ancestors,
                )?,
            }
        }
        output.end()
    }
}

/// A path of a layer that is read out of a binary cache.
struct Source<'a> {
    path: &'a StorePath,
    substitutes: &'a Substitutes,
    substitute: &'a Substitute,
    ahead: &'a ReadAhead<'a>,
}

impl Source<'_> {
    /// The path of an entry in the image, given its path below the store path.
    fn whole(&self, below: &[u8]) -> Vec<u8> {
        let top = self.path.as_str().as_bytes();
        if below.is_empty() {
            top.to_vec()
        } else {
            [top, b"/", below].concat()
        }
    }

    fn failed(&self, source: NarError) -> Error {
        self.substitutes.broken(self.substitute, source).into()
    }

    /// The error of a content that cannot be read, or not be kept.
    fn interrupted(&self, error: io::Error) -> Error {
        match NarError::from_io(error) {
            Ok(error) => self.failed(error),
            Err(source) => substitute::Error::Write {
                path: std::env::temp_dir(),
                source,
            }
            .into(),
        }
    }

    /// Checks an entry of the NAR against what the listing says, which the archive's size may have been promised by.
    fn agree(
        &self,
        listed: Option<&mut Listed<'_>>,
        entry: Option<&NarEntry<'_>>,
    ) -> Result<(), Error> {
        let Some(listed) = listed else { return Ok(()) };
        let listed = listed.next();
        let differing = match (&listed, entry) {
            (None, None) => return Ok(()),
            (Some(listed), Some(entry))
                if listed.path == entry.path && listed.kind == entry.kind =>
            {
                return Ok(());
            }
            (_, Some(entry)) => entry.path,
            (Some(listed), None) => &listed.path,
        };
        Err(substitute::Error::Contradiction {
            path: self.path.as_str().to_owned(),
            cache: self.substitutes.cache(self.substitute),
            entry: String::from_utf8_lossy(differing).into_owned(),
        }
        .into())
    }
}

/// The entries of a listing that have not come yet.
type Listed<'a> = Box<dyn Iterator<Item = ListingEntry<'a>> + 'a>;

/// The archive of a layer, entry by entry.
struct Output<'o, 'f, 'l> {
    layer: &'o LayerOfStore<'l>,
    feeder: &'o mut Feeder<'f>,
    watching: Watching<'o>,
    /// The bytes of all entries so far.
    written: u64,
}

impl Output<'_, '_, '_> {
    /// Feeds the entries of a tree on this machine, but for the first few.
    fn tree(&mut self, tree: &Tree, skip: usize) -> Result<(), Error> {
        let mut number = 0;
        self.layer.visit(tree, &self.watching, &mut |entry| {
            number += 1;
            if number > skip {
                self.written += entry.stored();
                feed_entry(self.feeder, &entry)?;
            }
            Ok(())
        })
    }

    /// Feeds the entries of a NAR.
    fn nar(&mut self, source: &Source<'_>) -> Result<(), Error> {
        let failed = |error| source.failed(error);
        let listing = source.substitutes.known_listing(source.substitute);
        let mut listed = listing.map(|listing| Box::new(listing.entries()) as Listed<'_>);
        let mut nar = source.ahead.nar(source.substitute)?;
        let mut reorder = Reorder::default();
        while let Some(entry) = nar.next_entry().map_err(failed)? {
            source.agree(listed.as_mut(), Some(&entry))?;
            let entry = Entry::from(&entry);
            if let Some(held) = reorder.ended(entry.depth) {
                self.held(source, &held)?;
            }
            let mut content = nar.content();
            if reorder.holds(&entry) {
                let held = reorder.hold(entry, &mut content);
                held.map_err(|error| source.interrupted(error))?;
            } else {
                self.entry(source, &entry, &mut content)?;
            }
        }
        if let Some(held) = reorder.ended(0) {
            self.held(source, &held)?;
        }
        source.agree(listed.as_mut(), None)?;
        nar.finish().map_err(failed)
    }

    /// Feeds entries that waited for each other.
    fn held(&mut self, source: &Source<'_>, held: &Held) -> Result<(), Error> {
        held.visit(|entry, contents, offset| {
            let mut content = PartOfFile {
                file: contents,
                offset,
            };
            self.entry(source, entry, &mut content)
        })
    }

    /// Feeds one entry.
    fn entry(
        &mut self,
        source: &Source<'_>,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        let path = source.whole(&entry.path);
        check(&path, || PathBuf::from(OsStr::from_bytes(&path)))?;
        let (kind, link) = match &entry.kind {
            Kind::Directory => (terrine_tar::Kind::Directory, &[][..]),
            Kind::Symlink { target } => (terrine_tar::Kind::Symlink, &target[..]),
            Kind::File { .. } => (terrine_tar::Kind::File, &[][..]),
        };
        let entry = TreeEntry {
            path: &path,
            kind,
            mode: mode_in_layer(&entry.kind.of_nar()).into(),
            size: entry.size(),
            link,
            xattrs: &[],
        };
        let mut header = vec![];
        let mut attributes = vec![];
        entry
            .header(self.layer.ownership, &mut attributes)
            .encode(&mut header);
        self.watching.entry(&entry);
        self.feeder.put(&header)?;
        self.content(source, content, entry.size)?;
        let padding = padding(entry.size);
        self.feeder.zeros(padding)?;
        self.written += header.len() as u64 + entry.size + padding;
        Ok(())
    }

    /// Feeds as many bytes of a content as it has.
    fn content(
        &mut self,
        source: &Source<'_>,
        content: &mut dyn Read,
        size: u64,
    ) -> Result<(), Error> {
        let mut rest = size;
        while rest > 0 {
            let spare = self.feeder.spare()?;
            let wanted = usize::try_from(rest).map_or(spare.len(), |rest| rest.min(spare.len()));
            let count = match content.read(&mut spare[..wanted]) {
                Ok(0) => return Err(source.interrupted(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(source.interrupted(error)),
            };
            self.watching.content(&spare[..count]);
            self.feeder.advance(count);
            rest -= count as u64;
        }
        Ok(())
    }

    /// Feeds the end of the archive.
    fn end(self) -> Result<(), Error> {
        self.watching.end();
        let whole = self
            .written
            .checked_add(END_OF_ARCHIVE)
            .and_then(|size| size.checked_next_multiple_of(RECORD))
            .ok_or_else(|| Error::TooLarge {
                path: PathBuf::from(&self.layer.layer.label),
            })?;
        self.feeder.zeros(whole - self.written)?;
        Ok(())
    }
}

/// The bytes of a file from an offset on.
struct PartOfFile<'a> {
    file: &'a std::fs::File,
    offset: u64,
}

impl Read for PartOfFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
