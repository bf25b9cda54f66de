//! Tests of what is remembered, found, and forgotten.

use super::*;

#[test]
fn what_was_remembered_is_found_again() {
    let folder = folder();
    let cache = open(folder.path());
    assert_eq!(check(&cache, 0..10), 0);
    fill(&cache, 0..10);
    // Before it is written, after that, and in another run.
    assert_eq!(check(&cache, 0..10), 40);
    cache.flush();
    assert_eq!(check(&cache, 0..10), 40);
    drop(cache);
    let cache = open(folder.path());
    assert_eq!(check(&cache, 0..20), 40);
    assert_eq!(cache.blob(digest(1), "zlib 1.3, level 9"), None);
    assert_eq!(cache.facts("other", &[digest(1)]), [None]);
    assert_eq!(
        cache.facts("test", &[digest(99), digest(1)]),
        [None, Some(fact(1))]
    );
    assert!(cache.facts("test", &[]).is_empty());
    assert!(cache.locations("quay.io", digest(1)).is_empty());
    assert_eq!(cache.complaint(), None);
}

#[test]
fn what_lied_is_forgotten() {
    let folder = folder();
    fill(&open(folder.path()), 0..3);
    let cache = open(folder.path());
    cache.forget_plain(&key(0));
    cache.forget_blob(digest(1), ZLIB);
    cache.forget_location("ghcr.io", "a/2", digest(2));
    cache.forget_location("ghcr.io", "a/none", digest(1));
    for cache in [cache, open(folder.path())] {
        assert_eq!(
            (cache.plain(&key(0)), cache.blob(digest(1), ZLIB)),
            (None, None)
        );
        assert!(cache.locations("ghcr.io", digest(2)).is_empty());
        assert_eq!(check(&cache, 0..3), 9);
    }
}

#[test]
fn the_place_seen_last_comes_first() {
    let folder = folder();
    let names = |cache: &Cache| cache.locations("ghcr.io", digest(0)).join(" ");
    let cache = open(folder.path());
    for n in 0..10 {
        cache.remember_location("ghcr.io", &n.to_string(), digest(0));
    }
    assert_eq!(names(&cache), "9 8 7 6 5 4 3 2");
    cache.remember_location("ghcr.io", "5", digest(0));
    cache.forget_location("ghcr.io", "8", digest(0));
    drop(cache);
    assert_eq!(names(&open(folder.path())), "5 9 7 6 4 3 2");
}

#[test]
fn no_cache_holds_nothing() {
    let cache = Cache::none();
    fill(&cache, 0..3);
    cache.forget_plain(&key(0));
    assert_eq!((check(&cache, 0..3), cache.complaint()), (0, None));
    assert_eq!(cache.info().unwrap().entries(), 0);
}

#[test]
fn the_folder_is_the_users_own() {
    let folder = folder();
    let inner = folder.path().join("a/b");
    fill(&open(&inner), 0..1);
    assert_eq!(
        fs::metadata(&inner).unwrap().permissions().mode() & 0o777,
        0o700
    );
    // Nothing but the database stays there, and an empty journal.
    let mut names: Vec<_> = fs::read_dir(&inner)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["layers.sqlite", "layers.sqlite-journal"]);
    assert_eq!(
        fs::metadata(inner.join("layers.sqlite-journal"))
            .unwrap()
            .len(),
        0
    );
}

/// Looks up what a push of an unchanged image asks.
#[test]
fn looking_up_is_quick() {
    let folder = folder();
    fill(&open(folder.path()), 0..2000);
    let best = (0..20)
        .map(|_| {
            let start = Instant::now();
            let cache = open(folder.path());
            for n in 0..100 {
                assert!(cache.plain(&key(n)).is_some() && cache.blob(digest(n), ZLIB).is_some());
            }
            drop(cache);
            start.elapsed()
        })
        .min()
        .unwrap();
    // It takes 2 ms in a debug build; this leaves room for machines that do other things.
    assert!(
        best < Duration::from_millis(50),
        "opening and 200 look-ups: {best:?}"
    );
}
