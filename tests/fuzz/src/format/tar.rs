//! Tar archives: members made in code, and mutations of them.

use super::bytes;
use crate::random::Random;

/// The size of a block.
pub const BLOCK: usize = 512;
/// The place of a header's checksum.
const CHECKSUM: std::ops::Range<usize> = 148..156;
/// The place of a header's kind.
const KIND: usize = 156;
/// The fields of a header: places and widths.
const FIELDS: [(usize, usize); 12] = [
    (0, 100),
    (100, 8),
    (108, 8),
    (116, 8),
    (124, 12),
    (136, 12),
    (156, 1),
    (157, 100),
    (257, 8),
    (329, 8),
    (337, 8),
    (345, 155),
];
/// The kinds of members that archivers write.
const KINDS: &[u8] = b"\x000123456789gxLKSVMDNX";
/// Names that layers have a meaning for, and such that lead elsewhere.
const NAMES: &[&str] = &[
    "a",
    "a/b",
    "a/b/c",
    "./",
    "./a/",
    "/a",
    "../a",
    "a/..",
    ".wh.a",
    "a/.wh.b",
    "a/.wh..wh..opq",
    ".wh..wh..opq",
    ".wh.",
    ".wh..wh.plnk",
    "manifest.json",
    "index.json",
    "oci-layout",
    "layer.tar",
    "nix/store",
    "a\nb",
];
/// Keys of extended headers.
const KEYS: &[&str] = &[
    "path",
    "linkpath",
    "size",
    "mtime",
    "uid",
    "gid",
    "uname",
    "SCHILY.xattr.user.a",
    "SCHILY.xattr.security.capability",
    "GNU.sparse.major",
    "GNU.sparse.minor",
    "GNU.sparse.name",
    "GNU.sparse.realsize",
    "GNU.sparse.size",
    "GNU.sparse.map",
    "GNU.sparse.offset",
    "GNU.sparse.numbytes",
    "comment",
];

/// Makes a member: its header with a checksum, its content, and zeros up to the end of a block.
pub fn member(name: &[u8], kind: u8, link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    let mut put = |place: usize, width: usize, bytes: &[u8]| {
        let length = bytes.len().min(width);
        block[place..place + length].copy_from_slice(&bytes[..length]);
    };
    put(0, 100, name);
    put(100, 8, b"0000644\0");
    put(108, 8, b"0001750\0");
    put(116, 8, b"0000144\0");
    put(124, 12, format!("{:011o}\0", content.len()).as_bytes());
    put(136, 12, b"00000000001\0");
    put(KIND, 1, &[kind]);
    put(157, 100, link);
    put(257, 8, b"ustar\x0000");
    put(329, 16, b"0000001\x000000003\0");
    seal(&mut block);
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(BLOCK), 0);
    block
}

/// Makes an extended header of some records.
pub fn extended(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut content = vec![];
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        content.extend(format!("{length} {key}=").bytes());
        content.extend_from_slice(value);
        content.push(b'\n');
    }
    member(b"PaxHeaders/x", b'x', b"", &content)
}

/// Puts members together and ends the archive.
pub fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = members.concat();
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// Writes a header's checksum.
fn seal(header: &mut [u8]) {
    header[CHECKSUM].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[CHECKSUM][..7].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

/// Reads the size in a header, as far as it is one.
fn size(header: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(&header[124..136]).ok()?;
    usize::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

/// Returns where headers are, as far as sizes lead from one to the next.
fn headers(data: &[u8]) -> Vec<usize> {
    let (mut places, mut place) = (vec![], 0);
    while let Some(block) = data.get(place..place + BLOCK) {
        let mut next = place + BLOCK;
        if block.iter().any(|&byte| byte != 0) {
            places.push(place);
            let has_content = !matches!(block[KIND], b'1'..=b'6');
            let content = size(block).filter(|_| has_content).unwrap_or(0);
            if content <= data.len() - next {
                next += content.next_multiple_of(BLOCK);
            }
        }
        place = next;
    }
    places
}

/// Writes the checksums of all headers.
pub(super) fn mend(data: &mut [u8]) {
    for place in headers(data) {
        seal(&mut data[place..place + BLOCK]);
    }
}

/// Changes a member, or the members among themselves.
pub(super) fn mutate(data: &mut Vec<u8>, random: &mut Random) {
    let places = headers(data);
    let Some(&place) = random.pick(&places) else {
        let name = random.pick(NAMES).copied().unwrap_or_default();
        *data = archive(&[member(name.as_bytes(), b'0', b"", b"x")]);
        return;
    };
    let next = places
        .iter()
        .copied()
        .find(|&next| next > place)
        .unwrap_or(data.len());
    let other = random.pick(&places).copied().unwrap_or_default();
    match random.below(10) {
        0..=2 => field(&mut data[place..place + BLOCK], random),
        3 => {
            let copy = data[place..next].to_vec();
            data.splice(other..other, copy);
        }
        4 => drop(data.drain(place..next)),
        5 => drop(data.splice(place..place, record(random))),
        6 => {
            let kind = if random.once_in(2) { b'L' } else { b'K' };
            let name = vec![b'n'; random.below(300)];
            data.splice(place..place, member(b"././@LongLink", kind, b"", &name));
        }
        7 => {
            let end = random.below(3) * BLOCK;
            data.splice(place..place, vec![0; end]);
        }
        8 => {
            // A byte of a content.
            let from = (place + BLOCK).min(data.len());
            let within = from + random.below(next.saturating_sub(from));
            if let Some(byte) = data.get_mut(within) {
                *byte = random.number() as u8;
            }
        }
        _ => bytes::mutate(data, random),
    }
    // Some checksums stay wrong.
    if !random.once_in(16) {
        mend(data);
    }
}

/// Changes a field of a header.
fn field(header: &mut [u8], random: &mut Random) {
    let (place, width) = FIELDS[random.below(FIELDS.len())];
    let field = &mut header[place..place + width];
    let bytes = match (place, random.below(4)) {
        (KIND, _) => vec![KINDS[random.below(KINDS.len())]],
        (0 | 157 | 345, 0..=2) => random
            .pick(NAMES)
            .copied()
            .unwrap_or_default()
            .as_bytes()
            .to_vec(),
        (257, _) => {
            [&b"ustar\x0000"[..], b"ustar  \0", b"\0\0\0\0\0\0\0\0"][random.below(3)].to_vec()
        }
        (_, 0 | 1) => format!(
            "{:0width$o}\0",
            random.interesting() & 0xfff,
            width = width.saturating_sub(1)
        )
        .into_bytes(),
        (_, 2) => [
            vec![0x80; width.saturating_sub(8)],
            random.interesting().to_be_bytes().to_vec(),
        ]
        .concat(),
        _ => random.number().to_le_bytes().to_vec(),
    };
    field.fill(0);
    let length = bytes.len().min(width);
    field[..length].copy_from_slice(&bytes[..length]);
}

/// Makes an extended header of one record.
fn record(random: &mut Random) -> Vec<u8> {
    let key = random.pick(KEYS).copied().unwrap_or_default();
    let value = match random.below(4) {
        0 => random
            .pick(NAMES)
            .copied()
            .unwrap_or_default()
            .as_bytes()
            .to_vec(),
        1 => format!("{},{}", random.below(2000), random.below(2000)).into_bytes(),
        2 => vec![b'v'; random.below(300)],
        _ => random.interesting().to_string().into_bytes(),
    };
    extended(&[(key, &value)])
}
