//! The entries of a plain archive, as places in its file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use tar::{EntryType, Header};

use super::archive::{MAX_EXTENSION, check_header, declared_size, has_content};
use super::extended::{Extended, is_extension};
use super::{BLOCK, padding};

/// The most entries that an archive is cut into: more than any image has.
const MAX_ENTRIES: usize = 3_000_000;
/// The bytes that are read at once at the end of an archive.
const BUFFER: usize = 64 << 10;

/// An entry of an archive, as a place in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The offset of its header, in bytes.
    pub offset: u64,
    /// The size of its header and of the extended headers before that, in bytes.
    pub header: u64,
    /// The size of its content in bytes. Zeros follow up to the end of a block.
    pub size: u64,
}

/// Cuts an archive of so many bytes into its entries, after which there are zeros only. Returns
/// none for an archive that has another form: one that is broken, that has something else than
/// zeros between its entries, or a file that GNU tar's own headers describe as sparse.
///
/// # Errors
///
/// A file that cannot be read.
pub fn extents(file: &File, length: u64) -> io::Result<Option<Vec<Extent>>> {
    match cut(file, length) {
        Ok(extents) => Ok(Some(extents)),
        Err(Stop::Form) => Ok(None),
        Err(Stop::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(Stop::Io(error)) => Err(error),
    }
}

/// The reason that ends a cut.
enum Stop {
    /// The archive cannot be cut.
    Form,
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn cut(file: &File, length: u64) -> Result<Vec<Extent>, Stop> {
    let mut extents = vec![];
    let (mut offset, mut position) = (0, 0);
    let mut extended = Extended::default();
    while position < length {
        let mut block = [0; BLOCK as usize];
        file.read_exact_at(&mut block, position)?;
        if block == [0; BLOCK as usize] && position == offset {
            zeros(file, position, length)?;
            break;
        }
        check_header(&block, position).map_err(|_| Stop::Form)?;
        let header = Header::from_byte_slice(&block);
        let kind = header.entry_type();
        let declared = declared_size(header).ok_or(Stop::Form)?;
        position += BLOCK;
        if is_extension(kind) {
            if declared > MAX_EXTENSION {
                return Err(Stop::Form);
            }
            let mut content = vec![0; usize::try_from(declared).map_err(|_| Stop::Form)?];
            file.read_exact_at(&mut content, position)?;
            extended.add(kind, &content).map_err(|_| Stop::Form)?;
            position += declared + padding(declared);
            continue;
        }
        if kind == EntryType::GNUSparse || extents.len() == MAX_ENTRIES {
            return Err(Stop::Form);
        }
        let size = if has_content(kind) {
            std::mem::take(&mut extended).size.unwrap_or(declared)
        } else {
            extended = Extended::default();
            0
        };
        extents.push(Extent {
            offset,
            header: position - offset,
            size,
        });
        let end = position.checked_add(size).ok_or(Stop::Form)?;
        position = end.checked_next_multiple_of(BLOCK).ok_or(Stop::Form)?;
        if position > length {
            return Err(Stop::Form);
        }
        zeros(file, end, position)?;
        offset = position;
    }
    // Extended headers that nothing follows are no entry.
    if position > length || (position != offset && position >= length) {
        return Err(Stop::Form);
    }
    Ok(extents)
}

/// Checks that there are zeros only from one place up to another.
fn zeros(file: &File, mut start: u64, end: u64) -> Result<(), Stop> {
    let mut buffer = [0; BUFFER];
    while start < end {
        let wanted = usize::try_from(end - start).map_or(BUFFER, |rest| rest.min(BUFFER));
        file.read_exact_at(&mut buffer[..wanted], start)?;
        if buffer[..wanted].iter().any(|&byte| byte != 0) {
            return Err(Stop::Form);
        }
        start += wanted as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An archive of two files, the first with a long name, the second in a directory.
    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append_data(&mut header, name, content).unwrap();
        };
        add(&"long/".repeat(50), b"");
        add("dir/file", &[7; 600]);
        builder.into_inner().unwrap()
    }

    fn of(bytes: &[u8]) -> Option<Vec<Extent>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        extents(&file, bytes.len() as u64).unwrap()
    }

    #[test]
    fn entries_and_their_contents_are_found() {
        let bytes = archive();
        let found = of(&bytes).unwrap();
        let [long, file] = found[..] else {
            panic!("{found:?}")
        };
        // The long name has a member of its own.
        assert_eq!((long.offset, long.header, long.size), (0, 3 * BLOCK, 0));
        assert_eq!(
            (file.offset, file.header, file.size),
            (3 * BLOCK, BLOCK, 600)
        );
        let start = (file.offset + file.header) as usize;
        assert_eq!(bytes[start..start + 600], [7; 600]);
    }

    #[test]
    fn other_forms_are_not_cut() {
        let bytes = archive();
        let mut padded = bytes.clone();
        padded[(4 * BLOCK) as usize + 700] = 1;
        assert_eq!(of(&padded), None, "a byte in the padding");
        let mut trailing = bytes.clone();
        *trailing.last_mut().unwrap() = 1;
        assert_eq!(of(&trailing), None, "a byte after the end");
        assert_eq!(of(&bytes[..2000]), None, "a truncated archive");
        assert_eq!(of(&[b"no archive".as_slice(); 100].concat()), None);
        assert_eq!(of(b""), Some(vec![]));
    }
}
