//! A pass over the headers of a layer's archive.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::Fault;
use super::extended::{Extended, is_extension};
use super::tarball::{
    BLOCK, Content, MAX_EXTENSION, MAX_UNPACKED, Unpacking, check_header, has_content,
};

/// How much is read at once of what has to be unpacked to be passed over, in bytes.
const SKIPPED: usize = 64 << 10;
/// Where a block that maps a sparse file says that another follows.
const MORE_MAP: usize = 504;

/// The bytes of a layer.
pub(crate) enum Source<'a> {
    /// Plain ones, which need not be read to be passed over.
    Plain(Content<'a>),
    /// Those that a decoder makes.
    Unpacked(Box<dyn Read + 'a>),
}

/// What the headers of a member say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    /// Its name, as written.
    pub(crate) name: Vec<u8>,
    /// What it is.
    pub(crate) kind: EntryType,
    /// The size of a file in bytes, holes included.
    pub(crate) size: u64,
    /// The target of a link, as written.
    pub(crate) link: Vec<u8>,
    /// Time of last modification, in whole seconds since 1970.
    pub(crate) mtime: i64,
}

/// Calls `visit` with what is said of each member, in order, up to the first error.
///
/// # Errors
///
/// An archive that is broken or truncated, and what `visit` returns.
pub(crate) fn for_each(
    source: Source<'_>,
    mut visit: impl FnMut(Described) -> Result<(), Fault>,
) -> Result<(), Unpacking> {
    let mut pass = Pass { source, position: 0, spare: vec![0; SKIPPED] };
    let mut extended = Extended::default();
    while let Some(block) = pass.header()? {
        let header = Header::from_byte_slice(&block);
        let kind = header.entry_type();
        let at = pass.position - BLOCK;
        let declared = header.entry_size().map_err(|_| Fault::BadHeader(at))?;
        if is_extension(kind) {
            let content = pass.extension(declared)?;
            extended.add(kind, &content).map_err(|_| Fault::BadHeader(at))?;
            continue;
        }
        let extended = std::mem::take(&mut extended);
        let stored = if has_content(kind) { extended.size.unwrap_or(declared) } else { 0 };
        let hole = if kind == EntryType::GNUSparse { pass.map(header, at)? } else { None };
        pass.skip(stored)?;
        visit(describe(header, extended, hole.unwrap_or(stored)))?;
    }
    Ok(())
}

/// What a member's own header and those before it say; `size` is that of a file.
fn describe(header: &Header, extended: Extended, size: u64) -> Described {
    let written = || header.mtime().ok().and_then(|seconds| i64::try_from(seconds).ok());
    let name = extended.sparse_name.or(extended.name);
    let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
    let link = extended.link.or_else(|| header.link_name_bytes().map(Into::into));
    let mut kind = header.entry_type();
    // Before there was a kind for directories, they were told by their names.
    if header.as_bytes()[156] == 0 && name.ends_with(b"/") {
        kind = EntryType::Directory;
    }
    Described {
        name,
        kind,
        size: extended.sparse_size.unwrap_or(size),
        link: link.unwrap_or_default(),
        mtime: extended.mtime.or_else(written).unwrap_or_default(),
    }
}

struct Pass<'a> {
    source: Source<'a>,
    /// How many bytes have been read or passed over.
    position: u64,
    spare: Vec<u8>,
}

impl Pass<'_> {
    /// The next header block; none at the end of the archive: two empty blocks, or none.
    fn header(&mut self) -> Result<Option<[u8; 512]>, Unpacking> {
        let Some(block) = self.block()? else { return Ok(None) };
        if block != [0; 512] {
            check_header(&block, self.position - BLOCK)?;
            return Ok(Some(block));
        }
        match self.block()? {
            None => Ok(None),
            Some(block) if block == [0; 512] => Ok(None),
            Some(_) => Err(Fault::BadHeader(self.position - BLOCK).into()),
        }
    }

    /// The next block; none at the end.
    fn block(&mut self) -> Result<Option<[u8; 512]>, Unpacking> {
        let mut block = [0; 512];
        let count = self.fill(&mut block)?;
        match count {
            0 => Ok(None),
            512 => Ok(Some(block)),
            _ => Err(self.truncated(BLOCK, count as u64)),
        }
    }

    /// The content of an extended header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Unpacking> {
        if size > MAX_EXTENSION {
            let what = "an extended header".to_owned();
            return Err(Fault::TooLarge { what, size, limit: MAX_EXTENSION }.into());
        }
        let mut content = vec![0; size as usize];
        let count = self.fill(&mut content)?;
        if count < content.len() {
            return Err(self.truncated(size, count as u64));
        }
        self.skip_bytes(padding(size))?;
        Ok(content)
    }

    /// Passes over the rest of the map of a sparse file, which comes before its content;
    /// the file's size.
    fn map(&mut self, header: &Header, at: u64) -> Result<Option<u64>, Unpacking> {
        let bad = || Fault::BadHeader(at);
        let header = header.as_gnu().ok_or_else(bad)?;
        let mut more = header.is_extended();
        while more {
            more = self.block()?.ok_or_else(bad)?[MORE_MAP] == 1;
        }
        Ok(Some(header.real_size().map_err(|_| bad())?))
    }

    /// Passes over a content and what fills up its last block.
    fn skip(&mut self, size: u64) -> Result<(), Unpacking> {
        self.skip_bytes(size)?;
        self.skip_bytes(padding(size))
    }

    fn skip_bytes(&mut self, count: u64) -> Result<(), Unpacking> {
        let skipped = match &mut self.source {
            Source::Plain(content) => content.skip(count),
            Source::Unpacked(_) if count > MAX_UNPACKED.saturating_sub(self.position) => {
                let (what, size) = ("its content".to_owned(), self.position.saturating_add(count));
                return Err(Fault::TooLarge { what, size, limit: MAX_UNPACKED }.into());
            }
            Source::Unpacked(reader) => discard(reader, &mut self.spare, count)?,
        };
        self.position = self.position.saturating_add(skipped);
        if skipped < count {
            return Err(self.truncated(count, skipped));
        }
        Ok(())
    }

    /// Fills a buffer as far as there is something; how far.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Unpacking> {
        let mut length = 0;
        while length < buffer.len() {
            let count = match &mut self.source {
                Source::Plain(content) => content.read(&mut buffer[length..]),
                Source::Unpacked(reader) => reader.read(&mut buffer[length..]),
            };
            match count {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.position += length as u64;
        Ok(length)
    }

    /// The archive ends within something of a size, of which only the first bytes are there.
    fn truncated(&self, size: u64, there: u64) -> Unpacking {
        Fault::Truncated { position: self.position - there, size, length: self.position }.into()
    }
}

/// Reads bytes and forgets them; how many there were.
fn discard(reader: &mut impl Read, spare: &mut [u8], count: u64) -> io::Result<u64> {
    let mut rest = count;
    while rest > 0 {
        let wanted = usize::try_from(rest).map_or(spare.len(), |rest| rest.min(spare.len()));
        match reader.read(&mut spare[..wanted]) {
            Ok(0) => break,
            Ok(length) => rest -= length as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count - rest)
}

/// How many bytes fill up the last block of a content.
fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}
