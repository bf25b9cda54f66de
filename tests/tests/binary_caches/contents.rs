//! NARs that nobody can have made by packing files, and others than their signed narinfos describe.

use terrine::oci::Digest;

use super::caches::url;
use super::forged::{Forged, PUBLIC, directory, file, spec, words};
use super::scene::Scene;

/// A cache, by the fault that it has, and the reason that is told.
type Fault = (&'static str, Forged, &'static str);

fn link(target: &[u8]) -> Vec<u8> {
    words(&[
        b"nix-archive-1",
        b"(",
        b"type",
        b"symlink",
        b"target",
        target,
        b")",
    ])
}

/// A NAR with other bytes, which its narinfo describes as they are.
fn with(nar: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Forged {
    let mut nar = nar;
    change(&mut nar);
    Forged::new(nar)
}

/// NARs that break the grammar.
fn malformed() -> Vec<Fault> {
    let names = |names: &[&[u8]]| Forged::new(directory(0, names));
    vec![
        (
            "unsorted names",
            names(&[b"b", b"a"]),
            "`a` is not after `b`",
        ),
        (
            "the same name twice",
            names(&[b"a", b"a"]),
            "`a` is not after `a`",
        ),
        (
            "a parent",
            names(&[b".."]),
            "`..` is not the name of a file",
        ),
        ("itself", names(&[b"."]), "`.` is not the name of a file"),
        ("no name", names(&[b""]), "`` is not the name of a file"),
        (
            "a path",
            names(&[b"a/b"]),
            "`a/b` is not the name of a file",
        ),
        ("a NUL", names(&[b"a\0"]), "is not the name of a file"),
        (
            "a long name",
            names(&[&[b'x'; 256]]),
            "a name has 256 bytes",
        ),
        (
            "too deep",
            Forged::new(directory(63, &[b"a"])),
            "directories deep",
        ),
        (
            "an empty target",
            Forged::new(link(b"")),
            "`` is not the target of a link",
        ),
        (
            "a long target",
            Forged::new(link(&[b'x'; 4096])),
            "has 4096 bytes",
        ),
        (
            "another type",
            Forged::new(words(&[b"nix-archive-1", b"(", b"type", b"fifo"])),
            "`fifo` instead of",
        ),
        (
            "a web page",
            Forged::new(b"<html>".repeat(100)),
            "does not begin as a NAR does",
        ),
        ("padding", with(file(b"x"), |nar| nar[97] = 1), "padding"),
        (
            "a byte at its end",
            with(file(b"x"), |nar| nar.push(0)),
            "follows",
        ),
        (
            "no end",
            with(file(b"x"), |nar| nar.truncate(100)),
            "ends too early",
        ),
    ]
}

/// NARs that are not those of their narinfos, and files that are not those NARs.
fn others() -> Vec<Fault> {
    let good = || Forged::new(file(&[b'x'; 1000]));
    let changed = |change: fn(&mut Forged)| {
        let mut forged = good();
        change(&mut forged);
        forged
    };
    let packed = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let mut bomb = good();
    bomb.compression = "zstd";
    bomb.file = packed(&file(&vec![0; 256 << 20]));
    // A frame with a window of two gibibytes, whose only block is not compressed.
    let mut window = good();
    window.compression = "zstd";
    let block = (window.file.len() as u32) << 3 | 1;
    let head = [&b"\x28\xb5\x2f\xfd\x00\xa8"[..], &block.to_le_bytes()[..3]].concat();
    window.file.splice(..0, head);
    vec![
        (
            "another hash",
            changed(|forged| forged.hash = Digest::of(b"")),
            "has the hash",
        ),
        (
            "a smaller size",
            changed(|forged| forged.size -= 8),
            "but its narinfo says",
        ),
        (
            "a larger size",
            changed(|forged| forged.size += 8),
            "but its narinfo says",
        ),
        (
            "the greatest size",
            changed(|forged| forged.size = u64::MAX >> 1),
            "but its narinfo says",
        ),
        ("a bomb", bomb, "but its narinfo says 1112"),
        ("a large window", window, "memory"),
        (
            "another address",
            changed(|forged| forged.more = ADDRESS.to_owned()),
            "content address",
        ),
    ]
}

/// A content address of another content, which is not that of the path either: it is signed.
const ADDRESS: &str = "CA: fixed:r:sha256:1xrqvckpx9v0ifx4lsy8hp7lz9f2bp3njz0m27p0y4sa2sa0sh5j\n";

#[test]
fn nothing_of_a_wrong_nar_is_published() {
    let folder = terrine_tests::temporary();
    let good = Forged::new(file(b"good")).write(folder.path());
    let Some(scene) = Scene::new(spec(), PUBLIC, &good, "") else {
        return;
    };
    let mut complaints = vec![];
    for (what, forged, why) in malformed().into_iter().chain(others()) {
        let place = forged.write(folder.path());
        complaints.extend(scene.complaints(what, &url(&place), &[], why));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
