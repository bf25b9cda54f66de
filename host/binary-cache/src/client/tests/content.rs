//! NARs and listings.

use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Answer, Server, file};
use super::*;

const LISTING: &[u8] = br#"{"version":1,"root":{"type":"regular","size":3}}"#;

fn read(caches: &BinaryCaches, found: &Found) -> Result<Vec<u8>, String> {
    let mut bytes = vec![];
    let mut reader = caches.nar_file(found).map_err(|error| told(&error))?;
    let read: io::Result<usize> = reader.read_to_end(&mut bytes);
    read.map_err(|error| chain(&error))?;
    Ok(bytes)
}

/// Returns files with one path whose NAR is at a URL.
fn files_with(url: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = files(&[(1, &[], &["one"])]);
    let text = narinfo(1, &[], &["one"]).replace("nar/1.nar", url);
    files.insert(narinfo_name(1), text.into_bytes());
    files
}

#[test]
fn a_nar_is_read_and_compared() {
    let good = files(&[(1, &[], &["one"])]);
    let mut other = good.clone();
    // It has the same size.
    other.insert("nar/1.nar".to_owned(), nar(2));
    for (files, is_good) in [(good, true), (other, false)] {
        let server = Server::of_files(files);
        let caches = caches(&[&server.url()]);
        let mut stream = caches.nar(&find(&caches, 1)).unwrap();
        let entry = stream.next_entry().unwrap().unwrap();
        assert!(entry.path.is_empty());
        let read = stream.finish();
        assert_eq!(read.is_ok(), is_good, "{read:?}");
    }
}

#[test]
fn a_nar_that_breaks_off_continues() {
    let files = files(&[(1, &[], &["one"])]);
    let count = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let answer = file(&files, asked);
        if asked.path.starts_with("/nar/") && count.fetch_add(1, Ordering::SeqCst) < 2 {
            return answer.cut(100);
        }
        answer
    });
    let caches = caches(&[&server.url()]);
    let found = find(&caches, 1);
    assert_eq!(read(&caches, &found).unwrap(), nar(1));
    let ranges: Vec<_> = server.log()[2..]
        .iter()
        .map(|asked| asked.headers.get("range").cloned())
        .collect();
    let range = |from: &str| Some(from.to_owned());
    assert_eq!(ranges, [None, range("bytes=100-"), range("bytes=200-")]);
    let nars = caches.traffic().nars;
    assert_eq!((nars.requests, nars.bytes), (1, nar(1).len() as u64));
}

#[test]
fn a_nar_of_another_size_is_refused() {
    let mut files = files(&[(1, &[], &["one"])]);
    files.insert("nar/1.nar".to_owned(), b"short".to_vec());
    let server = Server::of_files(files.clone());
    let over_http = caches(&[&server.url()]);
    let error = read(&over_http, &find(&over_http, 1)).unwrap_err();
    let expected = format!("it has 5 bytes, not {}", nar(1).len());
    assert!(error.contains(&expected), "{error}");
    files.remove("nar/1.nar");
    let server = Server::of_files(files);
    let caches = caches(&[&server.url()]);
    let error = read(&caches, &find(&caches, 1)).unwrap_err();
    assert!(
        error.contains("does not have its archive `nar/1.nar`"),
        "{error}"
    );
}

#[test]
fn a_nar_on_another_host_is_fetched_without_credentials() {
    let other = Server::of_files(files(&[(1, &[], &[])]));
    let url = format!("{}/nar/1.nar?sig=x", other.url());
    let server = Server::of_files(files_with(&url));
    let caches = caches(&[&format!("http://user:s3cret@{}", server.address)]);
    let found = find(&caches, 1);
    assert_eq!(read(&caches, &found).unwrap(), nar(1));
    assert_eq!(other.paths(), ["/nar/1.nar?sig=x"]);
    assert_eq!(other.log()[0].authorization(), None);
    assert!(
        server
            .log()
            .iter()
            .all(|asked| asked.authorization().is_some())
    );
    assert_eq!(server.paths().len(), 2);
}

#[test]
fn nars_have_queries_and_stay_where_they_may_be() {
    let server = Server::of_files(files_with("nar/1.nar?hash=y"));
    let over_http = caches(&[&server.url()]);
    assert_eq!(read(&over_http, &find(&over_http, 1)).unwrap(), nar(1));
    assert_eq!(server.paths().pop().unwrap(), "/nar/1.nar?hash=y");
    let server = Server::of_files(files_with("ftp://user:s3cret@host/1.nar"));
    let caches = caches(&[&server.url()]);
    let error = read(&caches, &find(&caches, 1)).unwrap_err();
    assert!(
        error.contains("must not refer to the archive `ftp://host/1.nar`"),
        "{error}"
    );
}

#[test]
fn a_directory_is_a_cache_that_nothing_leads_out_of() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(place("cache/nar")).unwrap();
    std::fs::write(place("secret"), nar(1)).unwrap();
    symlink("../../secret", place("cache/nar/link")).unwrap();
    let url = format!("file://{}", place("cache").display());
    for (nar_url, why) in [
        ("nar/1.nar", None),
        ("nar/1.nar?hash=x", None),
        ("../secret", Some("must not refer to the archive")),
        ("nar/../../secret", Some("must not refer to the archive")),
        ("https://localhost/x", Some("must not refer to the archive")),
        ("nar/link", Some("a symbolic link is on its path")),
        ("nar", Some("not a regular file")),
        ("nar/2.nar", Some("does not have its archive")),
    ] {
        for (name, bytes) in files_with(nar_url) {
            std::fs::write(place("cache").join(name), bytes).unwrap();
        }
        std::fs::write(place("cache/nar/1.nar"), nar(1)).unwrap();
        let caches = caches(&[&url]);
        let result = read(&caches, &find(&caches, 1));
        match why {
            None => assert!(result.unwrap() == nar(1), "{nar_url}"),
            Some(why) => {
                let error = result.unwrap_err();
                assert!(error.contains(why), "{nar_url}: {error}");
            }
        }
    }
    let missing = caches(&["file:///nonexistent/cache"])
        .find(&path(1))
        .unwrap_err();
    assert!(
        told(&missing).starts_with("reading `/nonexistent/cache`: "),
        "{missing}"
    );
    let empty = format!("file://{}", place("cache/nar").display());
    assert_eq!(caches(&[&empty]).find(&path(1)).unwrap(), None);
}

/// The listing in encodings, by Python's modules and the programs brotli and zstd.
const ENCODED: [(&str, &str); 5] = [
    (
        "br",
        "1f2f00881c07762cb38d201976b6875a646f2666eab0f4a548991e38e4400f2e6dad2d09cb90aaa5e85976462e8a8405b8fc01",
    ),
    (
        "zstd",
        "28b52ffd04588101007b2276657273696f6e223a312c22726f6f74223a7b2274797065223a22726567756c6172222c2273697a65223a337d7d7d721ab1",
    ),
    (
        "gzip",
        "1f8b0800000000000203ab562a4b2d2acecccf53b232d4512acacf2f51b2aa562aa92c4855b2522a4a4d2fcd492c52d2512aceac020a18d7d602004e9692fc30000000",
    ),
    (
        "bzip2",
        "425a6839314159265359b917f4a200001699801004281022a5df3a200031468c81a34c8d06a9e9193f547a27a8de92639768361209e030188974f9092b5255c1ad2ad2d931a1afc5dc914e14242e45fd2880",
    ),
    (
        "xz",
        "fd377a585a000004e6d6b4460200210116000000742fe5a301002f7b2276657273696f6e223a312c22726f6f74223a7b2274797065223a22726567756c6172222c2273697a65223a337d7d00fe705aa57033bc1f000148308a40ff3e1fb6f37d010000000004595a",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

#[test]
fn listings_are_decoded() {
    let mut cases = vec![("", LISTING.to_vec()), ("Identity", LISTING.to_vec())];
    cases.extend(ENCODED.map(|(encoding, hex)| (encoding, bytes(hex))));
    for (encoding, body) in cases {
        let files = files(&[(1, &[], &["one"])]);
        let size = body.len() as u64;
        let server = Server::start(move |asked| {
            if !asked.path.ends_with(".ls") {
                return file(&files, asked);
            }
            let answer = Answer::ok(&*body);
            if encoding.is_empty() {
                return answer;
            }
            answer.header("content-encoding", encoding)
        });
        let caches = caches(&[&server.url()]);
        let found = find(&caches, 1);
        let listing = caches.listing(&found).unwrap();
        assert_eq!(listing.as_deref(), Some(LISTING), "{encoding}");
        assert_eq!(
            server.paths().pop().unwrap(),
            format!("/{}.ls", hash_part(1))
        );
        let listings = caches.traffic().listings;
        assert_eq!((listings.requests, listings.bytes), (1, size));
    }
}

#[test]
fn listings_may_be_missing_or_broken() {
    let found = |answer: fn() -> Answer| {
        let files = files(&[(1, &[], &["one"])]);
        let server = Server::start(move |asked| {
            if asked.path.ends_with(".ls") {
                return answer();
            }
            file(&files, asked)
        });
        let caches = caches(&[&server.url()]);
        caches
            .listing(&find(&caches, 1))
            .map_err(|error| told(&error))
    };
    assert_eq!(found(|| Answer::status(404)), Ok(None));
    let unknown = found(|| Answer::ok("x").header("content-encoding", "br, gzip")).unwrap_err();
    assert!(
        unknown.contains("unsupported encoding `br, gzip`"),
        "{unknown}"
    );
    let broken = found(|| Answer::ok("x").header("content-encoding", "gzip")).unwrap_err();
    assert!(broken.starts_with("reading `"), "{broken}");
}
