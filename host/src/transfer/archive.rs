//! Images that exist, as a docker-archive: one, or several that share layers.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::Error;
use crate::base::{Base, BaseLayer, Transfer};
use crate::image::{ArchiveManifest, Digest};
use crate::layer::{END_OF_ARCHIVE, RECORD, padding};
use crate::pipe::{self, Feeder};
use crate::ship::{Reporter, Source, docker_archive};
use crate::source::Image;

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
    let images: Vec<(Base, Vec<String>)> =
        images.into_iter().map(|named| (Base::new(named.image), named.names)).collect();
    pipe::run(out, reporter, |feeder| {
        let mut archive = Archive { feeder, reporter, written: BTreeMap::new(), expected: vec![] };
        let mut manifests = vec![];
        for (base, names) in &images {
            let layers = base.layers().iter().map(|layer| archive.layer(base, layer));
            let layers = layers.collect::<Result<Vec<String>, Error>>()?;
            let config = format!("{}.json", Digest::of(base.configuration().as_bytes()).hex());
            manifests.push(ArchiveManifest { config, repo_tags: names.clone(), layers });
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
            let first = *owners.entry(name).or_insert(image);
            if first.configuration.digest() != image.configuration.digest() {
                let [first, second] = [first, image].map(|image| image.name.clone());
                return Err(Error::SameName { first, second, name: name.clone() });
            }
        }
    }
    Ok(())
}

/// One entry for each image, with all names that it has.
fn merge(manifests: Vec<ArchiveManifest>) -> Vec<ArchiveManifest> {
    let mut merged: Vec<ArchiveManifest> = vec![];
    for manifest in manifests {
        match merged.iter_mut().find(|other| other.config == manifest.config) {
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
        self.reporter.layer(self.written.len() + 1, Source::Existing(&layer.name), layer.stored_size());
        let transfer = base.transfer(layer)?;
        let member = format!("{}.tar", layer.diff_id.hex());
        let header = docker_archive::header(&member, transfer.size, MTIME);
        self.expected.push((base, layer.name.clone(), transfer.digest));
        docker_archive::layer(self.feeder, &header, |feeder| content(feeder, base, layer, transfer))?;
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
                .find(|text| manifest.config.starts_with(&Digest::of(text.as_bytes()).hex()));
            self.file(&manifest.config, configuration.unwrap_or_default().as_bytes())?;
        }
        self.file("manifest.json", &ArchiveManifest::list_to_json(manifests))?;
        self.feeder.zeros(END_OF_ARCHIVE)?;
        let total = self.feeder.total();
        Ok(self.feeder.zeros(total.next_multiple_of(RECORD) - total)?)
    }

    fn file(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        let mut block = Vec::new();
        docker_archive::header(name, content.len() as u64, MTIME).encode(&mut block);
        self.feeder.put(&block)?;
        self.feeder.put(content)?;
        Ok(self.feeder.zeros(padding(content.len() as u64))?)
    }
}

fn content(
    feeder: &mut Feeder<'_>,
    base: &Base,
    layer: &BaseLayer,
    transfer: Transfer,
) -> Result<(), Error> {
    let mut content = base.content(layer, transfer)?;
    let failed = |error| crate::source::Error::reading(base.name(), error);
    let mut rest = transfer.size;
    while rest > 0 {
        let spare = feeder.spare()?;
        let length = usize::try_from(rest).map_or(spare.len(), |rest| spare.len().min(rest));
        match content.read(&mut spare[..length]) {
            Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into()).into()),
            Ok(count) => {
                feeder.advance(count);
                rest -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error).into()),
        }
    }
    Ok(())
}
