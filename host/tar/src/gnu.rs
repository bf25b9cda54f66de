//! Tar headers in GNU tar's own dialect, as `tar --format=gnu --numeric-owner` writes
//! them. Extended attributes, for which that dialect has no place, come in an extended header before
//! it, as in the other dialect; names that do not fit are in there as well then.

use super::Kind;
use super::pax;

const BLOCK: usize = 512;
/// The number of bytes of a name or a target that stand in the header itself.
const NAME: usize = 100;
/// The name of the member that holds a longer one.
const LONG: &[u8] = b"././@LongLink";

/// The fields of a member's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The member's name as it is written, with the slash that ends a directory's.
    pub name: &'a [u8],
    /// The member's kind.
    pub kind: Kind,
    /// Permission bits, 0 to 07777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: i64,
    /// Numeric group.
    pub gid: i64,
    /// Size of the content in bytes; 0 for what has none.
    pub size: u64,
    /// Time of last modification, in seconds since 1970.
    pub mtime: i64,
    /// Target of a symbolic link, else empty.
    pub link: &'a [u8],
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes: names and values.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

impl Header<'_> {
    /// Appends the header to `out`: one block, or more where a name or a link's target does not
    /// fit.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if !self.xattrs.is_empty() {
            self.extended(out);
        } else {
            if self.link.len() > NAME {
                long(b'K', self.link, out);
            }
            if self.name.len() > NAME {
                long(b'L', self.name, out);
            }
        }
        let mut block = Block::new(self.name, self.kind.typeflag());
        block.number(100, 8, self.mode.into());
        block.number(108, 8, self.uid);
        block.number(116, 8, self.gid);
        block.number(124, 12, i64::try_from(self.size).unwrap_or(i64::MAX));
        block.number(136, 12, self.mtime);
        block.text(157, self.link);
        if matches!(self.kind, Kind::CharacterDevice | Kind::BlockDevice) {
            block.number(329, 8, self.device.0.into());
            block.number(337, 8, self.device.1.into());
        }
        out.extend_from_slice(&block.finish());
    }

    /// Appends what the header itself has no place for, as an extended header.
    fn extended(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        for (key, value) in [("path", self.name), ("linkpath", self.link)] {
            if value.len() > NAME {
                pax::record(&mut body, key, value);
            }
        }
        pax::attributes(self.xattrs, &mut body);
        pax::extended(body, out);
    }
}

/// A member of its own that holds a name, with the NUL that ends it.
fn long(kind: u8, name: &[u8], out: &mut Vec<u8>) {
    let mut block = Block::new(LONG, kind);
    block.number(100, 8, 0o644);
    block.number(108, 8, 0);
    block.number(116, 8, 0);
    block.number(124, 12, name.len() as i64 + 1);
    block.number(136, 12, 0);
    out.extend_from_slice(&block.finish());
    out.extend_from_slice(name);
    out.resize(out.len() + 1, 0);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// A header block.
struct Block([u8; BLOCK]);

impl Block {
    fn new(name: &[u8], kind: u8) -> Self {
        let mut block = Self([0; BLOCK]);
        block.text(0, name);
        block.0[156] = kind;
        block.0[257..265].copy_from_slice(b"ustar  \0");
        block
    }

    /// As much of a name as fits.
    fn text(&mut self, offset: usize, text: &[u8]) {
        let length = text.len().min(NAME);
        self.0[offset..offset + length].copy_from_slice(&text[..length]);
    }

    /// A number as octal digits and a NUL, or in base 256 with a bit to tell where these
    /// are too few.
    fn number(&mut self, offset: usize, width: usize, value: i64) {
        let field = &mut self.0[offset..offset + width];
        let digits = width - 1;
        if (0..1 << (3 * digits)).contains(&value) {
            field[..digits].copy_from_slice(format!("{value:0digits$o}").as_bytes());
            return;
        }
        let bytes = value.to_be_bytes();
        field.fill(if value < 0 { 0xff } else { 0 });
        let length = bytes.len().min(digits);
        field[width - length..].copy_from_slice(&bytes[bytes.len() - length..]);
        field[0] = if value < 0 { 0xff } else { 0x80 };
    }

    /// Fills in the checksum, which is taken with spaces in its own place.
    fn finish(mut self) -> [u8; BLOCK] {
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|&byte| u32::from(byte)).sum();
        self.0[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        self.0[154] = 0;
        self.0
    }
}
