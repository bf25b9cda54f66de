//! Bringing an image to a destination: only what is missing there is made.

use std::num::NonZeroUsize;

use terrine_compress::{Pool, Setting};
use terrine_oci::{Annotations, Descriptor, Manifest, MediaType, Platform, annotation};
use terrine_planner_host::image::LayerRole;

use super::{Error, NewImage, Outcome, Published, Reporter, Written};
use crate::base::Base;
use crate::cache::{Cache, LayerKey};
use crate::claims::Claims;
use crate::destination::{
    self, Carried, Carrier, Destination, Foreign, Part, Recompress, SharedLayers, Shipped,
};
use crate::layer::{self, LayerHistory, LayerOrigin, NewLayer, StorePath};

/// The most bytes that the annotations of layers may have together: a manifest may have 4 MiB in
/// all.
const MAX_ANNOTATIONS: usize = 2 << 20;

/// The destination of an image, and how it gets there.
#[derive(Clone, Copy)]
pub struct Shipping<'a> {
    /// The destination.
    pub destination: &'a dyn Destination,
    /// The compression of its layers. Those of its base stay as they are, unless they are
    /// plain.
    pub setting: &'a Setting,
    /// The layers of its base that are compressed again.
    pub recompress: Recompress,
    /// The threads that compress.
    pub pool: &'a Pool,
    /// The number of layers that are made at once.
    pub jobs: NonZeroUsize,
    /// The cache of what is known of earlier runs.
    pub cache: &'a Cache,
    /// True if directories whose names say nothing about their content are in the cache.
    pub cache_directories: bool,
    /// The claims of existing images that are believed.
    pub claims: Option<&'a Claims>,
    /// Further annotations of the image.
    pub annotations: &'a Annotations,
}

/// The repository of layers that layers are shared by.
#[derive(Clone, Copy)]
pub struct Sharing<'a> {
    /// The repository.
    pub layers: &'a SharedLayers<'a>,
    /// The compression of layers there.
    pub setting: &'a Setting,
}

/// The outcome of an image whose layers are shared.
#[derive(Debug)]
pub struct Shared {
    /// The outcome at each destination.
    pub images: Vec<Result<Outcome, Error>>,
    /// The failure to share layers, if they are not shared.
    pub layers: Result<(), Error>,
}

impl<'a> Sharing<'a> {
    /// Returns the carrier to the repository, which is like that of an image.
    fn carrier(&self, image: &Shipping<'a>) -> Carrier<'a> {
        Carrier {
            destination: self.layers,
            setting: self.setting,
            shared: Some(self.layers),
            ..image.carrier()
        }
    }
}

impl<'a> Shipping<'a> {
    /// As many layers at once as the pool has threads, no further annotations, and
    /// directories whose names say nothing read each time.
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
            recompress: Recompress::Plain,
            pool,
            jobs,
            cache,
            cache_directories: false,
            claims: None,
            annotations: &NOTHING,
        }
    }

    /// Returns what carries the layers of an image, and those of its base.
    fn carrier(&self) -> Carrier<'a> {
        Carrier {
            destination: self.destination,
            setting: self.setting,
            pool: self.pool,
            cache: self.cache,
            cache_directories: self.cache_directories,
            claims: self.claims,
            shared: None,
            recompress: self.recompress,
            foreign: match self.recompress {
                Recompress::ForArchives => Foreign::Needed,
                _ => Foreign::Left,
            },
        }
    }
}

impl NewImage<'_> {
    /// Makes the layers that are missing at the destination, then the configuration and the
    /// manifest. Nothing has the image's name before all is there.
    ///
    /// # Errors
    ///
    /// Anything that cannot be read, is not what it was, or is not what its digest says, and a
    /// destination that does not take it.
    pub fn ship(&self, shipping: &Shipping<'_>, reporter: &dyn Reporter) -> Result<Outcome, Error> {
        let mut outcomes = self.ship_to_all(&[*shipping], reporter)?;
        outcomes.remove(0)
    }

    /// Does the same for several destinations. Each layer is read once, and compressed once for
    /// each setting; each destination gets what is missing there. What one fails to do does not
    /// keep the image from the others. Returns what came of each.
    ///
    /// # Errors
    ///
    /// Anything that cannot be read, is not what it was, or is not what its digest says.
    pub fn ship_to_all(
        &self,
        shippings: &[Shipping<'_>],
        reporter: &dyn Reporter,
    ) -> Result<Vec<Result<Outcome, Error>>, Error> {
        Ok(self.ship_and_share(shippings, None, reporter)?.images)
    }

    /// Does the same, and shares the layers that are made with other machines.
    ///
    /// # Errors
    ///
    /// As [`NewImage::ship_to_all`].
    pub fn ship_and_share(
        &self,
        shippings: &[Shipping<'_>],
        sharing: Option<&Sharing<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<Shared, Error> {
        let Some(first) = shippings.first() else {
            return Ok(Shared {
                images: vec![],
                layers: Ok(()),
            });
        };
        let new = self.new_layers();
        let (parts, listed) = self.parts(&new)?;
        let mut carriers: Vec<Carrier<'_>> = shippings.iter().map(Shipping::carrier).collect();
        carriers.extend(sharing.map(|sharing| sharing.carrier(first)));
        let mut brought = destination::all(&carriers, &parts, first.jobs, reporter)?;
        let shared = brought.split_off(shippings.len());
        self.remember(first.cache);
        self.check_seen()?;
        let outcomes = shippings.iter().zip(brought);
        let outcomes =
            outcomes.map(|(shipping, brought)| self.publish(&listed, brought?, shipping, reporter));
        let shared: Result<Vec<_>, _> = shared.into_iter().collect();
        Ok(Shared {
            images: outcomes.collect(),
            layers: shared.map(|_| ()).map_err(Error::from),
        })
    }

    /// Lists all layers, bottom to top, for the carrier and for the documents.
    fn parts<'l>(
        &'l self,
        new: &'l [Box<dyn NewLayer + 'l>],
    ) -> Result<(Vec<Part<'l>>, Vec<Listed<'l>>), layer::Error> {
        let name = self.base.as_ref().map_or("", Base::name);
        let base = self.base.iter().flat_map(Base::layers).map(|layer| {
            let part = Part {
                layer: Carried::Existing(name, layer.layer()),
                origin: LayerOrigin::Base(&layer.name),
                key: Some(layer.diff_id),
            };
            let listed = Listed {
                history: super::base_history(layer),
                store_paths: &[],
                key: None,
            };
            Ok((part, listed))
        });
        let new = new.iter().map(|layer| {
            let part = Part {
                layer: Carried::New(layer.as_ref()),
                origin: layer.origin(),
                key: None,
            };
            let listed = Listed {
                history: layer.history(),
                store_paths: layer.store_paths(),
                key: layer.key(false)?.filter(LayerKey::is_portable),
            };
            Ok((part, listed))
        });
        base.chain(new).collect()
    }

    /// Puts the configuration and the manifest.
    fn publish(
        &self,
        listed: &[Listed<'_>],
        shipped: Vec<Shipped>,
        shipping: &Shipping<'_>,
        reporter: &dyn Reporter,
    ) -> Result<Outcome, Error> {
        let destination = shipping.destination;
        let rendered = listed
            .iter()
            .zip(&shipped)
            .map(|(listed, shipped)| super::rendered(listed.history.clone(), shipped.diff_id));
        let configuration = self.render(rendered.collect())?;
        let config = Descriptor::of(MediaType::OciConfig, configuration.as_bytes());
        let staged = destination::from_bytes(destination, configuration.as_bytes())?;
        shipping
            .carrier()
            .settle(staged, &config, &|bytes| reporter.sent(bytes))?;
        let id = config.digest;
        let layers = annotated(listed, &shipped);
        let document =
            Manifest::new(config, layers, self.manifest_annotations(shipping)).to_document();
        let resolved = &self.resolved;
        let platform = Platform::new(
            &resolved.os,
            &resolved.architecture,
            resolved.variant.as_deref(),
        );
        destination.publish(&document, Some(&platform))?;
        Ok(Outcome {
            id,
            layers: listed
                .iter()
                .zip(&shipped)
                .map(|(listed, shipped)| listed.written(shipped))
                .collect(),
            published: Some(Published {
                manifest: document.descriptor(),
                layers: shipped,
            }),
        })
    }

    /// Returns the annotations of the image's manifest.
    fn manifest_annotations(&self, shipping: &Shipping<'_>) -> Annotations {
        let mut annotations = self.provenance.clone();
        annotations
            .entry(annotation::CREATED.to_owned())
            .or_insert_with(|| self.created.clone());
        annotations.insert(
            annotation::COMPRESSION.to_owned(),
            shipping.setting.describe(),
        );
        annotations.extend(shipping.annotations.clone());
        // An empty value takes away what would be said.
        annotations.retain(|_, value| !value.is_empty());
        annotations
    }
}

/// A layer as the documents list it.
struct Listed<'a> {
    history: LayerHistory,
    store_paths: &'a [StorePath],
    /// The key that every machine knows the layer by, if it has one.
    key: Option<LayerKey>,
}

impl Listed<'_> {
    fn written(&self, shipped: &Shipped) -> Written {
        let stored = shipped.descriptor.size;
        Written {
            diff_id: shipped.diff_id,
            // Nobody looks into a layer of the base that is there already.
            size: if self.history.role == LayerRole::Base {
                stored
            } else {
                shipped.size.unwrap_or(stored)
            },
        }
    }
}

/// Returns the layers' descriptors, with the store paths and the key of each, as far as a manifest
/// has room for paths.
fn annotated(listed: &[Listed<'_>], shipped: &[Shipped]) -> Vec<Descriptor> {
    let mut room = MAX_ANNOTATIONS;
    let mut descriptors = vec![];
    for (listed, shipped) in listed.iter().zip(shipped) {
        let mut descriptor = shipped.descriptor.clone();
        let annotations = &mut descriptor.annotations;
        // The manifest names the compression of its own layers. One of the base may have another.
        annotation::remove_key(annotations);
        if let Some(key) = listed.key {
            annotations.insert(annotation::LAYER_KEY.to_owned(), key.digest().to_string());
            annotations.insert(
                annotation::LAYER_DIFF_ID.to_owned(),
                shipped.diff_id.to_string(),
            );
            if let Some(size) = shipped.size {
                annotations.insert(annotation::LAYER_SIZE.to_owned(), size.to_string());
            }
        }
        if listed.history.role == LayerRole::Store {
            let paths: Vec<&str> = listed.store_paths.iter().map(StorePath::as_str).collect();
            let text = serde_json::to_string(&paths).unwrap_or_default();
            if let Some(rest) = room.checked_sub(text.len()) {
                room = rest;
                annotations.insert(annotation::STORE_PATHS.to_owned(), text);
            }
        }
        descriptors.push(descriptor);
    }
    descriptors
}
