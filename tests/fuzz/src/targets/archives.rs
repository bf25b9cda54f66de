//! Tar archives: a pass over their members, their places in a file, and members by their names.

use std::collections::BTreeMap;
use std::io::Read;

use terrine_tar::{Archive, Described, EntryType, Error, FilePart, Input};

use crate::format::{Format, tar};
use crate::{Limit, Target, scratch};

/// The part of all contents that is read, in bytes: a hole costs nothing and may be as large as a disk.
const CONTENT: usize = 1 << 20;

pub(super) const TARGET: Target = Target {
    name: "archives",
    format: Format::Tar,
    seeds,
    run,
    short: 10_000,
    longest: 32 << 10,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let long = b"n".repeat(150);
    let pax = |records: &[(&str, &[u8])], kind, content: &[u8]| {
        tar::archive(&[
            tar::extended(records),
            tar::member(b"a", kind, b"", content),
        ])
    };
    let mut sparse = tar::member(b"s", b'S', b"", b"data");
    sparse[386..434].copy_from_slice(b"00000000000\x0000000000004\x0000000001000\x0000000000000\0");
    sparse[483..495].copy_from_slice(b"00000001000\0");
    vec![
        tar::archive(&[
            tar::member(b"dir/", b'5', b"", b""),
            tar::member(b"dir/file", b'0', b"", b"content"),
            tar::member(b"dir/link", b'2', b"file", b""),
            tar::member(b"dir/hard", b'1', b"dir/file", b""),
            tar::member(b"dir/device", b'3', b"", b""),
            tar::member(b"dir/fifo", b'6', b"", b""),
        ]),
        tar::archive(&[
            tar::member(b"././@LongLink", b'L', b"", &long),
            tar::member(b"././@LongLink", b'K', b"", &long),
            tar::member(b"a", b'2', b"", b""),
            tar::member(b"pax_global_header", b'g', b"", b"12 comment=x\n"),
        ]),
        pax(
            &[
                ("path", &long),
                ("mtime", b"-12.75"),
                ("uid", b"4294967295"),
                ("SCHILY.xattr.user.a", b"\0\n"),
            ],
            b'0',
            b"x",
        ),
        pax(
            &[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.name", b"s"),
                ("GNU.sparse.realsize", b"2000"),
            ],
            b'0',
            &[&b"1\n1000\n4\n"[..], &[0; 503], b"data"].concat(),
        ),
        pax(
            &[("GNU.sparse.map", b"0,2,10,2"), ("GNU.sparse.size", b"20")],
            b'0',
            b"data",
        ),
        pax(
            &[
                ("GNU.sparse.size", b"20"),
                ("GNU.sparse.offset", b"5"),
                ("GNU.sparse.numbytes", b"4"),
            ],
            b'0',
            b"data",
        ),
        tar::archive(&[sparse]),
        vec![],
    ]
}

/// A member, and the start of its content.
type Found = (Described, Vec<u8>);

fn members(input: Input<'_>) -> Result<Vec<Found>, Error> {
    let (mut found, mut left) = (vec![], CONTENT);
    terrine_tar::read(input, |described, body| {
        let mut content = vec![];
        if described.kind == EntryType::Regular {
            while left > 0 {
                let chunk = body.chunk()?;
                if chunk.is_empty() {
                    break;
                }
                let chunk = &chunk[..chunk.len().min(left)];
                left -= chunk.len();
                content.extend_from_slice(chunk);
            }
        }
        found.push((described, content));
        Ok::<_, Error>(())
    })?;
    Ok(found)
}

/// A reader that gives few bytes at once.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(self.0.len()).min(337);
        let (now, later) = self.0.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}

fn run(data: &[u8]) -> bool {
    let file = scratch::file(data);
    let length = data.len() as u64;
    let placed = members(Input::Plain(FilePart::new(&file, 0, length)));
    let streamed = members(Input::Unpacked(Box::new(Slow(data))));
    match (&placed, &streamed) {
        (Ok(placed), Ok(streamed)) => assert_eq!(placed, streamed, "read in place and as a stream"),
        (Err(_), Err(_)) => {}
        // The same error, whichever way it is read.
        (placed, streamed) => panic!("read in place: {placed:?}, as a stream: {streamed:?}"),
    }
    let extents = terrine_tar::extents(&file, length).expect("a file that can be read");
    if let Some(extents) = &extents {
        let mut end = 0;
        for extent in extents {
            assert_eq!(extent.offset, end, "entries follow each other");
            assert!(extent.header >= 512 && extent.header.is_multiple_of(512));
            end += extent.header + extent.size.next_multiple_of(512);
        }
        assert!(end <= length && data[end as usize..].iter().all(|&byte| byte == 0));
        if let Ok(members) = &placed {
            assert!(members.len() <= extents.len(), "each member is an entry");
        }
    }
    let named = Archive::scan(file);
    if let (Ok(members), Ok(archive)) = (&placed, &named) {
        check_names(members, archive);
    }
    placed.is_ok()
}

/// Checks that a member whose name is there once has the same content by its name.
fn check_names(members: &[Found], archive: &Archive) {
    let mut by_name: BTreeMap<String, Vec<&Found>> = BTreeMap::new();
    for found in members {
        // Where `scan` ends, at the first empty block, a pass goes on for another.
        let name = terrine_tar::plain_name(&found.0.name).unwrap_or_default();
        by_name.entry(name).or_default().push(found);
    }
    for (name, found) in by_name {
        let [(described, content)] = found[..] else {
            continue;
        };
        let Ok(member) = archive.member(&name) else {
            continue;
        };
        if described.kind == EntryType::Regular
            && member.size == described.size
            && member.size <= 4096
        {
            let read = archive
                .read(&name, 4096)
                .expect("a member that was scanned");
            if content.len() as u64 == described.size {
                assert_eq!(&read, content, "`{name}` by its name");
            }
        }
    }
}
