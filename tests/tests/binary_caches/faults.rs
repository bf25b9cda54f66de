//! Caches that are broken, or lie: nothing of them is published.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use terrine_tests::{Run, temporary};

use super::caches::{Caches, digest};
use super::server::Server;

/// Changes one field of a narinfo.
fn with_field(text: &[u8], field: &str, value: &str) -> Vec<u8> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let line = |line: &str| match line.split_once(": ") {
        Some((name, _)) if name == field && value.is_empty() => String::new(),
        Some((name, _)) if name == field => format!("{name}: {value}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect::<String>().into_bytes()
}

/// A change of the answers of a cache: of those whose path contains the first text.
type Lie = fn(Vec<u8>) -> (u16, Vec<u8>);

#[test]
fn nothing_of_a_broken_cache_is_published() {
    let Some(caches) = Caches::shared() else {
        return;
    };
    let mut spec = caches.spec();
    spec["architecture"] = json!("amd64");
    let place = caches.cache("compression=xz&write-nar-listing=true");
    let other = caches.store.path("unrelated");
    let zeros = "sha256:0000000000000000000000000000000000000000000000000000";
    assert_eq!(zeros.len(), 59);
    let cases: [(&str, &str, Lie, &str); 11] = [
        (
            "missing narinfo",
            ".narinfo",
            |_| (404, vec![]),
            "none of the binary caches",
        ),
        (
            "refused",
            ".narinfo",
            |_| (401, vec![]),
            "requires credentials",
        ),
        (
            "not a narinfo",
            ".narinfo",
            |_| (200, b"hello".to_vec()),
            "description of",
        ),
        (
            "no signature",
            ".narinfo",
            |body| (200, with_field(&body, "Sig", "")),
            "trust",
        ),
        (
            "wrong signature",
            ".narinfo",
            |body| {
                (
                    200,
                    with_field(&body, "Sig", &format!("test-1:{}==", "A".repeat(86))),
                )
            },
            "trust",
        ),
        (
            "another size",
            ".narinfo",
            |body| (200, with_field(&body, "NarSize", "8")),
            "trust",
        ),
        (
            "missing NAR",
            "/nar/",
            |_| (404, vec![]),
            "does not have its archive",
        ),
        (
            "NAR that ends early",
            "/nar/",
            |body| (200, body[..body.len() / 2].to_vec()),
            "bytes, not",
        ),
        (
            "another NAR",
            "/nar/",
            |_| (200, b"\xfd7zXZ\0".to_vec()),
            "bytes, not",
        ),
        (
            "NAR with one more byte",
            "/nar/",
            |body| (200, [&body[..], b"x"].concat()),
            "bytes, not",
        ),
        (
            "listing that lies",
            ".ls",
            |_| {
                (
                    200,
                    br#"{"version":1,"root":{"type":"directory","entries":{}}}"#.to_vec(),
                )
            },
            "listing",
        ),
    ];
    assert_ne!(other, caches.store.path("app"));
    for (what, which, lie, expected) in cases {
        let server = Server::changing(&place, move |path, status, body| {
            if path.contains(which) {
                lie(body)
            } else {
                (status, body)
            }
        });
        let folder = temporary();
        let layout = folder.path().join("layout");
        let to = format!("oci:{}:x", layout.display());
        let mut command = caches.remote(&spec, &server.url(), &to);
        command.args(["--retries", "0"]);
        let run = Run::of(&mut command);
        assert_eq!(run.code, Some(1), "{what}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{what}: {}", run.stderr);
        let index = fs::read_to_string(layout.join("index.json")).unwrap_or_default();
        assert!(!index.contains("sha256:"), "{what}: {index}");
    }
}

#[test]
fn failures_that_pass_are_tried_again() {
    let Some(caches) = Caches::shared() else {
        return;
    };
    let spec = caches.spec();
    let place = caches.cache("compression=zstd&write-nar-listing=true");
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    // Every third answer fails.
    let server = Server::changing(&place, move |_, status, body| {
        match counter.fetch_add(1, Ordering::SeqCst) % 3 {
            2 => (503, vec![]),
            _ => (status, body),
        }
    });
    let folder = temporary();
    let layout = |name: &str| format!("oci:{}", folder.path().join(name).display());
    let expected = digest(caches.local(&spec, &layout("local")));
    let found = digest(caches.remote(&spec, &server.url(), &layout("remote")));
    assert_eq!(found, expected);
    assert!(count.load(Ordering::SeqCst) > 12);
}
