//! The archive that comes out: ustar headers, and PAX records for what these can not say.

use std::io::{self, Write};

use tar::{Builder, EntryType, Header};

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
        let records = records.iter().map(|(key, value)| (key.as_str(), &**value));
        self.builder.append_pax_extensions(records)?;
        self.builder
            .append(&header(&name, kind, link, size, described)?, io::empty())
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

/// What the header has no room for.
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
    match described.nanos {
        0 => described.mtime.to_string(),
        nanos => format!("{}.{nanos:09}", described.mtime)
            .trim_end_matches('0')
            .to_owned(),
    }
}
