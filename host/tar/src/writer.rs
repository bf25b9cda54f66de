//! The archive that comes out: ustar headers, and PAX records for what these cannot say.

use std::io::{self, Write};

use tar::{Builder, EntryType, Header};

use super::extended::NANOS;
use super::{BLOCK, Described};

/// The largest number in a field of seven octal digits.
const MAX_ID: u64 = 0o7_777_777;
/// The largest in one of eleven.
const MAX_NUMBER: u64 = 0o77_777_777_777;
/// The longest name and link target in a header, in bytes.
const MAX_NAME: usize = 100;

/// Writes an archive.
pub struct Writer<W: Write> {
    builder: Builder<W>,
}

impl<W: Write> Writer<W> {
    /// An archive that goes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            builder: Builder::new(out),
        }
    }

    /// Writes what comes before a member's content. With a kind of [`EntryType::Link`] it is a
    /// hard link to `link`, and `described` that of the file.
    pub fn header(
        &mut self,
        path: &[u8],
        kind: EntryType,
        link: &[u8],
        described: &Described,
    ) -> io::Result<()> {
        let name = match kind {
            EntryType::Directory if path.is_empty() => b"./".to_vec(),
            EntryType::Directory => [path, b"/"].concat(),
            _ => path.to_vec(),
        };
        let size = if kind == EntryType::Regular {
            described.size
        } else {
            0
        };
        let records = records(&name, link, size, described);
        self.write(&records, &header(&name, kind, link, size, described)?)
    }

    /// Writes what comes before the stored parts of a file with holes, which are to follow one after the other.
    /// That is version 1.0 of what GNU tar writes with `--sparse` (its manual, "Storing Sparse Files").
    /// Returns how many bytes the content has in the archive.
    pub fn sparse_header(
        &mut self,
        path: &[u8],
        described: &Described,
        parts: &[(u64, u64)],
    ) -> io::Result<u64> {
        let map = sparse_map(described.size, parts);
        let stored: u64 = parts.iter().map(|(_, length)| length).sum();
        let size = map.len() as u64 + stored;
        let slash = path.iter().rposition(|&byte| byte == b'/');
        let (directory, name) = path.split_at(slash.map_or(0, |slash| slash + 1));
        let own = [directory, b"GNUSparseFile.0/", name].concat();
        let mut records = records(&own, b"", size, described);
        let size_of_file = described.size.to_string();
        for (key, value) in [
            ("major", &b"1"[..]),
            ("minor", b"0"),
            ("name", path),
            ("realsize", size_of_file.as_bytes()),
        ] {
            records.push((format!("GNU.sparse.{key}"), value.to_vec()));
        }
        let header = header(&own, EntryType::Regular, b"", size, described)?;
        self.write(&records, &header)?;
        self.content(&map)?;
        Ok(size)
    }

    fn write(&mut self, records: &[(String, Vec<u8>)], header: &Header) -> io::Result<()> {
        let records = records.iter().map(|(key, value)| (key.as_str(), &**value));
        self.builder.append_pax_extensions(records)?;
        self.builder.append(header, io::empty())
    }

    /// Writes some of a member's content.
    pub fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.builder.get_mut().write_all(bytes)
    }

    /// Fills up the last block of a content.
    pub fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = size.next_multiple_of(BLOCK) - size;
        self.content(&[0; BLOCK as usize][..padding as usize])
    }

    /// Ends the archive.
    pub fn finish(mut self) -> io::Result<()> {
        self.builder.finish()?;
        self.builder.get_mut().flush()
    }
}

/// The map of a file with holes, in whole blocks.
fn sparse_map(size: u64, parts: &[(u64, u64)]) -> Vec<u8> {
    let mut parts: Vec<(u64, u64)> = parts.iter().copied().filter(|part| part.1 > 0).collect();
    // A hole at the end is told by a part with nothing in it.
    if parts.last().is_none_or(|(at, length)| at + length < size) {
        parts.push((size, 0));
    }
    let mut map = format!("{}\n", parts.len());
    for (at, length) in parts {
        map.push_str(&format!("{at}\n{length}\n"));
    }
    let mut map = map.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK as usize), 0);
    map
}

fn header(
    name: &[u8],
    kind: EntryType,
    link: &[u8],
    size: u64,
    described: &Described,
) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    let fill = |field: &mut [u8; MAX_NAME], bytes: &[u8]| {
        let length = bytes.len().min(MAX_NAME);
        field[..length].copy_from_slice(&bytes[..length]);
    };
    fill(&mut header.as_old_mut().name, name);
    fill(&mut header.as_old_mut().linkname, link);
    header.set_entry_type(kind);
    header.set_mode(described.mode);
    header.set_uid(described.uid.min(MAX_ID));
    header.set_gid(described.gid.min(MAX_ID));
    header.set_mtime(u64::try_from(described.mtime).map_or(0, |mtime| mtime.min(MAX_NUMBER)));
    header.set_size(size.min(MAX_NUMBER));
    if matches!(kind, EntryType::Char | EntryType::Block) {
        header.set_device_major(described.device.0)?;
        header.set_device_minor(described.device.1)?;
    }
    header.set_cksum();
    Ok(header)
}

/// Returns the PAX records for values that the header has no room for.
fn records(name: &[u8], link: &[u8], size: u64, described: &Described) -> Vec<(String, Vec<u8>)> {
    let mut records: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |key: &str, value: &[u8]| records.push((key.to_owned(), value.to_vec()));
    for (key, bytes) in [("path", name), ("linkpath", link)] {
        if bytes.len() > MAX_NAME {
            add(key, bytes);
        }
    }
    for (key, number, max) in [
        ("size", size, MAX_NUMBER),
        ("uid", described.uid, MAX_ID),
        ("gid", described.gid, MAX_ID),
    ] {
        if number > max {
            add(key, number.to_string().as_bytes());
        }
    }
    let in_header = u64::try_from(described.mtime).is_ok_and(|mtime| mtime <= MAX_NUMBER);
    if !in_header || described.nanos > 0 {
        add("mtime", time(described).as_bytes());
    }
    for (name, value) in &described.xattrs {
        // All that Linux has are text.
        add(
            &format!("SCHILY.xattr.{}", String::from_utf8_lossy(name)),
            value,
        );
    }
    records
}

fn time(described: &Described) -> String {
    let Described { mtime, nanos, .. } = *described;
    let (sign, seconds, fraction) = match nanos {
        0 => return mtime.to_string(),
        // Written as what is left of the second that it lies in.
        nanos if mtime < 0 => ("-", (mtime + 1).unsigned_abs(), NANOS - nanos),
        nanos => ("", mtime.unsigned_abs(), nanos),
    };
    let text = format!("{sign}{seconds}.{fraction:09}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_decimal_numbers() {
        for (mtime, nanos, expected) in [
            (-13, 250_000_000, "-12.75"),
            (-1, 500_000_000, "-0.5"),
            (-3, 0, "-3"),
            (0, 500_000_000, "0.5"),
            (1, 10, "1.00000001"),
            (i64::MIN, 1, "-9223372036854775807.999999999"),
        ] {
            let described = Described {
                mtime,
                nanos,
                ..Described::directory()
            };
            assert_eq!(time(&described), expected);
        }
    }
}
