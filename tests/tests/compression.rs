//! Compressed streams, as other programs read them.

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use terrine::compress::{Encoder, Pool, Setting};
use terrine_tests::peer;

/// More than two blocks of every format: numbers as text, and some that are noise.
fn sample() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut number = 1_u64;
    while bytes.len() < 9_000_000 {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        bytes.extend_from_slice(format!("{} ", number >> 52).as_bytes());
        bytes.extend_from_slice(&number.to_be_bytes()[..2]);
    }
    bytes
}

fn compress(setting: &str, input: &[u8], file: &Path) {
    let pool = Pool::new(NonZeroUsize::new(2).unwrap());
    let setting: Setting = setting.parse().unwrap();
    let mut encoder = Encoder::new(&setting, &pool, fs::File::create(file).unwrap()).unwrap();
    encoder.write_all(input).unwrap();
    encoder.finish().unwrap();
}

/// Returns what a program makes of a compressed file.
fn read_by(program: &str, arguments: &[&str], file: &Path) -> Option<Vec<u8>> {
    let output = Command::new(peer::find(program)?)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    assert_eq!(said, "", "{program}");
    Some(output.stdout)
}

const PYTHON: &str = "\
import gzip, shutil, sys
shutil.copyfileobj(gzip.open(sys.argv[1]), sys.stdout.buffer)";

#[test]
fn other_programs_read_what_is_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, sample) = (folder.path().join("compressed"), sample());
    let readers: [(&str, &str, &[&str]); 5] = [
        ("gzip", "gzip", &["-dc"]),
        ("gzip:1", "python3", &["-c", PYTHON]),
        ("gzip:9", "pigz", &["-dc"]),
        ("zstd", "zstd", &["-qdc"]),
        ("zstd:6", "zstd", &["-qdc"]),
    ];
    for (setting, program, arguments) in readers {
        for input in [&sample[..], &sample[..1], &[]] {
            compress(setting, input, &file);
            // Both programs look at names.
            let named = file.with_extension(if program == "zstd" { "zst" } else { "gz" });
            fs::rename(&file, &named).unwrap();
            if let Some(read) = read_by(program, arguments, &named) {
                assert!(
                    read == input,
                    "{setting} by {program}, {} bytes",
                    input.len()
                );
            }
        }
    }
}

#[test]
fn they_find_the_streams_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (gz, zst) = (folder.path().join("x.gz"), folder.path().join("x.zst"));
    compress("gzip", &sample(), &gz);
    compress("zstd", &sample(), &zst);
    read_by("gzip", &["-t"], &gz);
    read_by("zstd", &["-qt"], &zst);
}
