//! The image that another is built on.
//!
//! It is hostile until verified: the configuration and every layer are checked against their
//! digests.

mod archive;
mod claims;
mod file;
mod fingerprint;
mod links;
mod listing;
mod merge;
mod outline;

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};
use terrine_compress::Compression;
use terrine_oci::{Configuration, Descriptor, Digest};
use terrine_planner_host::image;
use terrine_tar::{Header, Kind, MAX_UNPACKED};

use crate::source::{
    self, Attributes, Error, Fault, HashingReader, Image, Layer, LocalOpener, Spool, Spooled,
};
pub use archive::{LayerFiles, read_member};
pub use fingerprint::{Fingerprint, fingerprint};
pub use links::Links;
pub use listing::{Listed, ListedAccess, Listing};
pub use outline::Outline;

/// An image to build on.
#[derive(Debug)]
pub struct Base {
    name: String,
    configuration: Configuration,
    layers: Vec<BaseLayer>,
    outline: OnceLock<Outline>,
    /// The digest of its manifest, where it has one.
    manifest: Option<Digest>,
    /// Its name in a registry.
    reference: Option<String>,
}

/// A layer of an image to build on.
#[derive(Debug)]
pub struct BaseLayer {
    /// The archive member's name, in its plainest form. What is in no docker-archive has the
    /// name that skopeo gives it there.
    pub name: String,
    /// The digest of the uncompressed layer, as the configuration has it.
    pub diff_id: Digest,
    attributes: Attributes,
    layer: Arc<dyn Layer>,
}

/// The form in which a base layer goes into another archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The number of bytes that it will have there.
    pub size: u64,
    /// The digest that those bytes must have.
    pub digest: Digest,
    unpack: bool,
}

/// The base image as it is reported to planners.
impl From<&Base> for image::BaseImage {
    fn from(base: &Base) -> Self {
        let layers = u32::try_from(base.layers.len()).unwrap_or(u32::MAX);
        Self {
            configuration: base.configuration().to_owned(),
            layers,
        }
    }
}

impl Base {
    /// Opens a file: of a docker-archive the first image that its `manifest.json` lists, else
    /// the only one of an OCI archive or layout.
    ///
    /// # Errors
    ///
    /// An archive that is truncated, broken or lacks something, and a configuration
    /// that is not the one that its name promises.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let opened = source::open_first(&path.display().to_string(), path, &LocalOpener)?;
        Ok(Self::new(source::pick(opened, None)?))
    }

    /// Builds on an image.
    pub fn new(image: Image) -> Self {
        let in_archive = image.manifest.is_none();
        let spool = Arc::new(Spool::default());
        let layers: Vec<BaseLayer> = image
            .layers
            .into_iter()
            .map(|layer| BaseLayer {
                name: if in_archive {
                    layer.name()
                } else {
                    format!("{}.tar", layer.diff_id().hex())
                },
                diff_id: layer.diff_id(),
                attributes: layer.attributes(),
                layer: match layer.repository() {
                    // It may be read more than once.
                    Some(_) => {
                        Arc::new(Spooled::new(layer, image.name.clone(), Arc::clone(&spool)))
                    }
                    None => layer,
                },
            })
            .collect();
        let repository = layers.first().and_then(|layer| layer.layer.repository());
        Self {
            // As it was asked for: the layers know it by its digest.
            reference: repository.map(|_| {
                image
                    .name
                    .strip_prefix("docker://")
                    .unwrap_or(&image.name)
                    .to_owned()
            }),
            manifest: image.manifest.map(|manifest| manifest.digest()),
            name: image.name,
            configuration: image.configuration,
            layers,
            outline: OnceLock::new(),
        }
    }

    /// The image again, as one that is only read.
    pub fn image(&self) -> Image {
        Image {
            name: self.name.clone(),
            names: vec![],
            manifest: None,
            configuration: self.configuration.clone(),
            layers: self
                .layers
                .iter()
                .map(|base| Arc::clone(&base.layer))
                .collect(),
        }
    }

    /// The digest of its manifest, and its name in a registry, where it has them.
    pub fn published(&self) -> Option<(Option<&str>, Digest)> {
        Some((self.reference.as_deref(), self.manifest?))
    }

    /// The image configuration, as the text that its digest covers.
    pub fn configuration(&self) -> &str {
        self.configuration.text()
    }

    /// The layers, bottom to top.
    pub fn layers(&self) -> &[BaseLayer] {
        &self.layers
    }

    /// Returns what the image holds, as far as that is known without downloading it: of an image in
    /// a registry, what its history says; of any other one, what is in its layers.
    ///
    /// # Errors
    ///
    /// As [`Base::listing`].
    pub fn holdings(&self, store_dir: &str) -> Result<Listing, Error> {
        let remote = self
            .layers
            .iter()
            .any(|layer| layer.layer.repository().is_some());
        if remote {
            Ok(Listing::claimed(
                claims::of(&self.configuration, store_dir),
                store_dir,
            ))
        } else {
            self.listing()
        }
    }

    /// Returns the name that errors call the image by.
    pub fn name(&self) -> &str {
        &self.name
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
    /// A compressed layer that cannot be unpacked, or is not the one it should be.
    pub fn transfer(&self, layer: &BaseLayer) -> Result<Transfer, Error> {
        let compression = layer.layer.look()?;
        if compression == Compression::None {
            return Ok(Transfer {
                size: layer.stored_size(),
                digest: layer.diff_id,
                unpack: false,
            });
        }
        let mut raw = HashingReader {
            inner: layer.layer.open()?,
            hash: Sha256::new(),
        };
        let unpacked =
            unpack(&mut raw, compression).map_err(|error| self.unpacking(layer, &error))?;
        self.check(&layer.name, layer.diff_id, unpacked.digest)?;
        if compression != Compression::Gzip {
            return Ok(unpacked);
        }
        // Whatever follows the compressed data belongs to the member, too.
        io::copy(&mut raw, &mut io::sink()).map_err(|source| Error::Io {
            image: self.name.clone(),
            source,
        })?;
        Ok(Transfer {
            size: layer.stored_size(),
            digest: raw.hash.into(),
            unpack: false,
        })
    }

    /// The bytes of a layer, in the form that [`Base::transfer`] decided on.
    ///
    /// # Errors
    ///
    /// A decoder that cannot be set up.
    pub fn content<'a>(
        &'a self,
        layer: &'a BaseLayer,
        transfer: Transfer,
    ) -> Result<Box<dyn Read + 'a>, Error> {
        let raw = layer.layer.open()?;
        if !transfer.unpack {
            return Ok(raw);
        }
        let decoder = layer
            .compression()
            .decoder(raw)
            .map_err(|error| self.unpacking(layer, &error))?;
        Ok(decoder)
    }

    /// Checks the digest of a member.
    ///
    /// # Errors
    ///
    /// Two digests that differ.
    pub fn check(&self, member: &str, expected: Digest, actual: Digest) -> Result<(), Error> {
        if expected == actual {
            return Ok(());
        }
        let (expected, actual) = (expected.to_string(), actual.to_string());
        Err(Error::fault(
            &self.name,
            Fault::Digest {
                member: member.to_owned(),
                expected,
                actual,
            },
        ))
    }

    fn unpacking(&self, layer: &BaseLayer, error: &io::Error) -> Error {
        let what = format!("its layer `{}`", layer.name);
        let (compression, why) = (layer.compression(), error.to_string());
        Error::fault(
            &self.name,
            Fault::Compression {
                what,
                compression,
                why,
            },
        )
    }
}

impl BaseLayer {
    /// The size of the layer as it is stored, in bytes, compressed if it is.
    pub fn stored_size(&self) -> u64 {
        self.layer.stored_size()
    }

    /// The layer itself.
    pub fn layer(&self) -> &Arc<dyn Layer> {
        &self.layer
    }

    /// The blob as it is stored.
    ///
    /// # Errors
    ///
    /// A layer that has to be read for it and cannot be.
    pub fn descriptor(&self) -> Result<Descriptor, Error> {
        self.layer.descriptor()
    }

    fn compression(&self) -> Compression {
        self.layer.compression()
    }

    /// The header of the layer's member: the one it has in its own archive, but for the size.
    pub fn header(&self, size: u64) -> Header<'_> {
        Header {
            name: self.name.as_bytes(),
            kind: Kind::File,
            mode: self.attributes.mode,
            uid: self.attributes.uid,
            gid: self.attributes.gid,
            size,
            mtime: self.attributes.mtime,
            link: b"",
            uname: &self.attributes.uname,
            gname: &self.attributes.gname,
            xattrs: &[],
        }
    }
}

/// Returns what compressed bytes unpack to.
fn unpack(raw: impl Read + Send, compression: Compression) -> io::Result<Transfer> {
    let mut plain = HashingReader {
        inner: compression.decoder(raw)?,
        hash: Sha256::new(),
    };
    let size = io::copy(&mut plain.by_ref().take(MAX_UNPACKED + 1), &mut io::sink())?;
    if size > MAX_UNPACKED {
        return Err(io::Error::other(format!(
            "it has more than {MAX_UNPACKED} bytes"
        )));
    }
    Ok(Transfer {
        size,
        digest: plain.hash.into(),
        unpack: true,
    })
}
