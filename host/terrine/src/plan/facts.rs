//! Facts about an image: for people, and as JSON for programs.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use terrine_oci::{Annotations, Descriptor};
use terrine_planner_host::layering;
use terrine_support::remark::Remark;

use super::Error;
use super::decide::{self, LayerPlan};
use super::machine::Machine;
use super::paths::Paths;
use super::reasons::Reasons;
use crate::assemble::{NewImage, Outcome};
use crate::base::Base;
use crate::cache::Cache;
use crate::closure::Graph;
use crate::destination::LayerOutcome;
use crate::layer;
use crate::spec::ImageSpec;

/// The version of the JSON that [`Facts`] are written as. It grows when a field goes or
/// changes its meaning, not when one is added.
pub const SCHEMA_VERSION: u32 = 1;

/// Facts about an image.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The repository's name.
    pub name: String,
    /// The tag; none where files have to be read before it can be generated.
    pub tag: Option<String>,
    /// True if the tag is generated.
    pub tag_generated: bool,
    /// All tags, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// One of the files that have to be read before the tag is known, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_after_reading: Option<String>,
    /// The image id; none before the image is written.
    pub image_id: Option<String>,
    /// The manifest at the destination; none before the image is written, and in a
    /// docker-archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Descriptor>,
    /// The places of the image; empty before it is written, and if it went only to stdout.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<DestinationFacts>,
    /// The creation time that the image states.
    pub created: String,
    /// The operating system in Go's terms.
    pub os: String,
    /// The architecture in Go's terms.
    pub architecture: String,
    /// The architecture's variant.
    pub variant: Option<String>,
    /// The source that states the architecture.
    pub architecture_source: ArchitectureSource,
    /// The environment of its containers.
    pub environment: Vec<String>,
    /// The base image.
    pub base: Option<String>,
    /// The policy that grouped the store paths; none where there are none.
    pub policy: Option<String>,
    /// The component that the policy is one of; none where there is no policy.
    pub planner: Option<PlannerFacts>,
    /// The number of layers that are allowed, and that exist.
    pub budget: Budget,
    /// The sum of the layers' sizes in bytes.
    pub size: u64,
    /// The bytes that moved; none before the image is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transferred: Option<Transferred>,
    /// The layers, bottom to top.
    pub layers: Vec<LayerFacts>,
    /// The messages for the user: all of them as `remarks`, and the warnings among them
    /// with their remedies as `warnings`.
    #[serde(flatten, serialize_with = "remarks")]
    pub remarks: Vec<Remark>,
    /// The references between store paths.
    #[serde(skip)]
    pub(super) graph: Graph,
    /// The paths that were asked for, as indices of the graph.
    #[serde(skip)]
    pub(super) roots: Vec<usize>,
    /// The paths that the base image has, as indices of the graph.
    #[serde(skip)]
    pub(super) held: Vec<usize>,
}

/// A place where an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationFacts {
    /// The reference to it, without a tag.
    pub destination: String,
    /// The tags that the image has there; with their names in a docker-archive, and in the storage
    /// of docker or podman.
    pub tags: Vec<String>,
    /// The reference to the image by its digest, where it has a manifest there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The manifest, or the index, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Descriptor>,
}

/// The source that states the architecture of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "from", content = "file")]
pub enum ArchitectureSource {
    /// The specification's `architecture`.
    Architecture,
    /// The specification's `system`.
    System,
    /// A program in the image, and the others with it.
    Program(String),
    /// An existing image with the same store paths.
    Image(String),
    /// The base image.
    Base,
    /// Nothing but the machine that this runs on.
    ThisMachine,
}

/// The component that grouped the store paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannerFacts {
    /// Its name and version, as it says itself.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// True if it is the built-in component.
    pub built_in: bool,
}

/// The numbers of layers that are allowed, and that exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// The maximum number of layers in all; none where there is no limit.
    pub max_layers: Option<u32>,
    /// The number of layers in all.
    pub layers: usize,
    /// The number of layers of the base.
    pub base_layers: usize,
    /// The number of layers that are left for store paths; none where there is no limit.
    pub store_layers_allowed: Option<u32>,
    /// The number of layers that hold store paths.
    pub store_layers: usize,
}

/// A layer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerFacts {
    /// Its number, from 1 at the bottom.
    pub number: usize,
    /// The kind of content in the layer.
    pub kind: LayerKind,
    /// The digest of the uncompressed layer, where it is known.
    pub diff_id: Option<String>,
    /// The layer's size in bytes; compressed, if it is a base layer that is. None if the
    /// layer was not measured.
    pub size: Option<u64>,
    /// True if the size is an estimate: the sum of the NAR sizes of paths that are in binary caches.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub size_estimated: bool,
    /// The blob at the destination, where there are blobs: not in a docker-archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<Descriptor>,
    /// True if the destination already had the blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_there: Option<bool>,
    /// The way in which the layer came to the destination, where there are blobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<LayerSource>,
    /// The reason why the layer is as it is.
    pub reason: String,
    /// The store paths in it.
    pub paths: Vec<PathFacts>,
}

/// The way in which a layer came to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LayerSource {
    /// It was made of files, or compressed again.
    Made,
    /// It was copied with the base image.
    Copied,
    /// It was copied from another image, whose manifest has its key.
    Fetched,
    /// The cache knew it, and the destination had it.
    Cached,
    /// The destination had it.
    Existing,
    /// It was mounted from another repository of the registry.
    Mounted,
    /// It stays where it is: it is not distributed with the base image.
    Left,
}

impl LayerSource {
    fn of(outcome: LayerOutcome, kind: LayerKind) -> Self {
        match outcome {
            LayerOutcome::Brought if kind == LayerKind::Base => Self::Copied,
            LayerOutcome::Brought => Self::Made,
            LayerOutcome::Fetched => Self::Fetched,
            LayerOutcome::Cached => Self::Cached,
            LayerOutcome::WasThere => Self::Existing,
            LayerOutcome::Mounted => Self::Mounted,
            LayerOutcome::Left => Self::Left,
        }
    }
}

/// The bytes that moved between this machine and registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transferred {
    /// The bytes of blobs that were sent.
    pub sent: u64,
    /// The bytes of layers that were received.
    pub received: u64,
}

/// The kind of content in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LayerKind {
    /// A layer of the base image.
    Base,
    /// Store paths.
    Store,
    /// The root layer: everything that is not in a store path.
    Root,
}

/// A store path in a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathFacts {
    /// The path.
    pub path: String,
    /// The directory of this machine that becomes this path, as the user named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Its NAR size in bytes where that is known, else the sum of its files' sizes, else 0.
    pub size: u64,
}

/// Gathers what is known before the image is written.
pub(super) fn gather(
    spec: &ImageSpec,
    image: &NewImage<'_>,
    paths: &Paths,
    plan: &LayerPlan,
    machine: &Machine,
    remarks: Vec<Remark>,
) -> Facts {
    let has_history = spec.history.is_some() || !spec.previous.0.is_empty();
    let reasons = Reasons::new(&image.store, &paths.paths, has_history);
    let layers = layers(image, paths, plan, &reasons);
    let count = |kind| {
        layers
            .iter()
            .filter(|layer: &&LayerFacts| layer.kind == kind)
            .count()
    };
    let resolved = &image.resolved;
    Facts {
        schema_version: SCHEMA_VERSION,
        name: resolved.repository.clone(),
        tag: Some(resolved.tag.clone()),
        tag_generated: resolved.tag_generated,
        tags: match &image.tags[..] {
            [] => vec![],
            others => [&resolved.tag].into_iter().chain(others).cloned().collect(),
        },
        tag_after_reading: None,
        image_id: None,
        manifest: None,
        destinations: vec![],
        created: image.created.clone(),
        os: resolved.os.clone(),
        architecture: resolved.architecture.clone(),
        variant: resolved.variant.clone(),
        architecture_source: machine.source.clone(),
        environment: environment(&resolved.config),
        base: spec.from_image.clone(),
        policy: plan.origin.as_ref().map(|origin| origin.policy.clone()),
        planner: plan.origin.as_ref().map(|origin| PlannerFacts {
            name: origin.planner.clone(),
            digest: origin.component.to_string(),
            built_in: origin.built_in,
        }),
        budget: Budget {
            max_layers: decide::max_layers(spec),
            layers: layers.len(),
            base_layers: count(LayerKind::Base),
            store_layers_allowed: resolved.store_layers,
            store_layers: count(LayerKind::Store),
        },
        size: 0,
        transferred: None,
        layers,
        remarks,
        graph: paths.graph.clone(),
        roots: paths.roots.clone(),
        held: paths.excluded.clone(),
    }
}

fn layers(
    image: &NewImage<'_>,
    paths: &Paths,
    plan: &LayerPlan,
    reasons: &Reasons<'_>,
) -> Vec<LayerFacts> {
    let base = image
        .base
        .iter()
        .flat_map(Base::layers)
        .map(|layer| LayerFacts {
            number: 0,
            kind: LayerKind::Base,
            diff_id: Some(layer.diff_id.to_string()),
            size: Some(layer.stored_size()),
            size_estimated: false,
            blob: None,
            was_there: None,
            source: None,
            reason: "from the base image".to_owned(),
            paths: vec![],
        });
    let path = |&index: &u32| {
        let node = &paths.graph.nodes()[index as usize];
        let given = image.store.given(&paths.paths[index as usize]);
        PathFacts {
            path: node.path.clone(),
            directory: given.map(|given| given.path.clone()),
            size: node.size,
        }
    };
    let reason = |layer: &layering::Layer| {
        let members = layer.paths.iter();
        let members = members.map(|&index| &paths.paths[index as usize]);
        reasons.text(&layer.reason, members)
    };
    let store = plan.layers.iter().map(|layer| LayerFacts {
        number: 0,
        kind: LayerKind::Store,
        diff_id: None,
        size: None,
        size_estimated: false,
        blob: None,
        was_there: None,
        source: None,
        reason: reason(layer),
        paths: layer.paths.iter().map(path).collect(),
    });
    let root = LayerFacts {
        number: 0,
        kind: LayerKind::Root,
        diff_id: None,
        size: None,
        size_estimated: false,
        blob: None,
        was_there: None,
        source: None,
        reason: "root layer: files and links at `/`".to_owned(),
        paths: vec![],
    };
    let mut layers: Vec<LayerFacts> = base.chain(store).chain([root]).collect();
    for (i, layer) in layers.iter_mut().enumerate() {
        layer.number = i + 1;
    }
    layers
}

/// Writes the messages of all remarks, and the warnings among them with their remedies.
fn remarks<S: Serializer>(remarks: &[Remark], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Warning<'a> {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    }
    let messages: Vec<&str> = remarks.iter().map(|remark| &*remark.message).collect();
    let warnings = remarks.iter().filter(|remark| remark.is_warning());
    let warnings: Vec<Warning<'_>> = warnings
        .map(|remark| Warning {
            message: &remark.message,
            hint: remark.hint.as_deref(),
        })
        .collect();
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("remarks", &messages)?;
    map.serialize_entry("warnings", &warnings)?;
    map.end()
}

/// The environment in a configuration.
fn environment(config: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Config {
        #[serde(rename = "Env", default)]
        env: Option<Vec<String>>,
    }
    let config: Option<Config> = serde_json::from_str(config).unwrap_or_default();
    config.and_then(|config| config.env).unwrap_or_default()
}

impl Facts {
    /// Measures the layers, whose sizes are not known otherwise before they are written. No
    /// file is opened. The size of a layer whose paths are in binary caches is estimated. Of those that earlier runs made, their digests are known as well.
    ///
    /// # Errors
    ///
    /// A store path that cannot be listed.
    pub fn measure(&mut self, image: &NewImage<'_>, cache: &Cache) -> Result<(), Error> {
        let known = image
            .known(cache)
            .map_err(|error| Error::Pack(Box::new(error)))?;
        let own = self
            .layers
            .iter_mut()
            .filter(|layer| layer.kind != LayerKind::Base);
        let new = image.new_layers();
        for ((layer, known), new) in own.zip(known).zip(&new) {
            layer.diff_id = known.map(|plain| plain.diff_id.to_string());
            let size = match known {
                Some(plain) => plain.size,
                // To list its files would fetch hundreds of listings, or NARs.
                None if new.is_fetched()? => {
                    layer.size_estimated = true;
                    layer.paths.iter().map(|path| path.size).sum()
                }
                None => layer::measure(new.as_ref())?.size,
            };
            layer.size = Some(size);
        }
        self.add_up();
        Ok(())
    }

    /// Adds what is known when the image is written.
    pub fn complete(&mut self, outcome: &Outcome) {
        self.image_id = Some(outcome.id.to_string());
        for (layer, written) in self.layers.iter_mut().zip(&outcome.layers) {
            layer.diff_id = Some(written.diff_id.to_string());
            layer.size = Some(written.size);
            layer.size_estimated = false;
        }
        if let Some(published) = &outcome.published {
            self.manifest = Some(published.manifest.clone());
            for (layer, shipped) in self.layers.iter_mut().zip(&published.layers) {
                layer.blob = Some(Descriptor {
                    annotations: Annotations::new(),
                    ..shipped.descriptor.clone()
                });
                layer.was_there = Some(shipped.was_there());
                layer.source = Some(LayerSource::of(shipped.outcome, layer.kind));
            }
        }
        self.add_up();
    }

    fn add_up(&mut self) {
        self.size = self.layers.iter().filter_map(|layer| layer.size).sum();
    }

    /// Returns the name of a file of the image in messages: that of a file in a directory of this
    /// machine is its path there.
    pub fn shown_file(&self, file: &str) -> String {
        let paths = self.layers.iter().flat_map(|layer| &layer.paths);
        let below = |path: &PathFacts| {
            let rest = file.strip_prefix(&*path.path)?;
            let directory = path.directory.as_ref()?.trim_end_matches('/');
            rest.starts_with('/').then(|| format!("{directory}{rest}"))
        };
        let mut found = paths.filter_map(below);
        found.next().unwrap_or_else(|| file.to_owned())
    }

    /// The facts as JSON text, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

/// JSON text, indented, with a newline at the end.
pub(super) fn to_json(value: &impl Serialize) -> String {
    // Only maps with keys that are no strings could fail, and there are none.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text + "\n"
}
