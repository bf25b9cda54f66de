//! The layer cache, of which nothing is believed and nothing fails a run.

use std::cell::OnceCell;
use std::fs;

use terrine::cache::{self, Cache, CacheOptions, LayerKey, Plain, Stored};
use terrine::oci::Digest;

use crate::format::Format;
use crate::{Limit, Target};

/// The database, in its folder.
const FILE: &str = "layers.sqlite";
/// A day, counted from 1970.
const TODAY: u64 = 20_000;

pub(super) const TARGET: Target = Target {
    name: "caches",
    format: Format::Sqlite,
    seeds,
    run,
    short: 200,
    longest: 256 << 10,
    limit: Limit::USUAL,
};

thread_local! {
    static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
}

fn key(number: u64) -> LayerKey {
    LayerKey::builder("fuzz").number("number", number).finish()
}

fn plain(number: u64) -> Plain {
    Plain {
        diff_id: Digest::of(&number.to_le_bytes()),
        size: number,
    }
}

fn remember(cache: &Cache, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let Plain { diff_id, size } = plain(number);
        cache.remember_plain(&key(number), &plain(number));
        cache.remember_blob(
            diff_id,
            "gzip",
            &Stored {
                digest: diff_id,
                size,
            },
        );
        cache.remember_location("localhost", &format!("repository/{number}"), diff_id);
        cache.remember_facts("fuzz", &[(diff_id, format!("fact {number}"))]);
    }
    cache.flush();
}

fn seeds() -> Vec<Vec<u8>> {
    let folder = super::folder();
    let cache = Cache::open(folder.path(), CacheOptions::on(TODAY)).expect("a cache");
    remember(&cache, 0..20);
    drop(cache);
    vec![
        fs::read(folder.path().join(FILE)).expect("a database"),
        vec![],
    ]
}

fn run(data: &[u8]) -> bool {
    FOLDER.with(|cell| {
        let folder = cell.get_or_init(super::folder).path();
        fs::write(folder.join(FILE), data).expect("a place for a database");
        for suffix in ["-journal", "-wal", "-shm"] {
            let _ = fs::remove_file(folder.join(format!("{FILE}{suffix}")));
        }
        let Ok(cache) = Cache::open(folder, CacheOptions::on(TODAY)) else {
            return false;
        };
        let mut known = 0;
        for number in 0..20 {
            // What is damaged is not known any more; it is never something else.
            let found = cache.plain(&key(number));
            assert!(
                found.is_none_or(|found| found == plain(number)),
                "{number}: {found:?}"
            );
            known += usize::from(found.is_some());
            let digest = plain(number).diff_id;
            let stored = cache.blob(digest, "gzip");
            assert!(stored.is_none_or(|stored| stored.size == number && stored.digest == digest));
            let facts = cache.facts("fuzz", &[digest]);
            assert!(
                facts[0]
                    .as_ref()
                    .is_none_or(|fact| *fact == format!("fact {number}"))
            );
            let places = cache.locations("localhost", digest);
            assert!(
                places
                    .iter()
                    .all(|place| *place == format!("repository/{number}")),
                "{places:?}"
            );
        }
        remember(&cache, 100..102);
        if cache.complaint().is_none() {
            assert_eq!(cache.plain(&key(100)), Some(plain(100)), "remembered");
        }
        drop(cache);
        drop(cache::info(folder));
        known > 0
    })
}
