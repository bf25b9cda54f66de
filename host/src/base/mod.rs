//! Reading the image that another is built on.
//!
//! A base image is a docker-archive, plain or compressed, in the layout of any
//! version of `docker save`. It is hostile until verified: the configuration and
//! every layer are held against their digests.

mod archive;
mod compression;
mod error;
mod extended;
mod fingerprint;
mod listing;
mod members;
mod merge;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::image::{ArchiveManifest, Digest};
use crate::layer::{Header, Kind};
use archive::{Archive, MAX_UNPACKED, Member, Unpacking};
pub use compression::Compression;
pub use error::{Error, Fault};
pub use fingerprint::{Fingerprint, fingerprint};
pub use listing::Listing;

/// The largest manifest or configuration that is read, in bytes. Registries take 4 MiB.
const MAX_JSON: u64 = 16 << 20;

/// Members that mean something to whoever reads an archive.
const RESERVED: &[&str] = &["", "manifest.json", "repositories", "index.json", "oci-layout"];

/// An image to build on.
#[derive(Debug)]
pub struct Base {
    path: PathBuf,
    archive: Archive,
    configuration: String,
    layers: Vec<BaseLayer>,
}

/// A layer of an image to build on.
#[derive(Debug)]
pub struct BaseLayer {
    /// The archive member's name, in its plainest form.
    pub name: String,
    /// The digest of the uncompressed layer, as the configuration has it.
    pub diff_id: Digest,
    compression: Compression,
    member: Member,
}

/// How a base layer goes into another archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// How many bytes it will have there.
    pub size: u64,
    /// The digest that those bytes must have.
    pub digest: Digest,
    unpack: bool,
}

/// The parts of an image configuration that layers depend on.
#[derive(Deserialize)]
struct Configuration {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    /// Null or missing where there are none: Go writes empty lists in all these ways.
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

impl Base {
    /// Opens a base image: the first one that its `manifest.json` lists.
    ///
    /// # Errors
    ///
    /// An archive that is truncated, broken or lacks something, and a configuration
    /// that is not the one that its name promises.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let archive = Archive::open(path)?;
        let (configuration, layers) = read(&archive).map_err(|error| error.of(path))?;
        Ok(Self { path: path.to_owned(), archive, configuration, layers })
    }

    /// The image configuration, as the text that its digest covers.
    pub fn configuration(&self) -> &str {
        &self.configuration
    }

    /// The layers, bottom to top.
    pub fn layers(&self) -> &[BaseLayer] {
        &self.layers
    }

    /// Where the image is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Decides how a layer goes into another archive.
    ///
    /// A plain layer goes as it is, and its digest tells afterwards whether it was the
    /// right one. A compressed one is unpacked once to see that. Then one by gzip goes as
    /// it is, as it does in the original; the others go unpacked, because containerd
    /// imports no archive with bzip2 or xz in it, and older Dockers none with zstd.
    ///
    /// # Errors
    ///
    /// A compressed layer that can not be unpacked, or is not the one it should be.
    pub fn transfer(&self, layer: &BaseLayer) -> Result<Transfer, Error> {
        if layer.compression == Compression::None {
            return Ok(Transfer { size: layer.member.size, digest: layer.diff_id, unpack: false });
        }
        let mut raw = Hashing { inner: self.archive.content(&layer.member), hash: Sha256::new() };
        let unpacked =
            unpack(&mut raw, layer.compression).map_err(|error| self.unpacking(layer, &error))?;
        self.check(&layer.name, layer.diff_id, unpacked.digest)?;
        if layer.compression != Compression::Gzip {
            return Ok(unpacked);
        }
        // Whatever follows the compressed data belongs to the member, too.
        io::copy(&mut raw, &mut io::sink())
            .map_err(|source| Error::Io { path: self.path.clone(), source })?;
        Ok(Transfer { size: layer.member.size, digest: raw.hash.into(), unpack: false })
    }

    /// The bytes of a layer, in the form that [`Base::transfer`] decided on.
    ///
    /// # Errors
    ///
    /// A decoder that can not be set up.
    pub fn content<'a>(
        &'a self,
        layer: &'a BaseLayer,
        transfer: Transfer,
    ) -> Result<Box<dyn Read + 'a>, Error> {
        let raw = self.archive.content(&layer.member);
        if !transfer.unpack {
            return Ok(Box::new(raw));
        }
        let decoder = layer.compression.decoder(raw).map_err(|error| self.unpacking(layer, &error))?;
        Ok(decoder)
    }

    /// Checks the digest of a member.
    ///
    /// # Errors
    ///
    /// Two digests that differ.
    pub fn check(&self, member: &str, expected: Digest, actual: Digest) -> Result<(), Error> {
        check(member, expected, actual).map_err(|fault| Error::fault(&self.path, fault))
    }

    fn unpacking(&self, layer: &BaseLayer, error: &io::Error) -> Error {
        let what = format!("its layer `{}`", layer.name);
        Error::fault(
            &self.path,
            Fault::Compression { what, compression: layer.compression, why: error.to_string() },
        )
    }
}

impl BaseLayer {
    /// The size of the layer in the archive, in bytes, compressed if it is.
    pub fn stored_size(&self) -> u64 {
        self.member.size
    }

    /// The header of the layer's member: the one it has in its own archive, but for the size.
    pub fn header(&self, size: u64) -> Header<'_> {
        Header {
            name: self.name.as_bytes(),
            kind: Kind::File,
            mode: self.member.mode,
            uid: self.member.uid,
            gid: self.member.gid,
            size,
            mtime: self.member.mtime,
            link: b"",
            uname: &self.member.uname,
            gname: &self.member.gname,
        }
    }
}

/// Reads the manifest, the configuration, and where the layers are.
fn read(archive: &Archive) -> Result<(String, Vec<BaseLayer>), Unpacking> {
    if !archive.has("manifest.json") && archive.has("oci-layout") {
        return Err(Fault::OciArchive.into());
    }
    let manifests: Vec<ArchiveManifest> =
        json("manifest.json", &archive.read("manifest.json", MAX_JSON)?)?;
    let manifest = manifests.into_iter().next().ok_or(Fault::NoImage)?;
    let text = archive.read(&manifest.config, MAX_JSON)?;
    if let Some(expected) = promised_digest(&manifest.config) {
        check(&manifest.config, expected, Digest::of(&text))?;
    }
    let configuration: Configuration = json(&manifest.config, &text)?;
    let diff_ids = configuration.rootfs.diff_ids.unwrap_or_default();
    if manifest.layers.len() != diff_ids.len() {
        return Err(Fault::LayerCount { layers: manifest.layers.len(), diff_ids: diff_ids.len() }.into());
    }
    let layers = manifest.layers.into_iter().zip(diff_ids).map(|(name, diff_id)| {
        let unreadable = |why| Fault::Json { member: manifest.config.clone(), why };
        let hex = diff_id.strip_prefix("sha256:").unwrap_or(&diff_id);
        let diff_id = Digest::from_hex(hex).map_err(|error| unreadable(error.to_string()))?;
        let member = archive.member(&name)?.clone();
        // As it will be written: what a reader of the next archive makes of it.
        let name = archive::plain_name(name.as_bytes())?;
        if RESERVED.contains(&name.as_str()) || name.ends_with(".json") {
            return Err(Fault::NotALayer(name).into());
        }
        let mut start = Vec::new();
        archive.content(&member).take(compression::MAGIC as u64).read_to_end(&mut start)?;
        Ok(BaseLayer { name, diff_id, compression: Compression::detect(&start), member })
    });
    let layers = layers.collect::<Result<_, Unpacking>>()?;
    let text = String::from_utf8(text)
        .map_err(|error| Fault::Json { member: manifest.config.clone(), why: error.to_string() })?;
    Ok((text, layers))
}

fn json<T: for<'de> Deserialize<'de>>(member: &str, text: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(text)
        .map_err(|error| Fault::Json { member: member.to_owned(), why: error.to_string() })
}

/// The digest in the name of a configuration: `<digest>.json` of old archives,
/// `blobs/sha256/<digest>` of newer ones.
fn promised_digest(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next().unwrap_or(name);
    Digest::from_hex(last.strip_suffix(".json").unwrap_or(last)).ok()
}

fn check(member: &str, expected: Digest, actual: Digest) -> Result<(), Fault> {
    if expected == actual {
        return Ok(());
    }
    Err(Fault::Digest {
        member: member.to_owned(),
        expected: expected.to_string(),
        actual: actual.to_string(),
    })
}

/// What compressed bytes unpack to.
fn unpack(raw: impl Read + Send, compression: Compression) -> io::Result<Transfer> {
    let mut plain = Hashing { inner: compression.decoder(raw)?, hash: Sha256::new() };
    let size = io::copy(&mut plain.by_ref().take(MAX_UNPACKED + 1), &mut io::sink())?;
    if size > MAX_UNPACKED {
        return Err(io::Error::other(format!("it has more than {MAX_UNPACKED} bytes")));
    }
    Ok(Transfer { size, digest: plain.hash.into(), unpack: true })
}

/// A reader that hashes what goes through.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}
