//! The context of every phase: the specification, the options that it does not contain, and the
//! planners that decide.

use terrine_planner_host::Planners;

use super::{Error, PlanOptions};
use crate::layer::{self, Ownership, Pattern, Permissions, Rule};
use crate::spec::{ImageSpec, PermissionSpec, Time, When};

/// The time of files and of the image, unless they are given: that of dockerTools.
const DEFAULT_TIME: &str = "1970-01-01T00:00:01+00:00";

/// A rule for permissions as it is written.
const PERMISSION: &str = "a rule is like `{\"path\": \"/data/**\", \"uid\": 1000, \"mode\": \"0755\"}`; `terrine schema` explains all fields";

/// The context of every phase.
#[derive(Clone, Copy)]
pub(super) struct Context<'a, 'p> {
    pub(super) spec: &'a ImageSpec,
    pub(super) options: &'a PlanOptions<'a>,
    pub(super) planners: Planners<'p>,
}

impl Context<'_, '_> {
    /// A time of the specification, or the one that stands for none.
    pub(super) fn time(&self, given: Option<When>) -> Result<Time, Error> {
        match given {
            Some(when) => Ok(when.or_now(self.options.now)),
            None => Time::parse(DEFAULT_TIME)
                .map_err(|error| Error::field("created", error.to_string())),
        }
    }

    /// Returns the owners, permissions and time of the entries of layers.
    pub(super) fn ownership(&self) -> Result<Ownership, Error> {
        let name = |given: &Option<String>| given.clone().unwrap_or_else(|| "root".to_owned());
        let permissions = permissions(&self.spec.permissions)
            .map_err(|(field, why)| Error::hinted(field, why, PERMISSION))?;
        Ok(Ownership {
            uid: self.spec.uid.into(),
            gid: self.spec.gid.into(),
            uname: name(&self.spec.uname),
            gname: name(&self.spec.gname),
            mtime: self.time(self.spec.mtime.map(|field| field.0))?.seconds(),
            permissions,
        })
    }
}

/// Reads rules for permissions. An error is the field that is to blame, and why.
pub(super) fn permissions(specs: &[PermissionSpec]) -> Result<Permissions, (String, String)> {
    let rules = specs.iter().enumerate();
    let rules = rules.map(|(i, rule)| permission(rule, &format!("permissions[{i}]")));
    Ok(Permissions::new(rules.collect::<Result<_, _>>()?))
}

fn permission(spec: &PermissionSpec, field: &str) -> Result<Rule, (String, String)> {
    let pattern = match (&spec.path, &spec.regex) {
        (Some(glob), None) => Pattern::glob(glob).map_err(|e| (format!("{field}.path"), e)),
        (None, Some(regex)) => Pattern::regex(regex).map_err(|e| (format!("{field}.regex"), e)),
        _ => {
            let why = "it needs either `path` or `regex`";
            return Err((field.to_owned(), why.to_owned()));
        }
    };
    let capabilities = spec.capabilities.as_deref().map(|text| {
        let value = layer::capabilities(text);
        let named = |value| (layer::CAPABILITIES.to_vec(), value);
        value
            .map(named)
            .map_err(|error| (format!("{field}.capabilities"), error.to_string()))
    });
    let capabilities = capabilities.transpose()?;
    Ok(Rule {
        pattern: pattern.map_err(|(field, error)| (field, error.to_string()))?,
        mode: spec.mode.map(|mode| mode.0),
        uid: spec.uid.map(i64::from),
        gid: spec.gid.map(i64::from),
        uname: spec.uname.clone(),
        gname: spec.gname.clone(),
        xattrs: capabilities.into_iter().collect(),
    })
}
