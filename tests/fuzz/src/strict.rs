//! A small reader of the archives that `export` writes, which knows nothing of the host's: ustar headers and
//! PAX records, and nothing that a reader could take in two ways.

use std::collections::{BTreeMap, BTreeSet};

/// The size of a block.
const BLOCK: usize = 512;

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path, without slashes at its end.
    pub path: Vec<u8>,
    /// Its kind, as headers have it.
    pub kind: u8,
    /// The target of a link.
    pub link: Vec<u8>,
    /// The size of its content in bytes.
    pub size: u64,
}

/// Reads an archive to its end.
///
/// # Panics
///
/// If the archive breaks a rule.
pub fn members(archive: &[u8]) -> Vec<Member> {
    assert!(
        archive.len().is_multiple_of(BLOCK),
        "an archive is made of blocks"
    );
    let (mut members, mut place, mut records) = (vec![], 0, BTreeMap::new());
    loop {
        let header = &archive[place..place + BLOCK];
        place += BLOCK;
        if header == [0; BLOCK] {
            assert!(
                archive[place..].iter().all(|&byte| byte == 0),
                "only zeros follow the end"
            );
            assert!(
                archive.len() - place >= BLOCK,
                "two empty blocks end an archive"
            );
            assert!(records.is_empty(), "records without a member");
            return members;
        }
        check(header);
        let declared = octal(&header[124..136]);
        let size = records
            .get(&b"size"[..])
            .map_or(declared, |size: &Vec<u8>| decimal(size));
        let end = place + usize::try_from(size).expect("a size that fits");
        let content = &archive[place..end];
        place = end.next_multiple_of(BLOCK);
        assert!(
            archive[end..place].iter().all(|&byte| byte == 0),
            "zeros fill up a block"
        );
        let kind = header[156];
        if kind == b'x' {
            assert!(records.is_empty(), "two extended headers before a member");
            records = pairs(content);
            continue;
        }
        assert!(b"0123456".contains(&kind), "a member of the kind {kind}");
        assert!(kind == b'0' || size == 0, "a content of what has none");
        let text = |key: &[u8], field: &[u8]| {
            records.get(key).cloned().unwrap_or_else(|| {
                field
                    .split(|&byte| byte == 0)
                    .next()
                    .unwrap_or_default()
                    .to_vec()
            })
        };
        let mut path = text(b"path", &header[..100]);
        if kind == b'5' {
            assert_eq!(
                path.pop(),
                Some(b'/'),
                "the name of a directory ends in a slash"
            );
        }
        let link = text(b"linkpath", &header[157..257]);
        members.push(Member {
            path,
            kind,
            link,
            size,
        });
        records.clear();
    }
}

/// Checks that members can be unpacked one after the other: names are plain, each is there once, directories come
/// before what is in them, and hard links lead to a file before them.
///
/// # Panics
///
/// If they break a rule.
pub fn check_order(members: &[Member]) {
    let (mut seen, mut directories) = (BTreeSet::new(), BTreeSet::from([&b""[..]]));
    for member in members {
        let path = &member.path[..];
        let shown = path.escape_ascii();
        if path != b"." {
            let plain = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
            assert!(
                path.split(|&byte| byte == b'/').all(plain),
                "the name `{shown}`"
            );
            let above = path
                .iter()
                .rposition(|&byte| byte == b'/')
                .map_or(&b""[..], |slash| &path[..slash]);
            assert!(
                directories.contains(above),
                "`{shown}` before its directory"
            );
        }
        if member.kind == b'1' {
            assert!(
                seen.contains(&member.link[..]),
                "the hard link `{shown}` before its file"
            );
        }
        assert!(seen.insert(path), "`{shown}` is there twice");
        if member.kind == b'5' {
            directories.insert(path);
        }
    }
}

/// Checks the magic and the checksum of a header.
fn check(header: &[u8]) {
    assert_eq!(&header[257..265], b"ustar\x0000", "the magic of a header");
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(at, &byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                byte.into()
            }
        })
        .sum();
    assert_eq!(octal(&header[148..156]), sum, "the checksum of a header");
}

/// Reads an octal number and the NUL or blank that ends it.
fn octal(field: &[u8]) -> u64 {
    let text = std::str::from_utf8(field).expect("a number is text");
    let digits = text.trim_end_matches(['\0', ' ']);
    u64::from_str_radix(digits, 8)
        .unwrap_or_else(|_| panic!("the number `{}`", text.escape_debug()))
}

fn decimal(text: &[u8]) -> u64 {
    std::str::from_utf8(text)
        .expect("a number is text")
        .parse()
        .expect("a number is decimal")
}

/// Reads the records of an extended header.
fn pairs(mut content: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut pairs = BTreeMap::new();
    while !content.is_empty() {
        let blank = content
            .iter()
            .position(|&byte| byte == b' ')
            .expect("a blank after a length");
        let (record, rest) = content.split_at(decimal(&content[..blank]) as usize);
        let pair = record[blank + 1..]
            .strip_suffix(b"\n")
            .expect("a line end after a record");
        let equals = pair
            .iter()
            .position(|&byte| byte == b'=')
            .expect("a key before a value");
        pairs.insert(pair[..equals].to_vec(), pair[equals + 1..].to_vec());
        content = rest;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;
    use crate::format::tar::{archive, extended, member};

    fn is_refused(archive: &[u8]) -> bool {
        let read = || check_order(&members(archive));
        panic::catch_unwind(read).is_err()
    }

    #[test]
    fn archives_are_read() {
        let whole = archive(&[
            member(b"a/", b'5', b"", b""),
            extended(&[("path", b"a/long"), ("size", b"1")]),
            member(b"x", b'0', b"", b"1"),
            member(b"a/hard", b'1', b"a/long", b""),
        ]);
        let found = members(&whole);
        check_order(&found);
        assert_eq!(
            (found.len(), &found[1].path[..], found[1].size),
            (3, &b"a/long"[..], 1)
        );
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let file = member(b"a", b'0', b"", b"1");
        assert!(!is_refused(&archive(std::slice::from_ref(&file))));
        let mut checksum = file.clone();
        checksum[0] = b'b';
        let mut padding = file.clone();
        padding[BLOCK + 1] = 1;
        for broken in [
            file.clone(),
            archive(&[checksum]),
            archive(&[padding]),
            archive(&[file.clone(), file.clone()]),
            archive(&[member(b"a/b", b'0', b"", b"")]),
            archive(&[member(b"../a", b'0', b"", b"")]),
            archive(&[member(b"b", b'1', b"a", b""), file.clone()]),
            archive(&[extended(&[("path", b"a")])]),
            [archive(&[file]), vec![1]].concat(),
        ] {
            assert!(is_refused(&broken));
        }
    }
}
