//! Images that exist, as a docker-archive: one, or several that share layers.

use std::collections::BTreeMap;
use std::io::Write;

use terrine_oci::{ArchiveManifest, Digest};

use super::Error;
use crate::base::{Base, BaseLayer};
use crate::destination::{Reporter, Source, docker_archive};
use crate::pipe::{self, Feeder};
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
/// Two images of one name, a layer that can not be read or is not what it should be, and an
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
    pipe::run(out, reporter, |feeder| {
        let mut archive = Archive {
            feeder,
            reporter,
            written: BTreeMap::new(),
            expected: vec![],
        };
        let mut manifests = vec![];
        for (base, names) in &images {
            let layers = base.layers().iter().map(|layer| archive.layer(base, layer));
            let layers = layers.collect::<Result<Vec<String>, Error>>()?;
            let config = format!("{}.json", Digest::of(base.configuration().as_bytes()).hex());
            manifests.push(ArchiveManifest {
                config,
                repo_tags: names.clone(),
                layers,
            });
        }
        archive.verify()?;
        archive.finish(&images, &merge(manifests))
    })
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
struct Archive<'a, 'f> {
    feeder: &'a mut Feeder<'f>,
    reporter: &'a dyn Reporter,
    /// The members of layers, by diff id.
    written: BTreeMap<Digest, String>,
    /// What each stretch of hashed bytes must turn out to be.
    expected: Vec<(&'a Base, String, Digest)>,
}

impl<'a> Archive<'a, '_> {
    fn layer(&mut self, base: &'a Base, layer: &'a BaseLayer) -> Result<String, Error> {
        if let Some(member) = self.written.get(&layer.diff_id) {
            return Ok(member.clone());
        }
        self.reporter.layer(
            self.written.len() + 1,
            Source::Existing(&layer.name),
            layer.stored_size(),
        );
        let transfer = base.transfer(layer)?;
        let member = format!("{}.tar", layer.diff_id.hex());
        let header = docker_archive::header(&member, transfer.size, MTIME);
        self.expected
            .push((base, layer.name.clone(), transfer.digest));
        docker_archive::layer(self.feeder, &header, |feeder| {
            let failed = |error| Error::from(source::Error::reading(base.name(), error));
            docker_archive::copy(
                feeder,
                base.content(layer, transfer)?,
                transfer.size,
                failed,
            )
        })?;
        self.written.insert(layer.diff_id, member.clone());
        self.reporter.finished(self.written.len(), false);
        Ok(member)
    }

    /// Holds what was written against what it had to be.
    fn verify(&mut self) -> Result<(), Error> {
        let digests = self.feeder.digests()?;
        for ((base, name, expected), actual) in self.expected.iter().zip(digests) {
            base.check(name, *expected, actual)?;
        }
        Ok(())
    }

    fn finish(
        &mut self,
        images: &[(Base, Vec<String>)],
        manifests: &[ArchiveManifest],
    ) -> Result<(), Error> {
        for manifest in manifests {
            let configuration = images
                .iter()
                .map(|(base, _)| base.configuration())
                .find(|text| {
                    manifest
                        .config
                        .starts_with(&Digest::of(text.as_bytes()).hex())
                });
            let configuration = configuration.unwrap_or_default().as_bytes();
            docker_archive::file(self.feeder, &manifest.config, configuration, MTIME)?;
        }
        let list = ArchiveManifest::list_to_json(manifests);
        docker_archive::file(self.feeder, "manifest.json", &list, MTIME)?;
        Ok(docker_archive::end(self.feeder)?)
    }
}
