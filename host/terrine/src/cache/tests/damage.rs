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
    let garbage = |n: usize| {
        (0..n)
            .flat_map(|i| *digest(i as u64).as_bytes())
            .collect::<Vec<u8>>()
    };
    for (what, bytes) in [
        (
            "text",
            b"not a database, but long enough for a header\n".repeat(200),
        ),
        ("garbage", garbage(2000)),
        ("zeros", vec![0; 8192]),
        (
            "an interrupted header",
            [b"SQLite format 3\0".to_vec(), garbage(300)].concat(),
        ),
    ] {
        let folder = folder();
        fs::write(database(folder.path()), &bytes).unwrap();
        assert!(
            matches!(info(folder.path()), Err(Error::Damaged { .. })),
            "{what}"
        );
        let cache = open(folder.path());
        assert!(
            cache
                .complaint()
                .unwrap()
                .ends_with("was damaged, and is begun anew"),
            "{what}"
        );
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
