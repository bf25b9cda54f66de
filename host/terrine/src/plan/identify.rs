//! The fourth phase: what the image is called and what it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use terrine_oci::Digest;
use terrine_planner_host::image;

use super::Error;
use super::complete::Complete;
use super::content::{Contents, Unread, is_named};
use super::context::Context;
use super::database;
use super::decide::{Asked, max_layers};
use super::error::in_terms_of_the_spec;
use super::identity::{Identity, Listed};
use super::machine::{self, Machine};
use super::past::{self, KnownHistory};
use super::tags;
use crate::layer::{Hashed, Ownership};
use crate::rootfs;
use crate::spec::{BaseConfig, ImageSpec, Json, When};

/// The choice whether files are read for a tag that is generated from their contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagContent {
    /// They are read, and the tag is known.
    Read,
    /// They are not, and the tag is known only where there is none to read.
    Defer,
}

/// An image that has a name, a tag and a platform.
#[derive(Debug)]
pub(super) struct Identified {
    pub(super) complete: Complete,
    /// The owners, permissions and time of the entries of layers.
    pub(super) ownership: Ownership,
    /// The creation time that the image states.
    pub(super) created: String,
    /// The platform of the image and of its programs.
    pub(super) machine: Machine,
    /// The known history of the image.
    pub(super) past: KnownHistory,
    /// The policy that groups its store paths; none where it has none of its own.
    pub(super) asked: Option<Asked>,
    /// Name, tag, platform and configuration.
    pub(super) resolved: image::Resolved,
    /// One of the files that have to be read before the tag is known. The tag is empty then.
    pub(super) unread: Option<PathBuf>,
}

impl Complete {
    /// Settles name, tag, platform and configuration. Nothing is read for the tag before
    /// the rest is known to be right.
    pub(super) fn identify(
        self,
        context: &Context<'_, '_>,
        ownership: Ownership,
        content: TagContent,
    ) -> Result<Identified, Error> {
        let machine = machine::find(context, &self, content == TagContent::Read)?;
        let past = past::find(context, &self.store, &machine)?;
        let request = request(context, &self, &machine)?;
        let resolved = resolve(context, &request)?;
        machine.check(&resolved, context.options.allow_foreign)?;
        let created = context.time(context.spec.created.map(|field| field.0))?;
        let asked = self.paths.any().then(|| Asked::of(context)).transpose()?;
        let mut identified = Identified {
            complete: self,
            ownership,
            created: created.to_string(),
            machine,
            past,
            asked,
            resolved,
            unread: None,
        };
        if identified.resolved.tag_generated {
            identified.generate_tag(context, request, content)?;
        }
        Ok(identified)
    }
}

impl Complete {
    /// Takes note of the state of the store paths whose names say nothing about what is in them, before they are read for
    /// the tag: layers are to have the same bytes.
    fn watch_unnamed(&mut self, content: TagContent) -> Result<(), Error> {
        if content == TagContent::Defer {
            return Ok(());
        }
        let known: BTreeSet<&str> = self
            .paths
            .hashed
            .iter()
            .map(|known| known.path.as_str())
            .collect();
        let unnamed = self.paths.own().filter(|path| {
            !is_named(&self.store, path)
                && !known.contains(path.as_str())
                && !self.has_joined(path.as_str())
        });
        let seen = unnamed.map(|path| Hashed::of(&self.store, path));
        let seen: Vec<Hashed> = seen.collect::<Result<_, _>>()?;
        self.paths.hashed.extend(seen);
        Ok(())
    }
}

impl Identified {
    /// Generates the tag from all that the image is made of.
    fn generate_tag(
        &mut self,
        context: &Context<'_, '_>,
        request: image::ResolveRequest,
        content: TagContent,
    ) -> Result<(), Error> {
        if content == TagContent::Read {
            database::settle(context, &mut self.complete)?;
        }
        let hashed = self.complete.paths.hashed.clone();
        self.complete.watch_unnamed(content)?;
        let unread = Unread::find(&self.complete, &self.ownership)?;
        if content == TagContent::Defer {
            // Before commands run everything is read.
            let example = match self.complete.ran {
                Some(_) => None,
                None => unread.example(),
            };
            self.unread = example.or_else(|| self.complete.registered.unread.clone());
        }
        if self.unread.is_some() {
            self.resolved.tag.clear();
            return Ok(());
        }
        let mut contents = unread.read()?;
        let stamps = std::mem::take(&mut contents.stamps);
        // Their NAR hashes, which layers may be found by, are to be those of the same files.
        hashed
            .iter()
            .try_for_each(|hashed| hashed.check(&self.complete.store))?;
        let text = self.identity(context, contents)?.text();
        self.complete.root.expect(stamps);
        let request = image::ResolveRequest {
            identity: vec![Digest::of(text.as_bytes()).to_string()],
            ..request
        };
        self.resolved = resolve(context, &request)?;
        Ok(())
    }

    /// All that makes the image what it is and that the request does not tell.
    pub(super) fn identity<'a>(
        &'a self,
        context: &Context<'a, '_>,
        contents: Contents<'a>,
    ) -> Result<Identity<'a>, Error> {
        let Complete {
            store, root, paths, ..
        } = &self.complete;
        let created = context.spec.created.map(|field| field.0);
        let nodes = paths.graph.nodes();
        let listed = |(index, content)| {
            let node: &crate::closure::Node = &nodes[index];
            Listed {
                path: &node.path,
                size: node.size,
                references: node
                    .references
                    .iter()
                    .map(|&reference| nodes[reference].path.as_str())
                    .collect(),
                wanted: paths.roots.binary_search(&index).is_ok(),
                in_base: paths.excluded.binary_search(&index).is_ok(),
                content,
            }
        };
        Ok(Identity {
            created: match created {
                Some(When::Now) => When::Now,
                given => When::At(context.time(given)?),
            },
            ownership: &self.ownership,
            permissions: &context.spec.permissions,
            store_dir: store.dir(),
            grouping: self.asked.as_ref().map(|asked| asked.identity(context)),
            past: self.past.past.digest(),
            commands: self.complete.ran.as_ref().map(|ran| ran.key),
            root: rootfs::measure(root, &self.ownership.permissions)?.outline,
            copies: contents.copies,
            paths: contents
                .paths
                .into_iter()
                .enumerate()
                .filter(|(index, _)| !self.complete.has_joined(&nodes[*index].path))
                .map(listed)
                .collect(),
        })
    }
}

/// Settles what the planner decides about an image.
fn resolve(
    context: &Context<'_, '_>,
    request: &image::ResolveRequest,
) -> Result<image::Resolved, Error> {
    let planner = context.planners.image;
    planner
        .resolve(request)
        .map_err(|error| in_terms_of_the_spec(context.spec, error))
}

/// Returns the image's own configuration. Its labels replace those that it inherits, so the planner, which adds labels
/// that are missing, has to find them there.
fn config(spec: &ImageSpec) -> BTreeMap<String, Json> {
    let mut config = spec.config_json.clone().unwrap_or_default();
    if spec.base_config == BaseConfig::All && !spec.labels.is_empty() {
        let null = || Json::Scalar("null".to_owned());
        let own = config.entry("Labels".to_owned()).or_insert_with(null);
        if *own == null() {
            *own = Json::Object(BTreeMap::new());
        }
        // Anything else is an error of the planner's.
        if let Json::Object(own) = own {
            for (name, value) in &spec.labels {
                let value = || Json::string(value);
                own.entry(name.clone()).or_insert_with(value);
            }
        }
    }
    config
}

/// Builds the request to the planner, without what only the generated tag depends on.
fn request(
    context: &Context<'_, '_>,
    complete: &Complete,
    machine: &Machine,
) -> Result<image::ResolveRequest, Error> {
    let spec = context.spec;
    let Some(name) = &spec.name else {
        return Err(Error::hinted(
            "name",
            "it is missing",
            "give the image a name: `name` or `--name`",
        ));
    };
    Ok(image::ResolveRequest {
        reference: name.clone(),
        tag: tags::first(spec),
        platform: machine.platform.clone(),
        variant: spec.variant.clone(),
        config: Json::Object(config(spec)).to_string(),
        base: complete.base.as_ref().map(image::BaseImage::from),
        inherit: match spec.base_config {
            BaseConfig::Environment => image::Inheritance::Environment,
            BaseConfig::All => image::Inheritance::All,
        },
        labels: spec.labels.clone().into_iter().collect(),
        max_layers: max_layers(spec),
        other_layers: 1,
        has_store_paths: complete.paths.any(),
        identity: vec![],
    })
}
