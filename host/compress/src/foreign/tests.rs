//! The decoders with what the formats' own programs write.

use std::fs::File;
use std::process::{Command, Stdio};

use super::*;

/// The programs that compress, each with arguments that make it write to the standard output.
const PROGRAMS: [(Foreign, &[&str]); 8] = [
    (Foreign::Brotli, &["brotli", "--stdout", "--quality=5"]),
    (
        Foreign::Brotli,
        &["brotli", "--stdout", "--quality=9", "--lgwin=24"],
    ),
    (Foreign::Lz4, &["lz4", "-c", "-q"]),
    // Blocks that depend on each other, and a smaller size.
    (
        Foreign::Lz4,
        &["lz4", "-c", "-q", "-BD", "-B4", "--content-size"],
    ),
    (Foreign::Lzip, &["lzip", "-c", "-3"]),
    (
        Foreign::Lzip,
        &["lzip", "-c", "-1", "--dictionary-size=16MiB"],
    ),
    (Foreign::Lzma, &["xz", "--format=lzma", "-c", "-3"]),
    (
        Foreign::Lzma,
        &["xz", "--format=lzma", "-c", "--lzma1=preset=0,dict=16MiB"],
    ),
];

/// Some bytes that get smaller, but not much.
fn sample() -> Vec<u8> {
    (0..300_000_u32)
        .flat_map(|number| (number.wrapping_mul(2_654_435_761) >> 20).to_le_bytes())
        .collect()
}

/// The bytes as a program compresses them; nothing, with a remark, if there is no such program.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn compress(program: &[&str], plain: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain");
    std::fs::write(&path, plain).unwrap();
    let outcome = Command::new(program[0])
        .args(&program[1..])
        .stdin(File::open(path).unwrap())
        .stderr(Stdio::inherit())
        .output();
    let Ok(output) = outcome else {
        assert!(std::env::var_os("TERRINE_REQUIRE_PEERS").is_none());
        eprintln!("skipped: there is no {}", program[0]);
        return None;
    };
    assert!(output.status.success(), "{program:?}");
    Some(output.stdout)
}

fn decode(format: Foreign, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = vec![];
    format.unbounded_decoder(bytes).read_to_end(&mut plain)?;
    Ok(plain)
}

#[test]
fn the_programs_of_the_formats_write_what_is_read() {
    for (format, program) in PROGRAMS {
        for plain in [&b""[..], b"x", &sample()] {
            if let Some(compressed) = compress(program, plain) {
                let found = decode(format, &compressed).unwrap();
                assert!(found == plain, "{program:?} {}", plain.len());
            }
        }
    }
}

#[test]
fn frames_and_members_follow_each_other() {
    for (format, program) in PROGRAMS {
        let one = compress(program, b"one, ");
        let two = compress(program, &sample());
        let (Some(one), Some(two)) = (one, two) else {
            continue;
        };
        if matches!(format, Foreign::Lz4 | Foreign::Lzip) {
            let expected = [b"one, ", &sample()[..], b"one, "].concat();
            let found = decode(format, &[&one[..], &two, &one].concat()).unwrap();
            assert!(found == expected, "{program:?}");
        }
    }
}

#[test]
fn what_is_cut_off_or_broken_is_no_whole_file() {
    for (format, program) in PROGRAMS {
        let Some(compressed) = compress(program, &sample()) else {
            continue;
        };
        for length in [0, 1, 5, compressed.len() / 2, compressed.len() - 1] {
            let whole = decode(format, &compressed[..length]).is_ok_and(|found| found == sample());
            assert!(!whole, "{program:?} {length}");
        }
        let mut broken = compressed.clone();
        broken[compressed.len() / 2] ^= 0xff;
        let whole = decode(format, &broken).is_ok_and(|found| found == sample());
        assert!(!whole, "{program:?}");
    }
}

#[test]
fn after_an_error_there_is_no_end() {
    let mut decoder = Foreign::Brotli.unbounded_decoder(&b"\xff\xff\xff\xff"[..]);
    let mut buffer = [0; 16];
    assert!(decoder.read(&mut buffer).is_err());
    assert!(decoder.read(&mut buffer).is_err());
}

#[test]
fn a_dictionary_that_is_too_large_is_refused() {
    // The header of LZMA alone: properties, 4 GiB less one of dictionary, and an unknown size.
    let header = b"\x5d\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0";
    assert!(decode(Foreign::Lzma, header).is_err());
    // The header of lzip: version 1, and a dictionary of 512 MiB.
    let error = decode(Foreign::Lzip, b"LZIP\x01\x1d\0\0\0\0\0\0\0\0").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
}

/// The table of RFC 7932, section 9.1.
#[test]
fn the_window_of_brotli_is_in_its_first_byte() {
    for (first, bits) in [
        (0b0, 16),
        (0b010_0001, 10),
        (0b111_0001, 15),
        (0b000_0001, 17),
        (0b0011, 18),
        (0b1111, 24),
    ] {
        assert_eq!(brotli_window(&[first]), 1 << bits, "{first:b}");
    }
    assert_eq!(brotli_window(b""), 1 << 16);
}

#[test]
fn names_are_unique() {
    for format in Foreign::ALL {
        assert_eq!(Foreign::from_name(format.name()), Some(format));
    }
    assert_eq!(Foreign::from_name("gzip"), None);
}
