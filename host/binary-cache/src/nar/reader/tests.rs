use std::fs;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::testing::{Tree, entries, nar, texts};

fn read(bytes: &[u8]) -> Result<Vec<String>, NarError> {
    let mut reader = NarReader::new(bytes);
    entries(&mut reader)
}

fn fault(bytes: &[u8]) -> NarFault {
    match read(bytes) {
        Err(NarError::Malformed { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

fn sample() -> Tree {
    Tree::Directory(vec![
        (b"a".to_vec(), Tree::File(true, b"12345678".to_vec())),
        (
            b"b".to_vec(),
            Tree::Directory(vec![(b"\xff".to_vec(), Tree::File(false, b"x".to_vec()))]),
        ),
        (b"b.".to_vec(), Tree::Directory(vec![])),
        (b"c".to_vec(), Tree::Link(b"b/\xff".to_vec())),
    ])
}

#[test]
fn entries_come_in_order_with_their_contents() {
    let expected = [
        "0  directory",
        "1 a regular true 8 12345678",
        "1 b directory",
        "2 b/\\xff regular false 1 x",
        "1 b. directory",
        "1 c symlink b/\\xff",
    ];
    assert_eq!(read(&nar(&sample())).unwrap(), expected);
    let file = Tree::File(false, vec![]);
    assert_eq!(read(&nar(&file)).unwrap(), ["0  regular false 0 "]);
    let link = Tree::Link(b"x".to_vec());
    assert_eq!(read(&nar(&link)).unwrap(), ["0  symlink x"]);
}

#[test]
fn content_that_is_not_read_is_skipped() {
    let bytes = nar(&sample());
    let mut reader = NarReader::new(&bytes[..]);
    let mut count = 0;
    while reader.next_entry().unwrap().is_some() {
        let mut some = [0; 3];
        let _ = reader.content().read(&mut some).unwrap();
        count += 1;
    }
    assert_eq!(count, 6);
    assert_eq!(reader.content().read(&mut [0; 3]).unwrap(), 0);
    assert!(reader.next_entry().unwrap().is_none());
}

#[test]
fn a_nar_that_is_cut_off_is_an_error_wherever_it_is_cut() {
    let bytes = nar(&sample());
    for length in 0..bytes.len() {
        assert_eq!(fault(&bytes[..length]), NarFault::Ended, "{length}");
    }
    let longer = [&bytes[..], b"\0"].concat();
    assert_eq!(fault(&longer), NarFault::Trailing);
}

#[test]
fn every_bit_of_padding_and_of_the_grammar_counts() {
    let bytes = nar(&Tree::File(true, b"x".to_vec()));
    // The size, which is the last number, and the content are free.
    let content = bytes.len() - 24;
    for index in (0..bytes.len()).filter(|&index| index != content) {
        let mut broken = bytes.clone();
        broken[index] ^= 1;
        assert!(read(&broken).is_err(), "{index}");
    }
}

#[test]
fn after_an_error_there_is_nothing() {
    let bytes = nar(&sample());
    let mut reader = NarReader::new(&bytes[..bytes.len() - 1]);
    while let Ok(Some(_)) = reader.next_entry() {}
    assert!(matches!(
        reader.next_entry(),
        Err(NarError::Malformed {
            fault: NarFault::Failed,
            ..
        })
    ));
    let file = nar(&Tree::File(false, b"12345678".to_vec()));
    let mut reader = NarReader::new(&file[..100]);
    reader.next_entry().unwrap();
    let error = reader.content().read_to_end(&mut vec![]).unwrap_err();
    let error = NarError::from_io(error).unwrap();
    assert!(matches!(
        error,
        NarError::Malformed {
            fault: NarFault::Ended,
            ..
        }
    ));
    assert!(reader.next_entry().is_err());
}

#[test]
fn names_are_those_of_files_and_ascend() {
    let directory = |names: &[&[u8]]| {
        let entry = |name: &&[u8]| (name.to_vec(), Tree::Link(b"x".to_vec()));
        nar(&Tree::Directory(names.iter().map(entry).collect()))
    };
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0", b"/"] {
        assert_eq!(fault(&directory(&[name])), NarFault::name(name), "{name:?}");
    }
    for (first, second) in [
        (&b"b"[..], &b"a"[..]),
        (b"a", b"a"),
        (b"a.", b"a"),
        (b"\xff", b"z"),
    ] {
        let expected = NarFault::order(second, first);
        assert_eq!(fault(&directory(&[first, second])), expected);
    }
    for names in [
        [&b"a"[..], b"a."],
        [b"Z", b"a"],
        [b"z", b"\xff"],
        [b"...", b".a"],
    ] {
        assert_eq!(read(&directory(&names)).unwrap().len(), 3);
    }
    assert!(read(&directory(&[&[b'x'; 255]])).is_ok());
    let expected = NarFault::LongName { length: 256 };
    assert_eq!(fault(&directory(&[&[b'x'; 256]])), expected);
}

#[test]
fn targets_are_not_empty_nor_too_long() {
    let link = |target: &[u8]| nar(&Tree::Link(target.to_vec()));
    assert!(read(&link(&[b'x'; 4095])).is_ok());
    let expected = NarFault::LongTarget { length: 4096 };
    assert_eq!(fault(&link(&[b'x'; 4096])), expected);
    for target in [&b""[..], b"a\0b"] {
        assert_eq!(fault(&link(target)), NarFault::target(target));
    }
}

#[test]
fn directories_are_not_too_deep() {
    let deep = |depth: usize| {
        (0..depth).fold(Tree::File(false, vec![]), |inner, _| {
            Tree::Directory(vec![(b"d".to_vec(), inner)])
        })
    };
    assert_eq!(read(&nar(&deep(DEEPEST))).unwrap().len(), DEEPEST + 1);
    assert_eq!(fault(&nar(&deep(DEEPEST + 1))), NarFault::TooDeep);
}

#[test]
fn no_length_makes_it_take_memory() {
    let magic = texts(&[b"nix-archive-1", b"(", b"type"]);
    for (words, expected) in [
        (
            &[][..],
            NarFault::LongWord {
                expected: "a type",
                length: u64::MAX,
            },
        ),
        (
            &[&b"symlink"[..], b"target"][..],
            NarFault::LongTarget { length: u64::MAX },
        ),
        (
            &[&b"directory"[..], b"entry", b"(", b"name"][..],
            NarFault::LongName { length: u64::MAX },
        ),
        (&[&b"regular"[..], b"contents"][..], NarFault::Ended),
    ] {
        let bytes = [&magic[..], &texts(words), &[0xff; 8]].concat();
        assert_eq!(fault(&bytes), expected);
    }
    assert_eq!(fault(b"<html><head>"), NarFault::NotANar);
    assert_eq!(fault(&[0xff; 64]), NarFault::NotANar);
}

#[test]
fn messages_name_the_place_and_the_fault() {
    let tree = Tree::Directory(vec![(
        b"bin".to_vec(),
        Tree::Directory(vec![
            (b"b".to_vec(), Tree::Directory(vec![])),
            (b"a".to_vec(), Tree::Directory(vec![])),
        ]),
    )]);
    let error = read(&nar(&tree)).unwrap_err();
    assert_eq!(error.to_string(), "the NAR is malformed at `bin`");
    let bytes = texts(&[b"nix-archive-1", b"(", b"type", b"fifo"]);
    assert_eq!(fault(&bytes).to_string(), "it has `fifo` instead of a type");
    let bytes = texts(&[b"nix-archive-1", b"(", b"typ"]);
    assert_eq!(fault(&bytes).to_string(), "it has `typ` instead of `type`");
}

/// `nix-store --dump` of what a tree is on a disk is what the tests write.
#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn nix_writes_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().join("top");
    sample().write(&top);
    let Ok(output) = Command::new("nix-store").arg("--dump").arg(&top).output() else {
        assert!(std::env::var_os("TERRINE_REQUIRE_PEERS").is_none());
        eprintln!("skipped: there is no nix-store");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout == nar(&sample()));
    fs::remove_dir_all(&top).unwrap();
}

proptest! {
    #[test]
    fn no_input_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let mut bytes = nar(&sample());
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        // What can be read, is written as it was.
        if let Ok(found) = read(&bytes) {
            prop_assert_eq!(found.len(), 6);
        }
    }
}
