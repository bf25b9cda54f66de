//! The questions to the planner, and what it is told.

use std::collections::BTreeMap;

use terrine_oci::Digest;
use terrine_planner_host::{self as planner, EmptyLayers, Planner, image, layering};
use terrine_support::chain;

use super::{Conf, ConfOptions};
use crate::assemble::{Error, StoreLayer};
use crate::base::Base;
use crate::closure::{self, Database, NarHashes};
use crate::layer::{self, Store, StorePath};

/// Settles name, tag, platform and configuration.
pub(super) fn resolve(
    conf: &Conf,
    options: &ConfOptions,
    base: Option<&Base>,
    customisation: Digest,
    planner: &Planner<'_>,
) -> Result<image::Resolved, Error> {
    let (platform, variant) = platform(conf, options);
    let request = image::ResolveRequest {
        reference: options.repo_tag.as_ref().unwrap_or(&conf.repo_tag).clone(),
        tag: None,
        platform,
        variant,
        config: conf.config.get().to_owned(),
        base: base.map(image::BaseImage::from),
        inherit: image::Inheritance::Environment,
        labels: vec![],
        max_layers: None,
        other_layers: 1,
        has_store_paths: !conf.store_layers.is_empty(),
        identity: identity(conf, customisation),
    };
    planner
        .resolve(&request)
        .map_err(|error| in_terms_of_conf(error, options.repo_tag.is_some()))
}

/// Returns the platform and its variant: those that were asked for, else those of `conf.json`.
pub(super) fn platform(conf: &Conf, options: &ConfOptions) -> (String, Option<String>) {
    match &options.platform {
        Some(platform) => (platform.architecture.clone(), platform.variant.clone()),
        None => (conf.architecture.clone(), conf.variant.clone()),
    }
}

/// Everything in the image that the rest of the request does not tell, a line for each
/// thing and its name before it, so that no two images spell the same.
fn identity(conf: &Conf, customisation: Digest) -> Vec<String> {
    let mut identity = vec![
        format!("created {}", conf.created),
        format!("mtime {}", conf.mtime),
        format!("uid {}", conf.uid),
        format!("gid {}", conf.gid),
        format!("uname {}", conf.uname),
        format!("gname {}", conf.gname),
        format!("store {}", conf.store_dir),
        format!("customisation {} {customisation}", conf.customisation_layer),
    ];
    for layer in &conf.store_layers {
        identity.push("layer".to_owned());
        identity.extend(layer.iter().map(|path| format!("path {path}")));
    }
    identity
}

/// The grouping of `conf.json`, as the planner's `explicit` policy sees it, and the digest of
/// what the planner was asked. Adds to the remarks for the user if NAR hashes cannot be had.
pub(super) fn layers(
    conf: &Conf,
    store: &Store,
    planner: &Planner<'_>,
    remarks: &mut Vec<String>,
) -> Result<(Vec<StoreLayer>, Digest), Error> {
    // The contract wants each path once and in its plainest form, the history wants it
    // as it was written. One that is there twice is the policy's to find.
    let mut named: BTreeMap<StorePath, &String> = BTreeMap::new();
    let mut groups: Vec<Vec<String>> = vec![];
    for layer in &conf.store_layers {
        let mut group = vec![];
        for text in layer {
            let path = store.path(text)?;
            group.push(path.as_str().to_owned());
            named.entry(path).or_insert(text);
        }
        groups.push(group);
    }
    let named: Vec<(StorePath, &String)> = named.into_iter().collect();
    let count = u32::try_from(named.len()).unwrap_or(u32::MAX);
    let request = layering::Request {
        policy: "explicit".to_owned(),
        options: serde_json::json!({ "layers": groups }).to_string(),
        store_dir: store.dir().to_owned(),
        paths: named
            .iter()
            .map(|(path, _)| planner::store_path(path.as_str(), 0, vec![]))
            .collect(),
        roots: (0..count).collect(),
        excluded: vec![],
        max_layers: None,
        history: None,
    };
    let planned = planner
        .plan(&request, EmptyLayers::AsGiven)
        .map_err(|error| in_terms_of_conf(error, false))?;
    let nar_hashes = nar_hashes(store, named.iter().map(|(path, _)| path));
    let nar_hashes = nar_hashes.unwrap_or_else(|error| {
        let why = chain(&error);
        remarks.push(format!(
            "the manifest says nothing by which other images find the layers, because NAR hashes cannot be read: {why}"
        ));
        NarHashes::default()
    });
    let layer = |layer: layering::Layer| {
        let members = layer.paths.iter().map(|&index| &named[index as usize]);
        let (paths, named): (Vec<StorePath>, _) = members
            .map(|(path, text)| (path.clone(), (*text).clone()))
            .unzip();
        let hash = |path: &StorePath| nar_hashes.get(path.as_str());
        let shown: Vec<String> = paths.iter().map(|path| store.shown(path)).collect();
        StoreLayer {
            named,
            label: layer::list(&shown),
            nar_hashes: paths.iter().map(hash).collect(),
            hashed: vec![],
            paths,
            weight: 0,
        }
    };
    Ok((
        planned.layers.into_iter().map(layer).collect(),
        planner::request_digest(&request),
    ))
}

/// Returns the NAR hashes of store paths, as far as the store has a database and that has them. A builder of Nix sees none.
fn nar_hashes<'p>(
    store: &Store,
    paths: impl Iterator<Item = &'p StorePath>,
) -> Result<NarHashes, closure::Error> {
    let file = Database::default_path(store.dir(), store.root());
    if !file.exists() {
        return Ok(NarHashes::default());
    }
    Database::open(&file)?.nar_hashes(paths.map(StorePath::as_str))
}

/// Checks that every path is there, and that none is part of another: better before
/// the first byte than after the last but one.
pub(super) fn check_paths(layers: &[StoreLayer], store: &Store) -> Result<(), Error> {
    let mut paths: Vec<_> = layers.iter().flat_map(|layer| &layer.paths).collect();
    // Component by component, so that what lies within a path follows it.
    paths.sort_by(|a, b| a.as_str().split('/').cmp(b.as_str().split('/')));
    for pair in paths.windows(2) {
        if pair[1].is_within(pair[0]) {
            let [outer, inner] = [pair[0], pair[1]].map(|path| path.as_str().to_owned());
            return Err(Error::Overlap { inner, outer });
        }
    }
    paths
        .into_iter()
        .try_for_each(|path| layer::check_exists(store, path).map_err(Error::from))
}

/// Names the field of `conf.json` that a refusal is about, not that of the contract.
fn in_terms_of_conf(error: planner::Error, repo_tag_is_given: bool) -> Error {
    let planner::Error::Refused {
        component,
        embedded,
        kind,
        message,
        field,
        hint,
    } = error
    else {
        return error.into();
    };
    let field = field.map(|field| match field.as_str() {
        "reference" if repo_tag_is_given => "--repo-tag".to_owned(),
        "reference" => "repo_tag".to_owned(),
        "platform" => "architecture".to_owned(),
        _ => match field.strip_prefix("options.layers") {
            Some(place) => format!("store_layers{place}"),
            None => field,
        },
    });
    let message = message.replace("`options.layers", "`store_layers");
    planner::Error::Refused {
        component,
        embedded,
        kind,
        message,
        field,
        hint,
    }
    .into()
}
