//! The check that a component has the policy and the options that a user asks for.
//!
//! Options are checked against the names that the policy's schema has, and no further: values are
//! the policy's own to check. A schema comes from the component's author, and one that is
//! made to do harm (patterns that backtrack, references without end) would be run natively, out
//! of the sandbox and its limits; the libraries that do so bring thirty crates along.

use serde_json::{Map, Value};

use super::layering::{Info, PolicyInfo};
use super::{Error, Planner, sanitize};

/// The least likeness of two names, from 0 to 1, for one to be offered for the other.
const ALIKE: f64 = 0.75;
/// The number of names that are listed.
const LISTED: usize = 20;

impl Planner<'_> {
    /// Returns the policy of that name, the first one if it is empty, of a component with the description
    /// `info`; checked to have the options that `options` gives, a JSON object.
    ///
    /// # Errors
    ///
    /// No such policy, options that are no object, one that the policy does not have, and one
    /// that it needs and that is missing.
    pub fn check_request<'i>(
        &self,
        info: &'i Info,
        policy: &str,
        options: &str,
    ) -> Result<&'i PolicyInfo, Error> {
        let mut found = info.policies.iter();
        let found = found
            .find(|info| policy.is_empty() || info.name == policy)
            .ok_or_else(|| {
                let names = info
                    .policies
                    .iter()
                    .map(|policy| policy.name.clone())
                    .collect();
                let component = self.name().to_owned();
                Error::UnknownPolicy {
                    component,
                    policy: policy.to_owned(),
                    hint: has("it has", names),
                }
            })?;
        check_options(found, options).map_err(|(name, why, hint)| Error::Option {
            field: if name.is_empty() {
                "options".to_owned()
            } else {
                format!("options.{name}")
            },
            why: format!("policy `{}` of planner `{}` {why}", found.name, self.name()),
            hint,
        })?;
        Ok(found)
    }
}

/// Checks the names of options: the name that is wrong, what is wrong with it, and a hint.
pub(super) fn check_options(
    policy: &PolicyInfo,
    options: &str,
) -> Result<(), (String, String, String)> {
    let Ok(options) = serde_json::from_str::<Map<String, Value>>(options) else {
        let hint = "write an object, such as `{\"name\": 1}`".to_owned();
        return Err((
            String::new(),
            "takes its options as a JSON object".to_owned(),
            hint,
        ));
    };
    let Ok(schema) = serde_json::from_str::<Map<String, Value>>(&policy.options_schema) else {
        return Ok(());
    };
    let known = known(&schema);
    if let Some(known) = &known
        && let Some(unknown) = options.keys().find(|name| !known.contains(name))
    {
        return Err((
            unknown.clone(),
            "has no such option".to_owned(),
            suggestion(unknown, known),
        ));
    }
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    match required
        .filter_map(Value::as_str)
        .find(|name| !options.contains_key(*name))
    {
        Some(missing) => {
            let missing = sanitize::plain(missing);
            let hint = format!("give it: `--option {missing}=VALUE`");
            Err((missing, "needs this option".to_owned(), hint))
        }
        None => Ok(()),
    }
}

/// The names that a schema allows; none where it allows others.
fn known(schema: &Map<String, Value>) -> Option<Vec<&String>> {
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    match (
        closed && !schema.contains_key("patternProperties"),
        schema.get("properties"),
    ) {
        (true, Some(Value::Object(properties))) => Some(properties.keys().collect()),
        (true, None) => Some(vec![]),
        _ => None,
    }
}

fn suggestion(name: &str, known: &[&String]) -> String {
    let likeness = |known: &&&String| strsim::jaro_winkler(name, known);
    let nearest = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|known| likeness(known) >= ALIKE) {
        Some(nearest) => format!("did you mean `{}`?", sanitize::plain(nearest)),
        None if known.is_empty() => "it has no options".to_owned(),
        None => {
            // How a map of JSON is ordered depends on how this is built.
            let mut known: Vec<String> = known.iter().map(ToString::to_string).collect();
            known.sort_unstable();
            has("its options are", known)
        }
    }
}

fn has(what: &str, mut names: Vec<String>) -> String {
    names.truncate(LISTED);
    format!(
        "{what} `{}`",
        names
            .iter()
            .map(|name| sanitize::plain(name))
            .collect::<Vec<_>>()
            .join("`, `")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(schema: &str, options: &str) -> String {
        let policy = PolicyInfo {
            name: "p".to_owned(),
            summary: String::new(),
            options_schema: schema.to_owned(),
            uses_history: false,
        };
        match check_options(&policy, options) {
            Ok(()) => "fine".to_owned(),
            Err((name, why, hint)) => format!("{name}: {why}; {hint}"),
        }
    }

    #[test]
    fn names_are_held_against_the_schema() {
        let closed = r#"{"properties": {"spread": {}, "by": {}}, "required": ["by"], "additionalProperties": false}"#;
        assert_eq!(checked(closed, r#"{"by": 1, "spread": []}"#), "fine");
        assert_eq!(
            checked(closed, r#"{"by": 1, "spred": 2}"#),
            "spred: has no such option; did you mean `spread`?"
        );
        assert_eq!(
            checked(closed, r#"{"x": 1}"#),
            "x: has no such option; its options are `by`, `spread`"
        );
        assert_eq!(
            checked(closed, r#"{"spread": 2}"#),
            "by: needs this option; give it: `--option by=VALUE`"
        );
        assert_eq!(
            checked(r#"{"additionalProperties": false}"#, r#"{"x": 1}"#),
            "x: has no such option; it has no options"
        );
        for open in [
            "{}",
            "true",
            r#"{"properties": {"a": {}}}"#,
            r#"{"properties": {"a": {}}, "patternProperties": {"^x": {}}, "additionalProperties": false}"#,
            r#"{"properties": 1, "additionalProperties": false, "required": 7}"#,
        ] {
            assert_eq!(checked(open, r#"{"x": 1}"#), "fine", "{open}");
        }
        assert!(checked("{}", "[]").starts_with(": takes its options as a JSON object"));
    }
}
