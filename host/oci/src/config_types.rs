//! The types of what is in `config`: who loads an image reads it into these, and refuses the whole image otherwise.

use serde_json::{Map, Value, json};

/// A field of `config` with a value that container tools do not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistyped {
    /// The field, `Cmd` or `Healthcheck.Test`, and what is wrong with it.
    pub message: String,
    /// The text to write instead.
    pub hint: String,
}

/// The types of Docker's and OCI's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Texts,
    Number,
    /// Nanoseconds.
    Time,
    Switch,
    /// The value of a name that counts by itself.
    Empty,
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
    ("Interval", Type::Time),
    ("Timeout", Type::Time),
    ("StartPeriod", Type::Time),
    ("StartInterval", Type::Time),
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
        if let (Type::Health, Value::Object(fields)) = (wanted, value) {
            found.extend(within(&format!("{known}."), fields, HEALTH));
        } else {
            found.extend(wanted.check(&format!("{prefix}{name}"), value));
        }
    }
    found
}

impl Type {
    /// Says what is wrong with the value of a field: with the first of its members that is wrong, or with the whole.
    fn check(self, name: &str, value: &Value) -> Option<Mistyped> {
        match (self, value) {
            (Self::Texts, Value::Array(list)) => list
                .iter()
                .enumerate()
                .find_map(|(index, item)| Self::Text.check(&format!("{name}[{index}]"), item)),
            (Self::Map, Value::Object(map)) => map
                .iter()
                .find_map(|(key, item)| Self::Text.check(&format!("{name}.{key}"), item)),
            (Self::Set, Value::Object(set)) => set
                .iter()
                .find_map(|(key, item)| Self::Empty.check(&format!("{name}.{key}"), item)),
            _ if self.takes(value) => None,
            _ => Some(self.mistyped(name, value)),
        }
    }

    fn takes(self, value: &Value) -> bool {
        match self {
            _ if value.is_null() => true,
            Self::Text => value.is_string(),
            Self::Number | Self::Time => value.is_i64(),
            Self::Switch => value.is_boolean(),
            Self::Empty | Self::Set | Self::Map | Self::Health => value.is_object(),
            Self::Texts => value.is_array(),
        }
    }

    /// Describes the fault in the value of a field, with an example of a valid one.
    fn mistyped(self, name: &str, value: &Value) -> Mistyped {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            // Others would do.
            Value::Number(number) if self.takes(&0.into()) && number.is_f64() => {
                "a number with a fraction"
            }
            Value::Number(_) if self.takes(&0.into()) => "a number that is too large",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(list) if list.iter().all(Value::is_string) => "a list of strings",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let (wanted, mut example) = self.wanted(value);
        if let (true, Value::String(line)) = (name == "Healthcheck.Test", value) {
            example = json!(["CMD-SHELL", line]);
        }
        Mistyped {
            message: format!(
                "`{name}` is {found}, and container engines do not load such an image"
            ),
            hint: format!("write {wanted}, such as `{example}`"),
        }
    }

    /// The name of the type, and a value of it: the given one if that can be made into one.
    fn wanted(self, value: &Value) -> (&'static str, Value) {
        match self {
            Self::Text => {
                let only = texts(value).and_then(|texts| <[String; 1]>::try_from(texts).ok());
                let [text] = only.unwrap_or_else(|| ["x".to_owned()]);
                ("a string", text.into())
            }
            Self::Texts => {
                let texts = texts(value).unwrap_or_else(|| vec!["x".to_owned()]);
                ("a list of strings", texts.into())
            }
            Self::Number => {
                let number = text(value).and_then(|text| text.parse::<i64>().ok());
                ("a whole number", number.unwrap_or(10).into())
            }
            Self::Time => {
                let seconds = text(value).and_then(|text| {
                    let digits = text.strip_suffix('s').unwrap_or(&text);
                    digits.parse::<i64>().ok()?.checked_mul(1_000_000_000)
                });
                let example = seconds.unwrap_or(30_000_000_000);
                ("a whole number of nanoseconds", example.into())
            }
            Self::Switch => ("true or false", true.into()),
            Self::Empty => ("an empty object", json!({})),
            Self::Set => {
                let names = texts(value).unwrap_or_default().into_iter();
                let names: Map<_, _> = names
                    .filter(|name| !name.is_empty())
                    .map(|name| (name, json!({})))
                    .collect();
                let example = json!({"80/tcp": {}});
                let is_empty = names.is_empty();
                ("an object", if is_empty { example } else { names.into() })
            }
            Self::Map => {
                let pairs = texts(value).and_then(|texts| texts.iter().map(|t| pair(t)).collect());
                let pairs = pairs.filter(|pairs: &Map<_, _>| !pairs.is_empty());
                let example = json!({"name": "value"});
                ("an object of strings", pairs.map_or(example, Value::Object))
            }
            Self::Health => ("an object", json!({"Test": ["CMD", "true"]})),
        }
    }
}

/// Returns what is meant by a value that is no list and no object, as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(switch) => Some(switch.to_string()),
        _ => None,
    }
}

/// The same of a list, or of one value.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(list) => list.iter().map(text).collect(),
        one => Some(vec![text(one)?]),
    }
}

/// Reads a label as a command line has it.
fn pair(text: &str) -> Option<(String, Value)> {
    let (name, value) = text.split_once('=')?;
    Some((name.to_owned(), value.into()))
}

#[cfg(test)]
mod tests;
