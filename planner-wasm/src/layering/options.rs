//! The options of policies: declared once, read here, and described by the schema that is made
//! of the same declaration.
//!
//! | fault | reported |
//! |---|---|
//! | no JSON, no object, an option that is missing, one that there is not | here, for all policies |
//! | a number out of its range | here |
//! | anything else about a value | in the policy, by [`invalid`] |

use serde_json::{Map, Value, json};

use super::Policy;
use crate::bindings::layering::{Error, ErrorKind};

/// The largest number that an option takes.
const MOST: u32 = 1_000_000;

/// An option of a policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared {
    pub(super) name: &'static str,
    /// For people, in the schema.
    pub(super) description: &'static str,
    pub(super) kind: Kind,
}

/// The kinds of options.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A number above 0 and up to [`MOST`], which need not be given.
    Number {
        /// The number that stands for one that is not given.
        default: u32,
    },
    /// A list that has to be given. The policy reads it.
    List {
        /// The schema of its items.
        items: fn() -> Value,
    },
}

/// The options that a request gives, checked as far as they are declared.
#[derive(Debug)]
pub(super) struct Given(Map<String, Value>);

impl Given {
    /// Reads the options for a policy.
    ///
    /// # Errors
    ///
    /// Text that is no JSON object, options that are missing or not the policy's, and numbers
    /// out of range.
    pub(super) fn read(policy: &Policy, text: &str) -> Result<Self, Error> {
        read(policy, text).map_err(|error| Error {
            hint: hint(policy.options),
            ..error
        })
    }

    /// The number that an option is, or stands for it.
    pub(super) fn number(&self, option: &Declared) -> f64 {
        let given = self.0.get(option.name).and_then(Value::as_f64);
        given.unwrap_or_else(|| option.default())
    }

    /// The value of an option that has to be given.
    pub(super) fn list(&self, option: &Declared) -> &Value {
        self.0.get(option.name).unwrap_or(&Value::Null)
    }
}

impl Declared {
    /// The number that stands for one that is not given; 0 where the option is none.
    pub(super) fn default(&self) -> f64 {
        match self.kind {
            Kind::Number { default } => default.into(),
            Kind::List { .. } => 0.0,
        }
    }

    fn is_required(&self) -> bool {
        matches!(self.kind, Kind::List { .. })
    }

    fn check(&self, value: &Value) -> Result<(), Error> {
        let fits = match self.kind {
            Kind::Number { .. } => value
                .as_f64()
                .is_some_and(|number| number > 0.0 && number <= MOST.into()),
            // The policy says more exactly what is wrong with it.
            Kind::List { .. } => true,
        };
        if fits {
            return Ok(());
        }
        Err(invalid(
            format!("options.{}", self.name),
            format!("`{value}` is not a number above 0 and up to {MOST}"),
        ))
    }

    fn schema(&self) -> Value {
        let description = self.description;
        match self.kind {
            Kind::Number { default } => json!({
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": MOST,
                "default": default,
                "description": description,
            }),
            Kind::List { items } => {
                json!({ "description": description, "type": "array", "items": items() })
            }
        }
    }
}

/// The JSON Schema of a policy's options, as text.
pub(super) fn schema(options: &[Declared]) -> String {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    let required = options.iter().filter(|option| option.is_required());
    let required: Vec<&str> = required.map(|option| option.name).collect();
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !options.is_empty() {
        let properties = options.iter();
        let properties = properties.map(|option| (option.name.to_owned(), option.schema()));
        schema.insert("properties".to_owned(), properties.collect());
    }
    format!("{:#}", Value::Object(schema))
}

/// Returns the error for an option with a wrong value.
pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Error {
    Error {
        kind: ErrorKind::InvalidOptions,
        message: message.into(),
        field: Some(field.into()),
        hint: None,
    }
}

fn read(policy: &Policy, text: &str) -> Result<Given, Error> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| invalid("options", format!("not JSON: {error}")))?;
    let Value::Object(given) = value else {
        return Err(invalid("options", "must be an object"));
    };
    let mut required = policy.options.iter().filter(|option| option.is_required());
    if let Some(missing) = required.find(|option| !given.contains_key(option.name)) {
        return Err(invalid(format!("options.{}", missing.name), "is missing"));
    }
    // Names first: a value may be wrong because another option was meant.
    let mut known = Vec::with_capacity(given.len());
    for (name, value) in &given {
        match policy.options.iter().find(|option| option.name == name) {
            Some(option) => known.push((option, value)),
            None => {
                let message = format!("is not an option of `{}`", policy.name);
                return Err(invalid(format!("options.{name}"), message));
            }
        }
    }
    for (option, value) in known {
        option.check(value)?;
    }
    Ok(Given(given))
}

/// Names the options, where there are several to choose from.
fn hint(options: &[Declared]) -> Option<String> {
    let names: Vec<String> = options
        .iter()
        .map(|option| format!("`{}`", option.name))
        .collect();
    match names.as_slice() {
        [] | [_] => None,
        [others @ .., last] => Some(format!("the options are {} and {last}", others.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{POLICIES, find};
    use super::*;

    fn wrong(policy: &str, text: &str) -> (String, Option<String>) {
        let error = Given::read(find(policy).unwrap(), text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidOptions);
        let field = error.field.unwrap();
        (format!("{field}: {}", error.message), error.hint)
    }

    /// Options that a policy takes: the least that it has to be given.
    fn least(policy: &Policy) -> Map<String, Value> {
        let required = policy.options.iter().filter(|option| option.is_required());
        required
            .map(|option| (option.name.to_owned(), json!([])))
            .collect()
    }

    #[test]
    fn what_is_wrong_is_told_in_the_same_words_by_all() {
        for policy in POLICIES {
            let said = |text: &str| wrong(policy.name, text).0;
            assert_eq!(
                said(""),
                "options: not JSON: EOF while parsing a value at line 1 column 0"
            );
            assert_eq!(said("[]"), "options: must be an object");
            let mut unknown = least(policy);
            unknown.insert("nonsense".to_owned(), json!(1));
            assert_eq!(
                said(&Value::Object(unknown).to_string()),
                format!("options.nonsense: is not an option of `{}`", policy.name)
            );
            for name in least(policy).keys() {
                assert_eq!(said("{}"), format!("options.{name}: is missing"));
            }
        }
    }

    #[test]
    fn several_options_are_named() {
        let several = "the options are `changes`, `horizon` and `memory`";
        for text in ["", "[]", r#"{"spread": 1}"#, r#"{"memory": 0}"#] {
            assert_eq!(wrong("least-pull", text).1.as_deref(), Some(several));
        }
        assert_eq!(wrong("auto", r#"{"spread": 1}"#).1, None);
        assert_eq!(wrong("explicit", "{}").1, None);
    }

    #[test]
    fn names_come_before_values_and_each_in_the_order_given() {
        let said = |text: &str| wrong("least-pull", text).0;
        assert_eq!(
            said(r#"{"changes": 0, "y": 1, "x": 1}"#),
            "options.y: is not an option of `least-pull`"
        );
        assert_eq!(
            said(r#"{"memory": 0, "changes": 0}"#),
            "options.memory: `0` is not a number above 0 and up to 1000000"
        );
    }

    #[test]
    fn numbers_are_held_against_their_range() {
        for (text, value) in [
            (r#"{"changes": 0}"#, "0"),
            (r#"{"changes": -1.5}"#, "-1.5"),
            (r#"{"changes": 1000001}"#, "1000001"),
            (r#"{"changes": "1"}"#, "\"1\""),
            (r#"{"changes": null}"#, "null"),
        ] {
            assert_eq!(
                wrong("least-pull", text).0,
                format!("options.changes: `{value}` is not a number above 0 and up to 1000000")
            );
        }
        let policy = find("least-pull").unwrap();
        let given = Given::read(policy, r#"{"memory": 0.5, "changes": 1000000}"#).unwrap();
        let numbers = policy.options.iter().map(|option| given.number(option));
        assert_eq!(numbers.collect::<Vec<_>>(), [1e6, 20.0, 0.5]);
    }

    #[test]
    fn a_schema_says_what_is_declared() {
        for policy in POLICIES {
            let schema: Value = serde_json::from_str(&schema(policy.options)).unwrap();
            let known: Vec<&str> = policy.options.iter().map(|option| option.name).collect();
            let properties = schema.get("properties").and_then(Value::as_object);
            let described: Vec<&String> = properties.into_iter().flat_map(Map::keys).collect();
            assert_eq!(described, known, "{}", policy.name);
            let required: Vec<String> = least(policy).into_iter().map(|(name, _)| name).collect();
            let described = schema.get("required").cloned().unwrap_or(json!([]));
            assert_eq!(described, json!(required), "{}", policy.name);
            assert_eq!(schema["additionalProperties"], false, "{}", policy.name);
            for option in policy.options {
                let default = schema["properties"][option.name]["default"].as_f64();
                assert_eq!(default.unwrap_or(0.0), option.default(), "{}", option.name);
            }
        }
    }
}
