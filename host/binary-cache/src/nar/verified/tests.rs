use std::collections::BTreeSet;
use std::io::Write;
use std::num::NonZeroUsize;

use terrine_compress::{Encoder, Pool, Setting};

use super::*;
use crate::compression::NarCompression;
use crate::testing::{Tree, line, nar};

const PATH: &str = "/nix/store/094qif9n4cq4fdg459qzbhg1c6wywaww-a";

/// A change of what a narinfo says.
type Change = fn(&mut NarInfo);

fn sample() -> Vec<u8> {
    let noise: Vec<u8> = (0..200_000_u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    nar(&Tree::Directory(vec![
        (b"a".to_vec(), Tree::File(false, noise)),
        (b"b".to_vec(), Tree::Link(b"a".to_vec())),
    ]))
}

fn info(file: &[u8], nar: &[u8], compression: NarCompression) -> NarInfo {
    NarInfo {
        store_path: PATH.into(),
        url: "nar/a".into(),
        compression,
        file_hash: Some(Digest::of(file)),
        file_size: Some(file.len() as u64),
        nar_hash: Digest::of(nar),
        nar_size: nar.len() as u64,
        references: BTreeSet::new(),
        deriver: None,
        signatures: BTreeSet::new(),
        content_address: None,
        system: None,
    }
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    // Two frames, as Nix 2.35 writes them.
    let (start, rest) = bytes.split_at(bytes.len() / 2);
    let pool = Pool::new(NonZeroUsize::MIN);
    let frame = |bytes| {
        let mut encoder = Encoder::new(&Setting::ZSTD, &pool, vec![]).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    [frame(start), frame(rest)].concat()
}

fn read(file: &[u8], info: &NarInfo) -> Result<Vec<String>, NarError> {
    let file = io::Cursor::new(file.to_vec());
    let mut stream = NarStream::new(Box::new(file), info, None)?;
    let mut lines = vec![];
    while let Some(entry) = stream.next_entry()? {
        lines.push(line(&entry));
        let outcome = io::copy(&mut stream.content(), &mut io::sink());
        outcome.map_err(|error| NarError::from_io(error).unwrap())?;
    }
    stream.finish()?;
    Ok(lines)
}

#[test]
fn a_right_file_gives_its_entries() {
    let nar = sample();
    let expected = ["0  directory", "1 a regular false 800000", "1 b symlink a"];
    let plain = info(&nar, &nar, NarCompression::None);
    assert_eq!(read(&nar, &plain).unwrap(), expected);
    let file = zstd(&nar);
    let mut packed = info(&file, &nar, NarCompression::Zstd);
    assert_eq!(read(&file, &packed).unwrap(), expected);
    packed.file_hash = None;
    packed.file_size = None;
    assert_eq!(read(&file, &packed).unwrap(), expected);
    // Without reading anything before.
    let stream = NarStream::new(Box::new(io::Cursor::new(file)), &packed, None).unwrap();
    stream.finish().unwrap();
}

#[test]
fn each_difference_is_reported() {
    let nar = sample();
    let other = Digest::of(b"");
    for (file, compression) in [
        (nar.clone(), NarCompression::None),
        (zstd(&nar), NarCompression::Zstd),
    ] {
        let right = info(&file, &nar, compression);
        let table: [(Change, &str); 6] = [
            (
                |info| info.file_hash = Some(Digest::of(b"")),
                "the compressed NAR of",
            ),
            (
                |info| info.file_size = info.file_size.map(|size| size + 1),
                "the compressed NAR of",
            ),
            (
                |info| info.file_size = info.file_size.map(|size| size - 1),
                "the compressed NAR of",
            ),
            (|info| info.nar_hash = Digest::of(b""), "the NAR of"),
            (|info| info.nar_size += 1, "the NAR of"),
            (|info| info.nar_size -= 1, "the NAR of"),
        ];
        for (index, (change, what)) in table.into_iter().enumerate() {
            let mut wrong = right.clone();
            change(&mut wrong);
            let message = read(&file, &wrong).unwrap_err().to_string();
            assert!(
                message.starts_with(what),
                "{compression} {index}: {message}"
            );
            assert!(message.contains(PATH), "{message}");
        }
        let mut wrong = right.clone();
        wrong.nar_hash = other;
        let expected = format!(
            "the NAR of `{PATH}` has the hash `{}`, but its narinfo says `{other}`",
            right.nar_hash
        );
        assert_eq!(read(&file, &wrong).unwrap_err().to_string(), expected);
    }
}

#[test]
fn the_file_is_blamed_for_what_follows_from_it() {
    let nar = sample();
    let file = zstd(&nar);
    let right = info(&file, &nar, NarCompression::Zstd);
    let mut broken = file.clone();
    broken[100] ^= 0xff;
    let what = |file: &[u8], info: &NarInfo| match read(file, info) {
        Err(NarError::Hash { what, .. }) => format!("{what} hash"),
        Err(NarError::Size { what, found, .. }) => format!("{what} {found}"),
        other => format!("{other:?}"),
    };
    assert_eq!(what(&broken, &right), "compressed NAR hash");
    let short = &file[..file.len() / 3];
    assert_eq!(
        what(short, &right),
        format!("compressed NAR {}", short.len())
    );
    assert_eq!(what(b"", &right), "compressed NAR 0");
    let page = b"<html>".repeat(1000);
    let mut page_info = right.clone();
    page_info.file_size = None;
    page_info.file_hash = None;
    assert!(matches!(read(&page, &page_info), Err(NarError::Io { .. })));
}

#[test]
fn a_bomb_is_read_up_to_its_size_in_the_narinfo() {
    let bomb = nar(&Tree::File(false, vec![0; 64 << 20]));
    let file = zstd(&bomb);
    let mut info = info(&file, &bomb, NarCompression::Zstd);
    info.nar_size = 1000;
    match read(&file, &info) {
        Err(NarError::Size {
            what: Hashed::Nar,
            found,
            at_least,
            ..
        }) => {
            assert_eq!((found, at_least), (1001, true));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_without_a_size_is_not_endless() {
    let nar = sample();
    let mut info = info(&nar, &nar, NarCompression::None);
    info.file_size = None;
    info.file_hash = None;
    // The NAR, then frames that unpack to nothing.
    let skipped = b"\x50\x2a\x4d\x18\0\0\0\0".repeat(1 << 20);
    let file = [zstd(&nar), skipped].concat();
    info.compression = NarCompression::Zstd;
    assert!(read(&file, &info).is_err());
}

#[test]
fn a_content_address_is_checked_even_if_the_hash_of_the_nar_is_right() {
    let nar = nar(&Tree::File(false, b"hello".to_vec()));
    let mut info = info(&nar, &nar, NarCompression::None);
    info.content_address =
        Some("fixed:sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic".into());
    read(&nar, &info).unwrap();
    info.content_address =
        Some("text:sha256:0x84z5jxhhafpx5r0zf36j3aqllgv07x65rklhs7f86n8vnwj5m1".into());
    assert!(matches!(read(&nar, &info), Err(NarError::Content { .. })));
}

/// A file that names its own path, with an address that its references to itself are left out of.
#[test]
fn a_weak_content_address_takes_a_signature() {
    let own = "094qif9n4cq4fdg459qzbhg1c6wywaww";
    let file = |text: &str| nar(&Tree::File(false, format!("see {text}-a").into_bytes()));
    let nar = file(own);
    let mut info = info(&nar, &nar, NarCompression::None);
    info.references.insert(PATH.into());
    let hash = Digest::of(&file(&"\0".repeat(32)));
    info.content_address = Some(format!("fixed:r:{hash}"));
    let key = "test-1".to_owned();
    for (trust, is_good) in [
        (Some(Trust::Content), false),
        (Some(Trust::Signature { key }), true),
        (None, true),
    ] {
        let file = Box::new(io::Cursor::new(nar.clone()));
        let stream = NarStream::new(file, &info, trust.as_ref()).unwrap();
        match stream.finish() {
            Ok(()) => assert!(is_good),
            Err(error) => {
                assert!(matches!(error, NarError::WeakAddress { .. }), "{error}");
                assert!(!is_good);
            }
        }
    }
}

#[test]
fn other_compressions_are_named() {
    let error = read(b"", &info(b"", b"x", NarCompression::Lrzip)).unwrap_err();
    assert!(matches!(error, NarError::Unsupported { .. }));
}
