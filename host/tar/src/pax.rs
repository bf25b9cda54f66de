//! Tar headers in the dialect of Python's `tarfile`: POSIX.1-2001 (PAX), with an
//! extended header only where the plain one cannot hold a value.

use super::Kind;
use super::order::code_points;

const BLOCK: usize = 512;

/// The fields of an archive member's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The member's name, without the slash that ends a directory's.
    pub name: &'a [u8],
    /// The member's kind.
    pub kind: Kind,
    /// Permission bits, with set-user-id, set-group-id and sticky: 0 to 07777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: i64,
    /// Numeric group.
    pub gid: i64,
    /// Size of the content in bytes; 0 for what has none.
    pub size: u64,
    /// Time of last modification, in seconds since 1970.
    pub mtime: i64,
    /// Target of a symbolic link.
    pub link: &'a [u8],
    /// Name of the owner.
    pub uname: &'a [u8],
    /// Name of the group.
    pub gname: &'a [u8],
    /// Extended attributes: names and values.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

impl Header<'_> {
    /// Appends the header to `out`: one block, or three and more where an extended
    /// header has to come first.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut name = std::borrow::Cow::Borrowed(self.name);
        if self.kind == Kind::Directory {
            name.to_mut().push(b'/');
        }
        let size = i64::try_from(self.size).unwrap_or(i64::MAX);
        let mut records = Records::default();
        records.text("path", &name, 100);
        records.text("linkpath", self.link, 100);
        records.text("uname", self.uname, 32);
        records.text("gname", self.gname, 32);
        records.number("uid", self.uid, 7);
        records.number("gid", self.gid, 7);
        records.number("size", size, 11);
        records.number("mtime", self.mtime, 11);
        if !records.0.is_empty() || !self.xattrs.is_empty() {
            records.encode(self.xattrs, out);
        }
        let mut block = Block::new(&name, self.kind.typeflag());
        block.number(100, self.mode.into(), 7);
        block.number(108, self.uid, 7);
        block.number(116, self.gid, 7);
        block.number(124, size, 11);
        block.number(136, self.mtime, 11);
        block.text(157, 100, self.link);
        block.text(265, 32, self.uname);
        block.text(297, 32, self.gname);
        out.extend_from_slice(&block.finish());
    }
}

/// Returns true if a number fits into a field of so many octal digits.
fn fits(value: i64, digits: u32) -> bool {
    (0..1 << (3 * digits)).contains(&value)
}

/// The records of an extended header: what the plain one cannot hold.
#[derive(Default)]
struct Records<'a>(Vec<(&'static str, std::borrow::Cow<'a, [u8]>)>);

impl<'a> Records<'a> {
    fn text(&mut self, key: &'static str, value: &'a [u8], limit: usize) {
        if value.len() > limit || !value.is_ascii() {
            self.0.push((key, value.into()));
        }
    }

    fn number(&mut self, key: &'static str, value: i64, digits: u32) {
        if !fits(value, digits) {
            self.0.push((key, value.to_string().into_bytes().into()));
        }
    }

    /// The header block and the records, as a member of their own.
    /// Attributes may be any bytes, which readers know.
    fn encode(&self, xattrs: &[(Vec<u8>, Vec<u8>)], out: &mut Vec<u8>) {
        let mut body = Vec::new();
        if self
            .0
            .iter()
            .any(|(_, value)| std::str::from_utf8(value).is_err())
        {
            record(&mut body, "hdrcharset", b"BINARY");
        }
        for (key, value) in &self.0 {
            record(&mut body, key, value);
        }
        attributes(xattrs, &mut body);
        extended(body, out);
    }
}

/// Appends a member that holds the records of an extended header.
pub(crate) fn extended(mut body: Vec<u8>, out: &mut Vec<u8>) {
    let mut block = Block::new(b"././@PaxHeader", b'x');
    for (offset, digits) in [(100, 7), (108, 7), (116, 7), (136, 11)] {
        block.number(offset, 0, digits);
    }
    block.number(124, i64::try_from(body.len()).unwrap_or(i64::MAX), 11);
    out.extend_from_slice(&block.finish());
    body.resize(body.len().next_multiple_of(BLOCK), 0);
    out.extend_from_slice(&body);
}

/// Appends the records of extended attributes.
pub(crate) fn attributes(xattrs: &[(Vec<u8>, Vec<u8>)], body: &mut Vec<u8>) {
    for (name, value) in xattrs {
        let key = format!("SCHILY.xattr.{}", String::from_utf8_lossy(name));
        record(body, &key, value);
    }
}

/// One record: its own length in decimal, a space, `key=value`, a newline.
pub(crate) fn record(body: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    // The length counts its own digits, so it is the first that agrees with itself.
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    body.extend_from_slice(format!("{length} {key}=").as_bytes());
    body.extend_from_slice(value);
    body.push(b'\n');
}

/// A header block.
struct Block([u8; BLOCK]);

impl Block {
    fn new(name: &[u8], typeflag: u8) -> Self {
        let mut block = Self([0; BLOCK]);
        block.text(0, 100, name);
        block.0[156] = typeflag;
        block.0[257..265].copy_from_slice(b"ustar\x0000");
        block
    }

    /// Text, cut off at the field's end; a `?` for each character that is not ASCII.
    fn text(&mut self, offset: usize, width: usize, text: &[u8]) {
        let field = &mut self.0[offset..offset + width];
        if text.is_ascii() {
            let length = text.len().min(width);
            field[..length].copy_from_slice(&text[..length]);
        } else {
            for (byte, point) in field.iter_mut().zip(code_points(text)) {
                *byte = u8::try_from(point)
                    .ok()
                    .filter(u8::is_ascii)
                    .unwrap_or(b'?');
            }
        }
    }

    /// A number as octal digits and a NUL; 0 where it does not fit.
    fn number(&mut self, offset: usize, value: i64, digits: u32) {
        let mut rest = if fits(value, digits) { value } else { 0 };
        for byte in self.0[offset..offset + digits as usize].iter_mut().rev() {
            *byte = b'0' + (rest & 7) as u8;
            rest >>= 3;
        }
    }

    /// Fills in the checksum, which is taken with spaces in its own place.
    fn finish(mut self) -> [u8; BLOCK] {
        self.0[148..156].fill(b' ');
        let sum: i64 = self.0.iter().map(|&byte| i64::from(byte)).sum();
        self.number(148, sum, 6);
        self.0[154] = 0;
        self.0
    }
}
