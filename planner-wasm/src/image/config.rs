//! The `config` of an image: its own, with what it takes over from the base's.

use serde_json::{Map, Value};

use super::{environment, error};
use crate::bindings::image::{Error, ErrorKind, Inheritance, ResolveRequest};

/// The fields that a Dockerfile's `FROM` takes over as they are, beside the environment.
const SCALARS: &[&str] = &["User", "WorkingDir", "StopSignal", "Healthcheck", "Shell"];
/// The fields that it takes over entry by entry.
const MAPS: &[&str] = &["Labels", "Volumes", "ExposedPorts"];

/// Merges an image's own `config` with its base's, settles its environment and adds
/// labels.
///
/// `Env` is added at the end where the image had none of its own, and left out
/// where both are empty.
///
/// # Errors
///
/// Text that is not JSON, and values of the wrong type.
pub(super) fn resolve(request: &ResolveRequest) -> Result<Value, Error> {
    let mut config = object_or_null(parse(&request.config, "config")?, "config")?;
    let base = match &request.base {
        Some(base) => base_config(&base.configuration)?,
        None => Map::new(),
    };
    let own_env = config
        .as_ref()
        .map_or(Ok(vec![]), |config| env(config, "config"))?;
    let env = environment::merge(env(&base, "base.config")?, own_env);
    if request.inherit == Inheritance::All {
        take_over(config.get_or_insert_default(), &base)?;
    }
    if !env.is_empty() {
        let env = env.into_iter().map(Value::String).collect();
        config
            .get_or_insert_default()
            .insert("Env".to_owned(), Value::Array(env));
    }
    if !request.labels.is_empty() {
        add_labels(config.get_or_insert_default(), &request.labels)?;
    }
    Ok(config.map_or(Value::Null, Value::Object))
}

fn add_labels(config: &mut Map<String, Value>, added: &[(String, String)]) -> Result<(), Error> {
    let own = config.get("Labels").cloned().unwrap_or(Value::Null);
    let mut labels = object_or_null(own, "config.Labels")?.unwrap_or_default();
    for (name, value) in added {
        labels
            .entry(name.clone())
            .or_insert_with(|| Value::String(value.clone()));
    }
    config.insert("Labels".to_owned(), Value::Object(labels));
    Ok(())
}

/// The `config` of a base image; empty where it has none.
fn base_config(configuration: &str) -> Result<Map<String, Value>, Error> {
    let Some(mut whole) = object_or_null(parse(configuration, "base")?, "base")? else {
        return Err(invalid("base", "must be an object"));
    };
    let config = whole.remove("config").unwrap_or(Value::Null);
    Ok(object_or_null(config, "base.config")?.unwrap_or_default())
}

fn env(config: &Map<String, Value>, field: &str) -> Result<Vec<String>, Error> {
    let field = format!("{field}.Env");
    match config.get("Env") {
        None | Some(Value::Null) => Ok(vec![]),
        Some(Value::Array(entries)) => entries
            .iter()
            .enumerate()
            .map(|(i, entry)| match entry {
                Value::String(entry) => Ok(entry.clone()),
                _ => Err(invalid(format!("{field}[{i}]"), "must be a string")),
            })
            .collect(),
        Some(_) => Err(invalid(field, "must be an array of strings")
            .with_hint("write the environment as [\"NAME=value\", ...]")),
    }
}

/// Takes over everything but the environment, as `FROM` does.
fn take_over(config: &mut Map<String, Value>, base: &Map<String, Value>) -> Result<(), Error> {
    let is_set =
        |config: &Map<String, Value>, key: &str| config.get(key).is_some_and(|v| !v.is_null());
    // A new entrypoint comes with arguments of its own.
    let commands: &[&str] = if is_set(config, "Entrypoint") {
        &[]
    } else {
        &["Entrypoint", "Cmd"]
    };
    for &key in commands.iter().chain(SCALARS) {
        if let Some(value) = base
            .get(key)
            .filter(|value| !value.is_null() && !is_set(config, key))
        {
            config.insert(key.to_owned(), value.clone());
        }
    }
    for &key in MAPS {
        let inherited = base.get(key).cloned().unwrap_or(Value::Null);
        let Some(mut merged) = object_or_null(inherited, &format!("base.config.{key}"))? else {
            continue;
        };
        let own = config.get(key).cloned().unwrap_or(Value::Null);
        merged.extend(object_or_null(own, &format!("config.{key}"))?.unwrap_or_default());
        config.insert(key.to_owned(), Value::Object(merged));
    }
    Ok(())
}

/// The key by which the JSON library marks a number that it keeps as text. An object
/// with this key would come out as a number.
const NUMBER_KEY: &str = "$serde_json::private::Number";

/// Parses JSON text.
pub(super) fn parse(text: &str, field: &str) -> Result<Value, Error> {
    let value =
        serde_json::from_str(text).map_err(|error| invalid(field, format!("not JSON: {error}")));
    if strings(text).any(|string| string == NUMBER_KEY) {
        return Err(invalid(
            field,
            format!("holds `{NUMBER_KEY}`, which cannot be kept"),
        ));
    }
    value
}

/// The strings in JSON text, keys included.
fn strings(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find('"')?;
        let bytes = rest.as_bytes();
        let mut end = start + 1;
        while *bytes.get(end)? != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let string = &rest[start..=end];
        rest = &rest[end + 1..];
        Some(serde_json::from_str(string).unwrap_or_default())
    })
}

fn object_or_null(value: Value, field: &str) -> Result<Option<Map<String, Value>>, Error> {
    match value {
        Value::Null => Ok(None),
        Value::Object(object) => Ok(Some(object)),
        _ => Err(invalid(field, "must be an object")),
    }
}

fn invalid(field: impl Into<String>, message: impl Into<String>) -> Error {
    error(ErrorKind::InvalidConfiguration, field, message)
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;
    use crate::bindings::image::BaseImage;

    fn on(base: &str, own: &str, inherit: Inheritance) -> Result<String, (Option<String>, String)> {
        let base = Some(BaseImage {
            configuration: base.to_owned(),
            layers: 1,
        });
        let resolved = resolve(&ResolveRequest {
            config: own.to_owned(),
            base,
            inherit,
            ..request()
        });
        resolved
            .map(|value| value.to_string())
            .map_err(|error| (error.field, error.message))
    }

    fn environment(base: &str, own: &str) -> Result<String, (Option<String>, String)> {
        on(base, own, Inheritance::Environment)
    }

    #[test]
    fn the_environment_is_inherited_and_nothing_else() {
        let base = r#"{"config": {"Env": ["A=1", "B=2"], "Cmd": ["sh"], "User": "x"}}"#;
        let table = [
            (base, "null", r#"{"Env":["A=1","B=2"]}"#),
            (base, "{}", r#"{"Env":["A=1","B=2"]}"#),
            (
                base,
                r#"{"Env":["B=3"],"Cmd":["a"]}"#,
                r#"{"Env":["A=1","B=3"],"Cmd":["a"]}"#,
            ),
            (
                base,
                r#"{"Cmd":["a"]}"#,
                r#"{"Cmd":["a"],"Env":["A=1","B=2"]}"#,
            ),
            ("{}", "null", "null"),
            (r#"{"config": null}"#, "{}", "{}"),
            (
                r#"{"config": {"Env": null}}"#,
                r#"{"Env": null}"#,
                r#"{"Env":null}"#,
            ),
            (
                r#"{"config": {"Env": []}}"#,
                r#"{"Env": []}"#,
                r#"{"Env":[]}"#,
            ),
        ];
        for (base, own, expected) in table {
            assert_eq!(
                environment(base, own).as_deref(),
                Ok(expected),
                "{base} {own}"
            );
        }
    }

    #[test]
    fn without_a_base_the_config_stays_as_it_is_but_for_duplicates() {
        let alone = |own: &str| {
            resolve(&ResolveRequest {
                config: own.to_owned(),
                ..request()
            })
            .unwrap()
            .to_string()
        };
        assert_eq!(alone("null"), "null");
        assert_eq!(
            alone(r#"{"Cmd":["x"],"Env":["A=1","B=1","A=2"]}"#),
            r#"{"Cmd":["x"],"Env":["A=2","B=1"]}"#
        );
    }

    #[test]
    fn everything_is_inherited_where_that_is_asked_for() {
        let base = r#"{"config": {"Cmd": ["c"], "Entrypoint": ["e"], "User": "u", "WorkingDir": "/w",
            "Labels": {"a": "1", "b": "1"}, "Volumes": {"/v": {}}, "ExposedPorts": null,
            "StopSignal": "SIGINT", "Healthcheck": {"Test": ["NONE"]}, "OnBuild": ["RUN x"]}}"#;
        let all = |own| on(base, own, Inheritance::All).unwrap();
        assert_eq!(
            all("null"),
            r#"{"Entrypoint":["e"],"Cmd":["c"],"User":"u","WorkingDir":"/w","StopSignal":"SIGINT","Healthcheck":{"Test":["NONE"]},"Labels":{"a":"1","b":"1"},"Volumes":{"/v":{}}}"#
        );
        let own = r#"{"Cmd":["own"],"Labels":{"b":"2","c":"2"},"User":null,"WorkingDir":"/x"}"#;
        let merged: Value = serde_json::from_str(&all(own)).unwrap();
        assert_eq!(merged["Cmd"][0], "own");
        assert_eq!(merged["Entrypoint"][0], "e");
        assert_eq!(merged["User"], "u");
        assert_eq!(merged["WorkingDir"], "/x");
        assert_eq!(merged["Labels"].to_string(), r#"{"a":"1","b":"2","c":"2"}"#);
        // A new entrypoint drops the command that belonged to the old one.
        let entry: Value = serde_json::from_str(&all(r#"{"Entrypoint":["own"]}"#)).unwrap();
        assert_eq!(
            (&entry["Entrypoint"][0], entry.get("Cmd")),
            (&Value::from("own"), None)
        );
    }

    #[test]
    fn labels_are_added_where_there_are_none_of_that_name() {
        let labelled = |config: &str| {
            let labels = vec![
                ("a".to_owned(), "new".to_owned()),
                ("b".to_owned(), "new".to_owned()),
            ];
            let request = ResolveRequest {
                config: config.to_owned(),
                labels,
                ..request()
            };
            resolve(&request)
                .map(|value| value.to_string())
                .map_err(|error| error.field)
        };
        assert_eq!(
            labelled("null").unwrap(),
            r#"{"Labels":{"a":"new","b":"new"}}"#
        );
        assert_eq!(
            labelled(r#"{"Labels":{"a":"own"}}"#).unwrap(),
            r#"{"Labels":{"a":"own","b":"new"}}"#
        );
        assert_eq!(
            labelled(r#"{"Labels":[]}"#),
            Err(Some("config.Labels".to_owned()))
        );
    }

    #[test]
    fn an_object_that_would_become_a_number_is_refused() {
        for key in [
            r"$serde_json::private::Number",
            r"\u0024serde_json::private::N\u0075mber",
        ] {
            let text = format!(r#"{{"Labels": {{"\\\"": 1, "x": {{"{key}": "12"}}}}}}"#);
            let error = parse(&text, "config").unwrap_err();
            assert!(
                error.message.contains("cannot be kept"),
                "{text}: {}",
                error.message
            );
        }
        assert!(parse(r#"{"a": "b\\", "c": "\"$serde"}"#, "config").is_ok());
    }

    #[test]
    fn wrong_types_are_named_with_their_place() {
        let table = [
            ("{}", "[]", "config", "must be an object"),
            (
                "{}",
                "",
                "config",
                "not JSON: EOF while parsing a value at line 1 column 0",
            ),
            (
                "{}",
                r#"{"Env": {"A": "1"}}"#,
                "config.Env",
                "must be an array of strings",
            ),
            (
                "{}",
                r#"{"Env": ["A=1", 2]}"#,
                "config.Env[1]",
                "must be a string",
            ),
            ("null", "{}", "base", "must be an object"),
            ("3", "{}", "base", "must be an object"),
            (
                r#"{"config": []}"#,
                "{}",
                "base.config",
                "must be an object",
            ),
            (
                r#"{"config": {"Env": "A"}}"#,
                "{}",
                "base.config.Env",
                "must be an array of strings",
            ),
            (
                r#"{"config": {"Env": [null]}}"#,
                "{}",
                "base.config.Env[0]",
                "must be a string",
            ),
        ];
        for (base, own, field, message) in table {
            assert_eq!(
                environment(base, own),
                Err((Some(field.to_owned()), message.to_owned())),
                "{base} {own}"
            );
        }
        let labels = on(
            r#"{"config": {"Labels": {"a": "1"}}}"#,
            r#"{"Labels": 1}"#,
            Inheritance::All,
        );
        assert_eq!(
            labels,
            Err((
                Some("config.Labels".to_owned()),
                "must be an object".to_owned()
            ))
        );
    }
}
