//! The fifth phase: which store path goes into which layer, by the planner.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use terrine_planner_host::{self as planner, Planner, layering};
use terrine_support::json::in_words;

use super::Error;
use super::complete::Complete;
use super::context::Context;
use super::error::in_terms_of_the_spec;
use super::group::{self, Grouping};
use super::identify::Identified;
use super::identity;
use super::paths::Paths;
use super::place;
use crate::assemble::{PlanOrigin, StoreLayer};
use crate::layer::{self, Store};
use crate::spec::{ImageSpec, Json, Pipeline};

/// The maximum number of layers of an image if the specification does not set it.
const MAX_LAYERS: u32 = 100;

/// An image of which all is decided.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) identified: Identified,
    pub(super) plan: LayerPlan,
}

impl Identified {
    /// Decides which store path goes into which layer.
    pub(super) fn decide(self, context: &Context<'_, '_>) -> Result<Decided, Error> {
        let plan = layers(context, &self)?;
        Ok(Decided {
            identified: self,
            plan,
        })
    }
}

/// A grouping of store paths.
#[derive(Debug, Default)]
pub(super) struct LayerPlan {
    pub(super) layers: Vec<layering::Layer>,
    pub(super) remarks: Vec<String>,
    /// The planner that made the plan, and its request; none if there was nothing to group.
    pub(super) origin: Option<PlanOrigin>,
}

impl LayerPlan {
    /// The layers with the paths themselves.
    pub(super) fn layers(&self, store: &Store, paths: &Paths) -> Vec<StoreLayer> {
        let (graph, nar_hashes, all_hashed) = (&paths.graph, &paths.nar_hashes, &paths.hashed);
        let layer = |layer: &layering::Layer| {
            let mut largest = layer.paths.clone();
            largest.sort_by_key(|&index| Reverse(graph.nodes()[index as usize].size));
            let shown = |&index: &u32| store.shown(&paths.paths[index as usize]);
            let label = layer::list(&largest.iter().map(shown).collect::<Vec<_>>());
            let members = layer
                .paths
                .iter()
                .map(|&index| &paths.paths[index as usize]);
            let nar_hashes = members
                .clone()
                .map(|path| nar_hashes.get(path.as_str()))
                .collect();
            let (named, paths): (_, Vec<_>) = members
                .map(|path| (path.as_str().to_owned(), path.clone()))
                .unzip();
            let own: BTreeSet<_> = paths.iter().collect();
            let hashed = all_hashed
                .iter()
                .filter(|hashed| own.contains(&hashed.path));
            let size = |&index: &u32| graph.nodes()[index as usize].size;
            let weight = layer.paths.iter().map(size).fold(0, u64::saturating_add);
            StoreLayer {
                named,
                label,
                hashed: hashed.cloned().collect(),
                paths,
                nar_hashes,
                weight,
            }
        };
        self.layers.iter().map(layer).collect()
    }
}

/// Groups the store paths into layers.
fn layers(context: &Context<'_, '_>, identified: &Identified) -> Result<LayerPlan, Error> {
    let (spec, planner) = (context.spec, context.planners.layering);
    let Complete { store, paths, .. } = &identified.complete;
    let past = &identified.past.past;
    let Some(Asked { policy, options }) = &identified.asked else {
        return Ok(LayerPlan::default());
    };
    let request = group::request(&Grouping {
        graph: &paths.graph,
        roots: &paths.roots,
        excluded: &paths.excluded,
        store_dir: store.dir(),
        policy,
        options,
        max_layers: identified.resolved.store_layers,
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
        if spec.include_nix_db {
            return Err(Error::hinted(
                "includeNixDB",
                format!(
                    "{which} registered and in no layer, as the options of `{policy}` ask for: `{example}`"
                ),
                "keep them in the image, or leave out the database",
            ));
        }
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
    Ok(LayerPlan {
        layers,
        remarks,
        origin: Some(origin),
    })
}

/// Returns the maximum number of layers of the image; none if a pipeline decides.
pub(super) fn max_layers(spec: &ImageSpec) -> Option<u32> {
    match (&spec.max_layers, &spec.layering_pipeline) {
        // A pipeline makes as many as it says as in dockerTools.
        (None, Some(_)) => None,
        (given, _) => Some(given.unwrap_or(MAX_LAYERS)),
    }
}

/// The default of `build` and `plan`: the policy of an image whose specification names none, where
/// the built-in planner plans. It is not the component's first policy, which is the one of
/// dockerTools and plans where a request names none, as in what stands in for dockerTools.
pub const DEFAULT_POLICY: &str = "least-pull";

/// Returns a policy that is named, or the default of `build` and `plan`. Other components have
/// none but their first policy.
fn or_default(named: &str, planner: &Planner<'_>) -> String {
    if named.is_empty() && planner.is_embedded() {
        DEFAULT_POLICY.to_owned()
    } else {
        named.to_owned()
    }
}

/// The policy that groups the store paths, and its options.
#[derive(Debug)]
pub(super) struct Asked {
    policy: String,
    /// As canonical JSON.
    options: String,
}

impl Asked {
    /// Finds what the specification asks for, or the default.
    pub(super) fn of(context: &Context<'_, '_>) -> Result<Self, Error> {
        let (spec, planner) = (context.spec, context.planners.layering);
        let (policy, options) = match (&spec.planner, &spec.layering_pipeline) {
            (Some(asked), None) => (
                or_default(&asked.policy, planner),
                asked.options.as_ref().map(ToString::to_string),
            ),
            (None, None) => (or_default("", planner), None),
            (None, Some(pipeline)) => (
                "pipeline".to_owned(),
                Some(pipeline_options(spec, pipeline)?),
            ),
            (Some(_), Some(_)) => {
                return Err(Error::field(
                    "layeringPipeline",
                    "it cannot be combined with `planner`",
                ));
            }
        };
        Ok(Self {
            policy,
            options: options.unwrap_or_else(|| "{}".to_owned()),
        })
    }

    /// The same as a part of what makes the image what it is.
    pub(super) fn identity(&self, context: &Context<'_, '_>) -> identity::Grouping<'_> {
        let planner = context.planners.layering;
        identity::Grouping {
            policy: &self.policy,
            options: &self.options,
            component: (!planner.is_embedded()).then(|| planner.digest()),
        }
    }
}

/// A pipeline as it is written.
pub(super) const PIPELINE: &str =
    "a pipeline is a list of steps, such as `[[\"popularity_contest\"], [\"limit_layers\", 50]]`";

/// The options of the policy `pipeline` for a pipeline, read from its file if need be.
fn pipeline_options(spec: &ImageSpec, pipeline: &Pipeline) -> Result<String, Error> {
    let steps = match pipeline {
        Pipeline::Steps(steps) => Json::Array(steps.clone()),
        Pipeline::File(file) => {
            let field = "layeringPipeline";
            let path = place::existing(spec, field, file)?;
            let text = std::fs::read_to_string(&path).map_err(|source| Error::Io {
                field: field.to_owned(),
                path: path.clone(),
                source,
            })?;
            serde_json::from_str(&text).map_err(|error| {
                let why = in_words(&error.to_string());
                Error::hinted(
                    field,
                    format!("`{}` is not JSON: {why}", path.display()),
                    PIPELINE,
                )
            })?
        }
    };
    Ok(format!("{{\"pipeline\":{steps}}}"))
}
