//! The cache, its file, and what can happen to it.

mod bounds;
mod damage;
mod entries;
mod others;
mod transfer;

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
    Cache::open(folder, CacheOptions::on(now_days)).unwrap()
}

fn key(n: u64) -> LayerKey {
    LayerKey::builder("test").number("n", n).finish()
}

/// Returns what the layer with a number is. An existing row that says something else is a lie.
fn plain(n: u64) -> Plain {
    Plain {
        diff_id: digest(n),
        size: n.wrapping_mul(7919),
    }
}

fn stored(n: u64) -> Stored {
    Stored {
        digest: digest(n ^ 0xffff_0000),
        size: n,
    }
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

/// Returns how much of it is there, and checks that this is right.
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
    Connection::open(database(folder))
        .unwrap()
        .execute_batch(statements)
        .unwrap();
}
