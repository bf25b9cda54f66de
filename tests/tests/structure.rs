//! The structure of the host: which module of the library may use which other one, and which
//! crates know an outside library, mostly one.
//!
//! Cargo holds the directions between crates. Those between the modules of the library are the
//! table here, which ARCHITECTURE.md prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use terrine_tests::workspace;

/// The modules of the library, in rows: a module may use those of the rows below its own, and
/// none of its own row.
const ROWS: &[&[&str]] = &[
    &["plan", "prefetch", "replay"],
    &["assemble", "copy", "export", "history"],
    &[
        "destination",
        "diff",
        "sequence",
        "startup",
        "store_database",
        "verify",
    ],
    &[
        "base",
        "claims",
        "closure",
        "filesystem",
        "inspect",
        "nar",
        "platform",
        "rootfs",
    ],
    &["layer", "source"],
    &[
        "beneath",
        "cache",
        "daemon",
        "layout",
        "links",
        "parallel",
        "pipe",
        "spec",
        "sqlite",
        "substitute",
    ],
];

/// Outside libraries that only some crates may know, mostly one, and those crates.
const OWNERS: &[(&str, &str)] = &[
    ("wasmtime", "planner"),
    ("wit-component", "planner"),
    ("ureq", "registry"),
    ("rustls", "registry"),
    ("http-auth", "registry"),
    ("tar", "tar"),
    ("libdeflater", "compress"),
    ("flate2", "compress"),
    ("bzip2", "compress"),
    ("lzma-rust2", "compress"),
    ("zstd", "compress"),
    // For the built-in planner's code.
    ("zstd", "planner"),
    ("brotli-decompressor", "compress"),
    ("lz4_flex", "compress"),
    ("ring", "binary-cache"),
    ("rusty-s3", "binary-cache"),
    ("url", "binary-cache"),
    ("rusqlite", "terrine"),
    ("libc", "isolate"),
    ("postcard", "isolate"),
    ("clap", "cli"),
    ("indicatif", "cli"),
    ("anstream", "cli"),
    ("signal-hook", "cli"),
];

/// A use of one module by another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    from: String,
    to: String,
}

fn rank(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// The uses that the table does not allow, and the modules that it does not have.
fn faults(uses: &BTreeSet<Use>) -> Vec<String> {
    uses.iter()
        .filter_map(|Use { from, to }| match (rank(from), rank(to)) {
            (None, _) => Some(format!("`{from}` is not in the table")),
            (_, None) => Some(format!("`{to}`, which `{from}` uses, is not in the table")),
            (Some(own), Some(other)) if other <= own => Some(format!("`{from}` uses `{to}`")),
            _ => None,
        })
        .collect()
}

/// The modules of the crate that a file's code names, without its tests and comments.
fn named(text: &str) -> BTreeSet<String> {
    let code: String = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut modules = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(list) => top_level(list),
            None => vec![rest],
        };
        for path in list {
            let name: String = path
                .trim()
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            modules.insert(name);
        }
    }
    modules.remove("");
    modules
}

/// The paths of a list in braces, which starts after the first one.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut paths) = (0, 0, vec![]);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                paths.push(&list[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                paths.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    paths
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The module of the library that a file belongs to; none for `lib.rs` and for tests.
fn module(path: &Path, root: &Path) -> Option<String> {
    let below = path.strip_prefix(root).unwrap();
    let is_test = below.iter().any(|part| {
        part.to_string_lossy()
            .trim_end_matches(".rs")
            .ends_with("tests")
    });
    let first = below.iter().next()?.to_string_lossy().into_owned();
    let name = first.trim_end_matches(".rs").to_owned();
    (!is_test && name != "lib").then_some(name)
}

#[test]
fn modules_of_the_library_use_only_those_below_them() {
    let root = workspace().join("host/terrine/src");
    let (mut uses, mut files) = (BTreeSet::new(), 0);
    let mut modules = BTreeSet::new();
    for path in sources(&root) {
        let Some(from) = module(&path, &root) else {
            continue;
        };
        files += 1;
        modules.insert(from.clone());
        for to in named(&fs::read_to_string(&path).unwrap()) {
            if to != from {
                uses.insert(Use {
                    from: from.clone(),
                    to,
                });
            }
        }
    }
    assert!(files > 100 && uses.len() > 40, "{files} files, {uses:?}");
    let table: BTreeSet<String> = ROWS.concat().iter().map(ToString::to_string).collect();
    assert_eq!(modules, table, "every module has a place, and only these");
    assert_eq!(faults(&uses), Vec::<String>::new());
}

#[test]
fn a_use_against_the_direction_is_found() {
    let text = "use crate::{\n    copy::{self, Error},\n    pipe,\n};\n// crate::replay\nfn f() { crate::plan::g() }\n\
                #[cfg(test)]\nmod tests { use crate::export::x; }";
    let found = named(text);
    assert_eq!(found.iter().collect::<Vec<_>>(), ["copy", "pipe", "plan"]);
    let uses = found
        .into_iter()
        .chain(["nowhere".to_owned()])
        .map(|to| Use {
            from: "layer".to_owned(),
            to,
        })
        .collect();
    assert_eq!(
        faults(&uses),
        [
            "`layer` uses `copy`",
            "`nowhere`, which `layer` uses, is not in the table",
            "`layer` uses `plan`",
        ]
    );
}

#[test]
fn the_architecture_prints_the_table() {
    let chain = ROWS
        .iter()
        .map(|row| row.join(", "))
        .collect::<Vec<_>>()
        .join("\n-> ");
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    assert!(text.contains(&chain), "ARCHITECTURE.md needs:\n{chain}");
}

/// The names of a manifest's normal dependencies.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    manifest
        .split_once("\n[dependencies]\n")
        .map_or("", |(_, rest)| rest)
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn outside_libraries_are_used_where_they_belong() {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(workspace().join("host")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for dependency in dependencies(&manifest) {
            let mut owners = OWNERS
                .iter()
                .filter(|(library, _)| *library == dependency)
                .peekable();
            if owners.peek().is_some() {
                let owner = owners.find(|(_, owner)| *owner == name);
                found.insert(
                    owner.unwrap_or_else(|| {
                        panic!("`{dependency}` does not belong to `host/{name}`")
                    }),
                );
            }
        }
    }
    let all = OWNERS.iter().collect();
    assert_eq!(found, all, "each is used where it belongs");
}

#[test]
fn a_program_that_wants_one_crate_does_not_compile_the_others() {
    for (package, forbidden) in [
        (
            "terrine",
            &["clap", "indicatif", "anstream", "signal-hook"][..],
        ),
        ("terrine-registry", &["wasmtime", "rusqlite", "tar", "clap"]),
        ("terrine-planner-host", &["ureq", "rusqlite", "tar", "clap"]),
        ("terrine-tar", &["wasmtime", "ureq", "zstd"]),
        ("terrine-compress", &["wasmtime", "ureq", "tar"]),
        ("terrine-isolate", &["wasmtime", "ureq", "rusqlite", "clap"]),
    ] {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap());
        cargo.current_dir(workspace()).args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            package,
        ]);
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let tree = String::from_utf8(output.stdout).unwrap();
        let names: BTreeSet<&str> = tree
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert!(names.contains("terrine-support"), "{tree}");
        for name in forbidden {
            assert!(!names.contains(name), "{package} compiles {name}");
        }
    }
}

/// Cargo builds a library with the features that the packages want which are built, so one that a test alone
/// wants would be missing from the program that is built alone.
#[test]
fn how_json_is_written_does_not_depend_on_what_is_built() {
    let root = workspace();
    let mut manifests = vec![
        root.join("planner-wasm"),
        root.join("tests"),
        root.join("tests/fuzz"),
    ];
    let host = fs::read_dir(root.join("host")).unwrap();
    manifests.extend(host.map(|entry| entry.unwrap().path()));
    let mut count = 0;
    for folder in manifests {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let mut lines = manifest.lines();
        if let Some(line) = lines.find(|line| line.starts_with("serde_json")) {
            // Text that is kept as it is has no say in that.
            let allowed = [
                "serde_json.workspace = true",
                r#"serde_json = { workspace = true, features = ["raw_value"] }"#,
            ];
            assert!(allowed.contains(&line), "{}: {line}", folder.display());
            count += 1;
        }
    }
    assert!(count > 4);
}
