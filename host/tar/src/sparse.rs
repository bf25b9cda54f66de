//! The maps of sparse files: which parts of them are stored.

use tar::{GnuExtSparseHeader, GnuHeader, GnuSparseHeader};

/// The most parts that a sparse file may be stored in.
const MAX_PARTS: usize = 1 << 20;

/// A map that cannot be right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadMap;

/// The parts of a file that are stored, in order. Everything else is zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Map {
    /// Offsets and lengths, both in bytes.
    parts: Vec<(u64, u64)>,
    /// The number of them that [`Map::at`] is done with.
    done: usize,
}

impl Map {
    /// Returns the map that numbers describe, offsets and lengths in turn.
    pub(crate) fn of(numbers: &[u64]) -> Result<Self, BadMap> {
        let (pairs, rest) = numbers.as_chunks::<2>();
        let mut map = Self::default();
        pairs
            .iter()
            .try_for_each(|&[offset, length]| map.push(offset, length))?;
        if rest.is_empty() {
            Ok(map)
        } else {
            Err(BadMap)
        }
    }

    /// Returns the map in the header itself.
    pub(crate) fn of_header(header: &GnuHeader) -> Result<Self, BadMap> {
        let mut map = Self::default();
        map.extend(&header.sparse)?;
        Ok(map)
    }

    /// Adds what a block says that follows the header; whether another one does.
    pub(crate) fn add_block(&mut self, block: &[u8; 512]) -> Result<bool, BadMap> {
        let mut header = GnuExtSparseHeader::new();
        header.as_mut_bytes().copy_from_slice(block);
        self.extend(header.sparse())?;
        Ok(header.is_extended())
    }

    fn extend(&mut self, parts: &[GnuSparseHeader]) -> Result<(), BadMap> {
        for part in parts.iter().take_while(|part| !part.is_empty()) {
            let offset = part.offset().map_err(|_| BadMap)?;
            self.push(offset, part.length().map_err(|_| BadMap)?)?;
        }
        Ok(())
    }

    fn push(&mut self, offset: u64, length: u64) -> Result<(), BadMap> {
        if offset < self.end() || self.parts.len() >= MAX_PARTS {
            return Err(BadMap);
        }
        offset.checked_add(length).ok_or(BadMap)?;
        self.parts.push((offset, length));
        Ok(())
    }

    /// The parts that are stored.
    pub(crate) fn parts(&self) -> &[(u64, u64)] {
        &self.parts
    }

    fn end(&self) -> u64 {
        self.parts
            .last()
            .map_or(0, |(offset, length)| offset + length)
    }

    /// Checks that a file of that size is stored in so many bytes.
    pub(crate) fn check(&self, size: u64, stored: u64) -> Result<(), BadMap> {
        let sum: u64 = self.parts.iter().map(|(_, length)| length).sum();
        if self.end() <= size && sum == stored {
            Ok(())
        } else {
            Err(BadMap)
        }
    }

    /// From a place in the file on: how many bytes are alike, at most, and whether they are
    /// stored. Places are to be asked for in order.
    pub(crate) fn at(&mut self, place: u64, size: u64) -> (u64, bool) {
        let rest = self.parts.get(self.done..).unwrap_or_default();
        self.done += rest
            .iter()
            .take_while(|(offset, length)| offset + length <= place)
            .count();
        match self.parts.get(self.done) {
            None => (size - place, false),
            Some(&(offset, _)) if place < offset => (offset - place, false),
            Some(&(offset, length)) => (offset + length - place, true),
        }
    }
}

/// Numbers at the start of a content, one a line, the first of them how many pairs follow; as
/// they come byte by byte.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    wanted: Option<usize>,
    current: Option<u64>,
    numbers: Vec<u64>,
}

impl Numbers {
    /// Adds a byte; whether it was the last one.
    pub(crate) fn add(&mut self, byte: u8) -> Result<bool, BadMap> {
        if byte.is_ascii_digit() {
            let current = self.current.unwrap_or(0).checked_mul(10).ok_or(BadMap)?;
            self.current = Some(current.checked_add(u64::from(byte - b'0')).ok_or(BadMap)?);
            return Ok(false);
        }
        let number = self
            .current
            .take()
            .filter(|_| byte == b'\n')
            .ok_or(BadMap)?;
        match self.wanted {
            None => {
                let pairs = usize::try_from(number)
                    .ok()
                    .filter(|&pairs| pairs <= MAX_PARTS);
                self.wanted = Some(2 * pairs.ok_or(BadMap)?);
            }
            Some(_) => self.numbers.push(number),
        }
        Ok(self.wanted == Some(self.numbers.len()))
    }

    /// The map that the numbers make.
    pub(crate) fn map(&self) -> Result<Map, BadMap> {
        Map::of(&self.numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_tells_holes_from_what_is_stored() {
        let mut map = Map::of(&[10, 5, 20, 0, 30, 10]).unwrap();
        assert_eq!(map.check(50, 15), Ok(()));
        assert_eq!(map.check(39, 15), Err(BadMap));
        assert_eq!(map.check(50, 16), Err(BadMap));
        let (mut place, mut runs) = (0, vec![]);
        while place < 50 {
            let (length, stored) = map.at(place, 50);
            runs.push((length, stored));
            place += length;
        }
        assert_eq!(
            runs,
            [
                (10, false),
                (5, true),
                (5, false),
                (10, false),
                (10, true),
                (10, false)
            ]
        );
    }

    #[test]
    fn maps_that_cannot_be_are_refused() {
        for numbers in [&[1][..], &[5, 5, 9, 1], &[u64::MAX, 1], &[5, u64::MAX]] {
            assert_eq!(Map::of(numbers), Err(BadMap), "{numbers:?}");
        }
    }

    #[test]
    fn numbers_are_read_as_they_come() {
        let read = |text: &str| -> Result<Map, BadMap> {
            let mut numbers = Numbers::default();
            for byte in text.bytes() {
                if numbers.add(byte)? {
                    return numbers.map();
                }
            }
            Err(BadMap)
        };
        assert_eq!(read("2\n0\n1\n5\n7\n"), Map::of(&[0, 1, 5, 7]));
        assert_eq!(read("0\n"), Ok(Map::default()));
        for text in [
            "",
            "\n",
            "1\n\n",
            "1\n0\n",
            "x\n",
            "99999999999999999999\n",
            "9999999\n",
        ] {
            assert_eq!(read(text), Err(BadMap), "{text:?}");
        }
    }
}
