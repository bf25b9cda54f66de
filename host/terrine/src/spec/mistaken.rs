//! Files that are given where an image specification or a `conf.json` is read, and are something
//! else.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::IgnoredAny;
use terrine_compress::Compression;

/// The kind of a file, and what to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mistaken {
    /// The kind, for people.
    pub(crate) what: &'static str,
    /// The advice on what to do instead.
    pub(crate) instead: &'static str,
}

const ARCHIVE: Mistaken = Mistaken {
    what: "it is an archive",
    instead: "`terrine inspect` and `terrine copy` read images; to build on one, name it by `fromImage`, or by `terrine build --from-image`",
};
const BINARY: Mistaken = Mistaken {
    what: "it is not text",
    instead: "`terrine build --file` adds the file to an image, and `terrine build --contents` a directory",
};
const UTF_16: Mistaken = Mistaken {
    what: "it is text in UTF-16",
    instead: "save it as UTF-8, for example with `Out-File -Encoding utf8` of PowerShell, or convert it with `iconv -f UTF-16 -t UTF-8`",
};
const DOCKERFILE: Mistaken = Mistaken {
    what: "it is a Dockerfile",
    instead: "Dockerfiles are not supported: `fromImage` stands for FROM, `copyToRoot` and `files` for COPY, `config` for ENV, USER and CMD; `terrine schema` explains all fields",
};
const NIX: Mistaken = Mistaken {
    what: "it is a Nix expression",
    instead: "evaluate it first, for example with `nix eval --json --file`, or build the image in Nix with the functions of terrine's Nix library",
};
const TOML: Mistaken = Mistaken {
    what: "it is TOML",
    instead: "write it as JSON, or convert it, for example with `yq -p toml -o json`; `terrine schema` explains all fields",
};
const YAML: Mistaken = Mistaken {
    what: "it is YAML",
    instead: "write it as JSON, or convert it, for example with `yq -o json`; `terrine schema` explains all fields",
};

const CONF: Mistaken = Mistaken {
    what: "it is a conf.json of dockerTools",
    instead: "`terrine stream` makes the image that it describes; to build on that image, name the file by `fromImage`, or by `terrine build --from-image`",
};
const SPECIFICATION: Mistaken = Mistaken {
    what: "it is an image specification",
    instead: "`terrine build` makes the image that it describes",
};
const CLOSURE: Mistaken = Mistaken {
    what: "it lists store paths and their references",
    instead: "name it by `closure`, or by `terrine build --closure`",
};
const PLAN: Mistaken = Mistaken {
    what: "it describes an image, as `terrine plan` and `--summary` do",
    instead: "name the specification that it was made from; `terrine build --previous` takes a plan",
};
const CONFIGURATION: Mistaken = Mistaken {
    what: "it is the configuration of an image",
    instead: "what containers run is `config` of an image specification; `terrine schema` explains all fields",
};
const MANIFEST: Mistaken = Mistaken {
    what: "it is a manifest or an index",
    instead: "name the directory that is the OCI layout: `terrine inspect` and `terrine copy` read it, and `terrine build --from-image` builds on it",
};

/// The input that a command reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An image specification.
    Specification,
    /// A `conf.json`.
    Conf,
}

/// Returns what a file is that is not what is wanted, where people take it for that.
pub(crate) fn mistaken(text: &[u8], name: &Path, wanted: Wanted) -> Option<Mistaken> {
    match serde_json::from_slice::<IgnoredAny>(text) {
        Err(_) => other_than_json(text, name),
        Ok(_) => other_json(text, wanted),
    }
}

/// Looks at the keys of an object.
fn other_json(text: &[u8], wanted: Wanted) -> Option<Mistaken> {
    let Ok(keys) = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(text) else {
        let is_list = text.trim_ascii_start().first() == Some(&b'[');
        let list = serde_json::from_slice::<Vec<BTreeMap<String, IgnoredAny>>>(text);
        let first = list.ok().and_then(|list| list.into_iter().next());
        return first
            .filter(|entry| {
                is_list && entry.contains_key("path") && entry.contains_key("references")
            })
            .map(|_| CLOSURE);
    };
    let has = |key: &str| keys.contains_key(key);
    if has("store_layers") || has("customisation_layer") {
        (wanted != Wanted::Conf).then_some(CONF)
    } else if has("schemaVersion") && (has("manifests") || has("mediaType")) {
        Some(MANIFEST)
    } else if has("schemaVersion") && has("layers") {
        Some(PLAN)
    } else if has("rootfs") && has("architecture") {
        Some(CONFIGURATION)
    } else if has("exportReferencesGraph") || keys.keys().any(|key| key.starts_with('/')) {
        Some(CLOSURE)
    } else {
        let fields = ["contents", "copyToRoot", "name", "config", "fromImage"];
        let is_specification = fields.iter().any(|key| has(key));
        (wanted == Wanted::Conf && is_specification).then_some(SPECIFICATION)
    }
}

/// Returns what text is that is no JSON, by its beginning and by the file's name, where that is
/// something that people take for it.
fn other_than_json(text: &[u8], name: &Path) -> Option<Mistaken> {
    if Compression::detect(text) != Compression::None || text.get(257..262) == Some(b"ustar") {
        return Some(ARCHIVE);
    }
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Some(UTF_16);
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return Some(BINARY);
    };
    if text.contains('\0') {
        return Some(BINARY);
    }
    by_content(text).or_else(|| by_name(name))
}

fn by_name(name: &Path) -> Option<Mistaken> {
    let file = name.file_name()?.to_str()?;
    match file.rsplit_once('.') {
        Some((_, "nix")) => Some(NIX),
        Some((_, "toml")) => Some(TOML),
        Some((_, "yaml" | "yml")) => Some(YAML),
        Some((_, "Dockerfile" | "dockerfile" | "Containerfile")) => Some(DOCKERFILE),
        Some(("Dockerfile" | "Containerfile", _)) => Some(DOCKERFILE),
        None if matches!(file, "Dockerfile" | "Containerfile") => Some(DOCKERFILE),
        _ => None,
    }
}

/// Looks at the first line that is no comment.
fn by_content(text: &str) -> Option<Mistaken> {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"))?;
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    let rest = words.next();
    if ["FROM", "ARG"].contains(&first.to_ascii_uppercase().as_str()) && rest.is_some() {
        return Some(DOCKERFILE);
    }
    let nix = [
        "import ",
        "import<",
        "<nixpkgs>",
        "mkDerivation",
        "pkgs.",
        "}:",
        "...}",
        "... }",
    ];
    let begins = matches!(first, "let" | "with" | "rec" | "inherit");
    let function = line.starts_with('{') && !line.contains('"');
    if begins || (function || line.contains(':')) && nix.iter().any(|word| line.contains(word)) {
        return Some(NIX);
    }
    if line.starts_with('{') {
        // Attributes end in semicolons, members of objects in commas.
        let attribute = |line: &str| line.contains('=') && line.trim_end().ends_with(';');
        return text.lines().any(attribute).then_some(NIX);
    }
    if line.starts_with("---") || line.starts_with("%YAML") || line.starts_with("- ") {
        return Some(YAML);
    }
    let is_key = |key: &str| {
        let key = key.trim().trim_matches('"');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        !key.is_empty() && key.chars().all(plain)
    };
    let header = line.trim_start_matches('[').trim_end_matches(']');
    if line.starts_with('[') && line.ends_with(']') && is_key(header) && !header.contains('"') {
        return Some(TOML);
    }
    match (line.split_once('='), line.split_once(':')) {
        (Some((key, _)), _) if is_key(key) => Some(TOML),
        (_, Some((key, rest))) if is_key(key) && (rest.is_empty() || rest.starts_with(' ')) => {
            Some(YAML)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_known_by_their_beginning() {
        for (text, expected) in [
            ("name: web\ncontents:\n  - ./site\n", Some(YAML)),
            ("# an image\n\nname:\n  web\n", Some(YAML)),
            ("---\nname: web\n", Some(YAML)),
            ("- name: web\n", Some(YAML)),
            ("name = \"web\"\n", Some(TOML)),
            ("[image]\nname = \"web\"\n", Some(TOML)),
            ("[[image]]\n", Some(TOML)),
            ("FROM debian:12\nRUN true\n", Some(DOCKERFILE)),
            (
                "# syntax=docker/dockerfile:1\nfrom scratch\n",
                Some(DOCKERFILE),
            ),
            ("ARG V=1\nFROM debian:$V\n", Some(DOCKERFILE)),
            ("{ pkgs ? import <nixpkgs> {} }:\npkgs.hello\n", Some(NIX)),
            ("{ pkgs, lib, ... }:\n{ }\n", Some(NIX)),
            (
                "{\n  description = \"x\";\n  outputs = _: {};\n}\n",
                Some(NIX),
            ),
            ("with import <nixpkgs> {};\nhello\n", Some(NIX)),
            ("let x = 1; in x\n", Some(NIX)),
            ("pkgs: pkgs.hello\n", Some(NIX)),
            ("rec { x = 1; }\n", Some(NIX)),
            ("\x1f\u{8b}", None),
            ("", None),
            ("{\"name\": \"web\",}", None),
            ("{name: \"web\"}", None),
            ("[1, 2]", None),
            ("[\"a\"]", None),
            ("\"text\"", None),
            ("hello world\n", None),
            ("7", None),
        ] {
            let found = other_than_json(text.as_bytes(), Path::new("image.json"));
            assert_eq!(found, expected, "{text}");
        }
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, expected) in [
            (&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0][..], ARCHIVE),
            (&tar, ARCHIVE),
            (b"\x7fELF\x02\0", BINARY),
            (b"\xff\xff", BINARY),
            (b"\xff\xfe{\0}\0", UTF_16),
            (b"\xfe\xff\0{\0}", UTF_16),
        ] {
            assert_eq!(other_than_json(bytes, Path::new("x")), Some(expected));
        }
    }

    #[test]
    fn json_of_other_kinds_is_known_by_its_keys() {
        let table = [
            (r#"{"store_layers": [], "repo_tag": "x"}"#, Some(CONF), None),
            (
                r#"{"name": "x", "contents": []}"#,
                None,
                Some(SPECIFICATION),
            ),
            (
                r#"{"schemaVersion": 1, "layers": [], "name": "x"}"#,
                Some(PLAN),
                Some(PLAN),
            ),
            (
                r#"{"schemaVersion": 2, "manifests": []}"#,
                Some(MANIFEST),
                Some(MANIFEST),
            ),
            (
                r#"{"rootfs": {}, "architecture": "x", "config": {}}"#,
                Some(CONFIGURATION),
                Some(CONFIGURATION),
            ),
            (r#"{"/nix/store/a": {}}"#, Some(CLOSURE), Some(CLOSURE)),
            (
                r#"[{"path": "/nix/store/a", "references": []}]"#,
                Some(CLOSURE),
                Some(CLOSURE),
            ),
            ("[]", None, None),
            ("{}", None, None),
            ("7", None, None),
        ];
        for (text, spec, conf) in table {
            let found = |wanted| mistaken(text.as_bytes(), Path::new("x.json"), wanted);
            assert_eq!(found(Wanted::Specification), spec, "{text}");
            assert_eq!(found(Wanted::Conf), conf, "{text}");
        }
    }

    #[test]
    fn a_name_tells_where_the_content_does_not() {
        for (name, expected) in [
            ("a/image.yaml", Some(YAML)),
            ("image.yml", Some(YAML)),
            ("image.toml", Some(TOML)),
            ("flake.nix", Some(NIX)),
            ("x/Dockerfile", Some(DOCKERFILE)),
            ("Dockerfile.debug", Some(DOCKERFILE)),
            ("web.Dockerfile", Some(DOCKERFILE)),
            ("Containerfile", Some(DOCKERFILE)),
            ("image.json", None),
            ("stdin", None),
        ] {
            assert_eq!(other_than_json(b"", Path::new(name)), expected, "{name}");
        }
    }
}
