//! The JSON Schema of image specifications.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use super::ImageSpec;
use crate::spec::Json;

/// Returns the JSON Schema of image specifications, as JSON text.
pub fn schema() -> String {
    let text = value().to_string();
    // Sorted by the same rules whatever order the JSON library keeps its keys in.
    serde_json::from_str::<Json>(&text).map_or(text, |json| json.pretty())
}

/// Returns the first example of a field, as its name and a value.
pub(super) fn example(field: &str) -> Option<Json> {
    let schema = value();
    let example = schema.pointer(&format!("/properties/{field}/examples/0"))?;
    serde_json::from_str(&example.to_string()).ok()
}

fn value() -> Value {
    let tidy = RecursiveTransform(tidy);
    let settings = SchemaSettings::default().with_transform(tidy);
    settings
        .into_generator()
        .into_root_schema_for::<ImageSpec>()
        .to_value()
}

/// Puts each paragraph of a description on one line, and removes the defaults `null` and `""`,
/// which stand for no value.
fn tidy(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        let paragraphs = description.split("\n\n");
        let lines: Vec<String> = paragraphs.map(|text| text.replace('\n', " ")).collect();
        *description = lines.join("\n\n");
    }
    let is_empty = |value: &Value| value.is_null() || value == "";
    if schema.get("default").is_some_and(is_empty) {
        schema.remove("default");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The objects of a schema that have properties, each with the start and the end of a
    /// specification that has a property of it.
    const PLACES: &[(&str, &str, &str)] = &[
        ("", "{", "}"),
        ("CacheSpec", "{\"caches\": [{", "}]}"),
        ("CommandsSpec", "{\"commands\": {", "}}"),
        ("Config", "{\"config\": {", "}}"),
        ("FakeNss", "{\"fakeNss\": {", "}}"),
        ("FileSpec", "{\"files\": {\"/x\": {", "}}}"),
        ("Healthcheck", "{\"config\": {\"Healthcheck\": {", "}}}"),
        ("NamedContents", "{\"contents\": {\"path\": \"x\", ", "}}"),
        ("NixDatabaseSpec", "{\"nixDatabase\": {", "}}"),
        ("PermissionSpec", "{\"permissions\": [{", "}]}"),
        ("Planner", "{\"planner\": {\"component\": \"x\", ", "}}"),
    ];

    /// Returns the objects with properties, the whole by the name "".
    fn objects() -> Vec<(String, Value)> {
        let schema = value();
        let parts = schema["$defs"].as_object().unwrap().clone();
        let whole = [(String::new(), schema)];
        let has = |(_, part): &(_, Value)| part["properties"].is_object();
        parts.into_iter().chain(whole).filter(has).collect()
    }

    fn accepts(text: &str) {
        let read = ImageSpec::read_from(text.as_bytes(), Path::new("image.json"), Path::new(""));
        assert!(read.is_ok(), "{text}: {}", read.unwrap_err());
    }

    #[test]
    fn every_example_is_read() {
        let mut count = 0;
        for (name, object) in objects() {
            let (_, start, end) = *PLACES.iter().find(|(place, ..)| *place == name).unwrap();
            for (field, property) in object["properties"].as_object().unwrap() {
                let examples = property["examples"].as_array();
                let examples = examples.unwrap_or_else(|| panic!("{name}.{field} has no example"));
                for example in examples {
                    // A field that its place has already is there once.
                    let start = start.replace(&format!("\"{field}\": \"x\", "), "");
                    accepts(&format!("{start}\"{field}\": {example}{end}"));
                    count += 1;
                }
            }
        }
        for example in value()["examples"].as_array().unwrap() {
            accepts(&example.to_string());
        }
        assert!(count > 110, "only {count} examples were read");
    }

    #[test]
    fn everything_is_described_and_nothing_by_a_question() {
        let questions = [
            "What", "Whether", "Who", "How", "Where", "When", "Why", "Which", "Whose",
        ];
        let mut count = 0;
        let mut check = |name: &str, part: &Value| {
            let text = part["description"].as_str();
            let text = text.unwrap_or_else(|| panic!("{name} has no description"));
            let first = text.split(' ').next().unwrap();
            assert!(!questions.contains(&first), "{name}: {text}");
            assert!(
                text.ends_with('.') && !text.contains(" \n"),
                "{name}: {text}"
            );
            count += 1;
        };
        for (name, object) in objects() {
            for (field, property) in object["properties"].as_object().unwrap() {
                check(&format!("{name}.{field}"), property);
            }
        }
        for (name, part) in value()["$defs"].as_object().unwrap() {
            check(name, part);
            for choice in part["oneOf"].as_array().into_iter().flatten() {
                check(name, choice);
            }
        }
        assert!(count > 110, "only {count} descriptions were read");
    }

    #[test]
    fn the_schema_has_an_id_and_no_hidden_field() {
        let schema: Value = serde_json::from_str(&schema()).unwrap();
        assert_eq!(schema["$id"], "urn:terrine:image-specification");
        assert_eq!(schema["additionalProperties"], false);
        let properties = schema["properties"].as_object().unwrap();
        assert!(!properties.contains_key("configJson") && !properties.contains_key("directory"));
        assert_eq!(properties["maxLayers"]["minimum"], 2);
    }
}
