//! The reference of the image specification, `docs/specification.md`, made from its JSON Schema.

use serde_json::{Map, Value};

/// The subjects of fields, in the order of the document.
const SUBJECTS: &[(&str, &[&str])] = &[
    ("Name and tags", &["name", "tag", "tags"]),
    ("Base image", &["fromImage", "baseConfig", "baseLinks"]),
    (
        "Content",
        &["contents", "copyToRoot", "files", "exclude", "keepModes"],
    ),
    (
        "Helpers",
        &[
            "fakeNss",
            "binSh",
            "usrBinEnv",
            "caCertificates",
            "tmp",
            "shadowSetup",
        ],
    ),
    (
        "Configuration",
        &["config", "labels", "annotations", "created"],
    ),
    ("Platform", &["architecture", "variant", "system"]),
    (
        "Owners, permissions and times",
        &["permissions", "uid", "gid", "uname", "gname", "mtime"],
    ),
    (
        "Layers",
        &[
            "maxLayers",
            "planner",
            "layeringPipeline",
            "history",
            "previous",
        ],
    ),
    (
        "Store paths",
        &[
            "closure",
            "wholeClosure",
            "caches",
            "absentPaths",
            "includeStorePaths",
            "storeDir",
        ],
    ),
    (
        "Commands at the root",
        &[
            "extraCommands",
            "fakeRootCommands",
            "enableFakechroot",
            "runAsRoot",
            "commands",
        ],
    ),
    ("Nix database", &["includeNixDB", "nixDatabase"]),
    ("Without effect", &["diskSize", "buildVMMemorySize"]),
];

/// The start of the document. The description of the schema follows.
const START: &str = "\
<!-- Generated from the JSON Schema. Do not edit; CONTRIBUTING.md says how to update it. -->

# Image specification

An image specification is a JSON file that describes an image. `terrine build` builds the image, and `terrine plan` shows its layers.
Flags of these commands replace fields or add to them. For a guide, see [building.md](building.md).

";

/// The text between the description of the schema and the complete examples.
const EDITORS: &str = "\
`terrine schema` prints the JSON Schema that this page is generated from. Editors use it to complete and check
specifications. For Visual Studio Code, write it to a file and name that file in the setting `json.schemas`. A specification
cannot have a field `$schema`.

";

/// The longest line of JSON.
const WIDTH: usize = 100;

/// Returns the text of `docs/specification.md` for a JSON Schema.
pub fn document(schema: &Value) -> String {
    let reference = Reference { schema };
    let mut text = START.to_owned();
    // Its first sentence says what the start of the document says.
    let description = schema["description"].as_str().unwrap();
    let (_, rules) = description.split_once(". ").unwrap();
    text += &format!("{rules}\n\n{EDITORS}");
    text += "## Examples\n\n";
    for example in schema["examples"].as_array().unwrap() {
        text += &block(example);
    }
    text += "## Fields\n\n| subject | fields |\n|---|---|\n";
    for (subject, fields) in SUBJECTS {
        let link = |field: &&str| format!("[`{field}`](#{})", field.to_lowercase());
        let links: Vec<String> = fields.iter().map(link).collect();
        text += &format!("| {subject} | {} |\n", links.join(", "));
    }
    for (subject, fields) in SUBJECTS {
        text += &format!("\n## {subject}\n");
        for field in *fields {
            text += &format!("\n{}", reference.field(field));
        }
    }
    text
}

/// Returns the names of all fields that the document has.
pub fn fields() -> Vec<&'static str> {
    SUBJECTS
        .iter()
        .flat_map(|(_, fields)| *fields)
        .copied()
        .collect()
}

/// A JSON Schema that is described.
struct Reference<'a> {
    schema: &'a Value,
}

impl<'a> Reference<'a> {
    /// The section of a field of the specification.
    fn field(&self, name: &str) -> String {
        let field = &self.schema["properties"][name];
        let (description, default) = described(field);
        let mut text = format!("### `{name}`\n\nType: {}. Default: ", self.kind(field));
        text += &format!("{default}.\n\n{description}\n\n");
        text += &self.choices(field);
        for example in examples(field) {
            let member = Map::from_iter([(name.to_owned(), example.clone())]);
            text += &block(&Value::Object(member));
        }
        for (suffix, object) in self.objects(field) {
            text += &self.table(&format!("{name}{suffix}"), object);
        }
        text.trim_end().to_owned() + "\n"
    }

    /// The fields of an object within the specification, and of the objects in it.
    fn table(&self, path: &str, object: &Value) -> String {
        let about = object["description"].as_str().unwrap();
        let mut text = format!("Fields of `{path}`: {about}\n\n");
        text += "| field | type | description |\n|---|---|---|\n";
        let mut further = String::new();
        for (name, field) in object["properties"].as_object().unwrap() {
            let (description, default) = described(field);
            let mut required = object["required"].as_array().into_iter().flatten();
            let kind = match default.as_str() {
                _ if required.any(|field| field == name) => {
                    format!("{}; required", self.kind(field))
                }
                "not set" => self.kind(field),
                default => format!("{}; default: {default}", self.kind(field)),
            };
            let shown: Vec<String> = examples(field)
                .map(|example| format!("`{}`", line(example)))
                .collect();
            let shown = shown.join(" or ");
            let row = format!("| `{name}` | {kind} | {description} Example: {shown} |\n");
            text += &row.replace("\n\n", " ");
            for (suffix, object) in self.objects(field) {
                further += &self.table(&format!("{path}.{name}{suffix}"), object);
            }
        }
        format!("{text}\n{further}")
    }

    /// The alternatives of a field that have descriptions of their own.
    fn choices(&self, field: &Value) -> String {
        let (mut text, whole) = (String::new(), self.kind(field));
        for part in self.parts(field) {
            let Some(about) = part["description"].as_str() else {
                continue;
            };
            let name = match (part["const"].as_str(), self.kind(part)) {
                (Some(value), _) => format!("`{value}`: "),
                (None, kind) if kind == whole => String::new(),
                (None, kind) => format!("{kind}: "),
            };
            text += &format!("- {name}{about}\n");
        }
        if text.is_empty() { text } else { text + "\n" }
    }

    /// The alternatives of a field without `null` and without objects that have fields.
    fn parts(&self, field: &'a Value) -> Vec<&'a Value> {
        let field = self.resolved(field);
        let several = field["anyOf"].as_array().or(field["oneOf"].as_array());
        let parts = several.into_iter().flatten().flat_map(|part| {
            let within = self.resolved(part);
            if within["anyOf"].is_array() {
                self.parts(within)
            } else {
                vec![within]
            }
        });
        parts
            .filter(|part| part["type"] != "null" && !part["properties"].is_object())
            .collect()
    }

    /// The objects with fields that a field has, each with what follows the field's name in a path.
    fn objects(&self, field: &'a Value) -> Vec<(&'static str, &'a Value)> {
        let field = self.resolved(field);
        if field["properties"].is_object() {
            return vec![("", field)];
        }
        if !field.is_object() {
            return vec![];
        }
        let within = |part: &'a Value, suffix| {
            let found = self.objects(part).into_iter();
            found.map(move |(_, object)| (suffix, object))
        };
        let mut found = vec![];
        found.extend(within(&field["items"], "[]"));
        found.extend(within(&field["additionalProperties"], ".PATH"));
        for part in field["anyOf"].as_array().into_iter().flatten() {
            found.extend(self.objects(part));
        }
        // An object may be given alone or in a list.
        found.dedup_by(|(_, one), (_, other)| one == other);
        found
    }

    /// The definition that a schema refers to, or the schema itself.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(place) => self.schema.pointer(&place[1..]).unwrap(),
            None => schema,
        }
    }

    /// The types of a field, for people.
    fn kind(&self, field: &'a Value) -> String {
        listed(&self.kinds(field), "or")
    }

    fn kinds(&self, field: &'a Value) -> Vec<String> {
        let field = self.resolved(field);
        let several = field["anyOf"].as_array().or(field["oneOf"].as_array());
        let kinds: Vec<String> = match (several, &field["type"], field.get("const")) {
            (Some(parts), ..) => parts.iter().flat_map(|part| self.kinds(part)).collect(),
            (_, _, Some(Value::String(_))) => vec!["string".to_owned()],
            (_, Value::Array(types), _) => {
                types.iter().map(|one| self.simple(one, field)).collect()
            }
            (_, one, _) => vec![self.simple(one, field)],
        };
        let mut distinct = vec![];
        for kind in kinds.into_iter().filter(|kind| kind != "null") {
            if !distinct.contains(&kind) {
                distinct.push(kind);
            }
        }
        distinct
    }

    fn simple(&self, name: &Value, field: &'a Value) -> String {
        match name.as_str().unwrap_or("value") {
            "integer" => match field["minimum"].as_u64() {
                None => "whole number".to_owned(),
                Some(least) => format!("whole number of {least} or more"),
            },
            "array" if field["items"].is_object() => {
                let items = self.kinds(&field["items"]);
                let items: Vec<String> = items.iter().map(|item| plural(item)).collect();
                format!("list of {}", listed(&items, "and"))
            }
            "array" => "list".to_owned(),
            "object" if field["additionalProperties"].is_object() => {
                let values = self.kind(&field["additionalProperties"]);
                format!("object of {}", plural(&values))
            }
            simple => simple.to_owned(),
        }
    }
}

/// Joins words by commas and a conjunction.
fn listed(words: &[String], conjunction: &str) -> String {
    match words {
        [words @ .., last] if words.len() > 1 => {
            format!("{}, {conjunction} {last}", words.join(", "))
        }
        words => words.join(&format!(" {conjunction} ")),
    }
}

fn plural(kind: &str) -> String {
    match kind.split_once(' ') {
        Some((first, rest)) => format!("{first}s {rest}"),
        None => format!("{kind}s"),
    }
}

/// The description of a field, and its default.
fn described(field: &Value) -> (&str, String) {
    let text = field["description"].as_str().unwrap();
    let (text, words) = match text.rsplit_once("\n\nDefault: ") {
        Some((text, default)) => (text, Some(default.trim_end_matches('.'))),
        None => (text, None),
    };
    let default = match (words, field.get("default")) {
        (Some(words), _) => words.to_owned(),
        (None, Some(value)) => format!("`{}`", line(value)),
        (None, None) => "not set".to_owned(),
    };
    (text, default)
}

fn examples(field: &Value) -> impl Iterator<Item = &Value> {
    field["examples"].as_array().into_iter().flatten()
}

/// A fenced block of JSON.
fn block(value: &Value) -> String {
    format!("```json\n{}\n```\n\n", lines(value, 0))
}

/// JSON on as many lines as it needs.
fn lines(value: &Value, depth: usize) -> String {
    let one = line(value);
    if one.len() + 2 * depth <= WIDTH && (depth > 0 || one.matches(": ").count() < 6) {
        return one;
    }
    let (open, close, items): (_, _, Vec<String>) = match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| lines(item, depth + 1));
            ('[', ']', items.collect())
        }
        Value::Object(entries) => {
            let entry = |(name, value): (&String, &Value)| {
                let name = Value::from(name.as_str());
                format!("{name}: {}", lines(value, depth + 1))
            };
            ('{', '}', in_order(entries).into_iter().map(entry).collect())
        }
        _ => return one,
    };
    let indent = "  ".repeat(depth + 1);
    let items = items.join(&format!(",\n{indent}"));
    format!("{open}\n{indent}{items}\n{}{close}", "  ".repeat(depth))
}

/// JSON on one line.
fn line(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let entry = |(name, value): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), line(value))
            };
            let entries: Vec<String> = in_order(entries).into_iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        simple => simple.to_string(),
    }
}

/// The entries of an object, those of a specification in the order of the document.
fn in_order(entries: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let order = fields();
    let place = |name: &str| order.iter().position(|field| *field == name);
    let mut entries: Vec<_> = entries.iter().collect();
    if entries.iter().all(|(name, _)| place(name).is_some()) {
        entries.sort_by_key(|(name, _)| place(name));
    }
    entries
}
