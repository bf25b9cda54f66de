//! Images that exist, as a docker-archive: one, or several that share layers.

use std::collections::BTreeMap;
use std::io::Write;

use terrine_oci::{ArchiveManifest, Digest};

use super::Error;
use crate::base::{Base, BaseLayer};
use crate::destination::Reporter;
use crate::destination::docker_archive::{DockerArchive, header};
use crate::layer::LayerOrigin;
use crate::pipe;
use crate::source::{self, Image};

/// The time of every member: dockerTools' own.
const MTIME: i64 = 1;

/// An image, and the names that it is to be loaded under.
#[derive(Debug)]
pub struct Named {
    /// The image.
    pub image: Image,
    /// Names with tags.
    pub names: Vec<String>,
}

/// Writes images as a docker-archive, each layer once. Layers go plain or by gzip, because not
/// every consumer takes anything else there; all are verified.
///
/// # Errors
///
/// Two images of one name, a layer that cannot be read or is not what it should be, and an
/// output that does not take it. The archive is no image then.
pub fn write_archive(
    images: Vec<Named>,
    out: impl Write + Send,
    reporter: &dyn Reporter,
) -> Result<(), Error> {
    check_names(&images)?;
    let images: Vec<(Base, Vec<String>)> = images
        .into_iter()
        .map(|named| (Base::new(named.image), named.names))
        .collect();
    let layers = images.iter().flat_map(|(base, _)| base.layers());
    let sizes: BTreeMap<Digest, u64> = layers
        .map(|layer| (layer.diff_id, layer.stored_size()))
        .collect();
    reporter.expected(sizes.into_values().fold(0, u64::saturating_add));
    pipe::run(out, reporter, |feeder| {
        let mut writing = Writing {
            archive: DockerArchive::new(feeder, reporter),
            written: BTreeMap::new(),
        };
        let mut manifests = vec![];
        for (base, names) in &images {
            let mut layers = vec![];
            for layer in base.layers() {
                layers.push(writing.layer(base, layer)?);
            }
            manifests.push(ArchiveManifest {
                config: config_name(base),
                repo_tags: names.clone(),
                layers,
            });
        }
        writing.archive.digests()?;
        let manifests = merge(manifests);
        for manifest in &manifests {
            let bases = images.iter().map(|(base, _)| base);
            if let Some(base) = bases
                .into_iter()
                .find(|base| config_name(base) == manifest.config)
            {
                let text = base.configuration().as_bytes();
                writing.archive.document(&manifest.config, text, MTIME)?;
            }
        }
        Ok(writing.archive.finish(&manifests, MTIME)?)
    })
}

/// Returns the name of an image's configuration in the archive.
fn config_name(base: &Base) -> String {
    format!("{}.json", Digest::of(base.configuration().as_bytes()).hex())
}

/// Checks that no name is that of two images: whoever loads them would lose one.
fn check_names(images: &[Named]) -> Result<(), Error> {
    let mut owners: BTreeMap<&str, &Image> = BTreeMap::new();
    for Named { image, names } in images {
        for name in names {
            let first = *owners.entry(source::normal(name)).or_insert(image);
            if first.configuration.digest() != image.configuration.digest() {
                let [first, second] = [first, image].map(|image| image.name.clone());
                return Err(Error::SameName {
                    first,
                    second,
                    name: name.clone(),
                });
            }
        }
    }
    Ok(())
}

/// One entry for each image, with all names that it has.
fn merge(manifests: Vec<ArchiveManifest>) -> Vec<ArchiveManifest> {
    let mut merged: Vec<ArchiveManifest> = vec![];
    for manifest in manifests {
        match merged
            .iter_mut()
            .find(|other| other.config == manifest.config)
        {
            Some(same) => {
                let new = manifest.repo_tags.into_iter();
                let new: Vec<String> = new.filter(|name| !same.repo_tags.contains(name)).collect();
                same.repo_tags.extend(new);
            }
            None => merged.push(manifest),
        }
    }
    merged
}

/// The archive as far as it is written.
struct Writing<'a, 'f> {
    archive: DockerArchive<'a, 'f>,
    /// The members of layers, by diff id.
    written: BTreeMap<Digest, String>,
}

impl<'a> Writing<'a, '_> {
    /// Writes a layer, unless another image had it, and returns its member's name.
    fn layer(&mut self, base: &'a Base, layer: &'a BaseLayer) -> Result<String, Error> {
        if let Some(member) = self.written.get(&layer.diff_id) {
            return Ok(member.clone());
        }
        let member = format!("{}.tar", layer.diff_id.hex());
        let origin = LayerOrigin::Existing(&layer.name);
        self.archive
            .existing(base, layer, origin, |size| header(&member, size, MTIME))?;
        self.archive.list();
        self.written.insert(layer.diff_id, member.clone());
        Ok(member)
    }
}
