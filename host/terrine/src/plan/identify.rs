//! The fourth phase: what the image is called and what it is for.

use terrine_oci::Digest;
use terrine_planner_host::{Planner, image};

use super::Error;
use super::complete::Complete;
use super::context::Context;
use super::decide::{self, max_layers};
use super::error::in_terms_of_the_spec;
use super::machine::{self, Machine};
use super::past::{self, Found};
use crate::layer::Ownership;
use crate::rootfs;
use crate::spec::{BaseConfig, ImageSpec, Json};

/// An image that has a name, a tag and a platform.
#[derive(Debug)]
pub(super) struct Identified {
    pub(super) complete: Complete,
    /// Who owns the entries of layers.
    pub(super) ownership: Ownership,
    /// When the image says that it was created.
    pub(super) created: String,
    /// What its programs run on.
    pub(super) machine: Machine,
    /// What is known of its past.
    pub(super) past: Found,
    /// Name, tag, platform and configuration.
    pub(super) resolved: image::Resolved,
}

impl Complete {
    /// Settles name, tag, platform and configuration.
    pub(super) fn identify(
        self,
        context: &Context<'_, '_>,
        ownership: Ownership,
    ) -> Result<Identified, Error> {
        let machine = machine::find(context, &self)?;
        let past = past::find(context, &self.store, &machine)?;
        let request = image::ResolveRequest {
            identity: identity(context, &self, &past, &ownership)?,
            ..request(context, &self, &machine)?
        };
        let resolved = context
            .planners
            .image
            .resolve(&request)
            .map_err(|error| in_terms_of_the_spec(context.spec, error))?;
        machine.check(&resolved, context.options.allow_foreign)?;
        Ok(Identified {
            created: context
                .time(context.spec.created.map(|field| field.0))?
                .to_string(),
            complete: self,
            ownership,
            machine,
            past,
            resolved,
        })
    }
}

/// What the planner is asked, but for what the generated tag alone depends on.
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
    let config = spec
        .config_json
        .clone()
        .map(|entries| Json::Object(entries).to_string());
    Ok(image::ResolveRequest {
        reference: name.clone(),
        tag: spec.tag.clone(),
        platform: machine.platform.clone(),
        variant: spec.variant.clone(),
        config: config.unwrap_or_else(|| "{}".to_owned()),
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

/// Everything in the image that the rest of the request does not tell, a line for each
/// thing and its name before it, so that no two images spell the same.
fn identity(
    context: &Context<'_, '_>,
    complete: &Complete,
    past: &Found,
    ownership: &Ownership,
) -> Result<Vec<String>, Error> {
    let spec = context.spec;
    let Complete {
        store, root, paths, ..
    } = complete;
    let created = spec.created.map(|field| field.0.to_string());
    let mut identity = vec![
        format!("created {}", created.unwrap_or_default()),
        format!("mtime {}", ownership.mtime),
        format!("uid {}", ownership.uid),
        format!("gid {}", ownership.gid),
        format!("uname {}", ownership.uname),
        format!("gname {}", ownership.gname),
        format!("permissions {:?}", spec.permissions),
        format!("store {}", store.dir()),
        format!(
            "planner {:?} {:?}",
            planner_identity(spec, context.planners.layering),
            spec.layering_pipeline
        ),
        format!(
            "root {}",
            rootfs::measure(root, &ownership.permissions)?.outline
        ),
    ];
    let texts = root
        .texts()
        .map(|text| format!("text {}", Digest::of(text)));
    identity.extend(texts);
    identity.extend(past.past.digest().map(|digest| format!("past {digest}")));
    for (index, path) in paths.paths.iter().enumerate() {
        let held = if paths.excluded.binary_search(&index).is_ok() {
            " in the base"
        } else {
            ""
        };
        identity.push(format!("path {}{held}", path.as_str()));
        if store.is_grafted(path) {
            // Its name says nothing about its content; its files' names and sizes do.
            identity.push(format!(
                "entries {:?}",
                crate::base::fingerprint(store, path)?
            ));
        }
    }
    Ok(identity)
}

/// What the specification says about layers, without where a component lies: its digest tells
/// which it is. The built-in one may change with each release and leave images as they are.
fn planner_identity(spec: &ImageSpec, layering: &Planner<'_>) -> (String, String, Option<Digest>) {
    let planner = spec.planner.clone().unwrap_or_default();
    let options = planner
        .options
        .map_or_else(String::new, |options| options.to_string());
    let policy = decide::or_default(&planner.policy, layering);
    (
        policy,
        options,
        (!layering.is_embedded()).then(|| layering.digest()),
    )
}
