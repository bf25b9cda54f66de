//! Caches in files.

use super::*;
use crate::cache::agreed;
use crate::cache::transfer::{ImportError, Transferred, export, import};

const NAME: &str = "cache.json";

fn fill(cache: &Cache) {
    for n in 0..3 {
        agreed::remember_plain(cache, &key(n), ["a"], &plain(n));
        agreed::remember_blob(cache, plain(n).diff_id, ZLIB, &stored(n));
    }
    // None of this is for others.
    cache.remember_plain(&key(7), &plain(7));
    cache.remember_location("ghcr.io", "acme/web", digest(1));
    cache.remember_facts("test", &[(digest(1), "secret".to_owned())]);
    cache.flush();
}

fn bring(folder: &Path, text: &[u8]) -> Result<Transferred, String> {
    import(folder, CacheOptions::on(DAY), Path::new(NAME), text).map_err(|error| error.to_string())
}

#[test]
fn what_is_exported_is_known_where_it_is_imported() {
    let (from, to) = (folder(), folder());
    fill(&open(from.path()));
    let (text, told) = export(from.path()).unwrap();
    assert_eq!((told.layers, told.compressed), (3, 3));
    assert!(!String::from_utf8_lossy(&text).contains("acme"));
    assert_eq!(bring(to.path(), &text), Ok(told));
    let cache = open(to.path());
    for n in 0..3 {
        assert_eq!(agreed::plain(&cache, &key(n), ["a"]), Some(plain(n)));
        let blob = agreed::blob(&cache, plain(n).diff_id, ZLIB);
        assert_eq!(blob, Some(stored(n)));
    }
    assert_eq!(cache.plain(&key(7)), None);
    drop(cache);
    // The same entries make the same file, and are there already.
    assert_eq!(export(to.path()).unwrap().0, text);
    let again = bring(to.path(), &text).unwrap();
    assert_eq!((again.layers, again.compressed, again.known), (0, 0, 6));
}

#[test]
fn what_is_known_already_is_believed_and_not_what_is_imported() {
    let (from, to) = (folder(), folder());
    let lie = Plain {
        size: 1,
        ..plain(0)
    };
    agreed::remember_plain(&open(from.path()), &key(0), ["a"], &lie);
    agreed::remember_plain(&open(to.path()), &key(0), ["a"], &plain(0));
    let (text, _) = export(from.path()).unwrap();
    let told = bring(to.path(), &text).unwrap();
    assert_eq!((told.layers, told.known), (0, 1));
    let cache = open(to.path());
    assert_eq!(agreed::plain(&cache, &key(0), ["a"]), Some(plain(0)));
}

#[test]
fn what_is_not_an_export_is_refused_whole() {
    let (from, to) = (folder(), folder());
    fill(&open(from.path()));
    let text = String::from_utf8(export(from.path()).unwrap().0).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cut = |count: usize| lines[..count].join("\n") + "\n";
    let (last, body) = lines.split_last().unwrap();
    for (text, expected) in [
        (String::new(), "is not an exported layer cache"),
        ("{}".to_owned(), "is not an exported layer cache"),
        ("\u{0}".to_owned(), "is not an exported layer cache"),
        (
            text.replace("terrine layer cache", "other"),
            "is not an exported layer cache",
        ),
        (
            text.replacen("\"version\":1", "\"version\":2", 1),
            "of version 2, and this terrine reads version 1",
        ),
        (cut(1), "its last line is missing"),
        (cut(3), "its last line is missing"),
        (text.trim_end().to_owned(), "its last line is missing"),
        (text.replacen("sha256:", "sha256:0", 1), "it was changed"),
        (
            format!("{}\n{last}\n", [body, &["{}"]].concat().join("\n")),
            "it was changed",
        ),
    ] {
        let error = bring(to.path(), text.as_bytes()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(open(to.path()).info().unwrap().entries(), 0);
    let nothing = export(&to.path().join("nowhere")).unwrap().1;
    assert_eq!(nothing, Transferred::default());
    let error = import(to.path(), CacheOptions::on(DAY), Path::new(NAME), b"").unwrap_err();
    assert!(matches!(error, ImportError::NotOne { .. }));
}

#[test]
fn pruning_removes_what_was_not_used_for_long_and_what_is_too_much() {
    let folder = folder();
    fill(&on(folder.path(), DAY - 40));
    agreed::remember_plain(&open(folder.path()), &key(100), ["a"], &plain(100));
    let prune = |before, most| {
        let limits = PruneLimits {
            unused_since: before,
            max_bytes: most,
        };
        prune(folder.path(), limits).unwrap().entries
    };
    assert_eq!(prune(Some(DAY - 40), None), 0);
    assert_eq!(prune(Some(DAY - 30), None), 15);
    let cache = open(folder.path());
    assert_eq!(agreed::plain(&cache, &key(100), ["a"]), Some(plain(100)));
    drop(cache);
    assert_eq!(prune(None, Some(1 << 20)), 0);
    assert_eq!(prune(None, Some(1)), 2);
}
