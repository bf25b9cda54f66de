//! The interface `layering`: which store path goes into which layer.

mod auto;
mod explicit;
mod graph;
mod least_pull;
mod natural;
mod pipeline;
mod popularity;
mod reason;
mod single;
mod spread;
#[cfg(test)]
mod testing;

use crate::bindings::layering::{Error, ErrorKind, Info, Planned, PolicyInfo, Request};

/// A policy: how it is asked for, and the function that plans.
struct Policy {
    name: &'static str,
    summary: &'static str,
    options_schema: &'static str,
    uses_history: bool,
    plan: fn(&Request) -> Result<Planned, Error>,
}

/// Every policy of this component, the default one first.
const POLICIES: &[Policy] = &[
    auto::POLICY,
    least_pull::POLICY,
    popularity::POLICY,
    pipeline::POLICY,
    explicit::POLICY,
    single::PATH_PER_LAYER,
    single::SINGLE,
];

/// The schema of a policy that takes no options.
const NO_OPTIONS: &str = r#"{ "type": "object", "additionalProperties": false }"#;

/// Checks that a policy which takes no options is given none.
fn no_options(request: &Request, policy: &str) -> Result<(), Error> {
    let invalid = |field: String, message: String| Error {
        kind: ErrorKind::InvalidOptions,
        message,
        field: Some(field),
        hint: None,
    };
    match serde_json::from_str(&request.options) {
        Ok(serde_json::Value::Object(options)) => match options.keys().next() {
            None => Ok(()),
            Some(key) => Err(invalid(
                format!("options.{key}"),
                format!("is not an option of `{policy}`"),
            )),
        },
        Ok(_) => Err(invalid(
            "options".to_owned(),
            "must be an object".to_owned(),
        )),
        Err(error) => Err(invalid("options".to_owned(), format!("not JSON: {error}"))),
    }
}

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
    (policy.plan)(request)
}

impl Policy {
    fn info(&self) -> PolicyInfo {
        PolicyInfo {
            name: self.name.to_owned(),
            summary: self.summary.to_owned(),
            options_schema: self.options_schema.to_owned(),
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
        assert_eq!(
            error.hint.as_deref(),
            Some(
                "the policies are `auto`, `least-pull`, `popularity`, `pipeline`, `explicit`, \
                 `path-per-layer`, `single`"
            )
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
    fn every_schema_is_json() {
        for policy in describe().policies {
            serde_json::from_str::<serde_json::Value>(&policy.options_schema)
                .unwrap_or_else(|error| panic!("{}: {error}", policy.name));
        }
    }
}
