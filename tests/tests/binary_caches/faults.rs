//! Servers of caches that are broken, or lie: nothing of them is published.

use std::fs;

use serde_json::json;

use super::caches::Caches;
use super::scene::Scene;
use super::server::{Answer, Server};

/// Changes one field of a narinfo, or removes it if the new value is empty.
fn with_field(text: &[u8], field: &str, value: &str) -> Vec<u8> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let line = |line: &str| match line.split_once(": ") {
        Some((name, _)) if name == field && value.is_empty() => String::new(),
        Some((name, _)) if name == field => format!("{name}: {value}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect::<String>().into_bytes()
}

/// A cache that sets one field of all narinfos.
fn field(name: &'static str, value: &'static str) -> Lie {
    Box::new(move |answer| {
        let body = with_field(&answer.body, name, value);
        answer.body(body)
    })
}

/// A cache that answers with a status.
fn status(status: u16) -> Lie {
    Box::new(move |_| Answer::status(status))
}

/// A cache that answers with other bytes.
fn body(change: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Lie {
    Box::new(move |mut answer| {
        let body = change(std::mem::take(&mut answer.body));
        answer.body(body)
    })
}

/// A change of answers.
type Lie = Box<dyn Fn(Answer) -> Answer + Send + Sync>;

/// A fault by its name: the part of a path that it is for, the change of the answers, and the reason that is told.
type Fault = (&'static str, &'static str, Lie, &'static str);

/// A hash that nothing has.
const ZEROS: &str = "sha256:0000000000000000000000000000000000000000000000000000";

/// Faults of the description of the cache, and of paths. `other` is the description of one of them.
fn of_descriptions(other: Vec<u8>) -> Vec<Fault> {
    let info = "StoreDir: /gnu/store\n";
    let wrong = Box::leak(format!("test-1:{}==", "A".repeat(86)).into_boxed_str());
    let no_path = "none of the binary caches";
    vec![
        (
            "another store",
            "cache-info",
            body(|_| info.into()),
            "is for the store `/gnu/store`",
        ),
        ("broken cache", "cache-info", status(500), "answers 500"),
        ("missing narinfo", ".narinfo", status(404), no_path),
        ("forbidden narinfo", ".narinfo", status(403), no_path),
        ("refused", ".narinfo", status(401), "requires credentials"),
        ("broken server", ".narinfo", status(500), "answers 500"),
        (
            "not a narinfo",
            ".narinfo",
            body(|_| b"hello".to_vec()),
            "description of",
        ),
        (
            "endless narinfo",
            ".narinfo",
            body(|_| vec![b'x'; 8 << 20]),
            "more than",
        ),
        (
            "another path",
            ".narinfo",
            body(move |_| other.clone()),
            "answers with another path",
        ),
        (
            "no signature",
            ".narinfo",
            field("Sig", ""),
            "is not signed",
        ),
        (
            "wrong signature",
            ".narinfo",
            field("Sig", wrong),
            "cannot be trusted",
        ),
        (
            "another hash",
            ".narinfo",
            field("NarHash", ZEROS),
            "cannot be trusted",
        ),
        (
            "another size",
            ".narinfo",
            field("NarSize", "8"),
            "cannot be trusted",
        ),
        (
            "no references",
            ".narinfo",
            field("References", ""),
            "cannot be trusted",
        ),
    ]
}

/// Faults of NARs, and of what descriptions say of their files, which nobody signs.
fn of_nars() -> Vec<Fault> {
    vec![
        (
            "missing NAR",
            "/nar/",
            status(404),
            "does not have its archive",
        ),
        (
            "forbidden NAR",
            "/nar/",
            status(403),
            "does not have its archive",
        ),
        (
            "NAR of a broken server",
            "/nar/",
            status(500),
            "answers 500",
        ),
        (
            "NAR that ends early",
            "/nar/",
            body(|all| all[..all.len() / 2].into()),
            "bytes, not",
        ),
        (
            "NAR that breaks off",
            "/nar/",
            Box::new(Answer::cut),
            "/nar/",
        ),
        (
            "longer NAR",
            "/nar/",
            body(|all| [&all[..], b"x"].concat()),
            "bytes, not",
        ),
        (
            "broken NAR",
            "/nar/",
            body(|all| vec![b'x'; all.len()]),
            "the compressed NAR of",
        ),
        (
            "hash of another file",
            ".narinfo",
            field("FileHash", ZEROS),
            "the compressed NAR of",
        ),
        (
            "size of another file",
            ".narinfo",
            field("FileSize", "8"),
            "bytes, not 8",
        ),
        (
            "another compression",
            ".narinfo",
            field("Compression", "zstd"),
            "NAR",
        ),
        (
            "URL outside",
            ".narinfo",
            field("URL", "file:///etc/passwd"),
            "must not refer to",
        ),
        (
            "URL with a password",
            ".narinfo",
            field("URL", "http://u:p@127.0.0.1/x"),
            "must not refer to",
        ),
    ]
}

/// A listing of a file that is larger than any disk.
const HUGE: &str = r#"{"version":1,"root":{"type":"directory","entries":{"a":{"type":"regular","size":9223372036854775000}}}}"#;

/// Faults of listings.
fn of_listings() -> Vec<Fault> {
    let empty = br#"{"version":1,"root":{"type":"directory","entries":{}}}"#;
    let parent = br#"{"version":1,"root":{"type":"directory","entries":{"..":{"type":"directory","entries":{}}}}}"#;
    let unknown = |answer: Answer| answer.with("Content-Encoding", "compress");
    vec![
        (
            "listing that lies",
            ".ls",
            body(|_| empty.to_vec()),
            "entries of its listing",
        ),
        (
            "listing with a parent",
            ".ls",
            body(|_| parent.to_vec()),
            "the listing of",
        ),
        (
            "not a listing",
            ".ls",
            body(|_| b"{".to_vec()),
            "the listing of",
        ),
        (
            "listing in no encoding",
            ".ls",
            Box::new(unknown),
            "unsupported encoding",
        ),
        (
            "listing of a huge file",
            ".ls",
            body(|_| HUGE.into()),
            "has files of 9223372036854775000 bytes",
        ),
        (
            "listing of a broken server",
            ".ls",
            status(500),
            "answers 500",
        ),
    ]
}

/// Checks that nothing of the paths whose names end so is published.
fn check(broken: &str, faults: impl FnOnce(&Caches) -> Vec<Fault>) {
    let Some(caches) = Caches::shared() else {
        return;
    };
    let mut spec = caches.spec();
    spec["architecture"] = json!("amd64");
    let place = caches.cache("compression=xz&write-nar-listing=true");
    let Some(scene) = Scene::new(spec, &caches.public, &place, broken) else {
        return;
    };
    let mut complaints = vec![];
    for (what, which, lie, why) in faults(&caches) {
        let server = Server::changing(&place, move |request, answer| {
            if request.path.contains(which) {
                lie(answer)
            } else {
                answer
            }
        });
        complaints.extend(scene.complaints(what, &server.url(), &[], why));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn nothing_of_a_broken_cache_is_published() {
    check("", |caches| {
        let (_, settings) = caches.store.path("settings").rsplit_once('/').unwrap();
        let (hash_part, _) = settings.split_once('-').unwrap();
        let place = caches.cache("compression=xz&write-nar-listing=true");
        let settings = fs::read(place.join(format!("{hash_part}.narinfo"))).unwrap();
        let descriptions = of_descriptions(settings).into_iter();
        descriptions.chain(of_nars()).collect()
    });
}

#[test]
fn nothing_of_a_broken_listing_is_published() {
    check("-app", |_| of_listings());
}
