//! The cache that has a path, and the trust in it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Answer, Server, file};
use super::*;
use crate::netrc::Netrc;
use crate::trust::Trust;

/// Returns the error of finding path 1 in a cache that answers so.
fn error(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    let server = Server::start(move |asked| answer(&asked.path));
    let error = caches(&[&server.url()]).find(&path(1)).unwrap_err();
    told(&error)
}

fn is_info(path: &str) -> bool {
    path == "/nix-cache-info"
}

#[test]
fn a_path_is_found_with_two_requests() {
    let server = Server::of_files(files(&[(1, &[1, 2], &["one"])]));
    let caches = caches(&[&format!("{}/?priority=7", server.url())]);
    let found = find(&caches, 1);
    let info = narinfo(1, &[1, 2], &["one"]);
    assert_eq!(found.info, NarInfo::parse(info.as_bytes(), STORE).unwrap());
    let key = "one".to_owned();
    assert_eq!(
        (found.cache, found.trust),
        (0, Some(Trust::Signature { key }))
    );
    assert_eq!(caches.find(&path(2)).unwrap(), None);
    let asked = [
        "/nix-cache-info".to_owned(),
        format!("/{}", narinfo_name(1)),
        format!("/{}", narinfo_name(2)),
    ];
    assert_eq!(server.paths(), asked);
    let traffic = caches.traffic();
    assert_eq!(traffic.narinfos.requests, 3);
    assert_eq!(
        traffic.narinfos.bytes as usize,
        info.len() + files(&[])["nix-cache-info"].len()
    );
    assert_eq!((traffic.listings, traffic.nars), Default::default());
}

#[test]
fn each_cache_is_asked_for_a_path_once() {
    let [first, second] = [&[(1, &[][..], &["one"][..])][..], &[(2, &[], &["one"])]].map(|paths| {
        Server::start({
            let files = files(paths);
            // Several threads ask before there is an answer.
            move |asked| file(&files, asked).late(20)
        })
    });
    let caches = caches(&[&first.url(), &second.url()]);
    std::thread::scope(|scope| {
        for number in [1, 2, 3, 1, 2, 3] {
            let caches = &caches;
            scope.spawn(move || caches.find(&path(number)).unwrap());
        }
    });
    assert_eq!(find(&caches, 1).cache, 0);
    assert_eq!(find(&caches, 2).cache, 1);
    assert_eq!(caches.find(&path(3)).unwrap(), None);
    caches.closure(&[path(1), path(2)], &|_| false).unwrap();
    let asked = |server: &Server, numbers: &[usize]| {
        let mut paths = server.paths();
        paths.sort();
        let mut expected = vec!["/nix-cache-info".to_owned()];
        expected.extend(
            numbers
                .iter()
                .map(|number| format!("/{}", narinfo_name(*number))),
        );
        expected.sort();
        assert_eq!(paths, expected);
    };
    asked(&first, &[1, 2, 3]);
    asked(&second, &[2, 3]);
}

#[test]
fn failures_are_asked_for_again() {
    let failing = AtomicUsize::new(1);
    let files = files(&[(1, &[], &["one"])]);
    let server = Server::start(move |asked| {
        if !is_info(&asked.path) && failing.swap(0, Ordering::SeqCst) == 1 {
            Answer::status(401)
        } else {
            file(&files, asked)
        }
    });
    let caches = caches(&[&server.url()]);
    assert!(caches.find(&path(1)).is_err());
    assert_eq!(find(&caches, 1).cache, 0);
}

#[test]
fn statuses_mean_what_they_mean_to_nix() {
    for status in [403, 404] {
        // The description of the cache may be missing, too.
        let server = Server::start(move |_| Answer::status(status));
        assert_eq!(caches(&[&server.url()]).find(&path(1)).unwrap(), None);
    }
    let told = error(|path| {
        if is_info(path) {
            Answer::status(404)
        } else {
            Answer::status(401)
        }
    });
    assert!(told.contains(".narinfo`: `127.0.0.1"), "{told}");
    assert!(
        told.contains("requires credentials; hint: ") && told.contains("netrc"),
        "{told}"
    );
    let failures = AtomicUsize::new(0);
    let files = files(&[(1, &[], &["one"])]);
    let server = Server::start(move |asked| match failures.fetch_add(1, Ordering::SeqCst) {
        1 => Answer::status(500).header("retry-after", "0"),
        2 => Answer::status(503),
        _ => file(&files, asked),
    });
    find(&caches(&[&server.url()]), 1);
    assert_eq!(server.paths().len(), 4);
    let told = error(|_| Answer::status(500));
    assert!(
        told.contains("nix-cache-info`: ") && told.contains("answers 500"),
        "{told}"
    );
}

#[test]
fn malformed_answers_are_refused() {
    let narinfo = |text: String| {
        error(move |path| {
            if is_info(path) {
                Answer::status(404)
            } else {
                Answer::ok(&*text)
            }
        })
    };
    let other = narinfo(super::narinfo(2, &[], &["one"]));
    assert!(other.contains("answers with another path: "), "{other}");
    let name = super::narinfo(1, &[], &["one"]).replace("-p1", "-other");
    let name = narinfo(name);
    assert!(name.contains("answers with another path: "), "{name}");
    let junk = narinfo("junk".to_owned());
    assert!(
        junk.contains(&format!(
            "reading the description of `{}` from the binary cache `http://127",
            path(1)
        )),
        "{junk}"
    );
    let large = narinfo("x".repeat((1 << 20) + 1));
    assert!(large.contains("more than 1048576 bytes"), "{large}");
    let store = error(|_| Answer::ok("StoreDir: /gnu/store\n"));
    assert!(
        store.contains("is for the store `/gnu/store`, not for `/nix/store`"),
        "{store}"
    );
    let info = error(|_| Answer::ok("Priority: high\n"));
    assert!(
        info.starts_with("reading the description of the binary cache `http://127"),
        "{info}"
    );
    let encoded = error(|_| Answer::ok("x").header("content-encoding", "compress"));
    assert!(
        encoded.contains("`nix-cache-info` of")
            && encoded.contains("unsupported encoding `compress`"),
        "{encoded}"
    );
    for path in [
        "/nix/store/x",
        "/gnu/store/00000000000000000000000000000000-x",
        "x",
    ] {
        assert!(
            matches!(caches(&[]).find(path), Err(ClientError::StorePath(_))),
            "{path}"
        );
    }
}

#[test]
fn only_what_is_signed_is_used() {
    let wrong = narinfo(1, &[], &["one"]).replace("NarSize: ", "NarSize: 1");
    for (text, why) in [
        (narinfo(1, &[], &[]), "is not signed"),
        (narinfo(1, &[], &["two", "three"]), "`three`"),
        (wrong, "is wrong"),
    ] {
        let mut files = files(&[]);
        files.insert(narinfo_name(1), text.into_bytes());
        let server = Server::of_files(files);
        let url = server.url();
        let error = caches(&[&url]).find(&path(1)).unwrap_err();
        let shown = told(&error);
        let start = format!("the binary cache `{url}` cannot be trusted: ");
        assert!(shown.starts_with(&start) && shown.contains(why), "{shown}");
        assert!(shown.contains(&path(1)), "{shown}");
        // A later cache that is trusted helps.
        let good = Server::of_files(super::files(&[(1, &[], &["one"])]));
        assert_eq!(find(&caches(&[&url, &good.url()]), 1).cache, 1);
        // Without a check anything is used.
        let trusted = format!("{url}?trusted=true");
        assert_eq!(find(&caches(&[&trusted]), 1).trust, None);
        let unchecked = CacheOptions {
            check_signatures: false,
            ..options()
        };
        let unchecked = BinaryCaches::new(vec![source(&url)], STORE, web(), &unchecked).unwrap();
        assert_eq!(find(&unchecked, 1).trust, None);
    }
}

#[test]
fn keys_of_a_cache_are_for_it_alone() {
    let servers = [1, 2].map(|_| Server::of_files(files(&[(1, &[], &["two"])])));
    let mut sources: Vec<_> = servers.iter().map(|server| source(&server.url())).collect();
    sources[1].keys = keys(&["two"]);
    let caches = BinaryCaches::new(sources, STORE, web(), &options()).unwrap();
    assert_eq!(find(&caches, 1).cache, 1);
}

#[test]
fn caches_are_asked_by_priority() {
    let server = |priority: &str| {
        let mut files = files(&[(1, &[], &["one"])]);
        let info = format!("StoreDir: {STORE}\n{priority}");
        files.insert("nix-cache-info".to_owned(), info.into_bytes());
        Server::of_files(files)
    };
    let (low, high, none) = (
        server("Priority: 50\n"),
        server("Priority: 10\n"),
        server(""),
    );
    let url = |server: &Server, query: &str| format!("{}{query}", server.url());
    for (urls, expected) in [
        ([url(&low, ""), url(&high, "")], 1),
        ([url(&low, ""), url(&low, "")], 0),
        ([url(&high, ""), url(&none, "")], 1),
        ([url(&low, ""), url(&high, "?priority=60")], 0),
        ([url(&high, ""), url(&low, "?priority=-1")], 1),
    ] {
        let caches = caches(&[&urls[0], &urls[1]]);
        assert_eq!(find(&caches, 1).cache, expected, "{urls:?}");
    }
    let mut sources: Vec<_> = [&high, &low].map(|server| source(&server.url())).into();
    sources[1].priority = Some(5);
    let caches = BinaryCaches::new(sources, STORE, web(), &options()).unwrap();
    assert_eq!(find(&caches, 1).cache, 1);
}

#[test]
fn credentials_go_to_the_cache_and_no_further() {
    let other = Server::of_files(files(&[(1, &[], &["one"])]));
    let to = other.url();
    let server = Server::start(move |asked| {
        Answer::status(302).header("location", format!("{to}{}", asked.path))
    });
    let address = server.address;
    let of_url = format!("http://user:s3cret@{address}");
    let netrc = Netrc::parse("machine 127.0.0.1 password t0ken").unwrap();
    let options = CacheOptions { netrc, ..options() };
    for (url, sent) in [
        (of_url, "Basic dXNlcjpzM2NyZXQ="),
        (server.url(), "Basic OnQwa2Vu"),
    ] {
        let caches = BinaryCaches::new(vec![source(&url)], STORE, web(), &options).unwrap();
        find(&caches, 1);
        let last = server.log().pop().unwrap();
        assert_eq!(last.authorization(), Some(sent));
        let shown = format!("{caches:?} {}", caches.location(0).unwrap());
        assert!(
            !shown.contains("s3cret") && shown.contains("127.0.0.1"),
            "{shown}"
        );
    }
    assert!(
        other
            .log()
            .iter()
            .all(|asked| asked.authorization().is_none())
    );
}
