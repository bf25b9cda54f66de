//! Files that are damaged, or something else.

use terrine_support::hint::Hint;

use super::*;

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

/// A file that does not say that it is a cache is left alone, by `clear` as well; unless all of it is one.
fn refused_unless_whole(folder: &Path, bytes: &[u8]) {
    match Cache::open(folder, CacheOptions::on(DAY)) {
        Ok(cache) => drop(check(&cache, 0..40)),
        Err(error) => {
            assert!(matches!(error, Error::NotACache { .. }), "{error:?}");
            assert!(matches!(info(folder), Err(Error::NotACache { .. })));
            assert!(matches!(clear(folder), Err(Error::NotACache { .. })));
            assert!(fs::read(database(folder)).unwrap() == bytes);
        }
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
    assert!(
        matches!(info_of, Ok(_) | Err(Error::Damaged { .. })),
        "{what}: {info_of:?}"
    );
    clear(folder).unwrap();
    assert_eq!(info(folder).unwrap().entries(), 0, "{what}");
}

#[test]
fn flipped_bits_are_never_believed() {
    let whole = folder();
    fill(&open(whole.path()), 0..40);
    let bytes = fs::read(database(whole.path())).unwrap();
    // What matters of the database's header, all pages' headers, and many contents.
    let pages = (0..bytes.len())
        .step_by(4096)
        .flat_map(|page| (0..12).map(move |i| page + i));
    let places: BTreeSet<usize> = (0..72)
        .chain(pages)
        .chain((0..bytes.len()).step_by(1999))
        .collect();
    for (i, place) in places.into_iter().enumerate() {
        let folder = folder();
        let mut bytes = bytes.clone();
        bytes[place] ^= [0xff, 1, 0x80, 4][i % 4];
        fs::write(database(folder.path()), &bytes).unwrap();
        // It does not say any more that it is a cache.
        if place < 16 {
            refused_unless_whole(folder.path(), &bytes);
            continue;
        }
        survives(folder.path(), &format!("byte {place}"));
    }
}

#[test]
fn a_truncated_file_is_begun_anew() {
    let whole = folder();
    fill(&open(whole.path()), 0..40);
    let bytes = fs::read(database(whole.path())).unwrap();
    let page = (0..bytes.len()).step_by(4096);
    for length in page.chain([100, 511, 512, 1000, 4097, 10_000, bytes.len() - 1]) {
        let folder = folder();
        fs::write(database(folder.path()), &bytes[..length]).unwrap();
        survives(folder.path(), &format!("{length} bytes"));
    }
    // Nobody can know what that was.
    for length in [1, 50, 71] {
        let folder = folder();
        fs::write(database(folder.path()), &bytes[..length]).unwrap();
        refused_unless_whole(folder.path(), &bytes[..length]);
    }
}

fn garbage(n: usize) -> Vec<u8> {
    (0..n).flat_map(|i| *digest(i as u64).as_bytes()).collect()
}

#[test]
fn what_is_a_cache_by_its_header_alone_is_begun_anew() {
    let whole = folder();
    fill(&open(whole.path()), 0..40);
    let header = &fs::read(database(whole.path())).unwrap()[..100];
    for length in [0, 100, 300] {
        let folder = folder();
        let bytes = [header, &garbage(length)].concat();
        fs::write(database(folder.path()), &bytes).unwrap();
        assert!(
            matches!(info(folder.path()), Err(Error::Damaged { .. })),
            "{length}"
        );
        let cache = open(folder.path());
        assert!(
            cache
                .complaint()
                .unwrap()
                .ends_with("was damaged and is recreated"),
            "{length}"
        );
        drop(cache);
        survives(folder.path(), "a header");
        // A journal that is nobody's.
        fs::write(folder.path().join("layers.sqlite-journal"), &bytes).unwrap();
        survives(folder.path(), "a journal");
        fs::write(database(folder.path()), &bytes).unwrap();
        assert_eq!(clear(folder.path()).unwrap().entries, 0);
        survives(folder.path(), "cleared");
    }
}

#[test]
fn a_file_that_is_no_cache_is_left_alone() {
    let another = folder();
    let database_of_others = another.path().join("x.sqlite");
    Connection::open(&database_of_others)
        .unwrap()
        .execute_batch("CREATE TABLE accounts (name TEXT); INSERT INTO accounts VALUES ('me')")
        .unwrap();
    for bytes in [
        b"not a database, but long enough for a header\n".repeat(200),
        garbage(2000),
        vec![0; 8192],
        [b"SQLite format 3\0".to_vec(), garbage(300)].concat(),
        fs::read(&database_of_others).unwrap(),
    ] {
        let folder = folder();
        fs::write(database(folder.path()), &bytes).unwrap();
        let error = Cache::open(folder.path(), CacheOptions::on(DAY)).unwrap_err();
        assert!(matches!(error, Error::NotACache { .. }), "{error:?}");
        refused_unless_whole(folder.path(), &bytes);
    }
}

#[test]
fn a_link_is_not_followed() {
    let target = folder();
    fill(&open(target.path()), 0..3);
    let before = fs::read(database(target.path())).unwrap();
    for to in [database(target.path()), target.path().join("missing")] {
        let folder = folder();
        std::os::unix::fs::symlink(&to, database(folder.path())).unwrap();
        let error = Cache::open(folder.path(), CacheOptions::on(DAY)).unwrap_err();
        assert!(matches!(error, Error::Link { .. }), "{error:?}");
        assert!(info(folder.path()).is_err() && clear(folder.path()).is_err());
    }
    assert!(fs::read(database(target.path())).unwrap() == before);
    assert!(!target.path().join("missing").exists());
    // On the way to its folder there may be some.
    let folder = folder();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(target.path(), &link).unwrap();
    assert_eq!(check(&open(&link), 0..3), 12);
}

#[test]
fn a_folder_of_others_is_not_used() {
    let folder = folder();
    fill(&open(folder.path()), 0..3);
    let set = |mode| {
        let permissions = PermissionsExt::from_mode(mode);
        fs::set_permissions(folder.path(), permissions).unwrap();
    };
    for mode in [0o777, 0o775, 0o1777] {
        set(mode);
        let error = Cache::open(folder.path(), CacheOptions::on(DAY)).unwrap_err();
        assert!(matches!(error, Error::NotOwn { .. }), "{mode:o}: {error:?}");
        assert!(error.hint().is_some());
    }
    set(0o755);
    assert_eq!(check(&open(folder.path()), 0..3), 12);
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
        assert!(
            matches!(info(folder.path()), Err(Error::Damaged { .. })),
            "{change}"
        );
        let cache = open(folder.path());
        assert_eq!(
            (check(&cache, 0..3), cache.complaint()),
            (0, None),
            "{change}"
        );
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
        &fs::File::options()
            .write(true)
            .open(database(folder.path()))
            .unwrap(),
        &garbage,
        100,
    )
    .unwrap();
    cache
        .lock()
        .file
        .as_ref()
        .unwrap()
        .connection()
        .release_memory()
        .unwrap();
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
    let error = Cache::open(folder.path(), CacheOptions::on(DAY)).unwrap_err();
    assert!(matches!(error, Error::NotAFile { .. }), "{error:?}");
    assert!(error.hint().is_some());
    assert!(info(folder.path()).is_err() && clear(folder.path()).is_err());
    let file = database(folder.path()).join("x");
    let error = Cache::open(&file, CacheOptions::on(DAY)).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    let cache = Cache::open_or_none(&file, CacheOptions::on(DAY));
    fill(&cache, 0..3);
    let complaint = cache.complaint().unwrap();
    assert!(complaint.starts_with(&format!("using the layer cache in `{}`: ", file.display())));
    assert_eq!(fs::read(file).unwrap(), b"x");
}
