//! Policies to replay, and the components that have them.

use terrine::json::in_words;
use terrine::planner::layering::Info;
use terrine::planner::{ComponentFile, Planner, Runtime};
use terrine::replay::{Candidate, Settings};
use terrine::spec::Json;

use super::super::cache_args::CacheArgs;
use super::super::headings;
use super::super::limit_args::LimitArgs;
use super::super::planner_args;
use super::super::printer::Printer;
use crate::failure::{Failure, Result};

/// Policies to replay, and the components that have them.
#[derive(Debug, clap::Args)]
pub(super) struct Candidates {
    /// Policy to replay, with a JSON object of options after `=`; may be repeated [default: the
    /// planner's first, `auto`]
    ///
    /// If several planners have a policy of this name, each of them is replayed.
    #[arg(long, value_name = "POLICY[=OPTIONS]", value_parser = asked, help_heading = headings::LAYERS)]
    policy: Vec<Asked>,

    /// Planner component to compare with the built-in one; may be repeated
    ///
    /// `@sha256:HEX` pins the file to a digest. The first policy of the component is replayed,
    /// unless `--policy` names others.
    #[arg(
        long,
        value_name = "FILE[@sha256:HEX]",
        value_parser = planner_args::component,
        help_heading = headings::LAYERS
    )]
    planner: Vec<ComponentFile>,

    /// Give these components a WASI without access to anything
    #[arg(long, requires = "planner", help_heading = headings::LAYERS)]
    sealed_wasi: bool,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    cache: CacheArgs,
}

/// A policy that is asked for, and its options as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    policy: String,
    options: String,
}

/// Reads `POLICY[=OPTIONS]`.
fn asked(text: &str) -> Result<Asked, String> {
    let (policy, options) = text.split_once('=').unwrap_or((text, "{}"));
    match serde_json::from_str(options) {
        Ok(options @ Json::Object(_)) => Ok(Asked {
            policy: policy.to_owned(),
            options: options.to_string(),
        }),
        Ok(_) => Err("the options must be a JSON object".to_owned()),
        Err(error) => Err(format!(
            "the options are not JSON: {}\n  write them as `auto={{\"max\": 20}}`",
            in_words(&error.to_string())
        )),
    }
}

/// A component and what it says of itself.
pub(super) struct Component<'r> {
    planner: Planner<'r>,
    info: Info,
}

impl Candidates {
    /// Returns a runtime for the components.
    pub(super) fn runtime(&self, printer: &Printer) -> Result<Runtime> {
        self.limits.silent_runtime(self.cache, printer)
    }

    /// Compiles the components that may take part, the built-in one first.
    pub(super) fn compile<'r>(&self, runtime: &'r Runtime) -> Result<Vec<Component<'r>>> {
        let mut planners = vec![runtime.embedded()?];
        let imports = planner_args::imports(self.sealed_wasi);
        for file in &self.planner {
            planners.push(runtime.load_file(file, imports)?);
        }
        planners
            .into_iter()
            .map(|planner| {
                Ok(Component {
                    info: planner.describe()?,
                    planner,
                })
            })
            .collect()
    }

    /// The policies to replay: those that are named, in the order of the arguments, and the
    /// default ones of components none of whose policies is named.
    pub(super) fn find<'r>(&self, components: &'r [Component<'r>]) -> Result<Vec<Candidate<'r>>> {
        let mut found: Vec<Candidate<'r>> = vec![];
        let mut named = vec![false; components.len()];
        let mut policies: Vec<&Asked> = vec![];
        for policy in &self.policy {
            if !policies.contains(&policy) {
                policies.push(policy);
            }
        }
        for policy in policies {
            let before = found.len();
            for (component, named) in components.iter().zip(&mut named) {
                let found_here = component.candidate(&policy.policy, &policy.options);
                // The built-in one looks for itself, and knows more to say.
                if found_here.is_some() && !component.planner.is_embedded() {
                    component.planner.check_request(
                        &component.info,
                        &policy.policy,
                        &policy.options,
                    )?;
                }
                *named |= found_here.is_some();
                found.extend(found_here);
            }
            if found.len() == before {
                return Err(Failure::new(format!(
                    "there is no policy `{}`; there are {}",
                    policy.policy,
                    list(components)
                )));
            }
        }
        for (component, named) in components.iter().zip(named) {
            // The built-in one is there to be asked, not to be in the way.
            let wanted = !component.planner.is_embedded()
                || (self.policy.is_empty() && self.planner.is_empty());
            if wanted && !named {
                found.extend(
                    component
                        .info
                        .policies
                        .first()
                        .and_then(|info| component.candidate(&info.name, "{}")),
                );
            }
        }
        Ok(found)
    }
}

impl Component<'_> {
    fn candidate(&self, policy: &str, options: &str) -> Option<Candidate<'_>> {
        let info = self.info.policies.iter().find(|info| info.name == policy)?;
        Some(Candidate {
            planner: &self.planner,
            component: self.info.name.clone(),
            policy: info.name.clone(),
            options: options.to_owned(),
            uses_history: info.uses_history,
        })
    }
}

fn list(components: &[Component<'_>]) -> String {
    components
        .iter()
        .flat_map(|component| &component.info.policies)
        .map(|info| format!("`{}`", info.name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns a remark about each policy that ignores the past, if the replay gives it to policies.
pub(super) fn remarks(candidates: &[Candidate<'_>], settings: &Settings<'_>) -> Vec<String> {
    let told = settings.with_history || settings.with_previous;
    candidates
        .iter()
        .filter(|candidate| told && !candidate.uses_history)
        .map(|candidate| {
            format!(
                "the policy `{}` does not use history: the given history is ignored",
                candidate.policy
            )
        })
        .collect()
}
