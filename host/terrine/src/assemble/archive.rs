//! Writing an image as a docker-archive, in one pass.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::thread;

use terrine_oci::{ArchiveManifest, Digest};

use super::beside::{Beside, Hashed};
use super::{Error, NewImage, Outcome, Written, total};
use crate::base::Base;
use crate::cache::{Cache, Plain};
use crate::destination::Reporter;
use crate::destination::docker_archive::{DockerArchive, Stretch, header};
use crate::layer::{Entries, LayerHistory, LayerOrigin, NewLayer};
use crate::pipe::{self, Outlet};

impl NewImage<'_> {
    /// Writes the image as a docker-archive.
    ///
    /// # Errors
    ///
    /// Anything that cannot be read, is not what it was, or is not what its digest
    /// says, and an output that does not take it. The archive is no image then.
    pub fn run(
        &self,
        mut out: impl Write + Send,
        reporter: &dyn Reporter,
    ) -> Result<Outcome, Error> {
        let out = Outlet::new(&mut out);
        self.run_as(&self.references(), out, &Cache::none(), reporter)
    }

    /// Writes the same under other names. If the output takes bytes of files that nobody reads, digests of layers whose
    /// files stay what they are come from the cache. Those that it does not have are kept there.
    ///
    /// # Errors
    ///
    /// As [`NewImage::run`].
    pub fn run_as(
        &self,
        names: &[String],
        out: Outlet<'_>,
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<Outcome, Error> {
        let layers = self.new_layers();
        let beside = Beside::new(&layers, cache, out.moves_files())?;
        total::told(self, &layers, reporter, || {
            self.write(&layers, &beside, names, out, reporter)
        })
    }

    fn write(
        &self,
        layers: &[Box<dyn NewLayer + '_>],
        beside: &Beside<'_>,
        names: &[String],
        out: Outlet<'_>,
        reporter: &dyn Reporter,
    ) -> Result<Outcome, Error> {
        pipe::run_to(out, reporter, |feeder| {
            let mut writing = Writing {
                image: self,
                names,
                archive: DockerArchive::new(feeder, reporter),
                members: vec![],
            };
            thread::scope(|scope| {
                let _stopping = beside.start(scope);
                writing.base_layers()?;
                writing.new_layers(layers, beside)?;
                self.check_seen()?;
                writing.finish(beside)
            })
        })
    }
}

/// A layer as the manifest and the history list it.
struct Listed {
    member: String,
    size: u64,
    history: LayerHistory,
    diff_id: DiffId,
}

/// The digest of a plain layer.
enum DiffId {
    Known(Digest),
    /// It is known when the layer is written.
    Of(usize, Stretch),
    /// It is found elsewhere, for the layer of this number.
    Beside(usize),
}

/// The archive as far as it is written.
struct Writing<'a, 'f> {
    image: &'a NewImage<'a>,
    /// The names that it is to be loaded as.
    names: &'a [String],
    archive: DockerArchive<'a, 'f>,
    members: Vec<Listed>,
}

impl<'a> Writing<'a, '_> {
    fn base_layers(&mut self) -> Result<(), Error> {
        let image = self.image;
        let Some(base) = &image.base else {
            return Ok(());
        };
        // A layer that is listed twice is written once.
        let mut written: BTreeMap<&str, (Digest, u64)> = BTreeMap::new();
        for layer in base.layers() {
            let size = match written.get(layer.name.as_str()) {
                Some(&(diff_id, size)) => {
                    base.check(&layer.name, layer.diff_id, diff_id)?;
                    size
                }
                None => {
                    let origin = LayerOrigin::Base(&layer.name);
                    self.archive
                        .existing(base, layer, origin, |size| layer.header(size))?
                }
            };
            written.insert(&layer.name, (layer.diff_id, size));
            self.list(Listed {
                member: layer.name.clone(),
                size,
                history: super::base_history(layer),
                diff_id: DiffId::Known(layer.diff_id),
            });
        }
        Ok(())
    }

    /// Writes the image's own layers. The entries of each are listed while those before it are
    /// read.
    fn new_layers(
        &mut self,
        layers: &'a [Box<dyn NewLayer + 'a>],
        beside: &Beside<'_>,
    ) -> Result<(), Error> {
        for (number, layer) in layers.iter().enumerate() {
            if layer.comes_last() {
                let entries = layer.entries()?;
                self.new_layer(
                    (number, layer.as_ref()),
                    entries.as_ref(),
                    &Hashed::InArchive,
                )?;
                continue;
            }
            let listed = beside.listed(number)?;
            let layer = (number, layer.as_ref());
            self.new_layer(layer, listed.entries.as_ref(), &listed.hashed)?;
            beside.written();
        }
        Ok(())
    }

    fn new_layer(
        &mut self,
        (number, layer): (usize, &'a dyn NewLayer),
        entries: &dyn Entries,
        hashed: &Hashed,
    ) -> Result<(), Error> {
        let measure = entries.measure();
        let promised = layer.promised();
        let member = match promised {
            Some(promised) => unused(
                format!("{}/layer.tar", promised.diff_id.hex()),
                &self.members(),
            ),
            None => member_name(
                self.names.first().map_or("", String::as_str),
                self.image.base.as_ref(),
                measure.outline,
                &self.members(),
            ),
        };
        let header = header(&member, measure.size, self.image.ownership.mtime);
        let stamps = match hashed {
            Hashed::InArchive => None,
            Hashed::Beside(stamps) => Some(Arc::clone(stamps)),
            Hashed::Known(_) => Some(Arc::default()),
        };
        let diff_id = match stamps {
            Some(stamps) => {
                self.archive.moved_layer(layer, entries, &header, stamps)?;
                DiffId::Beside(number)
            }
            None => {
                let stretch = self.archive.new_layer(layer, entries, &header)?;
                promised.map_or(DiffId::Of(number, stretch), |promised| {
                    DiffId::Known(promised.diff_id)
                })
            }
        };
        self.list(Listed {
            size: measure.size,
            history: layer.history(),
            diff_id,
            member,
        });
        Ok(())
    }

    fn finish(mut self, beside: &Beside<'_>) -> Result<Outcome, Error> {
        let image = self.image;
        let digests = self.archive.digests()?;
        for listed in &self.members {
            if let DiffId::Of(number, stretch) = &listed.diff_id {
                let (diff_id, size) = (stretch.digest(&digests), listed.size);
                beside.found(*number, Plain { diff_id, size });
            }
        }
        let elsewhere = beside.digests()?;
        let (mut members, mut layers, mut written) = (vec![], vec![], vec![]);
        for listed in self.members {
            let diff_id = match listed.diff_id {
                DiffId::Known(digest) => digest,
                DiffId::Of(_, stretch) => stretch.digest(&digests),
                DiffId::Beside(number) => elsewhere[number].ok_or(pipe::Closed)?,
            };
            members.push(listed.member);
            written.push(Written {
                diff_id,
                size: listed.size,
            });
            layers.push(super::rendered(listed.history, diff_id));
        }
        let configuration = image.render(layers)?;
        let mtime = image.ownership.mtime;
        let id = Digest::of(configuration.as_bytes());
        let config = format!("{}.json", id.hex());
        self.archive
            .document(&config, configuration.as_bytes(), mtime)?;
        let manifest = ArchiveManifest {
            config,
            repo_tags: self.names.to_vec(),
            layers: members,
        };
        self.archive.finish(&[manifest], mtime)?;
        Ok(Outcome {
            id,
            layers: written,
            published: None,
        })
    }

    fn list(&mut self, listed: Listed) {
        self.members.push(listed);
        self.archive.list();
    }

    fn members(&self) -> Vec<String> {
        let listed = self.members.iter();
        listed.map(|listed| listed.member.clone()).collect()
    }
}

/// Returns a name for a layer whose digest is not known yet: it covers everything but the
/// contents of files, and where the layer is used, so that archives can be merged.
/// Shorter than a digest, lest it be taken for one.
pub(super) fn member_name(
    reference: &str,
    base: Option<&Base>,
    outline: Digest,
    members: &[String],
) -> String {
    let base = base.map_or("", Base::configuration);
    let number = members.len();
    let place = format!(
        "{reference} {number} {outline} {}",
        Digest::of(base.as_bytes())
    );
    let name = Digest::of(place.as_bytes()).hex();
    unused(format!("{}/layer.tar", &name[..32]), members)
}

/// Returns the name itself, unless the base has a layer of that name.
pub(super) fn unused(mut name: String, members: &[String]) -> String {
    while members.contains(&name) {
        name = format!("layers/{name}");
    }
    name
}
