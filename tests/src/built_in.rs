//! The built-in policies as the command describes them, so that no test has a list of its own.

use serde_json::Value;

use super::{Run, terrine};

/// The policies and the defaults of the built-in planner.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    /// Its policies, in its order.
    pub policies: Vec<Policy>,
    /// The default of `build` and `plan`.
    pub build: String,
    /// The default of `layers` and `replay`.
    pub layers: String,
}

/// A policy of it.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// True if it plans nothing without options.
    pub needs_options: bool,
}

/// Asks the command.
pub fn built_in() -> BuiltIn {
    let mut command = terrine();
    let run = Run::of(command.args(["planner", "describe", "--format", "json"])).ok();
    let described: Value = serde_json::from_slice(&run.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let policies = described["policies"].as_array().unwrap().iter();
    let policies = policies.map(|policy| Policy {
        name: text(&policy["name"]),
        needs_options: policy["optionsSchema"].get("required").is_some(),
    });
    BuiltIn {
        policies: policies.collect(),
        build: text(&described["defaults"]["build"]),
        layers: text(&described["defaults"]["layers"]),
    }
}

impl BuiltIn {
    /// The names of all policies, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.policies.iter().map(|policy| &*policy.name).collect();
        names.sort_unstable();
        names
    }

    /// The names of those that plan without options.
    pub fn without_options(&self) -> impl Iterator<Item = &str> {
        let policies = self.policies.iter();
        policies
            .filter(|policy| !policy.needs_options)
            .map(|policy| &*policy.name)
    }
}
