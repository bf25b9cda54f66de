//! A component's description is checked against the contract, before anything is named by it.

use terrine_support::hint::Hint;

use super::layering::Info;
use super::sanitize;

/// The longest name of a component or a policy, in bytes.
const MAX_NAME: usize = 64;

/// A rule that the description of a component breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionFault {
    /// A name that is none.
    #[error(
        "{what} `{name}` is not made of lower-case letters, digits and `-`, at most {MAX_NAME} of them"
    )]
    Name {
        /// The owner of the name, in words: `its name`, or that of a policy.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A version that is none.
    #[error("its version `{version}` is not a semantic version, such as `1.0.0`")]
    Version {
        /// The version.
        version: String,
    },
    /// A component without policies.
    #[error("it has no policies")]
    NoPolicies,
    /// Two policies of one name.
    #[error("it has two policies with the name `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// A schema that is none.
    #[error("the options schema of its policy `{policy}` is not a JSON object or boolean: {why}")]
    Schema {
        /// The policy.
        policy: String,
        /// The fault.
        why: String,
    },
}

impl Hint for DescriptionFault {}

/// Checks a description.
///
/// # Errors
///
/// The first rule that it breaks.
pub(super) fn check(info: &Info) -> Result<(), DescriptionFault> {
    check_name("its name", &info.name)?;
    if !is_version(&info.version) {
        return Err(DescriptionFault::Version {
            version: sanitize::plain(&info.version),
        });
    }
    if info.policies.is_empty() {
        return Err(DescriptionFault::NoPolicies);
    }
    let mut seen = std::collections::BTreeSet::new();
    for policy in &info.policies {
        check_name("the name of its policy", &policy.name)?;
        if !seen.insert(&policy.name) {
            return Err(DescriptionFault::Twice {
                name: policy.name.clone(),
            });
        }
        check_schema(&policy.options_schema).map_err(|why| DescriptionFault::Schema {
            policy: policy.name.clone(),
            why,
        })?;
    }
    Ok(())
}

fn check_name(what: &'static str, name: &str) -> Result<(), DescriptionFault> {
    if !name.is_empty()
        && name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        Ok(())
    } else {
        Err(DescriptionFault::Name {
            what,
            name: sanitize::plain(name),
        })
    }
}

/// Returns true for `MAJOR.MINOR.PATCH`, with what semantic versions allow behind it.
fn is_version(version: &str) -> bool {
    let (rest, build) = version
        .split_once('+')
        .map_or((version, None), |(a, b)| (a, Some(b)));
    let (core, pre) = rest
        .split_once('-')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && [pre, build].into_iter().flatten().all(are_identifiers)
}

/// Says whether a part of a version is a number, without zeroes before it.
fn is_number(part: &str) -> bool {
    let zero = part.len() > 1 && part.starts_with('0');
    !part.is_empty() && part.len() <= 20 && part.bytes().all(|b| b.is_ascii_digit()) && !zero
}

/// Says whether what follows a version's numbers is identifiers with dots between them.
fn are_identifiers(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text.split('.').all(|id| {
            !id.is_empty()
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// JSON Schemas are objects, or `true` or `false`.
fn check_schema(text: &str) -> Result<(), String> {
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(_) | serde_json::Value::Bool(_)) => Ok(()),
        Ok(_) => Err("it is a value of another type".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layering::PolicyInfo;
    use super::*;

    fn policy(name: &str) -> PolicyInfo {
        PolicyInfo {
            name: name.to_owned(),
            summary: String::new(),
            options_schema: "{}".to_owned(),
            uses_history: false,
        }
    }

    fn checked(change: impl Fn(&mut Info)) -> String {
        let mut info = Info {
            name: "mine".to_owned(),
            version: "1.0.0".to_owned(),
            policies: vec![policy("a"), policy("b-2")],
        };
        change(&mut info);
        check(&info).map_or_else(|fault| fault.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn every_rule_is_checked_and_named() {
        assert_eq!(checked(|_| {}), "fine");
        assert_eq!(
            checked(|info| info.version = "0.10.2-rc.1+build-5".to_owned()),
            "fine"
        );
        assert_eq!(
            checked(|info| info.policies[0].options_schema = "true".to_owned()),
            "fine"
        );
        for name in ["", "Mine", "a b", "a_b", "é", "\u{1b}[2J", &"x".repeat(65)] {
            let said = checked(|info| info.name = name.to_owned());
            assert!(
                said.starts_with("its name `") && !said.contains('\u{1b}'),
                "{said}"
            );
            let said = checked(|info| info.policies[1].name = name.to_owned());
            assert!(said.starts_with("the name of its policy `"), "{said}");
        }
        for version in [
            "", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0+", "1.0.x",
        ] {
            let said = checked(|info| info.version = version.to_owned());
            assert!(
                said.contains("is not a semantic version"),
                "{version}: {said}"
            );
        }
        assert_eq!(checked(|info| info.policies.clear()), "it has no policies");
        assert_eq!(
            checked(|info| info.policies.push(policy("a"))),
            "it has two policies with the name `a`"
        );
        for schema in ["", "{", "[]", "1", "null"] {
            let said = checked(|info| info.policies[1].options_schema = schema.to_owned());
            assert!(
                said.starts_with("the options schema of its policy `b-2`"),
                "{schema}: {said}"
            );
        }
    }
}
