//! The client against servers and directories on this machine.

mod closure;
mod content;
mod find;
mod s3;
mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use terrine_oci::Digest;
use terrine_registry::{ClientOptions, Web};
use terrine_support::chain;
use terrine_support::hint::Hint;

use super::{BinaryCaches, CacheOptions, CacheSource, ClientError, Found};
use crate::hash::Hash;
use crate::key::SecretKey;
use crate::location::Location;
use crate::narinfo::NarInfo;
use crate::trust::TrustedKeys;

const STORE: &str = "/nix/store";

/// Returns the key of a name, which is the same each time.
fn key(name: &str) -> SecretKey {
    let seed: [u8; 32] = *Digest::of(name.as_bytes()).as_bytes();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let bytes = [&seed[..], pair.public_key().as_ref()].concat();
    SecretKey::parse(&format!("{name}:{}", STANDARD.encode(bytes))).unwrap()
}

fn keys(names: &[&str]) -> TrustedKeys {
    let mut keys = TrustedKeys::new();
    keys.extend(names.iter().map(|name| key(name).public_key()));
    keys
}

/// Returns the hash part of a path with that number.
fn hash_part(number: usize) -> String {
    let digits: Vec<char> = "0123456789abcdfghijklmnpqrsvwxyz".chars().collect();
    let digit = |position: u32| digits[number >> (5 * position) & 31];
    (0..4).rev().map(digit).collect::<String>() + &"0".repeat(28)
}

fn path(number: usize) -> String {
    format!("{STORE}/{}-p{number}", hash_part(number))
}

/// Returns the content of a path, which is a file.
fn content(number: usize) -> String {
    format!("content of {number}, ").repeat(100)
}

/// Returns the NAR of a path.
fn nar(number: usize) -> Vec<u8> {
    let content = content(number);
    let words = [
        "nix-archive-1",
        "(",
        "type",
        "regular",
        "contents",
        &content,
        ")",
    ];
    let mut nar = vec![];
    for word in words {
        nar.extend((word.len() as u64).to_le_bytes());
        nar.extend(word.as_bytes());
        nar.resize(nar.len().next_multiple_of(8), 0);
    }
    nar
}

/// Returns the narinfo of a path, signed by these keys.
fn narinfo(number: usize, references: &[usize], signers: &[&str]) -> String {
    let nar = nar(number);
    let hash = Hash::parse(&Digest::of(&nar).to_string(), "sha256")
        .unwrap()
        .to_nix32();
    let names = references.iter().map(|number| path(*number));
    let names: Vec<String> = names
        .map(|path| path[STORE.len() + 1..].to_owned())
        .collect();
    let size = nar.len();
    let mut text = format!(
        "StorePath: {}\nURL: nar/{number}.nar\nCompression: none\nFileSize: {size}\nNarHash: {hash}\nNarSize: {size}\nReferences: {}\n",
        path(number),
        names.join(" ")
    );
    let fingerprint = NarInfo::parse(text.as_bytes(), STORE)
        .unwrap()
        .fingerprint();
    for signer in signers {
        text += &format!("Sig: {}\n", key(signer).sign(&fingerprint));
    }
    text
}

/// Returns the files of a cache with paths, their references and their signers.
fn files(paths: &[(usize, &[usize], &[&str])]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let info = format!("StoreDir: {STORE}\nWantMassQuery: 1\n");
    files.insert("nix-cache-info".to_owned(), info.into_bytes());
    for (number, references, signers) in paths {
        let text = narinfo(*number, references, signers);
        files.insert(narinfo_name(*number), text.into_bytes());
        files.insert(format!("nar/{number}.nar"), nar(*number));
    }
    files
}

fn narinfo_name(number: usize) -> String {
    format!("{}.narinfo", hash_part(number))
}

fn source(url: &str) -> CacheSource {
    CacheSource {
        location: Location::parse(url).unwrap(),
        priority: None,
        keys: TrustedKeys::new(),
    }
}

fn options() -> CacheOptions {
    CacheOptions {
        keys: keys(&["one"]),
        ..CacheOptions::default()
    }
}

fn web() -> Web {
    Web::new(ClientOptions {
        retries: 2,
        back_off: Duration::from_millis(1),
        stall_timeout: Duration::from_secs(20),
        ..ClientOptions::default()
    })
}

fn caches(urls: &[&str]) -> BinaryCaches {
    let sources = urls.iter().map(|url| source(url)).collect();
    BinaryCaches::new(sources, STORE, web(), &options()).unwrap()
}

/// Finds a path that must be there.
fn find(caches: &BinaryCaches, number: usize) -> Found {
    caches.find(&path(number)).unwrap().unwrap()
}

/// Returns the messages of an error, with its hint.
fn told(error: &ClientError) -> String {
    format!(
        "{}; hint: {}",
        chain(error),
        error.hint().unwrap_or_default()
    )
}
