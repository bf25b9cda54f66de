use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rusqlite::Connection;

use super::*;

const DAY: u64 = 20_000;
const ZLIB: &str = "zlib 1.3, level 6, blocks of 128 KiB";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn open(folder: &Path) -> Cache {
    on(folder, DAY)
}

fn on(folder: &Path, now_days: u64) -> Cache {
    Cache::open(folder, Options::on(now_days)).unwrap()
}

fn key(n: u64) -> LayerKey {
    LayerKey::builder("test").number("n", n).finish()
}

/// What the layer with a number is. A row that is there and says something else is a lie.
fn plain(n: u64) -> Plain {
    Plain { diff_id: digest(n), size: n.wrapping_mul(7919) }
}

fn stored(n: u64) -> Stored {
    Stored { digest: digest(n ^ 0xffff_0000), size: n }
}

fn digest(n: u64) -> Digest {
    Digest::of(&n.to_le_bytes())
}

fn fact(n: u64) -> String {
    format!("fact {n} ").repeat(n as usize % 50)
}

/// Remembers everything about some numbers.
fn fill(cache: &Cache, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        cache.remember_plain(&key(n), &plain(n));
        cache.remember_blob(digest(n), ZLIB, &stored(n));
        cache.remember_location("ghcr.io", &format!("a/{n}"), digest(n));
        cache.remember_facts("test", &[(digest(n), fact(n))]);
    }
}

/// How much of it is there; what is there is right.
fn check(cache: &Cache, numbers: impl IntoIterator<Item = u64>) -> usize {
    let mut found = 0;
    for n in numbers {
        let p = cache.plain(&key(n));
        let b = cache.blob(digest(n), ZLIB);
        let l = cache.locations("ghcr.io", digest(n));
        let f = cache.facts("test", &[digest(n)]).pop().unwrap();
        assert!(p.is_none_or(|p| p == plain(n)), "{n}: {p:?}");
        assert!(b.is_none_or(|b| b == stored(n)), "{n}: {b:?}");
        assert!(l.is_empty() || l == [format!("a/{n}")], "{n}: {l:?}");
        found += usize::from(p.is_some()) + usize::from(b.is_some()) + l.len();
        found += usize::from(f.is_some());
        assert!(f.as_ref().is_none_or(|f| *f == fact(n)), "{n}: {f:?}");
    }
    found
}

fn database(folder: &Path) -> PathBuf {
    folder.join(file::NAME)
}

fn sql(folder: &Path, statements: &str) {
    Connection::open(database(folder)).unwrap().execute_batch(statements).unwrap();
}

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
    assert_eq!(cache.facts("test", &[digest(99), digest(1)]), [None, Some(fact(1))]);
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
        assert_eq!((cache.plain(&key(0)), cache.blob(digest(1), ZLIB)), (None, None));
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
    assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
    // Nothing but the database stays there, and an empty journal.
    let mut names: Vec<_> = fs::read_dir(&inner).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["layers.sqlite", "layers.sqlite-journal"]);
    assert_eq!(fs::metadata(inner.join("layers.sqlite-journal")).unwrap().len(), 0);
}

#[test]
fn altered_rows_are_not_believed_and_go() {
    for change in [
        "UPDATE entries SET value = (SELECT value FROM entries e WHERE e.kind = 1 ORDER BY key LIMIT 1)",
        // Rows mixed up as wholes.
        "CREATE TABLE t AS SELECT * FROM entries; DELETE FROM entries;
         INSERT INTO entries SELECT 3 - kind, key, value, used, seal FROM t WHERE kind < 3; DROP TABLE t",
        "CREATE TABLE t AS SELECT a.kind, a.key, b.value, a.used, b.seal FROM entries a JOIN entries b
           ON a.kind = b.kind AND a.key < b.key GROUP BY a.kind, a.key;
         DELETE FROM entries; INSERT INTO entries SELECT * FROM t; DROP TABLE t",
        "UPDATE entries SET value = CAST(substr(value, 1, 39) || x'01' AS BLOB) WHERE kind < 3",
        "UPDATE entries SET value = x''",
        "UPDATE entries SET seal = x''",
        "UPDATE entries SET seal = zeroblob(32)",
    ] {
        let folder = folder();
        fill(&open(folder.path()), [7, 13, 19]);
        sql(folder.path(), change);
        let cache = open(folder.path());
        // One row may have kept its own value.
        assert!(check(&cache, [7, 13, 19]) <= 6, "{change}");
        // What has another name is not even found.
        if !change.contains("3 - kind") {
            let complaint = cache.complaint().unwrap();
            assert!(complaint.ends_with("has entries that were altered; they are ignored"), "{complaint}");
        }
        drop(cache);
        let cache = open(folder.path());
        check(&cache, [7, 13, 19]);
        assert_eq!(cache.complaint(), None, "{change}");
        fill(&cache, [7, 13, 19]);
        assert_eq!(check(&cache, [7, 13, 19]), 12);
    }
}

/// A cache that was damaged holds no lies, and works from then on.
fn survives(folder: &Path, what: &str) {
    let cache = open(folder);
    check(&cache, 0..40);
    fill(&cache, 40..45);
    drop(cache);
    // Damage may have shown only when it was written.
    let cache = open(folder);
    check(&cache, 0..45);
    fill(&cache, 45..50);
    drop(cache);
    let cache = open(folder);
    check(&cache, 0..45);
    assert_eq!(check(&cache, 45..50), 20, "{what}: {:?}", cache.complaint());
    drop(cache);
    // A part that nobody looked at may still be damaged.
    let info_of = info(folder);
    assert!(matches!(info_of, Ok(_) | Err(Error::Damaged { .. })), "{what}: {info_of:?}");
    clear(folder).unwrap();
    assert_eq!(info(folder).unwrap().entries(), 0, "{what}");
}

#[test]
fn flipped_bits_are_never_believed() {
    let whole = folder();
    fill(&open(whole.path()), 0..40);
    let bytes = fs::read(database(whole.path())).unwrap();
    // What matters of the database's header, all pages' headers, and many contents.
    let pages = (0..bytes.len()).step_by(4096).flat_map(|page| (0..12).map(move |i| page + i));
    let places: BTreeSet<usize> = (0..72).chain(pages).chain((0..bytes.len()).step_by(1999)).collect();
    for (i, place) in places.into_iter().enumerate() {
        let folder = folder();
        let mut bytes = bytes.clone();
        bytes[place] ^= [0xff, 1, 0x80, 4][i % 4];
        fs::write(database(folder.path()), bytes).unwrap();
        survives(folder.path(), &format!("byte {place}"));
    }
}

#[test]
fn a_truncated_file_is_begun_anew() {
    let whole = folder();
    fill(&open(whole.path()), 0..40);
    let bytes = fs::read(database(whole.path())).unwrap();
    let page = (0..bytes.len()).step_by(4096);
    for length in page.chain([1, 50, 100, 511, 512, 1000, 4097, 10_000, bytes.len() - 1]) {
        let folder = folder();
        fs::write(database(folder.path()), &bytes[..length]).unwrap();
        survives(folder.path(), &format!("{length} bytes"));
    }
}

#[test]
fn what_is_no_cache_is_begun_anew() {
    let garbage = |n: usize| (0..n).flat_map(|i| *digest(i as u64).as_bytes()).collect::<Vec<u8>>();
    for (what, bytes) in [
        ("text", b"not a database, but long enough for a header\n".repeat(200)),
        ("garbage", garbage(2000)),
        ("zeros", vec![0; 8192]),
        ("an interrupted header", [b"SQLite format 3\0".to_vec(), garbage(300)].concat()),
    ] {
        let folder = folder();
        fs::write(database(folder.path()), &bytes).unwrap();
        assert!(matches!(info(folder.path()), Err(Error::Damaged { .. })), "{what}");
        let cache = open(folder.path());
        assert!(cache.complaint().unwrap().ends_with("was damaged, and is begun anew"), "{what}");
        drop(cache);
        survives(folder.path(), what);
        // A journal that is nobody's.
        fs::write(folder.path().join("layers.sqlite-journal"), &bytes).unwrap();
        survives(folder.path(), what);
        fs::write(database(folder.path()), &bytes).unwrap();
        assert_eq!(clear(folder.path()).unwrap().entries, 0, "{what}");
        survives(folder.path(), what);
    }
}

#[test]
fn another_version_is_begun_anew() {
    for change in [
        "PRAGMA user_version = 2",
        "PRAGMA journal_mode = WAL; PRAGMA user_version = 2",
        "ALTER TABLE entries ADD COLUMN more TEXT",
        "CREATE TABLE more (x)",
        "CREATE TRIGGER t AFTER INSERT ON entries BEGIN UPDATE entries SET value = x'00'; END",
        "DROP TABLE entries; CREATE VIEW entries AS SELECT 1 kind, x'' key, x'' value, 1 used, x'' seal",
        "DROP TABLE entries",
    ] {
        let folder = folder();
        fill(&open(folder.path()), 0..3);
        sql(folder.path(), change);
        assert!(matches!(info(folder.path()), Err(Error::Damaged { .. })), "{change}");
        let cache = open(folder.path());
        assert_eq!((check(&cache, 0..3), cache.complaint()), (0, None), "{change}");
        drop(cache);
        survives(folder.path(), change);
    }
}

#[test]
fn damage_while_it_is_used_is_survived() {
    let folder = folder();
    fill(&open(folder.path()), 0..300);
    let cache = open(folder.path());
    check(&cache, 0..1);
    // In place, as a failing disk does it, and told of, so that nothing cached is used.
    let length = fs::metadata(database(folder.path())).unwrap().len();
    let garbage = vec![0xa5; length as usize - 100];
    std::os::unix::fs::FileExt::write_all_at(
        &fs::File::options().write(true).open(database(folder.path())).unwrap(),
        &garbage,
        100,
    )
    .unwrap();
    cache.lock().file.as_ref().unwrap().connection().release_memory().unwrap();
    check(&cache, 0..300);
    fill(&cache, 0..300);
    check(&cache, 0..300);
    drop(cache);
    survives(folder.path(), "overwritten");
}

#[test]
fn something_else_in_its_place_is_an_error_and_stays() {
    let folder = folder();
    fs::create_dir(database(folder.path())).unwrap();
    fs::write(database(folder.path()).join("x"), "x").unwrap();
    let error = Cache::open(folder.path(), Options::on(DAY)).unwrap_err();
    assert!(matches!(error, Error::NotAFile { .. }), "{error:?}");
    assert!(error.hint().is_some());
    assert!(info(folder.path()).is_err() && clear(folder.path()).is_err());
    let file = database(folder.path()).join("x");
    let error = Cache::open(&file, Options::on(DAY)).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    let cache = Cache::open_or_none(&file, Options::on(DAY));
    fill(&cache, 0..3);
    let complaint = cache.complaint().unwrap();
    assert!(complaint.starts_with(&format!("using the layer cache in `{}`: ", file.display())));
    assert_eq!(fs::read(file).unwrap(), b"x");
}

#[test]
fn a_place_that_can_not_be_written_is_complained_of_once_and_read() {
    let folder = folder();
    fill(&open(folder.path()), 0..10);
    // Even root can not make a journal of a folder.
    let journal = folder.path().join("layers.sqlite-journal");
    fs::remove_file(&journal).unwrap();
    let cache = on(folder.path(), DAY + 1);
    fs::create_dir(&journal).unwrap();
    fs::write(journal.join("x"), "").unwrap();
    fill(&cache, 10..30);
    let complaint = cache.complaint().unwrap().to_owned();
    assert!(complaint.starts_with("using the layer cache `"), "{complaint}");
    fill(&cache, 30..40);
    cache.flush();
    assert_eq!(cache.complaint().unwrap(), complaint);
    drop(cache);
    fs::remove_dir_all(&journal).unwrap();
    assert_eq!(check(&open(folder.path()), 0..10), 40);
}

#[test]
fn a_full_disk_loses_only_what_does_not_fit() {
    let folder = folder();
    fill(&open(folder.path()), 0..10);
    let cache = open(folder.path());
    let limit = |cache: &Cache, pages: u32| {
        let inner = cache.lock();
        let connection = inner.file.as_ref().unwrap().connection();
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(&cache, 6);
    fill(&cache, 10..500);
    assert!(cache.complaint().unwrap().contains("full"), "{:?}", cache.complaint());
    assert_eq!(check(&cache, 0..10), 40);
    drop(cache);
    let cache = open(folder.path());
    assert_eq!(check(&cache, 0..10), 40);
    check(&cache, 10..500);
}

#[test]
fn one_that_is_held_is_done_without() {
    let folder = folder();
    fill(&open(folder.path()), 0..3);
    let (reading, writing) = (open(folder.path()), open(folder.path()));
    fill(&writing, 3..4);
    let other = Connection::open(database(folder.path())).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for cache in [&reading, &writing] {
        cache.lock().file.as_ref().unwrap().wait_for(Duration::from_millis(5));
    }
    assert_eq!(reading.plain(&key(0)), None);
    assert!(reading.complaint().unwrap().ends_with("locked"), "{:?}", reading.complaint());
    // It waits no second time.
    assert!(reading.lock().file.is_none());
    writing.flush();
    assert!(writing.complaint().unwrap().ends_with("locked"));
    other.execute_batch("COMMIT").unwrap();
    drop((reading, writing));
    assert_eq!(check(&open(folder.path()), 0..4), 12);
}

#[test]
fn the_least_recently_used_go_when_there_are_too_many() {
    let folder = folder();
    let bounded = |day, max_rows, max_bytes| {
        Cache::open(folder.path(), Options { now_days: day, max_rows, max_bytes }).unwrap()
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
    let options = Options { now_days: DAY, max_rows: 1_000_000, max_bytes };
    let cache = Cache::open(folder.path(), options).unwrap();
    let long = "x".repeat(10_000);
    for n in 0..1000 {
        cache.remember_facts("long", &[(digest(n), format!("{n}{long}"))]);
    }
    cache.flush();
    let batch = (BATCH * 10_000 * 2) as u64;
    let bytes = info(folder.path()).unwrap().bytes;
    assert!((max_bytes / 2..max_bytes + batch).contains(&bytes), "{bytes}");
    assert_eq!(cache.facts("long", &[digest(999)]), [Some(format!("999{long}"))]);
    cache.remember_facts("long", &[(digest(1), "x".repeat(LONGEST + 1))]);
    assert!(cache.facts("long", &[digest(1)]).pop().unwrap().is_none_or(|fact| fact.len() < LONGEST));
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
    assert_eq!((check(&open(folder.path()), 0..500), cache.complaint()), (40, None));
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

#[test]
fn threads_and_caches_get_on_with_each_other() {
    let folder = folder();
    let shared = open(folder.path());
    std::thread::scope(|scope| {
        for t in 0..4 {
            let (shared, folder) = (&shared, folder.path());
            scope.spawn(move || {
                let own = open(folder);
                for round in 0..20 {
                    let numbers = round * 5..round * 5 + 10;
                    for cache in [shared, &own] {
                        fill(cache, numbers.clone());
                        check(cache, 0..round * 5 + 10);
                    }
                    if t == 0 && round % 5 == 4 {
                        clear(folder).unwrap();
                    }
                }
                own.flush();
                assert_eq!(own.complaint(), None);
            });
        }
    });
    shared.flush();
    assert_eq!(shared.complaint(), None);
    assert!(check(&open(folder.path()), 0..105) > 0);
}

/// Not a test: a process that writes until it is killed.
#[test]
#[ignore = "run by `killed_writers_leave_a_whole_database`"]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os("TERRINE_TEST_CACHE") else { return };
    let cache = open(Path::new(&folder));
    for n in (0..2000).cycle() {
        fill(&cache, [n]);
        check(&cache, [n / 2]);
        if n == 20 {
            // The parent reads it.
            writeln!(std::io::stdout(), "ready").unwrap();
        }
        assert_eq!(cache.complaint(), None);
    }
}

fn writer(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "cache::tests::writes_until_it_is_killed"]);
    let mut child = command.env("TERRINE_TEST_CACHE", folder).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("ready")), "the writer ended early");
    child
}

#[test]
fn killed_writers_leave_a_whole_database() {
    let folder = folder();
    let mut lasting = writer(folder.path());
    for round in 0..15u64 {
        let mut child = writer(folder.path());
        // Some moment, another in each round.
        std::thread::sleep(Duration::from_micros(round * 7919 % 15_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let cache = open(folder.path());
        assert!(check(&cache, 0..20) > 0);
        check(&cache, (0..2000).step_by(31));
        assert_eq!(cache.complaint(), None, "round {round}");
    }
    assert!(lasting.try_wait().unwrap().is_none(), "the other writer failed");
    lasting.kill().unwrap();
    lasting.wait().unwrap();
    let check: String = Connection::open(database(folder.path()))
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

/// What a push of an unchanged image asks.
#[test]
fn looking_up_is_quick() {
    let folder = folder();
    fill(&open(folder.path()), 0..2000);
    let run = || {
        let start = Instant::now();
        let cache = open(folder.path());
        for n in 0..100 {
            assert!(cache.plain(&key(n)).is_some() && cache.blob(digest(n), ZLIB).is_some());
        }
        drop(cache);
        start.elapsed()
    };
    let best = (0..20).map(|_| run()).min().unwrap();
    // It takes 2 ms in a debug build; this leaves room for machines that do other things.
    assert!(best < Duration::from_millis(50), "opening and 200 look-ups: {best:?}");
}
