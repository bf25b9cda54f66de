//! Writing an image as a docker-archive, in one pass.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use terrine_oci::{ArchiveManifest, Digest};

use super::{Error, NewImage, Outcome, Written, total};
use crate::base::Base;
use crate::destination::Reporter;
use crate::destination::docker_archive::{DockerArchive, Stretch, header};
use crate::layer::{self, Entries, LayerHistory, LayerOrigin, NewLayer};
use crate::pipe;

impl NewImage<'_> {
    /// Writes the image as a docker-archive.
    ///
    /// # Errors
    ///
    /// Anything that cannot be read, is not what it was, or is not what its digest
    /// says, and an output that does not take it. The archive is no image then.
    pub fn run(&self, out: impl Write + Send, reporter: &dyn Reporter) -> Result<Outcome, Error> {
        self.run_as(&self.references(), out, reporter)
    }

    /// Writes the same under other names.
    ///
    /// # Errors
    ///
    /// As [`NewImage::run`].
    pub fn run_as(
        &self,
        names: &[String],
        out: impl Write + Send,
        reporter: &dyn Reporter,
    ) -> Result<Outcome, Error> {
        let layers = self.new_layers();
        total::told(self, &layers, reporter, || {
            self.write(&layers, names, out, reporter)
        })
    }

    fn write(
        &self,
        layers: &[Box<dyn NewLayer + '_>],
        names: &[String],
        out: impl Write + Send,
        reporter: &dyn Reporter,
    ) -> Result<Outcome, Error> {
        pipe::run(out, reporter, |feeder| {
            let mut writing = Writing {
                image: self,
                names,
                archive: DockerArchive::new(feeder, reporter),
                members: vec![],
            };
            writing.base_layers()?;
            writing.new_layers(layers)?;
            self.check_seen()?;
            writing.finish()
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
    Of(Stretch),
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

    /// Writes the image's own layers. The entries of each are listed while the one before it is
    /// read.
    fn new_layers(&mut self, layers: &'a [Box<dyn NewLayer + 'a>]) -> Result<(), Error> {
        thread::scope(|scope| {
            let (sender, entries) = sync_channel(1);
            let ahead = layers.iter().take_while(|layer| !layer.comes_last());
            let (ahead, last) = layers.split_at(ahead.count());
            scope.spawn(move || list_entries(ahead, &sender));
            for (layer, entries) in ahead.iter().zip(entries) {
                self.new_layer(layer.as_ref(), entries?.as_ref())?;
            }
            for layer in last {
                self.new_layer(layer.as_ref(), layer.entries()?.as_ref())?;
            }
            Ok(())
        })
    }

    fn new_layer(&mut self, layer: &'a dyn NewLayer, entries: &dyn Entries) -> Result<(), Error> {
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
        let stretch = self.archive.new_layer(layer, entries, &header)?;
        self.list(Listed {
            size: measure.size,
            history: layer.history(),
            diff_id: promised.map_or(DiffId::Of(stretch), |promised| {
                DiffId::Known(promised.diff_id)
            }),
            member,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Outcome, Error> {
        let image = self.image;
        let digests = self.archive.digests()?;
        let (mut members, mut layers, mut written) = (vec![], vec![], vec![]);
        for listed in self.members {
            let diff_id = match listed.diff_id {
                DiffId::Known(digest) => digest,
                DiffId::Of(stretch) => stretch.digest(&digests),
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

/// Lists the entries of layers, one layer ahead and not further, or memory would grow with the
/// image.
fn list_entries<'l>(
    layers: &'l [Box<dyn NewLayer + 'l>],
    sender: &SyncSender<Result<Box<dyn Entries + 'l>, layer::Error>>,
) {
    for layer in layers {
        let entries = layer.entries();
        let failed = entries.is_err();
        if sender.send(entries).is_err() || failed {
            return;
        }
    }
}
