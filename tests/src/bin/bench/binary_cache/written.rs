//! A binary cache of store paths, as Nix writes one: signed descriptions, listings, and NARs that are compressed by
//! zstd.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use sha2::{Digest, Sha256};
use terrine::binary_cache::{Hash, NarInfo, SecretKey};
use terrine::compress::{Encoder, Pool, Setting};

use super::{Result, nar};

/// The compression of NARs: the level that Nix has by default.
const COMPRESSION: &str = "zstd:3";

/// A key that nobody trusts but the benchmark.
const SECRET: &str = "test-1:gquWGDNuKyzZ4rDw1R17JctBLhqzC2YjQeHHvBzcO0wDQxuJkgUPdC4zhLISbw+Pe6/RC2bN94oAEquiU+bN3g==";

/// A store path that is in a cache.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its name in the store.
    pub(super) name: String,
    /// Its place on this machine.
    pub(super) place: PathBuf,
    /// The names of the paths that it refers to.
    pub(super) references: Vec<String>,
    /// The hash of its NAR, by its algorithm and in base 32; empty before it is written.
    pub(super) nar_hash: String,
    /// The size of its NAR in bytes.
    pub(super) nar_size: u64,
}

/// A cache that is being written.
pub(super) struct Writer<'a> {
    folder: &'a Path,
    store_dir: &'a str,
    key: SecretKey,
    setting: Setting,
    pool: Pool,
}

impl<'a> Writer<'a> {
    /// Begins a cache in an empty folder.
    pub(super) fn new(folder: &'a Path, store_dir: &'a str) -> Result<Self> {
        fs::create_dir_all(folder.join("nar"))?;
        let info = format!("StoreDir: {store_dir}\nWantMassQuery: 1\nPriority: 30\n");
        fs::write(folder.join("nix-cache-info"), info)?;
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            folder,
            store_dir,
            key: SecretKey::parse(SECRET)?,
            setting: COMPRESSION.parse()?,
            pool: Pool::new(threads),
        })
    }

    /// The key that its signatures are checked by.
    pub(super) fn public_key(&self) -> String {
        self.key.public_key().to_string()
    }

    /// Adds a path, and sets the hash and size of its NAR.
    pub(super) fn add(&self, member: &mut Member) -> Result<()> {
        let hash_part = member.name.split('-').next().unwrap_or_default();
        let url = format!("nar/{hash_part}.nar.zst");
        let file = Hashing::new(File::create(self.folder.join(&url))?);
        let mut plain = Hashing::new(Encoder::new(&self.setting, &self.pool, file)?);
        let listing = nar::write(&member.place, &mut plain)?;
        (member.nar_hash, member.nar_size) = (plain.hash()?, plain.size);
        let file = plain.inner.finish()?;
        fs::write(
            self.folder.join(format!("{hash_part}.ls")),
            listing.to_string(),
        )?;
        let text = format!(
            "StorePath: {}/{}\nURL: {url}\nCompression: zstd\nFileHash: {}\nFileSize: {}\nNarHash: {}\nNarSize: {}\nReferences: {}\n",
            self.store_dir,
            member.name,
            file.hash()?,
            file.size,
            member.nar_hash,
            member.nar_size,
            member.references.join(" "),
        );
        let info = NarInfo::parse(text.as_bytes(), self.store_dir)?;
        let signature = self.key.sign(&info.fingerprint());
        let place = self.folder.join(format!("{hash_part}.narinfo"));
        Ok(fs::write(place, format!("{text}Sig: {signature}\n"))?)
    }
}

/// A writer of bytes that are hashed and counted.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    /// In bytes.
    size: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            size: 0,
        }
    }

    /// The hash of all bytes so far, as narinfos have it.
    fn hash(&self) -> Result<String> {
        let bytes = self.hash.clone().finalize();
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = Hash::parse(&digits, "sha256").ok_or("a hash has 64 digits")?;
        Ok(hash.to_nix32())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
