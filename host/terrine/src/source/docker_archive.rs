//! The docker-archive: what `docker save` of any version writes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use terrine_compress::{Compression, MAGIC};
use terrine_oci::{
    ArchiveManifest, Configuration, Descriptor, Digest, MAX_CONFIGURATION, MediaType, Selector,
};
use terrine_support::json::in_words;
use terrine_tar::{Archive, Member};

use super::seekable::{self, Unpacking};
use super::{Attributes, Available, Error, Fault, FilePart, Image, Layer};

/// Members that mean something to whoever reads an archive.
const RESERVED: &[&str] = &[
    "",
    "manifest.json",
    "repositories",
    "index.json",
    "oci-layout",
];

/// An archive of images.
#[derive(Debug)]
pub struct DockerArchive {
    /// The archive's name in errors.
    name: String,
    archive: Arc<Archive>,
    manifests: Vec<ArchiveManifest>,
}

impl DockerArchive {
    /// Opens an archive, plain or compressed; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// An archive that is truncated, broken, or no docker-archive.
    pub fn open(name: &str, path: &Path) -> Result<Self, Error> {
        let archive = seekable::open_archive(path).map_err(|error| error.of(name))?;
        Self::new(name, archive)
    }

    /// The same of what is read from a file or a pipe.
    ///
    /// # Errors
    ///
    /// As [`DockerArchive::open`].
    pub fn read(name: &str, file: File) -> Result<Self, Error> {
        let archive = seekable::scan(file).map_err(|error| error.of(name))?;
        Self::new(name, archive)
    }

    pub(super) fn new(name: &str, archive: Archive) -> Result<Self, Error> {
        let manifests = manifests(&archive).map_err(|error| error.of(name))?;
        Ok(Self {
            name: name.to_owned(),
            archive: Arc::new(archive),
            manifests,
        })
    }

    /// The names of its images, and their numbers where they have none.
    pub fn names(&self) -> Vec<String> {
        self.manifests
            .iter()
            .enumerate()
            .flat_map(|(number, manifest)| match manifest.repo_tags.as_slice() {
                [] => vec![format!("@{number}")],
                names => names.to_vec(),
            })
            .collect()
    }

    fn available(&self) -> Available {
        Available::new("docker-archive", &self.name, self.names())
    }

    /// Returns the manifest that the archive has for each of its images.
    pub fn manifests(&self) -> &[ArchiveManifest] {
        &self.manifests
    }

    /// One of its images; with [`Selector::Only`] there must be just one.
    ///
    /// # Errors
    ///
    /// An image that is not there, or lacks something, and a configuration that is not the one
    /// that its name promises.
    pub fn image(&self, selector: &Selector) -> Result<Image, Error> {
        let manifest = self
            .select(selector)
            .map_err(|fault| Error::fault(&self.name, fault))?;
        self.build(manifest).map_err(|error| error.of(&self.name))
    }

    /// The first of its images, whatever else there is.
    ///
    /// # Errors
    ///
    /// As [`DockerArchive::image`].
    pub fn first(&self) -> Result<Image, Error> {
        let manifest = self
            .manifests
            .first()
            .ok_or(Fault::NoImage)
            .map_err(|fault| Error::fault(&self.name, fault))?;
        self.build(manifest).map_err(|error| error.of(&self.name))
    }

    fn select(&self, selector: &Selector) -> Result<&ArchiveManifest, Fault> {
        let missing = |wanted: String| Fault::NoSuchImage {
            wanted,
            available: self.available(),
        };
        match selector {
            Selector::Only => match self.manifests.as_slice() {
                [] => Err(Fault::NoImage),
                [manifest] => Ok(manifest),
                _ => Err(Fault::Several(self.available())),
            },
            Selector::Number(number) => self
                .manifests
                .get(*number)
                .ok_or_else(|| missing(format!("@{number}"))),
            Selector::Name(name) => {
                let wanted = normal(name);
                self.manifests
                    .iter()
                    .find(|manifest| manifest.repo_tags.iter().any(|tag| normal(tag) == wanted))
                    .ok_or_else(|| missing(name.clone()))
            }
            Selector::Digest(digest) => {
                let hex = digest.hex();
                self.manifests
                    .iter()
                    .find(|manifest| manifest.config.contains(&hex))
                    .ok_or_else(|| missing(digest.to_string()))
            }
        }
    }

    fn build(&self, manifest: &ArchiveManifest) -> Result<Image, Unpacking> {
        let text = self.archive.read(&manifest.config, MAX_CONFIGURATION)?;
        if let Some(expected) = promised_digest(&manifest.config) {
            check(&manifest.config, expected, Digest::of(&text))?;
        }
        let configuration = Configuration::parse(text).map_err(|error| Fault::Json {
            member: manifest.config.clone(),
            why: error.to_string(),
        })?;
        let diff_ids = configuration.diff_ids();
        if manifest.layers.len() != diff_ids.len() {
            let (layers, diff_ids) = (manifest.layers.len(), diff_ids.len());
            return Err(Fault::LayerCount { layers, diff_ids }.into());
        }
        let layers = manifest
            .layers
            .iter()
            .zip(diff_ids)
            .map(|(name, &diff_id)| self.layer(name, diff_id))
            .collect::<Result<_, Unpacking>>()?;
        Ok(Image {
            name: self.name.clone(),
            names: manifest.repo_tags.clone(),
            manifest: None,
            configuration,
            layers,
        })
    }

    fn layer(&self, name: &str, diff_id: Digest) -> Result<Arc<dyn Layer>, Unpacking> {
        let member = self.archive.member(name)?.clone();
        // As it will be written: what a reader of the next archive makes of it.
        let name = terrine_tar::plain_name(name.as_bytes())?;
        if RESERVED.contains(&name.as_str()) || name.ends_with(".json") {
            return Err(Fault::NotALayer(name).into());
        }
        let mut start = Vec::new();
        self.archive
            .content(&member)
            .take(MAGIC as u64)
            .read_to_end(&mut start)?;
        Ok(Arc::new(ArchiveLayer {
            image: self.name.clone(),
            archive: Arc::clone(&self.archive),
            name,
            diff_id,
            compression: Compression::detect(&start),
            member,
            digest: OnceLock::new(),
        }))
    }
}

/// A layer of a docker-archive.
#[derive(Debug)]
struct ArchiveLayer {
    image: String,
    archive: Arc<Archive>,
    name: String,
    diff_id: Digest,
    compression: Compression,
    member: Member,
    /// The digest of a compressed member, once somebody asked for it.
    digest: OnceLock<Digest>,
}

impl ArchiveLayer {
    fn digest(&self) -> Result<Digest, Error> {
        if self.compression == Compression::None {
            return Ok(self.diff_id);
        }
        if let Some(&digest) = self.digest.get() {
            return Ok(digest);
        }
        let mut hash = Sha256::new();
        io::copy(&mut self.archive.content(&self.member), &mut hash).map_err(|source| {
            Error::Io {
                image: self.image.clone(),
                source,
            }
        })?;
        Ok(*self.digest.get_or_init(|| hash.into()))
    }
}

impl Layer for ArchiveLayer {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn diff_id(&self) -> Digest {
        self.diff_id
    }

    fn descriptor(&self) -> Result<Descriptor, Error> {
        let media_type = self.compression.media_type().unwrap_or_else(|| {
            MediaType::Other(format!("{}+{}", MediaType::OciLayer, self.compression))
        });
        Ok(Descriptor::new(
            media_type,
            self.digest()?,
            self.member.size,
        ))
    }

    fn stored_size(&self) -> u64 {
        self.member.size
    }

    fn compression(&self) -> Compression {
        self.compression
    }

    fn open(&self) -> Result<Box<dyn Read + Send + '_>, Error> {
        Ok(Box::new(self.archive.content(&self.member)))
    }

    fn content(&self) -> Result<Option<FilePart<'_>>, Error> {
        Ok(Some(self.archive.content(&self.member)))
    }

    fn attributes(&self) -> Attributes {
        let Member {
            mode,
            uid,
            gid,
            mtime,
            uname,
            gname,
            ..
        } = self.member.clone();
        Attributes {
            mode,
            uid,
            gid,
            mtime,
            uname,
            gname,
        }
    }
}

fn manifests(archive: &Archive) -> Result<Vec<ArchiveManifest>, Unpacking> {
    let member = "manifest.json";
    if !archive.has(member) && !archive.has("index.json") && !archive.is_empty() {
        return Err(Fault::NoKind.into());
    }
    let text = archive.read(member, MAX_CONFIGURATION)?;
    Ok(json(member, &text)?)
}

fn json<T: for<'de> Deserialize<'de>>(member: &str, text: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(text).map_err(|error| Fault::Json {
        member: member.to_owned(),
        why: in_words(&error.to_string()),
    })
}

/// The digest in the name of a configuration: `<digest>.json` of old archives,
/// `blobs/sha256/<digest>` of newer ones.
fn promised_digest(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next().unwrap_or(name);
    Digest::from_hex(last.strip_suffix(".json").unwrap_or(last)).ok()
}

pub(crate) fn check(member: &str, expected: Digest, actual: Digest) -> Result<(), Fault> {
    if expected == actual {
        return Ok(());
    }
    Err(Fault::Digest {
        member: member.to_owned(),
        expected: expected.to_string(),
        actual: actual.to_string(),
    })
}

/// A name as docker understands it: without what it adds by itself.
pub(crate) fn normal(name: &str) -> &str {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    name.strip_suffix(":latest").unwrap_or(name)
}
