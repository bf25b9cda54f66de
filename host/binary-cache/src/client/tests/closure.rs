//! Closures.

use std::collections::{BTreeMap, BTreeSet};

use super::server::{Answer, Server, file};
use super::*;

/// Returns the paths of a tree: each refers to itself and to two others.
fn tree(count: usize) -> BTreeMap<String, Vec<u8>> {
    let below = |number: usize| {
        let all = [number, 2 * number + 1, 2 * number + 2];
        all.into_iter()
            .filter(|number| *number < count)
            .collect::<Vec<_>>()
    };
    let references: Vec<Vec<usize>> = (0..count).map(below).collect();
    let paths: Vec<(usize, &[usize], &[&str])> = references
        .iter()
        .enumerate()
        .map(|(number, references)| (number, &**references, &["one"][..]))
        .collect();
    files(&paths)
}

#[test]
fn many_paths_are_found_at_once_and_each_once() {
    let files = tree(500);
    let server = Server::start(move |asked| file(&files, asked).late(2));
    let caches = caches(&[&server.url()]);
    let found = caches.closure(&[path(0), path(3)], &|_| false).unwrap();
    let expected: BTreeSet<String> = (0..500).map(path).collect();
    assert!(found.keys().eq(expected.iter()));
    assert!(
        found
            .iter()
            .all(|(path, found)| *path == found.info.store_path)
    );
    assert_eq!(server.paths().len(), 501);
    assert_eq!(caches.traffic().narinfos.requests, 501);
    let most = server.most_at_once();
    assert!((2..=16).contains(&most), "{most}");
}

#[test]
fn local_paths_are_neither_asked_for_nor_followed() {
    let server = Server::of_files(tree(31));
    let caches = caches(&[&server.url()]);
    let local = [path(1), path(6)];
    let found = caches.closure(&[path(0)], &|path| local.iter().any(|local| local == path));
    let expected: BTreeSet<String> = [0, 2, 5, 11, 12, 23, 24, 25, 26].map(path).into();
    assert!(found.unwrap().keys().eq(expected.iter()));
    let all = caches.closure(&[path(0)], &|_| true).unwrap();
    assert!(all.is_empty());
    assert_eq!(server.paths().len(), 10);
}

#[test]
fn missing_paths_are_named_with_what_refers_to_them() {
    let mut files = tree(31);
    for number in [5, 7] {
        files.remove(&narinfo_name(number));
    }
    let server = Server::of_files(files);
    let url = server.url();
    let error = caches(&[&url]).closure(&[path(0)], &|_| false).unwrap_err();
    let expected = format!(
        "`{}` is missing from the binary cache `{url}`; `{}` refers to it; another path is missing, too; hint: ",
        path(5),
        path(2)
    );
    let told = told(&error);
    assert!(told.starts_with(&expected), "{told}");
    let error = caches(&[&url]).closure(&[path(5)], &|_| false).unwrap_err();
    assert!(
        !told.contains("it was")
            && matches!(error, ClientError::Missing { referrers, .. } if referrers.is_empty())
    );
}

#[test]
fn the_first_error_ends_it() {
    let files = tree(500);
    let name = narinfo_name(1);
    let server = Server::start(move |asked| {
        if asked.path.contains(&name) {
            return Answer::status(418);
        }
        file(&files, asked).late(100)
    });
    let error = caches(&[&server.url()])
        .closure(&[path(0)], &|_| false)
        .unwrap_err();
    assert!(told(&error).contains("answers 418"), "{error}");
    assert!(server.paths().len() < 30);
    let broken = Server::start(|_| Answer::status(418));
    let error = caches(&[&broken.url()])
        .closure(&[path(0)], &|_| false)
        .unwrap_err();
    assert!(told(&error).contains("nix-cache-info"));
    assert_eq!(broken.paths().len(), 1);
}

#[test]
fn closures_are_bounded() {
    let server = Server::of_files(tree(31));
    let limit = |max_paths| {
        let options = CacheOptions {
            max_paths,
            ..options()
        };
        let caches = BinaryCaches::new(vec![source(&server.url())], STORE, web(), &options);
        caches.unwrap().closure(&[path(0)], &|_| false)
    };
    assert_eq!(limit(31).unwrap().len(), 31);
    assert!(matches!(limit(30), Err(ClientError::TooMany { limit: 30 })));
    assert!(matches!(limit(0), Err(ClientError::TooMany { limit: 0 })));
    // A directory is a cache like any other.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("nar")).unwrap();
    for (name, bytes) in tree(31) {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let caches = caches(&[&format!("file://{}", folder.path().display())]);
    assert_eq!(caches.closure(&[path(0)], &|_| false).unwrap().len(), 31);
}
