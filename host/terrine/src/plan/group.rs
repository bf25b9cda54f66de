//! A graph of store paths as the planner is asked about it; and `terrine layers`, which
//! asks nothing else.

use terrine_planner_host::{self as planner, Planner, layering};

use super::Error;
use crate::closure::Graph;
use crate::history::Past;

/// A request to a policy.
#[derive(Debug, Clone, Copy)]
pub struct Grouping<'a> {
    /// The store paths.
    pub graph: &'a Graph,
    /// Those that the image was asked to hold, as indices, ascending.
    pub roots: &'a [usize],
    /// Those that go into no layer, as indices, ascending.
    pub excluded: &'a [usize],
    /// The store's directory.
    pub store_dir: &'a str,
    /// The policy's name; empty for the component's first one.
    pub policy: &'a str,
    /// Its options, as JSON text.
    pub options: &'a str,
    /// The maximum number of layers; none for as many as the policy chooses.
    pub max_layers: Option<u32>,
    /// The known history of the image.
    pub past: &'a Past,
}

/// Groups store paths into layers, bottom to top: the list of lists that Nixpkgs'
/// `make-layers` makes.
///
/// # Errors
///
/// What the planner refuses.
pub fn group(grouping: &Grouping<'_>, planner: &Planner<'_>) -> Result<Vec<Vec<String>>, Error> {
    let nodes = grouping.graph.nodes();
    if grouping.excluded.len() == nodes.len() {
        return Ok(vec![]);
    }
    let request = request(grouping);
    let (_, policy) = chosen(planner, &request)?;
    let planned = planner.plan(&request, planner.empty_layers(&policy))?;
    let path = |index: u32| nodes[index as usize].path.clone();
    let layers = planned
        .layers
        .into_iter()
        .filter(|layer| !layer.paths.is_empty());
    Ok(layers
        .map(|layer| layer.paths.into_iter().map(path).collect())
        .collect())
}

/// Returns the description of the planner, and the name of the policy that a request is for. If
/// the component is not built in, also checks that it has the policy, and the options by their
/// names.
pub(super) fn chosen(
    planner: &Planner<'_>,
    request: &layering::Request,
) -> Result<(layering::Info, String), planner::Error> {
    let info = planner.describe()?;
    let first = info.policies.first().map(|policy| policy.name.clone());
    let policy = match (planner.is_embedded(), request.policy.as_str()) {
        // The built-in one looks for itself, and knows more to say.
        (true, "") => first.unwrap_or_default(),
        (true, policy) => policy.to_owned(),
        (false, policy) => planner
            .check_request(&info, policy, &request.options)?
            .name
            .clone(),
    };
    Ok((info, policy))
}

/// The request for a plan.
pub fn request(grouping: &Grouping<'_>) -> layering::Request {
    // More than a u32 counts cannot be lifted into a component anyway.
    let index = |&index: &usize| u32::try_from(index).unwrap_or(u32::MAX);
    let nodes = grouping.graph.nodes().iter();
    let path = |node: &crate::closure::Node| {
        planner::store_path(
            &node.path,
            node.size,
            node.references.iter().map(index).collect(),
        )
    };
    let paths: Vec<layering::StorePath> = nodes.map(path).collect();
    layering::Request {
        history: grouping.past.history(&paths),
        policy: grouping.policy.to_owned(),
        options: grouping.options.to_owned(),
        store_dir: grouping.store_dir.to_owned(),
        paths,
        roots: grouping.roots.iter().map(index).collect(),
        excluded: grouping.excluded.iter().map(index).collect(),
        max_layers: grouping.max_layers,
    }
}
