//! Writing the archive, in one pass.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use terrine_oci::{Digest, ROOT_COMMENT};
use terrine_planner_host::image::{LayerRole, RenderedLayer};

use super::{Customisation, Error, Image, Outcome, StoreLayer, Top, Written};
use crate::base::{Base, BaseLayer};
use crate::destination::{Reporter, Source, docker_archive};
use crate::layer::{self, Measure, Tree, measure};
use crate::pipe::{self, Feeder};
use crate::rootfs::{self, Root};
use crate::source;

impl Image<'_> {
    /// Writes the image as a docker-archive.
    ///
    /// # Errors
    ///
    /// Anything that can not be read, is not what it was, or is not what its digest
    /// says, and an output that does not take it. The archive is no image then.
    pub fn run(self, out: impl Write + Send, reporter: &dyn Reporter) -> Result<Outcome, Error> {
        pipe::run(out, reporter, |feeder| {
            let mut archive = Archive {
                image: &self,
                feeder,
                reporter,
                members: vec![],
                stretches: vec![],
            };
            archive.base_layers()?;
            archive.store_layers()?;
            archive.top()?;
            archive.finish()
        })
    }
}

/// A layer as the manifest and the history list it.
struct Listed {
    member: String,
    size: u64,
    role: LayerRole,
    paths: Vec<String>,
    /// For the history; none for the paths.
    comment: Option<String>,
    /// Known beforehand, or the stretch of hashed bytes that tells it.
    diff_id: DiffId,
}

enum DiffId {
    Known(Digest),
    OfStretch(usize),
}

/// What a stretch of hashed bytes must turn out to be.
enum Expected<'a> {
    Anything,
    Base(&'a str, Digest),
    Customisation(&'a Customisation),
}

/// The archive as far as it is written.
struct Archive<'a, 'f> {
    image: &'a Image<'a>,
    feeder: &'a mut Feeder<'f>,
    reporter: &'a dyn Reporter,
    members: Vec<Listed>,
    stretches: Vec<Expected<'a>>,
}

impl<'a> Archive<'a, '_> {
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
                None => self.base_layer(base, layer)?,
            };
            written.insert(&layer.name, (layer.diff_id, size));
            self.list(Listed {
                member: layer.name.clone(),
                size,
                role: LayerRole::Base,
                paths: vec![layer.name.clone()],
                comment: None,
                diff_id: DiffId::Known(layer.diff_id),
            });
        }
        Ok(())
    }

    fn base_layer(&mut self, base: &'a Base, layer: &'a BaseLayer) -> Result<u64, Error> {
        // Said before a compressed layer is looked through, which takes its time.
        self.report(Source::Base(&layer.name), layer.stored_size());
        let transfer = base.transfer(layer)?;
        let header = layer.header(transfer.size);
        self.stretches
            .push(Expected::Base(&layer.name, transfer.digest));
        docker_archive::layer(self.feeder, &header, |feeder| {
            let failed = |error| Error::from(source::Error::reading(base.name(), error));
            docker_archive::copy(
                feeder,
                base.content(layer, transfer)?,
                transfer.size,
                failed,
            )
        })?;
        Ok(transfer.size)
    }

    /// Each layer is walked while the one before it is read.
    fn store_layers(&mut self) -> Result<(), Error> {
        let image = self.image;
        thread::scope(|scope| {
            let (sender, walked) = sync_channel(1);
            scope.spawn(move || walk(image, &sender));
            for (layer, walked) in image.layers.iter().zip(walked) {
                let (tree, measure) = walked?;
                self.store_layer(layer, &tree, measure)?;
            }
            Ok(())
        })
    }

    fn store_layer(
        &mut self,
        layer: &StoreLayer,
        tree: &Tree,
        measure: Measure,
    ) -> Result<(), Error> {
        let image = self.image;
        self.report(Source::Store(layer.paths.len()), measure.size);
        let member = self.member_name(measure.outline);
        let header = docker_archive::header(&member, measure.size, image.ownership.mtime);
        let stretch = self.stretches.len();
        self.stretches.push(Expected::Anything);
        docker_archive::layer(self.feeder, &header, |feeder| {
            layer::write(feeder, &image.store, tree, &image.ownership)
        })?;
        self.list(Listed {
            member,
            size: measure.size,
            role: LayerRole::Store,
            paths: layer.named.clone(),
            comment: None,
            diff_id: DiffId::OfStretch(stretch),
        });
        Ok(())
    }

    /// The uppermost layer, which every image has.
    fn top(&mut self) -> Result<(), Error> {
        let image = self.image;
        match &image.top {
            Top::Archive(layer) => self.customisation(layer),
            Top::Root(root) => self.root(root),
        }
    }

    fn customisation(&mut self, layer: &'a Customisation) -> Result<(), Error> {
        self.report(Source::Customisation, layer.size);
        let member = self.unused(format!("{}/layer.tar", layer.digest.hex()));
        let header = docker_archive::header(&member, layer.size, self.image.ownership.mtime);
        self.stretches.push(Expected::Customisation(layer));
        docker_archive::layer(self.feeder, &header, |feeder| {
            layer::read_exact(feeder, &layer.file, || layer.path.clone(), layer.size)
        })?;
        self.list(Listed {
            member,
            size: layer.size,
            role: LayerRole::Customisation,
            paths: vec![layer.named.clone()],
            comment: None,
            diff_id: DiffId::Known(layer.digest),
        });
        Ok(())
    }

    fn root(&mut self, root: &Root) -> Result<(), Error> {
        let ownership = &self.image.ownership;
        let measure = rootfs::measure(root, &ownership.permissions)?;
        self.report(Source::Customisation, measure.size);
        let member = self.member_name(measure.outline);
        let header = docker_archive::header(&member, measure.size, ownership.mtime);
        let stretch = self.stretches.len();
        self.stretches.push(Expected::Anything);
        docker_archive::layer(self.feeder, &header, |feeder| {
            rootfs::write(feeder, root, &ownership.permissions)
        })?;
        self.list(Listed {
            member,
            size: measure.size,
            role: LayerRole::Customisation,
            paths: vec![],
            comment: Some(ROOT_COMMENT.to_owned()),
            diff_id: DiffId::OfStretch(stretch),
        });
        Ok(())
    }

    fn finish(self) -> Result<Outcome, Error> {
        let image = self.image;
        let digests = self.feeder.digests()?;
        self.verify(&digests)?;
        let (mut members, mut layers, mut written) = (vec![], vec![], vec![]);
        for listed in self.members {
            let diff_id = match listed.diff_id {
                DiffId::Known(digest) => digest,
                DiffId::OfStretch(stretch) => digests[stretch],
            };
            members.push(listed.member);
            written.push(Written {
                diff_id,
                size: listed.size,
            });
            layers.push(RenderedLayer {
                role: listed.role,
                diff_id: diff_id.to_string(),
                paths: listed.paths,
                comment: listed.comment,
                created_by: None,
            });
        }
        let configuration = image.render(layers)?;
        let mtime = image.ownership.mtime;
        let id = docker_archive::finish(
            self.feeder,
            configuration.as_bytes(),
            image.reference(),
            members,
            mtime,
        )?;
        Ok(Outcome {
            id,
            layers: written,
            published: None,
        })
    }

    /// Holds what was written against what it had to be.
    fn verify(&self, digests: &[Digest]) -> Result<(), Error> {
        for (expected, &actual) in self.stretches.iter().zip(digests) {
            match *expected {
                Expected::Anything => {}
                Expected::Base(member, digest) => {
                    if let Some(base) = &self.image.base {
                        base.check(member, digest, actual)?;
                    }
                }
                Expected::Customisation(layer) if layer.digest != actual => {
                    let path = layer.path.clone();
                    return Err(Error::Mismatch {
                        path,
                        expected: layer.digest,
                        actual,
                    });
                }
                Expected::Customisation(_) => {}
            }
        }
        Ok(())
    }

    fn list(&mut self, listed: Listed) {
        self.members.push(listed);
        self.reporter.finished(self.members.len(), false);
    }

    fn report(&self, source: Source<'_>, size: u64) {
        self.reporter.layer(self.members.len() + 1, source, size);
    }

    /// A name for a layer whose digest is not known yet: it covers everything but the
    /// contents of files, and where the layer is used, so that archives can be merged.
    /// Shorter than a digest, lest it be taken for one.
    fn member_name(&self, outline: Digest) -> String {
        let base = self.image.base.as_ref().map_or("", Base::configuration);
        let number = self.members.len();
        let place = format!(
            "{} {number} {outline} {}",
            self.image.reference(),
            Digest::of(base.as_bytes())
        );
        let name = Digest::of(place.as_bytes()).hex();
        self.unused(format!("{}/layer.tar", &name[..32]))
    }

    /// The name itself, unless the base has a layer of that name.
    fn unused(&self, mut name: String) -> String {
        while self.members.iter().any(|listed| listed.member == name) {
            name = format!("layers/{name}");
        }
        name
    }
}

/// The walking thread: one layer ahead, and not further, or memory would grow with the
/// image.
fn walk(image: &Image<'_>, sender: &SyncSender<Result<(Tree, Measure), layer::Error>>) {
    for layer in &image.layers {
        let walked = Tree::walk(&image.store, &layer.paths)
            .and_then(|tree| measure(&tree, &image.ownership).map(|measure| (tree, measure)));
        let failed = walked.is_err();
        if sender.send(walked).is_err() || failed {
            return;
        }
    }
}
