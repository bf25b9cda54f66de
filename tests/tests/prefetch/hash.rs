//! Hashes, against `sha256sum` of what `terrine copy` writes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use terrine_tests::Run;

use super::{Place, with};

/// The hexadecimal digits of a hash in base 64.
fn hex(sri: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = sri.strip_prefix("sha256-").unwrap().trim_end_matches('=');
    let bits: String = digits
        .bytes()
        .map(|digit| DIGITS.iter().position(|known| *known == digit).unwrap())
        .map(|value| format!("{value:06b}"))
        .collect();
    let bytes = bits.as_bytes().chunks_exact(8);
    bytes
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn sha256sum(file: &Path) -> String {
    let run = Run::of(Command::new("sha256sum").arg(file)).ok();
    String::from_utf8(run.stdout).unwrap()[..64].to_owned()
}

/// Checks that the hash is the one that `sha256sum` prints for what `terrine copy` writes.
fn check(place: &Place, arguments: &Value, what: &str) {
    let text = |key: &str| arguments[key].as_str().unwrap();
    let [image, digest] = ["imageName", "imageDigest"].map(text);
    let [name, tag] = ["finalImageName", "finalImageTag"].map(text);
    let to = format!("docker-archive:copy.tar:{name}:{tag}");
    place
        .run(&format!("copy -q docker://{image}@{digest} {to}"))
        .ok();
    let sum = sha256sum(&place.folder.path().join("copy.tar"));
    assert_eq!(hex(text("hash")), sum, "{what}");
}

#[test]
fn the_hash_is_that_of_the_archive_that_copy_writes() {
    let Some(place) = Place::new() else { return };
    let images = [("v1", ""), ("v2", "gzip"), ("v3", "zstd")];
    let entries = images.map(|(variant, compression)| {
        place.image(variant, &with("amd64", "variant", variant), compression)
    });
    place.index("all", &entries);
    let all = place.json("WEB:all --all");
    let named = "--final-name localhost:5000/web --final-tag x";
    for (variant, _) in images {
        check(&place, &all[format!("amd64-{variant}")], variant);
        check(&place, &place.json(&format!("WEB:{variant}")), variant);
        check(
            &place,
            &place.json(&format!("WEB:{variant} {named}")),
            variant,
        );
    }
}

#[test]
fn a_layer_that_is_not_the_right_one_leaves_no_output() {
    let Some(place) = Place::new() else { return };
    place.usual();
    let manifest: Value =
        serde_json::from_slice(&place.registry.manifest("acme/web", "amd64").unwrap().bytes)
            .unwrap();
    let file = place
        .registry
        .blob_file(manifest["layers"][0]["digest"].as_str().unwrap());
    let mut bytes = fs::read(&file).unwrap();
    bytes[512] ^= 1;
    fs::write(&file, bytes).unwrap();
    let run = place.run("prefetch -q WEB:1.2");
    assert_eq!((run.code, run.stdout.len()), (Some(1), 0), "{}", run.stderr);
    assert!(run.stderr.contains("has the digest"), "{}", run.stderr);
    let all = place.run("prefetch -q WEB:1.2 --all");
    assert_eq!((all.code, all.stdout.len()), (Some(1), 0), "{}", all.stderr);
    assert!(all.stderr.contains("(linux/amd64)"), "{}", all.stderr);
}
