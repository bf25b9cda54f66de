//! JSON of users, and what is wrong with it in their terms: the field, its value and what it must be, the place in the
//! text, and an example that would be right.

mod example;
mod syntax;
mod words;

use serde::Deserialize;
use serde_path_to_error::{Path, Segment};

pub use words::{in_words, numbers_in_words};

/// The largest text that is read a second time for an example of how it would be right, in bytes.
const EXAMPLES: usize = 16 << 20;

/// Text that is not JSON, or not what is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field that is to blame, as `permissions[3].mode`; empty for the whole.
    pub field: String,
    /// The fault, and its place in the text.
    pub why: String,
    /// The remedy: an example that would be right, where there is one.
    pub hint: Option<String>,
}

/// Reads a value.
///
/// ```
/// let fault = terrine_support::json::read::<Vec<String>>(b"\"/bin/a\"").unwrap_err();
/// assert_eq!(fault.why, "it must be a list, but is the string `\"/bin/a\"` at line 1 column 8");
/// ```
///
/// # Errors
///
/// Text that is not JSON or not of that form, and text after it.
pub fn read<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Fault> {
    if let Some((why, hint)) = syntax::mark(text) {
        return Err(Fault {
            field: String::new(),
            why: why.to_owned(),
            hint: Some(hint.to_owned()),
        });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().clone();
        fault(&path, &error.into_inner(), text)
    })?;
    deserializer.end().map_err(|error| Fault {
        field: String::new(),
        why: in_words(&error.to_string()),
        hint: syntax_hint(&error, text),
    })?;
    Ok(value)
}

/// Reads an object that a program wrote or a server sent.
///
/// ```
/// let read = |text: &[u8]| terrine_support::json::read_object::<serde_json::Value>(text).unwrap_err();
/// assert_eq!(read(b"<html>"), "it is a web page or XML, and not JSON");
/// assert_eq!(read(b"[1]"), "it must be an object, but is a list");
/// ```
///
/// # Errors
///
/// Text that is not JSON or not of that form, in words for people.
pub fn read_object<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, String> {
    let wrong = match text.trim_ascii_start().first() {
        None => "it is empty",
        Some(b'<') => "it is a web page or XML, and not JSON",
        // The parser takes lists of the fields' values for objects.
        Some(b'[') => "it must be an object, but is a list",
        Some(_) => {
            return serde_json::from_slice(text).map_err(|error| in_words(&error.to_string()));
        }
    };
    Err(wrong.to_owned())
}

/// The fault at a place in text.
fn fault(path: &Path, error: &serde_json::Error, text: &[u8]) -> Fault {
    let (field, why) = (path.to_string(), error.to_string());
    let hint = syntax_hint(error, text).or_else(|| hint(path, &why, text));
    Fault {
        field: match field.as_str() {
            "." | "?" => String::new(),
            _ => field,
        },
        why: in_words(&why),
        hint,
    }
}

/// Returns the remedy for text that is no JSON.
fn syntax_hint(error: &serde_json::Error, text: &[u8]) -> Option<String> {
    if error.is_data() {
        let twice = error.to_string().starts_with("duplicate field");
        return twice.then(|| "leave one of them out".to_owned());
    }
    let (line, column) = (error.line(), error.column());
    syntax::hint(text, line, column, &error.to_string()).map(str::to_owned)
}

/// Returns the remedy for the value at a place: an example that would be right.
fn hint(path: &Path, why: &str, text: &[u8]) -> Option<String> {
    let wanted = words::wanted(why)?;
    if text.len() > EXAMPLES {
        return None;
    }
    let document: serde_json::Value = serde_json::from_slice(text).ok()?;
    let (mut value, mut key) = (&document, None);
    for segment in path {
        value = match segment {
            Segment::Map { key: name } => {
                key = Some(name.as_str());
                value.get(name)?
            }
            Segment::Seq { index } => {
                key = None;
                value.get(*index)?
            }
            Segment::Enum { .. } | Segment::Unknown => return None,
        };
    }
    let right = example::of(key.unwrap_or_default(), value, wanted)?;
    Some(match key {
        Some(key) => format!("write `{}: {right}`", serde_json::Value::from(key)),
        None => format!("write `{right}`"),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU32;

    use serde_json::Value;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "Cmd")]
        cmd: Vec<String>,
        #[serde(rename = "Env")]
        env: Vec<String>,
        #[serde(rename = "User")]
        user: String,
        #[serde(rename = "Labels")]
        labels: BTreeMap<String, String>,
        #[serde(rename = "ExposedPorts")]
        ports: BTreeMap<String, Value>,
        layers: u32,
        jobs: Option<NonZeroU32>,
        seconds: i64,
        tmp: bool,
        kind: Kind,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        #[default]
        One,
        Two,
    }

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[expect(dead_code, reason = "only what is wrong is looked at")]
        config: Inner,
    }

    fn of(text: &str) -> String {
        let Fault { field, why, hint } = read::<Outer>(text.as_bytes()).unwrap_err();
        let (why, place) = why.rsplit_once(" at line ").unwrap_or((&why, ""));
        assert!(place.starts_with("1 column "), "{why}{place}");
        let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
        format!("{field}: {why}{hint}")
    }

    #[test]
    fn what_is_wrong_is_told_in_the_terms_of_the_text() {
        for (config, expected) in [
            (
                r#""Cmd": "/bin/a""#,
                r#"config.Cmd: it must be a list, but is the string `"/bin/a"`; write `"Cmd": ["/bin/a"]`"#,
            ),
            (
                r#""Cmd": "/bin/a --port 80""#,
                r#"config.Cmd: it must be a list, but is the string `"/bin/a --port 80"`; write `"Cmd": ["/bin/a","--port","80"]`"#,
            ),
            (
                r#""Cmd": {"/a": {"mode": "0755"}}"#,
                r#"config.Cmd: it must be a list, but is an object; write `"Cmd": [{"path":"/a","mode":"0755"}]`"#,
            ),
            (
                r#""Env": {"A": "1"}"#,
                r#"config.Env: it must be a list, but is an object; write `"Env": ["A=1"]`"#,
            ),
            (
                r#""Cmd": ["a", 7]"#,
                "config.Cmd[1]: it must be a string, but is the number `7`; write `\"7\"`",
            ),
            (
                r#""User": 1000"#,
                r#"config.User: it must be a string, but is the number `1000`; write `"User": "1000"`"#,
            ),
            (
                r#""User": null"#,
                "config.User: it must be a string, but is `null`",
            ),
            (
                r#""Labels": ["a=b"]"#,
                r#"config.Labels: it must be an object, but is a list; write `"Labels": {"a":"b"}`"#,
            ),
            (
                r#""ExposedPorts": [80, "53/udp"]"#,
                r#"config.ExposedPorts: it must be an object, but is a list; write `"ExposedPorts": {"53/udp":{},"80/tcp":{}}`"#,
            ),
            (
                r#""layers": "3""#,
                r#"config.layers: it must be a whole number of 0 or more, but is the string `"3"`; write `"layers": 3`"#,
            ),
            (
                r#""layers": -1"#,
                "config.layers: it must be a whole number of 0 or more, but is the number `-1`",
            ),
            (
                r#""layers": 5000000000"#,
                "config.layers: it must be a whole number from 0 to 4294967295, but is the number `5000000000`",
            ),
            (
                r#""jobs": 0"#,
                "config.jobs: it must be a whole number of 1 or more, but is the number `0`",
            ),
            (
                r#""seconds": 1.5"#,
                "config.seconds: it must be a whole number, but is the number `1.5`",
            ),
            (
                r#""tmp": "yes""#,
                r#"config.tmp: it must be true or false, but is the string `"yes"`; write `"tmp": true`"#,
            ),
            (
                r#""kind": "three""#,
                "config.kind: unknown value `three`: it must be `one` or `two`",
            ),
            (
                r#""tmp": true, "tmp": true"#,
                "config: the field `tmp` is given twice; leave one of them out",
            ),
            (
                r#""User": "\u0041\"\n""#.replacen("User", "layers", 1).as_str(),
                r#"config.layers: it must be a whole number of 0 or more, but is the string `"A\"\n"`"#,
            ),
        ] {
            assert_eq!(of(&format!(r#"{{"config": {{{config}}}}}"#)), expected);
        }
        assert_eq!(
            of(r#"{"config": "x"}"#),
            "config: it must be an object, but is the string `\"x\"`"
        );
        assert_eq!(of("{}"), ": the field `config` is missing");
        assert_eq!(of("7"), ": it must be an object, but is the number `7`");
    }

    #[test]
    fn text_that_is_not_json_is_told_without_the_words_of_a_parser() {
        for (text, expected) in [
            ("", "the text is empty or ends where a value must be"),
            ("{", "the text ends within an object"),
            ("{\"a\": [1", "the text ends within a list"),
            ("{\"a", "the text ends within a string"),
            ("{a: 1}", "a name must be a string in double quotes"),
            ("{\"a\": 1,}", "there is a comma after the last value"),
            ("{} x", "there is more text after the JSON"),
            ("{\"a\" 1}", "a colon is missing after a name"),
            ("{\"a\": 1 \"b\"", "a comma or a closing brace is missing"),
            ("{\"a\": [1 2]", "a comma or a closing bracket is missing"),
            (
                "{\"a\": tru}",
                "a word is neither `true`, `false` nor `null`",
            ),
            (
                "{\"a\": 'b'}",
                "a value must be here: text in double quotes, a number, a list, an object, `true`, `false` or `null`",
            ),
            (
                "{\"a\": \"\n\"}",
                "a string has a line break or another control character: write `\\n` and the like",
            ),
        ] {
            let fault = read::<BTreeMap<String, Value>>(text.as_bytes()).unwrap_err();
            let (why, _) = fault.why.rsplit_once(" at line ").unwrap();
            assert_eq!(why, expected, "{text}");
        }
    }
}
