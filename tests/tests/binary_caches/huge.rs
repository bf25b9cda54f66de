//! A file of a size that no plain header of a tar archive can say.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use terrine::binary_cache::{NarKind, NarReader};
use terrine::oci::Digest;
use terrine_tests::{peer, temporary};

use super::caches::url;
use super::nars::{build, name, narinfo};

/// The size of the file, in bytes.
const HUGE: u64 = 8 << 30;

/// Zeros without an end; those of the standard library come one by one.
struct Zeros;

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(0);
        Ok(buffer.len())
    }
}

/// The NAR of a huge file of zeros up to its content, and after it.
fn around_huge() -> [Vec<u8>; 2] {
    let mut start = vec![];
    for text in ["nix-archive-1", "(", "type", "regular", "contents"] {
        start.extend((text.len() as u64).to_le_bytes());
        start.extend(text.as_bytes());
        start.resize(start.len().next_multiple_of(8), 0);
    }
    start.extend(HUGE.to_le_bytes());
    let end = [&1_u64.to_le_bytes()[..], b")\0\0\0\0\0\0\0"].concat();
    [start, end]
}

#[test]
fn a_huge_file_passes_by() {
    if peer::find("nix-store").is_none() {
        return;
    }
    let folder = temporary();
    let place = folder.path().join("huge");
    File::create(&place).unwrap().set_len(HUGE).unwrap();
    let [start, end] = around_huge();
    // Nix takes half a minute for all of it.
    let mut dump = Command::new("nix-store");
    dump.arg("--dump").arg(&place).stdout(Stdio::piped());
    let mut child = dump.spawn().unwrap();
    let mut by_nix = vec![0; start.len()];
    let outcome = child.stdout.as_mut().unwrap().read_exact(&mut by_nix);
    child.kill().unwrap();
    child.wait().unwrap();
    outcome.unwrap();
    assert!(by_nix == start);
    let zeros = Zeros.take(HUGE);
    let mut reader = NarReader::new((&start[..]).chain(zeros).chain(&end[..]));
    let entry = reader.next_entry().unwrap().unwrap();
    let executable = false;
    let size = HUGE;
    assert_eq!(entry.kind, NarKind::Regular { executable, size });
    assert!(reader.next_entry().unwrap().is_none());
}

/// Writes the NAR of a huge file of zeros, in frames of zstd that unpack to as many bytes each.
fn huge_nar(place: &Path) {
    const FRAME: u64 = 64 << 20;
    let [start, end] = around_huge();
    let frame = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let zeros = zstd::encode_all(Zeros.take(FRAME), 1).unwrap();
    let zeros = zeros.repeat(usize::try_from(HUGE / FRAME).unwrap());
    fs::write(place, [frame(&start), zeros, frame(&end)].concat()).unwrap();
}

#[test]
fn a_huge_file_in_a_cache_has_an_extended_header() {
    let folder = temporary();
    let cache = folder.path().join("cache");
    fs::create_dir_all(cache.join("nar")).unwrap();
    huge_nar(&cache.join("nar/0.nar"));
    // Nothing waits for the end of the NAR, so that its hash does not matter.
    let hash = Digest::of(b"").to_string();
    fs::write(
        cache.join(format!("{:032}.narinfo", 0)),
        narinfo(0, "zstd", &hash, HUGE + 112),
    )
    .unwrap();
    let listing = json!({"version": 1, "root": {"type": "regular", "size": HUGE, "narOffset": 96}});
    fs::write(cache.join(format!("{:032}.ls", 0)), listing.to_string()).unwrap();
    let env = format!("HUGE=/nix/store/{}", name(0));
    let spec = json!({"name": "x:1", "architecture": "amd64", "config": {"Env": [env]}});
    let mut command = build(folder.path(), &spec, "docker-archive:/dev/stdout");
    command.args(["--no-store", "--no-check-sigs", "--cache", &url(&cache)]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut start = vec![0; 8192];
    let outcome = child.stdout.as_mut().unwrap().read_exact(&mut start);
    child.kill().unwrap();
    child.wait().unwrap();
    outcome.unwrap();
    // The layer in the archive, and the file in the layer.
    let text = String::from_utf8_lossy(&start);
    assert_eq!(text.matches("19 size=8589946880\n").count(), 1, "{text}");
    assert_eq!(text.matches("19 size=8589934592\n").count(), 1, "{text}");
}
