//! Headers of tar archives: what is written in any dialect is read back.

use terrine_tar::{Described, EntryType, Error, Header, Input, Kind, Writer, gnu};

use crate::draw::Draw;
use crate::format::Format;
use crate::{Limit, Target};

/// The largest owner of a file in Linux.
const IDS: u64 = 1 << 32;
/// The largest content, in bytes: half of what a layer may unpack to, and more than its header has digits for.
const SIZES: u64 = 32 << 30;
/// The size of most contents: more are not made, but headers of larger ones are.
const CONTENT: u64 = 2000;

pub(super) const TARGET: Target = Target {
    name: "headers",
    format: Format::Bytes,
    seeds,
    run,
    short: 20_000,
    longest: 4096,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    (0..24_u8)
        .map(|number| {
            (0..200_u8)
                .map(|at| at.wrapping_mul(number | 1).wrapping_add(number))
                .collect()
        })
        .chain([b"long".repeat(300), vec![0; 64], vec![0xff; 300]])
        .collect()
}

/// The reason why a pass stops after the first member.
#[derive(Debug)]
enum Stop {
    Found(Box<Described>),
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Reads the first header.
fn first(archive: &[u8]) -> Described {
    let input = Input::Unpacked(Box::new(archive));
    match terrine_tar::read(input, |described, _| Err(Stop::Found(Box::new(described)))) {
        Err(Stop::Found(described)) => *described,
        Err(Stop::Error(error)) => panic!("what was written is not read: {error}"),
        Ok(()) => panic!("what was written is not found"),
    }
}

/// A name without NULs and without slashes at its end.
fn name(draw: &mut Draw<'_>) -> Vec<u8> {
    let repeat = 1 + draw.below(40) as usize;
    let mut name = draw.bytes(40).repeat(repeat);
    name.retain(|&byte| byte != 0);
    while name.last() == Some(&b'/') {
        name.pop();
    }
    if name.is_empty() { b"x".to_vec() } else { name }
}

fn attributes(draw: &mut Draw<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..draw.below(3))
        .map(|number| {
            (
                format!("user.{number}").into_bytes(),
                draw.bytes(50).to_vec(),
            )
        })
        .collect()
}

/// Draws what the headers of a member say.
fn described(draw: &mut Draw<'_>) -> Described {
    let kinds = [
        EntryType::Regular,
        EntryType::Directory,
        EntryType::Symlink,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
    ];
    let kind = kinds[draw.below(kinds.len() as u64) as usize];
    let is_device = matches!(kind, EntryType::Char | EntryType::Block);
    Described {
        name: name(draw),
        kind,
        size: if kind == EntryType::Regular {
            draw.below(SIZES)
        } else {
            0
        },
        link: if kind == EntryType::Symlink {
            name(draw)
        } else {
            vec![]
        },
        mtime: draw.number() as i64 >> draw.below(64),
        nanos: draw.below(1_000_000_000) as u32,
        mode: draw.below(0o10000) as u32,
        uid: draw.below(IDS),
        gid: draw.below(IDS),
        device: if is_device {
            (draw.below(1 << 12) as u32, draw.below(1 << 20) as u32)
        } else {
            (0, 0)
        },
        xattrs: attributes(draw),
    }
}

fn run(data: &[u8]) -> bool {
    let mut draw = Draw(data);
    let given = described(&mut draw);
    exported(&given);
    let kind = match given.kind {
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Char => Kind::CharacterDevice,
        EntryType::Block => Kind::BlockDevice,
        EntryType::Fifo => Kind::Fifo,
        _ => Kind::File,
    };
    python(&given, kind);
    gnu(&given, kind);
    given.size <= CONTENT
}

/// The archive that `export` writes.
fn exported(given: &Described) {
    let mut archive = vec![];
    let mut writer = Writer::new(&mut archive);
    writer
        .header(&given.name, given.kind, &given.link, given)
        .expect("a header in memory");
    if given.size <= CONTENT {
        writer
            .content(&vec![7; given.size as usize])
            .expect("a content in memory");
        writer.pad(given.size).expect("zeros in memory");
    }
    writer.finish().expect("an end in memory");
    let read = first(&archive);
    assert_eq!(
        read,
        Described {
            name: named(given),
            ..given.clone()
        },
        "as `export` writes it"
    );
}

/// The dialect of layers of store paths, which has times in whole seconds and no devices.
fn python(given: &Described, kind: Kind) {
    let header = Header {
        name: &given.name,
        kind,
        mode: given.mode,
        uid: given.uid as i64,
        gid: given.gid as i64,
        size: given.size,
        mtime: given.mtime,
        link: &given.link,
        uname: b"",
        gname: b"",
        xattrs: &given.xattrs,
    };
    let mut archive = vec![];
    header.encode(&mut archive);
    let expected = Described {
        name: named(given),
        nanos: 0,
        device: (0, 0),
        ..given.clone()
    };
    assert_eq!(first(&archive), expected, "as Python writes it");
}

/// The dialect of the layer of the root.
fn gnu(given: &Described, kind: Kind) {
    let name = named(given);
    let header = gnu::Header {
        name: &name,
        kind,
        mode: given.mode,
        uid: given.uid as i64,
        gid: given.gid as i64,
        size: given.size,
        mtime: given.mtime,
        link: &given.link,
        device: given.device,
        xattrs: &given.xattrs,
    };
    let mut archive = vec![];
    header.encode(&mut archive);
    let expected = Described {
        name: name.clone(),
        nanos: 0,
        ..given.clone()
    };
    assert_eq!(first(&archive), expected, "as GNU tar writes it");
}

/// The name with the slash of a directory.
fn named(given: &Described) -> Vec<u8> {
    let slash: &[u8] = if given.kind == EntryType::Directory {
        b"/"
    } else {
        b""
    };
    [&given.name, slash].concat()
}
