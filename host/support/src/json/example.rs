//! Examples: the value of a field as it would be right.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::words::{Wanted, may_have_login};

/// Fields whose values are sets: each member is a name with an empty object.
const SETS: &[&str] = &["ExposedPorts", "Volumes"];
/// Fields that are times.
const TIMES: &[&str] = &["created", "mtime"];
/// The longest example, in characters.
const LONGEST: usize = 200;

/// The value of a field as it would be right, if that can be told from what it is.
pub(super) fn of(key: &str, value: &Value, wanted: Wanted) -> Option<Value> {
    if has_login(value) {
        return None;
    }
    let right = match (wanted, value) {
        (Wanted::List, Value::String(text)) if key == "Test" => json!(["CMD-SHELL", text]),
        (Wanted::List, Value::String(text)) => list(text),
        (Wanted::List, Value::Object(members)) if key == "Env" => pairs(members)?,
        (Wanted::List, Value::Object(members)) if members.keys().any(|key| is_path(key)) => {
            by_path(members)?
        }
        (Wanted::List, Value::Object(members)) if !members.is_empty() => vec![value.clone()].into(),
        (Wanted::Object, Value::Array(items)) if SETS.contains(&key) => set(key, items)?,
        (Wanted::Object, Value::Array(items)) => object(items)?,
        (Wanted::Object, Value::Bool(true) | Value::Null | Value::Number(_))
            if key.contains('/') || key.parse::<u16>().is_ok() =>
        {
            Value::Object(Map::new())
        }
        (Wanted::Object, Value::String(text)) if key == "Healthcheck" => {
            json!({"Test": ["CMD-SHELL", text]})
        }
        (Wanted::Object, Value::String(text)) if key.starts_with('/') => json!({"text": text}),
        (Wanted::String, Value::Number(number)) if TIMES.contains(&key) => {
            format!("@{number}").into()
        }
        (Wanted::String, Value::Number(number)) => number.to_string().into(),
        (Wanted::String, Value::Array(items)) => match items.as_slice() {
            [Value::String(text)] => text.as_str().into(),
            _ => return None,
        },
        (Wanted::Number, Value::String(text)) => number(text)?.into(),
        (Wanted::Bool, value) => switch(value)?.into(),
        _ => return None,
    };
    (right.to_string().len() <= LONGEST).then_some(right)
}

/// Tells whether a login may be in any part of a value.
fn has_login(value: &Value) -> bool {
    match value {
        Value::String(text) => may_have_login(text),
        Value::Array(items) => items.iter().any(has_login),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| may_have_login(key) || has_login(value)),
        _ => false,
    }
}

fn is_path(key: &str) -> bool {
    key.starts_with(['/', '*'])
}

/// Objects by paths, as a list of objects that name their paths.
fn by_path(members: &Map<String, Value>) -> Option<Value> {
    let entry = |(path, rest): (&String, &Value)| {
        let mut entry = Map::new();
        entry.insert("path".to_owned(), path.as_str().into());
        entry.extend(rest.as_object()?.clone());
        Some(Value::Object(entry))
    };
    members
        .iter()
        .map(entry)
        .collect::<Option<Vec<_>>>()
        .map(Value::from)
}

/// A number, or a time in the nanoseconds that health checks count.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// The words of a command, where no quotes hold some of them together.
fn list(text: &str) -> Value {
    if text.contains(['"', '\'', '\\', '$']) {
        return vec![text].into();
    }
    text.split_whitespace().collect::<Vec<_>>().into()
}

/// Names and values, each as one text.
fn pairs(members: &Map<String, Value>) -> Option<Value> {
    let pair = |(name, value): (&String, &Value)| match value {
        Value::String(value) => Some(format!("{name}={value}")),
        Value::Number(value) => Some(format!("{name}={value}")),
        _ => None,
    };
    members
        .iter()
        .map(pair)
        .collect::<Option<Vec<_>>>()
        .map(Value::from)
}

/// The members of a set. A port without a protocol is one of TCP.
fn set(key: &str, items: &[Value]) -> Option<Value> {
    let member = |item: &Value| {
        let name = match item {
            Value::String(name) => name.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let is_port = key == "ExposedPorts" && !name.contains('/');
        let name = if is_port { format!("{name}/tcp") } else { name };
        Some((name, Value::Object(Map::new())))
    };
    items
        .iter()
        .map(member)
        .collect::<Option<BTreeMap<_, _>>>()
        .map(|members| Value::Object(members.into_iter().collect()))
}

/// Names and values out of texts such as `name=value`.
fn object(items: &[Value]) -> Option<Value> {
    let member = |item: &Value| {
        let (name, value) = item.as_str()?.split_once('=')?;
        Some((name.to_owned(), value.into()))
    };
    let members = items
        .iter()
        .map(member)
        .collect::<Option<BTreeMap<_, _>>>()?;
    (!members.is_empty()).then(|| Value::Object(members.into_iter().collect()))
}

/// A word or a number that stands for true or false elsewhere.
fn switch(value: &Value) -> Option<bool> {
    let text = match value {
        Value::String(text) => text.to_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    match text.as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
