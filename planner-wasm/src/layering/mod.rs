//! The interface `layering`: which store path goes into which layer.

mod auto;
mod explicit;
mod graph;
mod least_pull;
mod natural;
mod options;
mod pipeline;
mod popularity;
mod reason;
mod single;
mod spread;
#[cfg(test)]
mod testing;

use crate::bindings::layering::{Error, ErrorKind, Info, Planned, PolicyInfo, Request};
use options::{Declared, Given};

/// A policy: how it is asked for, and the function that plans.
struct Policy {
    name: &'static str,
    summary: &'static str,
    options: &'static [Declared],
    uses_history: bool,
    plan: fn(&Request, &Given) -> Result<Planned, Error>,
}

/// Every policy of this component. The first one plans where a request names none; that of
/// dockerTools is, because what stands in for dockerTools names none. What other commands do is
/// theirs to say.
const POLICIES: &[Policy] = &[
    auto::POLICY,
    least_pull::POLICY,
    popularity::POLICY,
    pipeline::POLICY,
    explicit::POLICY,
    single::PATH_PER_LAYER,
    single::SINGLE,
];

/// Says what this component is.
pub fn describe() -> Info {
    Info {
        name: "terrine".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        policies: POLICIES.iter().map(Policy::info).collect(),
    }
}

/// Groups the closure into layers by the policy that the request names.
///
/// # Errors
///
/// An unknown policy, a request that breaks the contract, and whatever the policy
/// itself refuses.
pub fn plan(request: &Request) -> Result<Planned, Error> {
    let policy = find(&request.policy)?;
    check(request)?;
    let given = Given::read(policy, &request.options)?;
    (policy.plan)(request, &given)
}

impl Policy {
    fn info(&self) -> PolicyInfo {
        PolicyInfo {
            name: self.name.to_owned(),
            summary: self.summary.to_owned(),
            options_schema: options::schema(self.options),
            uses_history: self.uses_history,
        }
    }
}

/// The policy called `name`; the first one where no name is given.
fn find(name: &str) -> Result<&'static Policy, Error> {
    if name.is_empty() {
        return Ok(&POLICIES[0]);
    }
    POLICIES
        .iter()
        .find(|policy| policy.name == name)
        .ok_or_else(|| {
            let known: Vec<_> = POLICIES
                .iter()
                .map(|policy| format!("`{}`", policy.name))
                .collect();
            Error {
                kind: ErrorKind::UnknownPolicy,
                message: format!("no policy is called `{name}`"),
                field: Some("policy".to_owned()),
                hint: Some(format!("the policies are {}", known.join(", "))),
            }
        })
}

/// Checks the rules of the contract that every policy relies on.
fn check(request: &Request) -> Result<(), Error> {
    if request.max_layers == Some(0) {
        return Err(invalid_request(
            "max-layers",
            "a plan needs at least 1 layer".to_owned(),
        ));
    }
    let count = request.paths.len();
    let in_range =
        |field: &str, indices: &[u32]| match indices.iter().find(|&&i| i as usize >= count) {
            Some(index) => Err(invalid_request(
                field,
                format!("index {index} is out of range: there are {count} paths"),
            )),
            None => Ok(()),
        };
    in_range("roots", &request.roots)?;
    in_range("excluded", &request.excluded)?;
    for (field, indices) in [("roots", &request.roots), ("excluded", &request.excluded)] {
        if indices.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(invalid_request(
                field,
                "must be ascending, each index once".to_owned(),
            ));
        }
    }
    for (i, path) in request.paths.iter().enumerate() {
        in_range(&format!("paths[{i}].references"), &path.references)?;
    }
    Ok(())
}

fn invalid_request(field: &str, message: String) -> Error {
    Error {
        kind: ErrorKind::InvalidRequest,
        message,
        field: Some(field.to_owned()),
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::layering::StorePath;

    pub(super) fn request(paths: &[&str], options: &str) -> Request {
        Request {
            policy: "explicit".to_owned(),
            options: options.to_owned(),
            store_dir: "/nix/store".to_owned(),
            paths: paths
                .iter()
                .map(|path| StorePath {
                    path: (*path).to_owned(),
                    name: path.rsplit('/').next().unwrap_or_default().to_owned(),
                    package: path.rsplit('/').next().unwrap_or_default().to_owned(),
                    size: 1,
                    references: vec![],
                })
                .collect(),
            roots: vec![],
            excluded: vec![],
            max_layers: Some(10),
            history: None,
        }
    }

    #[test]
    fn an_unknown_policy_is_named_with_the_known_ones() {
        let error = plan(&Request {
            policy: "best".to_owned(),
            ..request(&[], "{}")
        })
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnknownPolicy);
        assert_eq!(error.message, "no policy is called `best`");
        let known = describe().policies.into_iter();
        let known: Vec<String> = known.map(|policy| format!("`{}`", policy.name)).collect();
        assert_eq!(
            error.hint,
            Some(format!("the policies are {}", known.join(", ")))
        );
    }

    #[test]
    fn indices_out_of_range_are_refused() {
        let mut bad = request(&["/nix/store/a"], "{}");
        bad.paths[0].references = vec![0, 1];
        let error = plan(&bad).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
        assert_eq!(error.field.as_deref(), Some("paths[0].references"));
        assert_eq!(error.message, "index 1 is out of range: there are 1 paths");
    }

    #[test]
    fn no_name_is_that_of_the_first_policy() {
        assert_eq!(find("").unwrap().name, describe().policies[0].name);
    }
}
