//! Making an image's layers as blobs, several at once, and only those that are not there.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use terrine_compress::{Compression, Pool, Setting};
use terrine_oci::{Annotations, Descriptor, Digest, Manifest, MediaType, Platform, annotation};
use terrine_planner_host::image::{LayerRole, RenderedLayer};

use super::recipe::Recipe;
use super::{Error, Image, Outcome, Published, Reporter, Source, Written};
use crate::base::{Base, BaseLayer};
use crate::cache::{self, Cache, LayerKey, Stored};
use crate::destination::{
    self, Carrier, CarryError, Destination, Plain, Recompress, Shipped, known,
};
use crate::layer::StorePath;

/// How long the annotations of layers may be together, in bytes: a manifest may have 4 MiB in
/// all.
const MAX_ANNOTATIONS: usize = 2 << 20;

/// Where an image goes, and how.
#[derive(Clone, Copy)]
pub struct Shipping<'a> {
    /// Where.
    pub destination: &'a dyn Destination,
    /// How its layers are compressed. Those of its base stay as they are, unless they are
    /// plain.
    pub setting: &'a Setting,
    /// Who compresses.
    pub pool: &'a Pool,
    /// How many layers are under way at once.
    pub jobs: NonZeroUsize,
    /// What is known of earlier runs.
    pub cache: &'a Cache,
    /// Whether directories whose names say nothing about their content are in the cache.
    pub cache_directories: bool,
    /// What else is said of the image.
    pub annotations: &'a Annotations,
}

impl<'a> Shipping<'a> {
    /// As many layers at once as the pool has threads, nothing else said of the image, and
    /// directories whose names say nothing read anew.
    pub fn new(
        destination: &'a dyn Destination,
        setting: &'a Setting,
        pool: &'a Pool,
        cache: &'a Cache,
    ) -> Self {
        static NOTHING: Annotations = Annotations::new();
        let jobs = pool.threads();
        Self {
            destination,
            setting,
            pool,
            jobs,
            cache,
            cache_directories: false,
            annotations: &NOTHING,
        }
    }
}

impl Image<'_> {
    /// Makes the layers that are not at the destination, then the configuration and the
    /// manifest. Nothing has the image's name before all is there.
    ///
    /// # Errors
    ///
    /// Anything that can not be read, is not what it was, or is not what its digest says, and a
    /// destination that does not take it.
    pub fn ship(&self, shipping: &Shipping<'_>, reporter: &dyn Reporter) -> Result<Outcome, Error> {
        let carrier = Carrier {
            destination: shipping.destination,
            setting: shipping.setting,
            pool: shipping.pool,
            cache: shipping.cache,
            recompress: Recompress::Plain,
        };
        Run {
            image: self,
            shipping,
            carrier,
            reporter,
        }
        .run()
    }
}

/// One image on its way.
struct Run<'a> {
    image: &'a Image<'a>,
    shipping: &'a Shipping<'a>,
    carrier: Carrier<'a>,
    reporter: &'a dyn Reporter,
}

/// A layer to be brought or made.
#[derive(Clone, Copy)]
enum Part<'a> {
    Base(&'a BaseLayer),
    Own(Recipe<'a>),
}

impl<'a> Run<'a> {
    fn run(&self) -> Result<Outcome, Error> {
        let image = self.image;
        let base = image.base.iter().flat_map(Base::layers);
        let parts: Vec<Part<'_>> = base
            .map(Part::Base)
            .chain(image.recipes().into_iter().map(Part::Own))
            .collect();
        // A layer that is listed twice is brought once.
        let mut first: BTreeMap<Digest, usize> = BTreeMap::new();
        let mut wanted = vec![];
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Base(layer) if first.contains_key(&layer.diff_id) => {}
                Part::Base(layer) => {
                    first.insert(layer.diff_id, index);
                    wanted.push(index);
                }
                Part::Own(_) => wanted.push(index),
            }
        }
        let weights = destination::each(&parts, self.shipping.jobs, |_, part| self.weight(*part))?;
        // The largest first.
        wanted.sort_by_key(|&index| std::cmp::Reverse((weights[index], index)));
        let done = destination::each(&wanted, self.shipping.jobs, |_, &index| {
            self.part(index, parts[index])
        })?;
        let mut shipped: BTreeMap<usize, Shipped> = wanted.into_iter().zip(done).collect();
        for (index, part) in parts.iter().enumerate() {
            let Part::Base(layer) = part else { continue };
            if let Some(same) = first
                .get(&layer.diff_id)
                .and_then(|first| shipped.get(first))
            {
                shipped.insert(index, same.clone());
            }
        }
        self.publish(&parts, shipped.into_values().collect())
    }

    /// How many bytes a layer has, about. Where nobody knows, its files are looked at: that takes
    /// less than what is lost when a large one is left to the end.
    fn weight(&self, part: Part<'_>) -> Result<u64, Error> {
        let recipe = match part {
            Part::Base(layer) => return Ok(layer.stored_size()),
            Part::Own(recipe) => recipe,
        };
        Ok(match recipe {
            Recipe::Store(layer) if layer.weight > 0 => layer.weight,
            Recipe::Store(layer) => {
                let key = self.image.key(recipe, self.shipping.cache_directories)?;
                match self.known(key.as_ref(), recipe) {
                    Some((plain, _)) => plain.size,
                    None => self.image.measured(layer)?,
                }
            }
            Recipe::Archive(layer) => layer.size(),
            Recipe::Root(_) => 0,
        })
    }

    fn part(&self, index: usize, part: Part<'a>) -> Result<Shipped, Error> {
        let number = index + 1;
        let shipped = match part {
            Part::Base(layer) => self.base_layer(number, layer)?,
            Part::Own(recipe) => self.own_layer(number, recipe)?,
        };
        self.reporter.finished(number, shipped.was_there);
        Ok(shipped)
    }

    fn base_layer(&self, number: usize, layer: &BaseLayer) -> Result<Shipped, Error> {
        let name = self.image.base.as_ref().map_or("", |base| base.name());
        let part = destination::Part {
            image: name,
            number,
            source: Source::Base(&layer.name),
        };
        let carried = self.carrier.bring(part, layer.layer(), self.reporter);
        carried.map_err(|error| match error {
            CarryError::Source(error) => Error::Base(error),
            CarryError::Destination(error) => Error::Ship(error),
            CarryError::Closed(closed) => closed.into(),
        })
    }

    fn own_layer(&self, number: usize, recipe: Recipe<'_>) -> Result<Shipped, Error> {
        let key = self.image.key(recipe, self.shipping.cache_directories)?;
        let known = self.known(key.as_ref(), recipe);
        if let Some((plain, descriptor)) = known.clone()
            && self.carrier.is_there(&descriptor, &[])?
        {
            let (diff_id, size) = (plain.diff_id, Some(plain.size));
            return Ok(Shipped {
                descriptor,
                diff_id,
                size,
                was_there: true,
            });
        }
        let begin = |size| self.reporter.layer(number, recipe.source(), size);
        if known.is_none() && matches!(recipe, Recipe::Store(_)) {
            self.shipping.destination.ready()?;
        }
        let blob = destination::make::<Error>(
            self.shipping.destination,
            self.shipping.setting,
            self.shipping.pool,
            self.reporter,
            |feeder| self.image.feed(recipe, feeder, &begin),
        )?;
        let plain = blob.plain;
        if let (Some((expected, _)), Recipe::Archive(layer)) = (recipe.promised(), recipe)
            && expected != plain.diff_id
        {
            let path = layer.path.clone();
            return Err(Error::Mismatch {
                path,
                expected,
                actual: plain.diff_id,
            });
        }
        let descriptor = blob.descriptor;
        // What the cache said goes for nothing if the bytes say otherwise.
        if let (Some(key), Some((said, _))) = (&key, &known)
            && *said != plain
        {
            self.shipping.cache.forget_plain(key);
        }
        let sent = |bytes| self.reporter.sent(bytes);
        let was_there = self.carrier.settle(blob.staged, &descriptor, &sent)?;
        self.remember(key.as_ref(), recipe, plain, &descriptor);
        Ok(Shipped {
            descriptor,
            diff_id: plain.diff_id,
            size: Some(plain.size),
            was_there,
        })
    }

    /// What an earlier run knows of a layer: what it is, and what it is compressed to.
    fn known(&self, key: Option<&LayerKey>, recipe: Recipe<'_>) -> Option<(Plain, Descriptor)> {
        let plain = match (recipe.promised(), key) {
            (Some((diff_id, size)), _) => Plain { diff_id, size },
            (None, Some(key)) => {
                let cache::Plain { diff_id, size } =
                    known::plain(self.shipping.cache, key, recipe.paths())?;
                Plain { diff_id, size }
            }
            (None, None) => return None,
        };
        let setting = self.shipping.setting;
        if setting.compression() == Compression::None {
            return Some((
                plain,
                Descriptor::new(MediaType::OciLayer, plain.diff_id, plain.size),
            ));
        }
        let Stored { digest, size } =
            known::blob(self.shipping.cache, plain.diff_id, &setting.describe())?;
        Some((
            plain,
            Descriptor::new(setting.compression().media_type()?, digest, size),
        ))
    }

    fn remember(
        &self,
        key: Option<&LayerKey>,
        recipe: Recipe<'_>,
        plain: Plain,
        blob: &Descriptor,
    ) {
        let cache = self.shipping.cache;
        let Plain { diff_id, size } = plain;
        if let Some(key) = key {
            known::remember_plain(cache, key, recipe.paths(), &cache::Plain { diff_id, size });
        }
        // Also for layers whose inputs are not known by a key: an archive's digest is known.
        if self.shipping.setting.compression() != Compression::None {
            let stored = Stored {
                digest: blob.digest,
                size: blob.size,
            };
            known::remember_blob(cache, diff_id, &self.shipping.setting.describe(), &stored);
        }
    }

    fn publish(&self, parts: &[Part<'_>], shipped: Vec<Shipped>) -> Result<Outcome, Error> {
        let image = self.image;
        let destination = self.shipping.destination;
        let rendered = parts
            .iter()
            .zip(&shipped)
            .map(|(part, shipped)| rendered(*part, shipped));
        let configuration = image.render(rendered.collect())?;
        let config = Descriptor::of(MediaType::OciConfig, configuration.as_bytes());
        let staged = destination::from_bytes(destination, configuration.as_bytes())?;
        self.carrier
            .settle(staged, &config, &|bytes| self.reporter.sent(bytes))?;
        let id = config.digest;
        let layers = annotated(parts, &shipped);
        let document = Manifest::new(config, layers, self.annotations()).to_document();
        let resolved = &image.resolved;
        let platform = Platform::new(
            &resolved.os,
            &resolved.architecture,
            resolved.variant.as_deref(),
        );
        destination.publish(&document, Some(&platform))?;
        let written = |(part, shipped): (&Part<'_>, &Shipped)| Written {
            diff_id: shipped.diff_id,
            size: match part {
                // Nobody looks into one that is there already.
                Part::Base(_) => shipped.descriptor.size,
                Part::Own(_) => shipped.size.unwrap_or(shipped.descriptor.size),
            },
        };
        Ok(Outcome {
            id,
            layers: parts.iter().zip(&shipped).map(written).collect(),
            published: Some(Published {
                manifest: document.descriptor(),
                layers: shipped,
            }),
        })
    }

    /// What the manifest says of the image.
    fn annotations(&self) -> Annotations {
        let image = self.image;
        let mut annotations = image.provenance.clone();
        let created = annotations.entry(annotation::CREATED.to_owned());
        created.or_insert_with(|| image.created.clone());
        annotations.insert(
            annotation::COMPRESSION.to_owned(),
            self.shipping.setting.describe(),
        );
        annotations.extend(self.shipping.annotations.clone());
        // An empty value takes away what would be said.
        annotations.retain(|_, value| !value.is_empty());
        annotations
    }
}

fn rendered(part: Part<'_>, shipped: &Shipped) -> RenderedLayer {
    let (role, (paths, comment)) = match part {
        Part::Base(layer) => (LayerRole::Base, (vec![layer.name.clone()], None)),
        Part::Own(recipe) => (recipe.role(), recipe.history()),
    };
    RenderedLayer {
        role,
        diff_id: shipped.diff_id.to_string(),
        paths,
        comment,
        created_by: None,
    }
}

/// The layers' descriptors, with the store paths that are in each, as far as a manifest has room
/// for that.
fn annotated(parts: &[Part<'_>], shipped: &[Shipped]) -> Vec<Descriptor> {
    let mut room = MAX_ANNOTATIONS;
    let describe = |(part, shipped): (&Part<'_>, &Shipped)| {
        let mut descriptor = shipped.descriptor.clone();
        if let Part::Own(Recipe::Store(layer)) = part {
            let paths: Vec<&str> = layer.paths.iter().map(StorePath::as_str).collect();
            let text = serde_json::to_string(&paths).unwrap_or_default();
            if let Some(rest) = room.checked_sub(text.len()) {
                room = rest;
                descriptor
                    .annotations
                    .insert(annotation::STORE_PATHS.to_owned(), text);
            }
        }
        descriptor
    };
    parts.iter().zip(shipped).map(describe).collect()
}
