//! Tests of how much is kept, and for how long.

use super::*;

#[test]
fn the_least_recently_used_go_when_there_are_too_many() {
    let folder = folder();
    let bounded = |day, max_rows, max_bytes| {
        Cache::open(
            folder.path(),
            CacheOptions {
                now_days: day,
                max_rows,
                max_bytes,
                check_all: false,
            },
        )
        .unwrap()
    };
    fill(&bounded(1, 4000, u64::MAX), 0..500);
    fill(&bounded(2, 4000, u64::MAX), 500..1000);
    assert_eq!(info(folder.path()).unwrap().entries(), 4000);
    // The first of the old ones are used again.
    assert_eq!(check(&bounded(3, 4000, u64::MAX), 0..100), 400);
    let cache = bounded(4, 4000, u64::MAX);
    fill(&cache, 1000..1010);
    cache.flush();
    let entries = cache.info().unwrap().entries();
    assert!((3000..=4000).contains(&entries), "{entries}");
    assert_eq!(check(&cache, 0..100), 400);
    assert_eq!(check(&cache, 500..1010), 510 * 4);
    drop(cache);
    // Bytes in use, whatever the file had before.
    let cache = bounded(5, u64::MAX, 200_000);
    fill(&cache, 1010..1020);
    cache.flush();
    assert_eq!(check(&cache, 1010..1020), 40);
    let used = cache.info().unwrap();
    assert!(used.entries() < 2000, "{used:?}");
    assert_eq!(check(&cache, 0..1010) as u64 + 40, used.entries());
    drop(cache);
    // Nothing at all.
    let cache = bounded(6, 0, 0);
    fill(&cache, 0..10);
    cache.flush();
    assert_eq!(cache.info().unwrap().entries(), 0);
}

#[test]
fn the_file_stays_within_its_bounds() {
    let folder = folder();
    let max_bytes = 1 << 20;
    let options = CacheOptions {
        now_days: DAY,
        max_rows: 1_000_000,
        max_bytes,
        check_all: false,
    };
    let cache = Cache::open(folder.path(), options).unwrap();
    let long = "x".repeat(10_000);
    for n in 0..1000 {
        cache.remember_facts("long", &[(digest(n), format!("{n}{long}"))]);
    }
    cache.flush();
    let batch = (BATCH * 10_000 * 2) as u64;
    let bytes = info(folder.path()).unwrap().bytes;
    assert!(
        (max_bytes / 2..max_bytes + batch).contains(&bytes),
        "{bytes}"
    );
    assert_eq!(
        cache.facts("long", &[digest(999)]),
        [Some(format!("999{long}"))]
    );
    cache.remember_facts("long", &[(digest(1), "x".repeat(LONGEST + 1))]);
    assert!(
        cache
            .facts("long", &[digest(1)])
            .pop()
            .unwrap()
            .is_none_or(|fact| fact.len() < LONGEST)
    );
}

#[test]
fn use_is_marked_once_a_day() {
    let folder = folder();
    let uses = || {
        let info = info(folder.path()).unwrap();
        (info.oldest_use.unwrap(), info.newest_use.unwrap())
    };
    fill(&on(folder.path(), 10), 0..10);
    assert_eq!(uses(), (10, 10));
    let cache = on(folder.path(), 12);
    check(&cache, 0..5);
    assert_eq!(cache.lock().changes.len(), 20);
    cache.flush();
    check(&cache, 0..5);
    assert_eq!(cache.lock().changes.len(), 0);
    assert_eq!(uses(), (10, 12));
    // A clock that was wrong once does not keep entries for ever.
    check(&on(folder.path(), 9), 0..10);
    assert_eq!(uses(), (9, 9));
}

#[test]
fn clearing_leaves_others_to_carry_on() {
    let folder = folder();
    assert_eq!(clear(folder.path()).unwrap(), Cleared::default());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(info(&folder.path().join("none")).unwrap().entries(), 0);
    let cache = open(folder.path());
    fill(&cache, 0..500);
    cache.flush();
    let cleared = clear(folder.path()).unwrap();
    assert_eq!(cleared.entries, 2000);
    assert!(cleared.bytes > 200_000, "{cleared:?}");
    assert_eq!(check(&cache, 0..500), 0);
    fill(&cache, 0..10);
    cache.flush();
    assert_eq!(
        (check(&open(folder.path()), 0..500), cache.complaint()),
        (40, None)
    );
    // Removed by hand.
    fs::remove_file(database(folder.path())).unwrap();
    fill(&cache, 10..20);
    check(&cache, 0..20);
    let other = open(folder.path());
    assert_eq!((check(&other, 0..20), other.complaint()), (0, None));
    fill(&other, 0..20);
    drop(cache);
    assert_eq!(check(&other, 0..20), 80);
}
