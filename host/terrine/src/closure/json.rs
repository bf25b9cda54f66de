//! Closures in JSON: what Nix exports to derivations, and what `nix path-info` prints.
//!
//! | form | written by |
//! |---|---|
//! | `[{"path", "narSize", "references"}]` | `exportReferencesGraph`, `nix path-info` up to 2.18 and Lix |
//! | `{"graph": [...], ...}` | `.attrs.json`, with `exportReferencesGraph.graph` |
//! | `{"/nix/store/...": {"narSize", "references"}}` | `nix path-info` from 2.19 on |
//! | `{"info": {"...": {...}}, "storeDir"}`, names for paths | the same with `--json-format 2` |
//!
//! `narHash`, `signatures` and `ca` are kept as they are written, for those who ask for them. Other
//! fields are ignored. A `narSize` that is missing or `null` is not known.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use terrine_support::json::in_words;

use super::registered::Unchecked;
use super::{Described, Fault, GraphEntry, path};

/// Reads a closure in any of the forms.
///
/// # Errors
///
/// Text that is not JSON, has none of the forms, or a fault in one of its fields.
pub(super) fn parse(text: &str, store_dir: &str) -> Result<Vec<Described>, Fault> {
    let plain = Form {
        store_dir,
        names_below: None,
    };
    if text.trim_ascii_start().starts_with('[') {
        return plain.array(text, "");
    }
    let members: Members<'_> = deserialize(text, "")?;
    if let (Some(info), Some(dir)) = (members.object("info"), members.text("storeDir")) {
        let members = deserialize(info, "info")?;
        return Form {
            store_dir,
            names_below: Some(&dir),
        }
        .members(&members, "info");
    }
    if members.0.iter().any(|(key, _)| key.starts_with('/')) {
        return plain.members(&members, "");
    }
    plain.attributes(&members)
}

/// The form in which the paths are written.
struct Form<'a> {
    /// The directory that they have to be in.
    store_dir: &'a str,
    /// The directory that names are below, where the form has names for paths.
    names_below: Option<&'a str>,
}

impl Form<'_> {
    /// The graphs among the attributes of a derivation.
    fn attributes(&self, members: &Members<'_>) -> Result<Vec<Described>, Fault> {
        let graphs: Vec<_> = members
            .0
            .iter()
            .filter(|(_, value)| is_graph(value.get()))
            .collect();
        if graphs.is_empty() {
            return Err(Fault::NoGraph);
        }
        let mut entries = Vec::new();
        for (key, value) in graphs {
            entries.extend(self.array(value.get(), key)?);
        }
        Ok(entries)
    }

    fn array(&self, text: &str, field: &str) -> Result<Vec<Described>, Fault> {
        let records: Vec<Object<PathRecord<'_>>> = deserialize(text, field)?;
        records
            .into_iter()
            .enumerate()
            .map(|(index, Object(mut record))| {
                let field = format!("{field}[{index}]");
                let path = record.path.take().ok_or_else(|| {
                    Fault::Json("the field `path` is missing".to_owned()).at(&*field)
                })?;
                self.entry(&path, &record, &field)
            })
            .collect()
    }

    /// Entries by their paths.
    fn members(&self, members: &Members<'_>, field: &str) -> Result<Vec<Described>, Fault> {
        let mut entries = Vec::new();
        for (path, value) in &members.0 {
            // Newer versions say something about the whole beside the paths.
            if self.names_below.is_none() && !path.starts_with('/') {
                continue;
            }
            let field = join(field, path);
            match deserialize::<Option<Object<PathRecord<'_>>>>(value.get(), &field)? {
                Some(Object(record)) => entries.push(self.entry(path, &record, &field)?),
                None => return Err(Fault::Invalid(self.path(path, &field)?)),
            }
        }
        Ok(entries)
    }

    fn entry(&self, path: &str, record: &PathRecord<'_>, field: &str) -> Result<Described, Fault> {
        let path = self.path(path, field)?;
        if record.valid == Some(false) {
            return Err(Fault::Invalid(path));
        }
        let size = size(record.size).map_err(|size| Fault::Size {
            path: path.clone(),
            size,
        })?;
        let references = record
            .references
            .as_ref()
            .ok_or_else(|| Fault::Json("the field `references` is missing".to_owned()).at(field))?
            .iter()
            .enumerate()
            .map(|(index, reference)| {
                self.path(reference, &format!("{field}.references[{index}]"))
            });
        let entry = GraphEntry {
            references: references.collect::<Result<_, _>>()?,
            path,
            size,
        };
        let said = record.said();
        Ok(Described { entry, said })
    }

    fn path(&self, path: &str, field: &str) -> Result<String, Fault> {
        let checked = match self.names_below {
            Some(dir) if !path.starts_with('/') => path::check(
                &format!("{}/{path}", dir.trim_end_matches('/')),
                self.store_dir,
            ),
            _ => path::check(path, self.store_dir),
        };
        checked.map_err(|fault| fault.at(field))
    }
}

/// Returns true if a value is an array whose first element looks like a path of a graph.
fn is_graph(text: &str) -> bool {
    // Only the first element is looked at: an error in another should be told as such.
    #[derive(Deserialize)]
    struct Shape {
        path: Option<serde::de::IgnoredAny>,
        references: Option<serde::de::IgnoredAny>,
    }
    let elements: Result<Vec<&RawValue>, _> = serde_json::from_str(text);
    let first = elements.ok().and_then(|elements| elements.first().copied());
    let shape = first.and_then(|first| serde_json::from_str::<Object<Shape>>(first.get()).ok());
    shape.is_some_and(|Object(shape)| shape.path.is_some() && shape.references.is_some())
}

/// A size in bytes. An error is the text that is none.
fn size(value: Option<&RawValue>) -> Result<u64, String> {
    let Some(value) = value else { return Ok(0) };
    value
        .get()
        .parse()
        .ok()
        .filter(|&size| i64::try_from(size).is_ok())
        .ok_or_else(|| value.get().chars().take(100).collect())
}

/// A record about a path.
#[derive(Deserialize)]
struct PathRecord<'a> {
    path: Option<String>,
    #[serde(borrow, rename = "narSize")]
    size: Option<&'a RawValue>,
    references: Option<Vec<String>>,
    #[serde(borrow, rename = "narHash")]
    hash: Option<&'a RawValue>,
    #[serde(borrow)]
    signatures: Option<&'a RawValue>,
    #[serde(borrow)]
    ca: Option<&'a RawValue>,
    /// Older versions say so of paths that the store does not have, and nothing else.
    valid: Option<bool>,
}

impl PathRecord<'_> {
    /// Returns everything beside the references, as it is written.
    fn said(&self) -> Unchecked {
        let text = |value: Option<&RawValue>| value.map(|value| value.get().to_owned());
        // What is no string is kept as it is, to be refused where it is needed.
        let hash = text(self.hash).map(|hash| serde_json::from_str(&hash).unwrap_or(hash));
        Unchecked {
            hash,
            signatures: text(self.signatures),
            content_address: text(self.ca),
        }
    }
}

/// An object, where the parser would also take an array for the fields in their order.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(std::marker::PhantomData))
    }
}

/// The members of an object in their order, a key that is there twice included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl Members<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.get())
    }

    /// The text of a member that is an object.
    fn object(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|text| text.starts_with('{'))
    }

    /// A member that is a string.
    fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.get(key)?).ok()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Reads text that is the value of `field`, or everything if that is empty.
fn deserialize<'a, T: Deserialize<'a>>(text: &'a str, field: &str) -> Result<T, Fault> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = join(field, &error.path().to_string());
        fault(&error.into_inner(), &field)
    })?;
    deserializer.end().map_err(|error| fault(&error, field))?;
    Ok(value)
}

fn fault(error: &serde_json::Error, field: &str) -> Fault {
    let text = in_words(&error.to_string());
    // The field says where, and positions would be counted from its start.
    let short = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(short, _)| short);
    match field {
        "" => Fault::Json(text),
        _ if error.is_data() => Fault::Json(short.to_owned()).at(field),
        _ => Fault::Json(text).at(field),
    }
}

/// The name of a field within a field.
fn join(field: &str, inner: &str) -> String {
    match inner {
        "." | "?" | "" => field.to_owned(),
        _ if field.is_empty() || inner.starts_with('[') => format!("{field}{inner}"),
        _ => format!("{field}.{inner}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Graph;
    use super::*;

    const A: &str = "/nix/store/czdwrc68h50iivmdn00dcrkpn6px1bpz-a-1.0";
    const B: &str = "/nix/store/szib0aj2ipf0lhdd1na5jf41480mqbdk-b";

    /// `$A` and `$B` stand for the paths, `$a` and `$b` for their names.
    fn fill(text: &str) -> String {
        let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        text.replace("$A", A)
            .replace("$B", B)
            .replace("$a", &name(A))
            .replace("$b", &name(B))
    }

    fn read(text: &str) -> Result<Graph, String> {
        parse(&fill(text), "/nix/store")
            .map(|all| all.into_iter().map(|described| described.entry).collect())
            .and_then(Graph::build)
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn every_form_says_the_same() {
        let expected = Graph::build(vec![
            GraphEntry {
                path: A.to_owned(),
                size: 120,
                references: vec![],
            },
            GraphEntry {
                path: B.to_owned(),
                size: 504,
                references: vec![A.to_owned(), B.to_owned()],
            },
        ]);
        let forms = [
            // `nix path-info` 2.8.
            r#"[{"path":"$A","narHash":"sha256-HDfQGvQL4ugGkd48w99EN3ppmvuxfGjwgJZLL9Bx/BM=","narSize":120,
                 "references":[],"deriver":"/nix/store/x.drv","registrationTime":1795480142,"ultimate":true},
                {"path":"$B","narHash":"sha256-m7o=","narSize":504,"references":["$A","$B"],"closureSize":624}]"#,
            // `.attrs.json`, with a graph per root.
            r#"{"builder":"/bin/sh","exportReferencesGraph":{"graph":["$A"],"other":["$B"]},"version":2,
                "info":{"references":3},"list":[1,{"path":2}],"none":[],"objects":[{"path":"$A"}],
                "graph":[{"closureSize":120,"narSize":120,"path":"$A","references":[]}],"storeDir":null,
                "other":[{"narSize":504,"path":"$B","references":["$A","$B"]},
                         {"narSize":120,"path":"$A","references":[]}]}"#,
            // `nix path-info` 2.19 to 2.32, and with `--json-format 1` from 2.33 on.
            r#"{"$B":{"ca":null,"narHash":"sha256-m7o=","narSize":504,"references":["$A","$B"],"signatures":[]},
                "$A":{"narSize":120,"references":[],"storeDir":"/nix/store","version":1}}"#,
            r#"{"storeDir":"/nix/store","version":1,"$B":{"narSize":504,"references":["$A","$B"]},
                "$A":{"narSize":120,"references":[]}}"#,
            // `nix path-info --json-format 2`.
            r#"{"info":{"$a":{"ca":null,"narHash":"sha256-HDf=","narSize":120,"references":[],"version":2},
                "$b":{"narSize":504,"references":["$b","$a"]}},"storeDir":"/nix/store","version":2}"#,
        ];
        for form in forms {
            assert_eq!(
                read(form),
                expected.clone().map_err(|fault| fault.to_string()),
                "{form}"
            );
        }
        assert_eq!(read("[]"), Ok(Graph::default()));
        assert_eq!(
            read(r#"{"info":{},"storeDir":"/nix/store","version":2}"#),
            Ok(Graph::default())
        );
    }

    #[test]
    fn a_size_may_be_missing() {
        for size in ["", r#""narSize":null,"#, r#""narSize":0,"#] {
            let graph = read(&format!(r#"[{{"path":"$A",{size}"references":[]}}]"#)).unwrap();
            assert_eq!(graph.nodes()[0].size, 0, "{size}");
        }
    }

    #[test]
    fn a_size_that_is_none_is_refused() {
        let sizes = [
            "-1",
            "1.5",
            "1e3",
            "-0",
            "9223372036854775808",
            "1e400",
            "\"7\"",
            "[]",
            "true",
        ];
        for size in sizes {
            let message = format!("`{A}` has the size {size}, which is not a number of bytes");
            for text in [
                format!(r#"[{{"path":"$A","narSize":{size},"references":[]}}]"#),
                format!(r#"{{"$A":{{"narSize":{size},"references":[]}}}}"#),
            ] {
                assert_eq!(read(&text), Err(message.clone()));
            }
        }
        let largest =
            read(r#"[{"path":"$A","narSize":9223372036854775807,"references":[]}]"#).unwrap();
        assert_eq!(largest.nodes()[0].size, i64::MAX.unsigned_abs());
    }

    #[test]
    fn a_path_that_the_store_does_not_have_is_refused() {
        for text in [
            r#"[{"path":"$A","valid":false}]"#,
            r#"{"$A":null}"#,
            r#"{"info":{"$a":null},"storeDir":"/nix/store","version":2}"#,
        ] {
            let message = format!("`{A}` is not a valid path: the store does not have it");
            assert_eq!(read(text), Err(message), "{text}");
        }
    }

    #[test]
    fn a_fault_is_told_with_its_field() {
        let outside = "is not a path directly below `/nix/store`";
        let table = [
            (
                r#"[{"path":"$A","references":[]}, 3]"#,
                "`[1]`: it must be an object, but is the number `3`",
            ),
            (
                r#"[["$A", 1, [], true]]"#,
                "`[0]`: it must be an object, but is a list",
            ),
            (
                r#"[{"references":[]}]"#,
                "`[0]`: the field `path` is missing",
            ),
            (
                r#"[{"path":"$A"}]"#,
                "`[0]`: the field `references` is missing",
            ),
            (
                r#"[{"path":"$A","references":["$A",7]}]"#,
                "`[0].references[1]`: it must be a string, but is the number `7`",
            ),
            (
                r#"[{"path":"/etc","references":[]}]"#,
                &format!("`[0]`: `/etc` {outside}"),
            ),
            (
                r#"[{"path":"$A","path":"$A","references":[]}]"#,
                "`[0]`: the field `path` is given twice",
            ),
            (
                r#"[{"path":"$A","references":["$a"]}]"#,
                &fill(&format!("`[0].references[0]`: `$a` {outside}")),
            ),
            (
                r#"{"g":[{"path":"$A","references":[]},{"path":"$A","references":"x"}]}"#,
                "`g[1].references`: it must be a list, but is the string `\"x\"`",
            ),
            (
                r#"{"$A":7}"#,
                &format!("`{A}`: it must be an object, but is the number `7`"),
            ),
            (
                r#"{"$A":{"references":[""]}}"#,
                &format!("`{A}.references[0]`: `` {outside}"),
            ),
            (
                r#"{"info":{"$a":{"references":["../b"]}},"storeDir":"/nix/store","version":2}"#,
                &fill(&format!(
                    "`info.$a.references[0]`: `/nix/store/../b` {outside}"
                )),
            ),
            (
                r#"{"info":{"b":{"references":[]}},"storeDir":"/gnu/store","version":2}"#,
                &format!("`info.b`: `/gnu/store/b` {outside}"),
            ),
            (r#"{"a":[]}"#, &Fault::NoGraph.to_string()),
            ("{}", &Fault::NoGraph.to_string()),
        ];
        for (text, message) in table {
            assert_eq!(read(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_a_path_that_is_there_twice() {
        let twice = |size| {
            read(&format!(
                r#"{{"$A":{{"narSize":1,"references":[]}},"$A":{{"narSize":{size},"references":[]}}}}"#
            ))
        };
        assert_eq!(twice("1").unwrap().nodes().len(), 1);
        assert_eq!(
            twice("2"),
            Err(format!("`{A}` appears twice, with different sizes"))
        );
    }

    #[test]
    fn broken_text_is_refused() {
        for text in [
            "[",
            "{",
            "[]x",
            "{}x",
            "[{\"path\":}]",
            "[\"\\ud800\"]",
            r#"{"a":[1,}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        for deep in [
            "[".repeat(100_000),
            r#"{"a":"#.repeat(100_000),
            format!("{{\"a\":{}", "[".repeat(100_000)),
        ] {
            assert!(read(&deep).is_err());
        }
        assert!(read("[{}\n,x]").unwrap_err().contains("at line 2 column 2"));
    }
}
