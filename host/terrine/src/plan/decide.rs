//! What the planner is asked, and what it answers.

use terrine_oci::Digest;
use terrine_planner_host::{self as planner, Planner, Planners, image, layering};

use super::Error;
use super::group::{self, Grouping};
use super::machine::Machine;
use super::past::Found;
use super::paths::Paths;
use crate::assemble::{PlanOrigin, StoreLayer};
use crate::base::Base;
use crate::history::Past;
use crate::layer::{Ownership, Store};
use crate::rootfs::{self, Root};
use crate::spec::{BaseConfig, ImageSpec, Json, Pipeline};

/// How many layers an image may have if it is not said.
const MAX_LAYERS: u32 = 100;

/// A grouping of store paths.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) layers: Vec<layering::Layer>,
    pub(super) remarks: Vec<String>,
    /// Who made it; none where there was nothing to group.
    pub(super) origin: Option<PlanOrigin>,
}

impl Plan {
    /// The layers with the paths themselves.
    pub(super) fn layers(&self, paths: &Paths) -> Vec<StoreLayer> {
        let graph = &paths.graph;
        let layer = |layer: &layering::Layer| {
            let members = layer
                .paths
                .iter()
                .map(|&index| &paths.paths[index as usize]);
            let (named, paths) = members
                .map(|path| (path.as_str().to_owned(), path.clone()))
                .unzip();
            let size = |&index: &u32| graph.nodes()[index as usize].size;
            let weight = layer.paths.iter().map(size).fold(0, u64::saturating_add);
            StoreLayer {
                named,
                paths,
                weight,
            }
        };
        self.layers.iter().map(layer).collect()
    }
}

/// How many layers the image may have in all.
pub(super) fn max_layers(spec: &ImageSpec) -> Option<u32> {
    match (&spec.max_layers, &spec.layering_pipeline) {
        // A pipeline makes as many as it says (spec section 1.2).
        (None, Some(_)) => None,
        (given, _) => Some(given.unwrap_or(MAX_LAYERS)),
    }
}

/// Settles name, tag, platform and configuration.
#[expect(
    clippy::too_many_arguments,
    reason = "an image is made of all of these"
)]
pub(super) fn resolve(
    spec: &ImageSpec,
    base: Option<&Base>,
    machine: &Machine,
    paths: &Paths,
    past: &Found,
    root: &Root,
    ownership: &Ownership,
    store: &Store,
    planners: Planners<'_>,
) -> Result<image::Resolved, Error> {
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
    let request = image::ResolveRequest {
        reference: name.clone(),
        tag: spec.tag.clone(),
        platform: machine.platform.clone(),
        variant: spec.variant.clone(),
        config: config.unwrap_or_else(|| "{}".to_owned()),
        base: base.map(image::BaseImage::from),
        inherit: match spec.base_config {
            BaseConfig::Environment => image::Inheritance::Environment,
            BaseConfig::All => image::Inheritance::All,
        },
        labels: spec.labels.clone().into_iter().collect(),
        max_layers: max_layers(spec),
        other_layers: 1,
        has_store_paths: paths.any(),
        identity: identity(spec, paths, past, root, ownership, store, planners.layering)?,
    };
    planners
        .image
        .resolve(&request)
        .map_err(|error| in_terms_of_the_spec(spec, error))
}

/// Everything in the image that the rest of the request does not tell, a line for each
/// thing and its name before it, so that no two images spell the same.
fn identity(
    spec: &ImageSpec,
    paths: &Paths,
    past: &Found,
    root: &Root,
    ownership: &Ownership,
    store: &Store,
    layering: &Planner<'_>,
) -> Result<Vec<String>, Error> {
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
            planner_identity(spec, layering),
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
    let policy = or_default(&planner.policy, layering);
    (
        policy,
        options,
        (!layering.is_embedded()).then(|| layering.digest()),
    )
}

/// The default of `build` and `plan`: the policy of an image whose specification names none, where
/// the built-in planner plans. It is not the component's first policy, which is the one of
/// dockerTools and plans where a request names none, as in what stands in for dockerTools.
pub const DEFAULT_POLICY: &str = "least-pull";

/// A policy that is named, or the default of `build` and `plan`. Other components have none but
/// their first policy.
fn or_default(named: &str, planner: &Planner<'_>) -> String {
    match named.is_empty() && planner.is_embedded() {
        true => DEFAULT_POLICY.to_owned(),
        false => named.to_owned(),
    }
}

/// Groups the store paths into layers.
pub(super) fn layers(
    spec: &ImageSpec,
    paths: &Paths,
    past: &Past,
    store: &Store,
    store_layers: Option<u32>,
    planner: &Planner<'_>,
) -> Result<Plan, Error> {
    if !paths.any() {
        return Ok(Plan::default());
    }
    let (policy, options) = policy(spec, planner)?;
    let request = group::request(&Grouping {
        graph: &paths.graph,
        roots: &paths.roots,
        excluded: &paths.excluded,
        store_dir: store.dir(),
        policy: &policy,
        options: &options,
        max_layers: store_layers,
        past,
    });
    let in_terms_of_the_spec = |error| in_terms_of_the_spec(spec, error);
    let (info, policy) = group::chosen(planner, &request).map_err(in_terms_of_the_spec)?;
    let layering::Planned {
        mut layers,
        mut remarks,
        left_out,
    } = planner
        .plan(&request, planner.empty_layers(&policy))
        .map_err(in_terms_of_the_spec)?;
    layers.retain(|layer| !layer.paths.is_empty());
    remarks.extend(past.remark(planner, &policy)?);
    if let Some(&first) = left_out.first() {
        let which = match left_out.len() {
            1 => "1 of the store paths is".to_owned(),
            count => format!("{count} of the store paths are"),
        };
        let example = paths.paths[first as usize].as_str();
        let among = if left_out.len() > 1 {
            " among them"
        } else {
            ""
        };
        remarks.push(format!(
            "{which} in no layer, as the options of `{policy}` ask for: `{example}`{among}"
        ));
    }
    let origin = PlanOrigin::new(planner, &info, &policy, planner::request_digest(&request));
    Ok(Plan {
        layers,
        remarks,
        origin: Some(origin),
    })
}

/// Which policy, and its options.
fn policy(spec: &ImageSpec, planner: &Planner<'_>) -> Result<(String, String), Error> {
    match (&spec.planner, &spec.layering_pipeline) {
        (Some(asked), None) => {
            let options = asked
                .options
                .as_ref()
                .map_or("{}".to_owned(), ToString::to_string);
            Ok((or_default(&asked.policy, planner), options))
        }
        (None, None) => Ok((or_default("", planner), "{}".to_owned())),
        (None, Some(pipeline)) => Ok(("pipeline".to_owned(), pipeline_options(spec, pipeline)?)),
        (Some(_), Some(_)) => Err(Error::field(
            "layeringPipeline",
            "`planner` is given as well, and both group the layers",
        )),
    }
}

/// The options of the policy `pipeline` for a pipeline, read from its file if need be.
fn pipeline_options(spec: &ImageSpec, pipeline: &Pipeline) -> Result<String, Error> {
    let steps = match pipeline {
        Pipeline::Steps(steps) => Json::Array(steps.clone()),
        Pipeline::File(file) => {
            let path = spec.place(file);
            let field = "layeringPipeline";
            let text = std::fs::read_to_string(&path).map_err(|source| Error::Io {
                field,
                path: path.clone(),
                source,
            })?;
            serde_json::from_str(&text).map_err(|error| {
                Error::field(field, format!("`{}` is not JSON: {error}", path.display()))
            })?
        }
    };
    Ok(format!("{{\"pipeline\":{steps}}}"))
}

/// Names the field of the specification that a refusal is about, not that of the contract.
pub(super) fn in_terms_of_the_spec(spec: &ImageSpec, error: planner::Error) -> Error {
    let name = |field: String| match field.as_str() {
        "reference" => "name".to_owned(),
        "platform" => "architecture".to_owned(),
        "max-layers" => "maxLayers".to_owned(),
        "policy" => "planner.policy".to_owned(),
        _ => match (
            field.strip_prefix("options.pipeline"),
            field.strip_prefix("options"),
        ) {
            (Some(place), _) if spec.layering_pipeline.is_some() => {
                format!("layeringPipeline{place}")
            }
            (_, Some(place)) => format!("planner.options{place}"),
            (_, None) => field,
        },
    };
    match error {
        planner::Error::Refused {
            component,
            embedded,
            kind,
            message,
            field,
            hint,
        } => planner::Error::Refused {
            component,
            embedded,
            kind,
            message,
            field: field.map(name),
            hint,
        },
        planner::Error::Option { field, why, hint } => planner::Error::Option {
            field: name(field),
            why,
            hint,
        },
        other => other,
    }
    .into()
}
