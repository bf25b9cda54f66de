//! A pass over a layer's archive.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::archive::{MAX_EXTENSION, check_header, declared_size, has_content};
use super::described::{Described, describe};
use super::extended::{Extended, SparseMap, is_extension};
use super::sparse::{BadMap, Map, Numbers};
use super::{BLOCK, Error, Fault, FilePart, MAX_UNPACKED, padding};

/// The number of bytes that are read at once if data must be unpacked to be skipped.
const SKIPPED: usize = 64 << 10;
/// The content of holes.
static ZEROS: [u8; SKIPPED] = [0; SKIPPED];

/// The bytes of a layer.
pub enum Input<'a> {
    /// Plain ones, which need not be read to be passed over.
    Plain(FilePart<'a>),
    /// Those that a decoder makes.
    Unpacked(Box<dyn Read + 'a>),
}

/// Calls `visit` with the description and the content of each member, in order, up to the first
/// error. What `visit` does not read of a content is passed over.
///
/// # Errors
///
/// An archive that is broken or truncated, and what `visit` returns.
pub fn read<E: From<Error>>(
    input: Input<'_>,
    mut visit: impl FnMut(Described, &mut Body<'_, '_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut pass = Pass {
        input,
        position: 0,
        spare: vec![0; SKIPPED],
    };
    while let Some((header, extended, at)) = pass.member()? {
        let header = Header::from_byte_slice(&header);
        let (sparse, stored) = pass.sparse(header, &extended, at)?;
        let size = sparse.size().unwrap_or(stored);
        let member = describe(header, extended, size).map_err(Error::from)?;
        pass.allow(stored)?;
        let mut body = Body {
            size: member.size,
            place: 0,
            rest: stored,
            sparse,
            begun: false,
            at,
            pass: &mut pass,
        };
        visit(member, &mut body)?;
        let rest = body.rest;
        pass.skip_bytes(rest)?;
        pass.skip_bytes(padding(stored))?;
    }
    Ok(())
}

/// The way a member's content is stored.
enum Sparse {
    /// As it is.
    Not,
    /// In parts that its headers tell.
    Map(Map, u64),
    /// In parts that it tells at its start.
    Content,
}

impl Sparse {
    /// The file's size, where the header has one that is not that of what is stored.
    fn size(&self) -> Option<u64> {
        match self {
            Self::Map(_, size) => Some(*size),
            Self::Not | Self::Content => None,
        }
    }
}

/// The content of a member, holes filled in.
pub struct Body<'p, 'a> {
    pass: &'p mut Pass<'a>,
    /// The file's size.
    size: u64,
    /// The number of bytes of the file that have been read.
    place: u64,
    /// The number of stored bytes that have not been read.
    rest: u64,
    sparse: Sparse,
    /// True if the map has been read and checked.
    begun: bool,
    /// The position of the member's header.
    at: u64,
}

impl Body<'_, '_> {
    /// Some more of the content; nothing at its end.
    ///
    /// # Errors
    ///
    /// An archive that is truncated, or has no sense in its map of a sparse file.
    pub fn chunk(&mut self) -> Result<&[u8], Error> {
        self.begin()?;
        let (length, stored) = match &mut self.sparse {
            _ if self.place >= self.size => return Ok(&[]),
            Sparse::Map(map, _) => map.at(self.place, self.size),
            Sparse::Not | Sparse::Content => (self.size - self.place, true),
        };
        let length = usize::try_from(length).map_or(SKIPPED, |length| length.min(SKIPPED));
        self.place += length as u64;
        if !stored {
            return Ok(&ZEROS[..length]);
        }
        self.rest = self.rest.saturating_sub(length as u64);
        self.pass.exactly(length)
    }

    /// Some more of what is stored of the content; nothing at its end. Holes are passed over.
    ///
    /// # Errors
    ///
    /// As [`Body::chunk`].
    pub fn stored_chunk(&mut self) -> Result<&[u8], Error> {
        self.begin()?;
        let length = usize::try_from(self.rest).map_or(SKIPPED, |rest| rest.min(SKIPPED));
        self.place = self.size;
        self.rest -= length as u64;
        self.pass.exactly(length)
    }

    /// The parts of the file that are stored, by offset and length in bytes; none where it is stored as it is.
    ///
    /// # Errors
    ///
    /// As [`Body::chunk`].
    pub fn parts(&mut self) -> Result<Option<&[(u64, u64)]>, Error> {
        self.begin()?;
        Ok(match &self.sparse {
            Sparse::Map(map, _) => Some(map.parts()),
            Sparse::Not | Sparse::Content => None,
        })
    }

    /// Returns the number of bytes of the file that are in holes.
    ///
    /// # Errors
    ///
    /// As [`Body::chunk`].
    pub fn holes(&mut self) -> Result<u64, Error> {
        let size = self.size;
        let stored = self
            .parts()?
            .map_or(size, |parts| parts.iter().map(|(_, length)| length).sum());
        Ok(size.saturating_sub(stored))
    }

    /// Returns the number of bytes of the archive that have been read or skipped.
    pub fn position(&self) -> u64 {
        self.pass.position
    }

    /// Looks at the map of what is stored, once.
    fn begin(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        if let Sparse::Content = self.sparse {
            let map = self.map()?;
            self.sparse = Sparse::Map(map, self.size);
        }
        let right = match &self.sparse {
            Sparse::Map(map, _) => map.check(self.size, self.rest),
            Sparse::Not | Sparse::Content if self.rest == self.size => Ok(()),
            Sparse::Not | Sparse::Content => Err(BadMap),
        };
        Ok(right.map_err(|BadMap| Fault::BadHeader(self.at))?)
    }

    /// Reads the map at the start of the content, which fills whole blocks.
    fn map(&mut self) -> Result<Map, Error> {
        let bad = |BadMap| Fault::BadHeader(self.at);
        let mut numbers = Numbers::default();
        loop {
            self.rest = self.rest.checked_sub(BLOCK).ok_or_else(|| bad(BadMap))?;
            let block = self.pass.block()?.ok_or_else(|| bad(BadMap))?;
            for byte in block {
                if numbers.add(byte).map_err(bad)? {
                    return Ok(numbers.map().map_err(bad)?);
                }
            }
        }
    }
}

struct Pass<'a> {
    input: Input<'a>,
    /// The number of bytes that have been read or skipped.
    position: u64,
    spare: Vec<u8>,
}

impl Pass<'_> {
    /// The header of the next member, what those before it say, and where it is.
    fn member(&mut self) -> Result<Option<([u8; 512], Extended, u64)>, Error> {
        let mut extended = Extended::default();
        while let Some(block) = self.header()? {
            let header = Header::from_byte_slice(&block);
            let (kind, at) = (header.entry_type(), self.position - BLOCK);
            if !is_extension(kind) {
                return Ok(Some((block, extended, at)));
            }
            let declared = declared_size(header).ok_or(Fault::BadHeader(at))?;
            let content = self.extension(declared)?;
            extended
                .add(kind, &content)
                .map_err(|_| Fault::BadHeader(at))?;
        }
        Ok(None)
    }

    /// Returns the way a member's content is stored, and its number of stored bytes.
    fn sparse(
        &mut self,
        header: &Header,
        extended: &Extended,
        at: u64,
    ) -> Result<(Sparse, u64), Error> {
        let bad = || Fault::BadHeader(at);
        let kind = header.entry_type();
        let declared = declared_size(header).ok_or_else(bad)?;
        let stored = if has_content(kind) {
            extended.size.unwrap_or(declared)
        } else {
            0
        };
        if kind == EntryType::GNUSparse {
            let (map, size) = self.map(header, at)?;
            return Ok((Sparse::Map(map, size), stored));
        }
        let sparse = match &extended.sparse_map {
            SparseMap::None => Sparse::Not,
            SparseMap::Content => Sparse::Content,
            SparseMap::Given(numbers) => {
                let size = extended.sparse_size.unwrap_or(stored);
                Sparse::Map(Map::of(numbers).map_err(|BadMap| bad())?, size)
            }
        };
        Ok((sparse, stored))
    }

    /// The next header block; none at the end of the archive: two empty blocks, or none.
    fn header(&mut self) -> Result<Option<[u8; 512]>, Error> {
        let Some(block) = self.block()? else {
            return Ok(None);
        };
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
    fn block(&mut self) -> Result<Option<[u8; 512]>, Error> {
        let mut block = [0; 512];
        let count = self.fill(&mut block)?;
        match count {
            0 => Ok(None),
            512 => Ok(Some(block)),
            _ => Err(self.truncated(BLOCK, count as u64)),
        }
    }

    /// The content of an extended header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        if size > MAX_EXTENSION {
            let what = "an extended header".to_owned();
            return Err(Fault::TooLarge {
                what,
                size,
                limit: MAX_EXTENSION,
            }
            .into());
        }
        let mut content = vec![0; size as usize];
        let count = self.fill(&mut content)?;
        if count < content.len() {
            return Err(self.truncated(size, count as u64));
        }
        self.skip_bytes(padding(size))?;
        Ok(content)
    }

    /// The map of a sparse file, the rest of which comes before its content; and the file's
    /// size.
    fn map(&mut self, header: &Header, at: u64) -> Result<(Map, u64), Error> {
        let bad = || Fault::BadHeader(at);
        let header = header.as_gnu().ok_or_else(bad)?;
        let mut map = Map::of_header(header).map_err(|BadMap| bad())?;
        let mut more = header.is_extended();
        while more {
            let block = self.block()?.ok_or_else(bad)?;
            more = map.add_block(&block).map_err(|BadMap| bad())?;
        }
        Ok((map, header.real_size().map_err(|_| bad())?))
    }

    /// Refuses what is more than anything unpacks to.
    fn allow(&self, count: u64) -> Result<(), Error> {
        match self.input {
            Input::Unpacked(_) if count > MAX_UNPACKED.saturating_sub(self.position) => {
                let (what, size) = (
                    "its content".to_owned(),
                    self.position.saturating_add(count),
                );
                Err(Fault::TooLarge {
                    what,
                    size,
                    limit: MAX_UNPACKED,
                }
                .into())
            }
            _ => Ok(()),
        }
    }

    /// So many bytes, at most as many as are passed over at once.
    fn exactly(&mut self, length: usize) -> Result<&[u8], Error> {
        let mut spare = std::mem::take(&mut self.spare);
        let filled = self.fill(&mut spare[..length]);
        self.spare = spare;
        match filled? {
            count if count < length => Err(self.truncated(length as u64, count as u64)),
            _ => Ok(&self.spare[..length]),
        }
    }

    /// Passes over bytes.
    fn skip_bytes(&mut self, count: u64) -> Result<(), Error> {
        self.allow(count)?;
        let skipped = match &mut self.input {
            Input::Plain(content) => content.skip(count),
            Input::Unpacked(reader) => discard(reader, &mut self.spare, count)?,
        };
        self.position = self.position.saturating_add(skipped);
        if skipped < count {
            return Err(self.truncated(count, skipped));
        }
        Ok(())
    }

    /// Fills a buffer as far as there is something; how far.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut length = 0;
        while length < buffer.len() {
            let count = match &mut self.input {
                Input::Plain(content) => content.read(&mut buffer[length..]),
                Input::Unpacked(reader) => reader.read(&mut buffer[length..]),
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
    fn truncated(&self, size: u64, there: u64) -> Error {
        Fault::Truncated {
            position: self.position - there,
            size,
            length: self.position,
        }
        .into()
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
