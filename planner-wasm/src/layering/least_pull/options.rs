//! What users may set.

use serde_json::Value;

use crate::bindings::layering::{Error, ErrorKind, Request};

/// The JSON Schema of [`Options`].
pub(super) const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "changes": {
      "type": "number", "exclusiveMinimum": 0, "maximum": 1000000, "default": 8,
      "description": "how many packages change of themselves from one image to the next, where nothing is known of the past"
    },
    "horizon": {
      "type": "number", "exclusiveMinimum": 0, "maximum": 1000000, "default": 20,
      "description": "how many updates a better grouping has to pay off in before a layer that clients hold is given up"
    },
    "memory": {
      "type": "number", "exclusiveMinimum": 0, "maximum": 1000000, "default": 20,
      "description": "after how many updates what happened counts half as much"
    }
  }
}"#;

/// The options, with what stands for those that are not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Options {
    /// How many packages are expected to change of themselves from one image to the next.
    pub(super) changes: f64,
    /// Over how many updates a layer that is pulled once more has to pay off.
    pub(super) horizon: f64,
    /// After how many updates the past counts half.
    pub(super) memory: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            changes: 8.0,
            horizon: 20.0,
            memory: 20.0,
        }
    }
}

impl Options {
    /// Reads the options of a request.
    ///
    /// # Errors
    ///
    /// Text that is not JSON, unknown options, and values out of range.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let value: Value = serde_json::from_str(&request.options)
            .map_err(|error| invalid("options", format!("not JSON: {error}")))?;
        let Value::Object(given) = value else {
            return Err(invalid("options", "must be an object".to_owned()));
        };
        let mut options = Self::default();
        for (key, value) in &given {
            let field = match key.as_str() {
                "changes" => &mut options.changes,
                "horizon" => &mut options.horizon,
                "memory" => &mut options.memory,
                _ => {
                    let known = "is not an option of `least-pull`".to_owned();
                    return Err(invalid(&format!("options.{key}"), known));
                }
            };
            *field = positive(value).ok_or_else(|| {
                let message = format!("`{value}` is not a number above 0 and up to 1000000");
                invalid(&format!("options.{key}"), message)
            })?;
        }
        Ok(options)
    }
}

/// A number in the range that all options have.
fn positive(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .filter(|number| *number > 0.0 && *number <= 1e6)
}

fn invalid(field: &str, message: String) -> Error {
    let hint = Some("the options are `changes`, `horizon` and `memory`".to_owned());
    Error {
        kind: ErrorKind::InvalidOptions,
        message,
        field: Some(field.to_owned()),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::request;
    use super::*;

    fn options(text: &str) -> Result<Options, String> {
        let request = Request {
            options: text.to_owned(),
            ..request(&[])
        };
        Options::of(&request)
            .map_err(|error| format!("{}: {}", error.field.unwrap_or_default(), error.message))
    }

    #[test]
    fn what_is_not_given_has_a_default() {
        assert_eq!(options("{}"), Ok(Options::default()));
        let given = options(r#"{"changes": 3, "memory": 0.5}"#).unwrap();
        assert_eq!(
            given,
            Options {
                changes: 3.0,
                horizon: 20.0,
                memory: 0.5
            }
        );
    }

    #[test]
    fn the_schema_says_the_same_defaults() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let default = |name: &str| schema["properties"][name]["default"].as_f64().unwrap();
        let Options {
            changes,
            horizon,
            memory,
        } = Options::default();
        assert_eq!(
            [default("changes"), default("horizon"), default("memory")],
            [changes, horizon, memory]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("[]", "options: must be an object"),
            (
                r#"{"spread": 1}"#,
                "options.spread: is not an option of `least-pull`",
            ),
            (
                r#"{"changes": 0}"#,
                "options.changes: `0` is not a number above 0 and up to 1000000",
            ),
            (
                r#"{"memory": "1"}"#,
                "options.memory: `\"1\"` is not a number above 0 and up to 1000000",
            ),
            (
                r#"{"horizon": 1000001}"#,
                "options.horizon: `1000001` is not a number above 0 and up to 1000000",
            ),
        ] {
            assert_eq!(options(text), Err(expected.to_owned()), "{text}");
        }
        assert!(options("{").unwrap_err().starts_with("options: not JSON: "));
    }
}
