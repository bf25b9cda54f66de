//! `--layers-from`: existing images, and repositories of layers, whose layers are taken in place of making
//! the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use terrine::assemble::NewImage;
use terrine::claims::{self, Claims, LayerRepository};
use terrine::compress::Setting;
use terrine::oci::{Digest, Document, Platform, Reference, Repository, Selector};
use terrine::remark::Remark;

use super::failure::Result;
use super::images::Images;
use super::printer::Printer;
use super::target::Place;
use super::{headings, stdin};

/// The value of `--layers-from` that means the destination.
const TARGET: &str = "target";
/// The value that means the images of `--previous`.
const PREVIOUS: &str = "previous";

/// Existing images whose layers are used.
#[derive(Debug, clap::Args)]
pub(super) struct LayersFromArgs {
    /// Use layers of this image or repository instead of building the same layers; may be repeated
    ///
    /// IMAGE is a reference to an image that terrine built, `target` for the tags that are about to be
    /// replaced, or `previous` for the images of `--previous`. terrine reads the keys of its layers from the manifest. REPOSITORY is a repository without a tag
    /// that `--layers-to` writes to. A layer with the same key
    /// is not built: if the destination does not have it, it is mounted from the same registry, or
    /// copied and verified. Name only images and repositories whose writers you trust: what they
    /// say goes into the new image. The local cache comes first. Only layers of store paths with known NAR hashes have
    /// keys, and only layers with the same compression are used.
    #[arg(long, value_name = "IMAGE|REPOSITORY|target|previous", value_parser = read, help_heading = headings::LAYERS)]
    layers_from: Vec<LayersFrom>,
}

/// The place that layers are used from.
#[derive(Debug, Clone)]
enum LayersFrom {
    /// An image that is named.
    Image(Reference),
    /// A repository of layers.
    Layers(Repository),
    /// The images that have the names of the new one at its destinations.
    Target,
    /// The images that clients have.
    Previous,
}

/// The places that layers may be used from.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The destinations.
    pub(super) places: &'a [&'a Place],
    /// The repositories of layers that the arguments name.
    pub(super) repositories: &'a [Arc<LayerRepository>],
    /// The images that clients have.
    pub(super) previous: &'a [Reference],
}

fn read(text: &str) -> Result<LayersFrom, String> {
    match text {
        TARGET => return Ok(LayersFrom::Target),
        PREVIOUS => return Ok(LayersFrom::Previous),
        _ => {}
    }
    Ok(match stdin::image(text)? {
        Reference::Registry(repository) if is_whole(&repository) => LayersFrom::Layers(repository),
        image => LayersFrom::Image(image),
    })
}

/// Returns true for a reference to a repository, and not to an image in it.
pub(super) fn is_whole(repository: &Repository) -> bool {
    repository.tag.is_none() && repository.digest.is_none()
}

impl LayersFromArgs {
    /// Returns the images and repositories that the arguments name.
    pub(super) fn named(&self) -> Vec<Reference> {
        let named = self.layers_from.iter().filter_map(|from| match from {
            LayersFrom::Image(reference) => Some(reference.clone()),
            LayersFrom::Layers(repository) => Some(Reference::Registry(repository.clone())),
            LayersFrom::Target | LayersFrom::Previous => None,
        });
        named.collect()
    }

    /// Returns the repositories of layers that the arguments name.
    pub(super) fn repositories(&self) -> impl Iterator<Item = &Repository> {
        self.layers_from.iter().filter_map(|from| match from {
            LayersFrom::Layers(repository) => Some(repository),
            LayersFrom::Image(_) | LayersFrom::Target | LayersFrom::Previous => None,
        })
    }

    /// Returns references to all images, those that are replaced at `places` and those that clients have
    /// included.
    pub(super) fn references(&self, places: &[Place], previous: &[Reference]) -> Vec<Reference> {
        let references = self.layers_from.iter().flat_map(|from| match from {
            LayersFrom::Image(reference) => vec![reference.clone()],
            LayersFrom::Layers(_) => vec![],
            LayersFrom::Target => places.iter().flat_map(replaced).collect(),
            LayersFrom::Previous => with_manifests(previous),
        });
        references.collect()
    }

    /// Warns that a docker-archive alone is written as a stream, which takes no layers from elsewhere.
    pub(super) fn warn_of_stream(&self, printer: &Printer) {
        if !self.layers_from.is_empty() {
            printer.warning_with_hint(
                "`--layers-from` has no effect on a docker-archive",
                Some("write to a registry, a layout or an archive of a layout with `--to`"),
            );
        }
    }

    /// Reads the claims of all images that the arguments name; none if they name nothing.
    pub(super) fn claims(
        &self,
        image: &NewImage<'_>,
        images: &Images,
        known: Known<'_>,
        printer: &Printer,
    ) -> Result<Option<Claims>> {
        if self.layers_from.is_empty() {
            return Ok(None);
        }
        let resolved = &image.resolved;
        let (os, architecture) = (&resolved.os, &resolved.architecture);
        let mut reading = Reading {
            claims: Claims::none(),
            seen: BTreeSet::new(),
            platform: Platform::new(os, architecture, resolved.variant.as_deref()),
            images,
            printer,
        };
        let is_previous = |from: &LayersFrom| matches!(from, LayersFrom::Previous);
        if known.previous.is_empty() && self.layers_from.iter().any(is_previous) {
            let hint = "name images by `--previous`, or leave out `--layers-from previous`";
            let note = Remark::note("there are no previous images whose layers could be used");
            printer.remark(&note.hint(hint));
        }
        for from in &self.layers_from {
            match from {
                LayersFrom::Image(reference) => reading.image(reference)?,
                LayersFrom::Layers(_) => {}
                LayersFrom::Target => known
                    .places
                    .iter()
                    .flat_map(|place| replaced(place))
                    .for_each(|reference| reading.target(&reference)),
                LayersFrom::Previous => with_manifests(known.previous)
                    .iter()
                    .for_each(|reference| reading.target(reference)),
            }
        }
        let mut claims = reading.claims;
        for repository in known.repositories {
            claims.add_repository(Arc::clone(repository));
        }
        Ok(Some(claims))
    }
}

/// Notes if no layer that is claimed has a compression of the new image.
pub(super) fn note_compression(claims: &Claims, settings: &[&Setting], printer: &Printer) {
    // What a repository of layers has is not known before.
    if claims.has_repositories() {
        return;
    }
    let claimed = claims.settings();
    let wanted: Vec<String> = settings.iter().map(|setting| setting.describe()).collect();
    let is_of_use = wanted
        .iter()
        .any(|setting| claimed.contains(setting.as_str()));
    if let (Some(found), Some(wanted)) = (claimed.first(), wanted.first())
        && !is_of_use
    {
        let note = format!(
            "no layer of `--layers-from` is used: they are compressed by `{found}`, and the image by `{wanted}`"
        );
        let hint = "give `--compression` with the same level, and use the same version of terrine";
        printer.remark(&Remark::note(note).hint(hint));
    }
}

/// The claims that are read so far.
struct Reading<'a> {
    claims: Claims,
    /// The manifests that are read.
    seen: BTreeSet<Digest>,
    platform: Platform,
    images: &'a Images,
    printer: &'a Printer,
}

impl Reading<'_> {
    /// Reads the claims of an image that was named, which has to exist.
    fn image(&mut self, reference: &Reference) -> Result<()> {
        let image = claims::open(reference, self.images.opener(), &self.platform)?;
        if self.is_new(image.manifest.as_ref()) && self.claims.add(&image) == 0 {
            let note = format!(
                "the manifest of `{reference}` has no layer keys, so none of its layers is used"
            );
            let hint = "keys are in images that terrine built from store paths with known NAR hashes, except docker-archives";
            self.printer.remark(&Remark::note(note).hint(hint));
        }
        Ok(())
    }

    /// Reads the claims of an image that is about to be replaced, or that clients have, if there is one.
    fn target(&mut self, reference: &Reference) {
        match claims::open(reference, self.images.opener(), &self.platform) {
            Ok(image) if self.is_new(image.manifest.as_ref()) => {
                self.claims.add(&image);
            }
            Ok(_) => {}
            Err(error) if error.is_missing() => {}
            Err(error) => {
                let why = terrine::chain(&error);
                self.printer.warning(&format!(
                    "the layers of the existing `{reference}` are not used: {why}"
                ));
            }
        }
    }

    fn is_new(&mut self, manifest: Option<&Document>) -> bool {
        manifest.is_none_or(|manifest| self.seen.insert(manifest.digest()))
    }
}

/// Returns those of some images that may have manifests: a file is an archive without one, or a plan.
fn with_manifests(images: &[Reference]) -> Vec<Reference> {
    let is_file = |image: &&Reference| matches!(image, Reference::Path(_));
    images
        .iter()
        .filter(|image| !is_file(image))
        .cloned()
        .collect()
}

/// Returns references to the images that a build to a place replaces.
fn replaced(place: &Place) -> Vec<Reference> {
    let tags = place.names.iter().cloned();
    match &place.reference {
        Reference::Registry(repository) => {
            let tagged = |tag| {
                Reference::Registry(Repository {
                    tag: Some(tag),
                    ..repository.clone()
                })
            };
            tags.map(tagged).collect()
        }
        Reference::OciLayout { path, .. } => {
            let tagged = |tag| Reference::OciLayout {
                path: path.clone(),
                image: Selector::Name(tag),
            };
            tags.map(tagged).collect()
        }
        // An archive is replaced as a whole, and programs' own storage has no manifests.
        _ => vec![],
    }
}
