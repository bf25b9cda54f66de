//! The types of what is in `config`: who loads an image reads it into these, and refuses the whole image otherwise.

use serde_json::{Map, Value};

/// A field of `config` with a value that container tools do not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistyped {
    /// The field, `Cmd` or `Healthcheck.Test`, and what is wrong with it.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// The types of Docker's and OCI's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Texts,
    Number,
    Switch,
    /// An object whose names count: `{"80/tcp": {}}`.
    Set,
    /// An object of texts.
    Map,
    Health,
}

const FIELDS: &[(&str, Type)] = &[
    ("Hostname", Type::Text),
    ("Domainname", Type::Text),
    ("User", Type::Text),
    ("WorkingDir", Type::Text),
    ("StopSignal", Type::Text),
    ("Image", Type::Text),
    ("MacAddress", Type::Text),
    ("Env", Type::Texts),
    ("Cmd", Type::Texts),
    ("Entrypoint", Type::Texts),
    ("OnBuild", Type::Texts),
    ("Shell", Type::Texts),
    ("StopTimeout", Type::Number),
    ("AttachStdin", Type::Switch),
    ("AttachStdout", Type::Switch),
    ("AttachStderr", Type::Switch),
    ("Tty", Type::Switch),
    ("OpenStdin", Type::Switch),
    ("StdinOnce", Type::Switch),
    ("NetworkDisabled", Type::Switch),
    ("ArgsEscaped", Type::Switch),
    ("ExposedPorts", Type::Set),
    ("Volumes", Type::Set),
    ("Labels", Type::Map),
    ("Healthcheck", Type::Health),
];

const HEALTH: &[(&str, Type)] = &[
    ("Test", Type::Texts),
    ("Interval", Type::Number),
    ("Timeout", Type::Number),
    ("StartPeriod", Type::Number),
    ("StartInterval", Type::Number),
    ("Retries", Type::Number),
];

/// Finds the fields of a `config`, given as JSON text, whose values container tools do not take. Text that is no
/// object has none.
pub fn mistyped(config: &str) -> Vec<Mistyped> {
    match serde_json::from_str(config) {
        Ok(Value::Object(fields)) => within("", &fields, FIELDS),
        _ => vec![],
    }
}

fn within(prefix: &str, fields: &Map<String, Value>, known: &[(&str, Type)]) -> Vec<Mistyped> {
    let mut found = vec![];
    for (name, value) in fields {
        // These tools do not look at the case of names.
        let same = |(known, _): &&(&str, Type)| known.eq_ignore_ascii_case(name);
        let Some(&(known, wanted)) = known.iter().find(same) else {
            continue;
        };
        match (wanted, value) {
            (Type::Health, Value::Object(fields)) => {
                found.extend(within(&format!("{known}."), fields, HEALTH));
            }
            _ if wanted.takes(value) => {}
            _ => found.push(wanted.mistyped(&format!("{prefix}{name}"), value)),
        }
    }
    found
}

impl Type {
    fn takes(self, value: &Value) -> bool {
        let all = |list: &[Value], is: fn(&Value) -> bool| list.iter().all(is);
        match (self, value) {
            (_, Value::Null)
            | (Self::Text, Value::String(_))
            | (Self::Switch, Value::Bool(_))
            | (Self::Health, Value::Object(_)) => true,
            (Self::Texts, Value::Array(list)) => {
                all(list, |item| item.is_string() || item.is_null())
            }
            (Self::Number, value) => value.is_i64(),
            (Self::Set, Value::Object(set)) => set
                .values()
                .all(|value| value.is_object() || value.is_null()),
            (Self::Map, Value::Object(map)) => map
                .values()
                .all(|value| value.is_string() || value.is_null()),
            _ => false,
        }
    }

    /// What is wrong with the value of a field.
    fn mistyped(self, name: &str, value: &Value) -> Mistyped {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(list) if list.iter().all(Value::is_string) => "a list of strings",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let (wanted, example) = self.wanted(value);
        Mistyped {
            message: format!("`{name}` is {found}, and container engines load no image with that"),
            hint: format!("write {wanted} there, such as `{example}`"),
        }
    }

    /// The name of the type, and a value of it: the given one if that can be made into one.
    fn wanted(self, value: &Value) -> (&'static str, Value) {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(switch) => Some(switch.to_string()),
            _ => None,
        };
        let names = || -> Option<Map<String, Value>> {
            let names = match value {
                Value::Array(list) => list.iter().map(text).collect::<Option<Vec<_>>>()?,
                one => vec![text(one)?],
            };
            let empty = || Value::Object(Map::new());
            let names = names.into_iter().filter(|name| !name.is_empty());
            Some(names.map(|name| (name, empty())).collect())
        };
        let list = || match value {
            Value::Array(list) => list.iter().map(text).collect::<Option<Vec<_>>>(),
            one => Some(vec![text(one)?]),
        };
        match self {
            Self::Text => (
                "a string",
                text(value).unwrap_or_else(|| "x".to_owned()).into(),
            ),
            Self::Texts => (
                "a list of strings",
                list().unwrap_or_else(|| vec!["x".to_owned()]).into(),
            ),
            Self::Number => {
                let number = text(value).and_then(|text| text.parse::<i64>().ok());
                ("a whole number", number.unwrap_or(10).into())
            }
            Self::Switch => ("true or false", true.into()),
            Self::Set => {
                let names = names().filter(|names| !names.is_empty());
                let example = serde_json::json!({"80/tcp": {}});
                ("an object", names.map_or(example, Value::Object))
            }
            Self::Map => ("an object of strings", serde_json::json!({"name": "value"})),
            Self::Health => ("an object", serde_json::json!({"Test": ["CMD", "true"]})),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_refuse_is_found() {
        for (config, expected) in [
            (
                r#"{"Cmd":"/bin/a"}"#,
                r#"`Cmd` is a string|a list of strings, such as `["/bin/a"]`"#,
            ),
            (
                r#"{"ExposedPorts":["80/tcp"]}"#,
                r#"`ExposedPorts` is a list of strings|an object, such as `{"80/tcp":{}}`"#,
            ),
            (
                r#"{"Volumes":"/data"}"#,
                r#"`Volumes` is a string|an object, such as `{"/data":{}}`"#,
            ),
            (
                r#"{"User":1000}"#,
                r#"`User` is a number|a string, such as `"1000"`"#,
            ),
            (
                r#"{"env":{"A":"b"}}"#,
                r#"`env` is an object|a list of strings, such as `["x"]`"#,
            ),
            (
                r#"{"Entrypoint":["a",1]}"#,
                r#"`Entrypoint` is a list|a list of strings, such as `["a","1"]`"#,
            ),
            (
                r#"{"Labels":{"a":1}}"#,
                r#"`Labels` is an object|an object of strings, such as `{"name":"value"}`"#,
            ),
            (
                r#"{"StopTimeout":"5"}"#,
                "`StopTimeout` is a string|a whole number, such as `5`",
            ),
            (
                r#"{"Tty":"yes"}"#,
                "`Tty` is a string|true or false, such as `true`",
            ),
            (
                r#"{"Healthcheck":{"Retries":1.5,"Test":"x"}}"#,
                r#"`Healthcheck.Retries` is a number|a whole number, such as `10`;`Healthcheck.Test` is a string|a list of strings, such as `["x"]`"#,
            ),
        ] {
            let found = mistyped(config);
            let found = found.iter().map(|field| {
                let end = ", and container engines load no image with that";
                let message = field.message.strip_suffix(end).unwrap_or_default();
                let hint = field.hint.strip_prefix("write ").unwrap_or_default();
                format!("{message}|{}", hint.replace(" there,", ","))
            });
            assert_eq!(found.collect::<Vec<_>>().join(";"), expected);
        }
    }

    #[test]
    fn what_tools_take_is_left_alone() {
        for config in [
            "null",
            "[]",
            r#"{"Cmd":null,"User":null,"Labels":null,"ExposedPorts":null}"#,
            r#"{"Cmd":["a"],"Env":[],"User":"0","ExposedPorts":{"80/tcp":{},"1":null},"Labels":{"a":"b"}}"#,
            r#"{"Healthcheck":{"Test":["NONE"],"Interval":30000000000},"StopTimeout":5,"Tty":true}"#,
            r#"{"Mine":1}"#,
        ] {
            assert_eq!(mistyped(config), [], "{config}");
        }
    }
}
