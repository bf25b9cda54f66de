//! Dependencies have licences, versions and sources that `deny.toml` allows.
//!
//! `cargo deny` checks the same and more; this part needs nothing but cargo, so that it always runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;
use terrine_tests::{Run, workspace};

/// The rules of `deny.toml`, as far as they are checked here.
struct Rules {
    licences: BTreeSet<String>,
    /// Names and versions of packages that another version stands beside.
    skipped: Vec<(String, String)>,
    sources: Vec<String>,
}

impl Rules {
    fn read() -> Self {
        let text = fs::read_to_string(workspace().join("deny.toml")).unwrap();
        let rules: toml::Table = toml::from_str(&text).unwrap();
        let texts = |list: &toml::Value| {
            let list = list.as_array().unwrap().iter();
            list.map(|text| text.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let skipped = rules["bans"]["skip"].as_array().unwrap().iter();
        Self {
            licences: texts(&rules["licenses"]["allow"]).into_iter().collect(),
            skipped: skipped
                .map(|one| {
                    let field = |name: &str| one[name].as_str().unwrap().to_owned();
                    (field("name"), field("version"))
                })
                .collect(),
            sources: texts(&rules["sources"]["allow-registry"]),
        }
    }

    /// Returns what a package offends against.
    fn offences(&self, package: &Package) -> Vec<String> {
        let Package {
            name,
            version,
            licence,
            source,
        } = package;
        let mut offences = vec![];
        if !self.allows(licence) {
            offences.push(format!("{name} {version} has the licence `{licence}`"));
        }
        if let Some(source) = source {
            let place = source.strip_prefix("registry+");
            if !place.is_some_and(|place| self.sources.iter().any(|known| known == place)) {
                offences.push(format!("{name} {version} comes from `{source}`"));
            }
        }
        offences
    }

    /// Evaluates an SPDX expression: `OR` needs one side, `AND` both. An older form has a slash for `OR`.
    fn allows(&self, expression: &str) -> bool {
        let spaced = expression
            .replace('(', " ( ")
            .replace(')', " ) ")
            .replace('/', " OR ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = words.as_slice();
        let allowed = self.any(&mut rest);
        allowed && rest.is_empty()
    }

    fn any(&self, words: &mut &[&str]) -> bool {
        let mut allowed = self.all(words);
        while words.first() == Some(&"OR") {
            *words = &words[1..];
            allowed |= self.all(words);
        }
        allowed
    }

    fn all(&self, words: &mut &[&str]) -> bool {
        let mut allowed = self.one(words);
        while words.first() == Some(&"AND") {
            *words = &words[1..];
            allowed &= self.one(words);
        }
        allowed
    }

    fn one(&self, words: &mut &[&str]) -> bool {
        let Some((first, rest)) = words.split_first() else {
            return false;
        };
        *words = rest;
        if *first == "(" {
            let allowed = self.any(words);
            let is_closed = words.first() == Some(&")");
            *words = words.get(1..).unwrap_or_default();
            return allowed && is_closed;
        }
        if let ["WITH", exception, rest @ ..] = *words {
            *words = rest;
            return self.licences.contains(&format!("{first} WITH {exception}"));
        }
        self.licences.contains(*first)
    }

    /// Returns packages that are there in several versions, none of which is skipped.
    fn duplicates(&self, packages: &[Package]) -> Vec<String> {
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for package in packages {
            let is_skipped = self.skipped.iter().any(|(name, version)| {
                let rest = package.version.strip_prefix(version.as_str());
                *name == package.name
                    && rest.is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'.', ..]))
            });
            if !is_skipped {
                versions
                    .entry(&package.name)
                    .or_default()
                    .insert(&package.version);
            }
        }
        let several = versions.iter().filter(|(_, versions)| versions.len() > 1);
        several
            .map(|(name, versions)| format!("{name} in versions {versions:?}"))
            .collect()
    }
}

/// A package that is built for this machine.
#[derive(Clone)]
struct Package {
    name: String,
    version: String,
    licence: String,
    /// None of a package of the workspace.
    source: Option<String>,
}

/// Returns the target of this machine, a triple of Rust.
fn host() -> String {
    let version = Run::of(Command::new("rustc").arg("-vV").current_dir(workspace())).ok();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.unwrap().to_owned()
}

fn packages() -> Vec<Package> {
    let host = host();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--all-features",
        ])
        .args(["--filter-platform", &host])
        .current_dir(workspace());
    let metadata: Value = serde_json::from_slice(&Run::of(&mut cargo).ok().stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    packages
        .map(|package| Package {
            name: text(&package["name"]).unwrap(),
            version: text(&package["version"]).unwrap(),
            licence: text(&package["license"]).unwrap_or_default(),
            source: text(&package["source"]),
        })
        .collect()
}

#[test]
fn dependencies_are_what_the_rules_allow() {
    let (rules, packages) = (Rules::read(), packages());
    assert!(packages.len() > 150, "{} packages", packages.len());
    let mut offences: Vec<String> = packages
        .iter()
        .flat_map(|package| rules.offences(package))
        .collect();
    offences.extend(rules.duplicates(&packages));
    assert_eq!(offences, Vec::<String>::new());
}

#[test]
fn what_the_rules_do_not_allow_is_found() {
    let (rules, all) = (Rules::read(), packages());
    for (expression, allowed) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("MIT OR GPL-3.0-only", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("MIT OR GPL-3.0-only AND ISC", true),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT AND GPL-3.0-only) OR AGPL-3.0-only", false),
        ("MIT WITH LLVM-exception", false),
        ("GPL-3.0-only", false),
        ("(MIT", false),
        ("MIT MIT", false),
        ("", false),
    ] {
        assert_eq!(rules.allows(expression), allowed, "{expression}");
    }
    let serde = all.iter().find(|package| package.name == "serde").unwrap();
    for source in [
        "git+https://example.org/serde",
        "registry+https://example.org/index",
    ] {
        let planted = Package {
            source: Some(source.to_owned()),
            ..serde.clone()
        };
        assert_eq!(rules.offences(&planted).len(), 1);
    }
    let other = Package {
        version: "0.1.0".to_owned(),
        ..serde.clone()
    };
    assert_eq!(rules.duplicates(&[serde.clone(), other]).len(), 1);
}

/// A package in a tree of dependencies, as cargo prints it.
type Node = (usize, String, String);

/// Returns the dependencies of a package of the workspace, or of all, with their depths and features. The target is
/// named, because without it cargo does not print again what a script needs if the program needs it as well, even if the
/// features of something below differ.
fn tree(selection: &[&str]) -> Vec<Node> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .args(["tree", "--locked", "--offline"])
        .args(["--prefix", "depth", "--format", "|{p}|{f}|"])
        .args(["--target", &host()])
        .args(selection)
        .current_dir(workspace());
    let text = String::from_utf8(Run::of(&mut cargo).ok().stdout).unwrap();
    let parts = text.lines().filter_map(|line| {
        let mut parts = line.split('|');
        let depth = parts.next()?.parse().ok()?;
        Some((depth, parts.next()?.to_owned(), parts.next()?.to_owned()))
    });
    parts.collect()
}

/// Returns the packages that some package needs, itself among them. Cargo prints what a package needs only once.
fn needed<'a>(tree: &'a [Node], name: &str) -> BTreeSet<&'a str> {
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut above: Vec<&str> = vec![];
    for (depth, package, _) in tree {
        above.truncate(*depth);
        if let Some(parent) = above.last() {
            edges.entry(parent).or_default().insert(package);
        }
        above.push(package);
    }
    let mut found = BTreeSet::new();
    let is_named = |package: &str| package.split(' ').next() == Some(name);
    let mut next: Vec<&str> = edges.values().flatten().copied().collect();
    next.retain(|package| is_named(package));
    while let Some(package) = next.pop() {
        if found.insert(package) {
            next.extend(edges.get(package).into_iter().flatten());
        }
    }
    found
}

/// The build script of `host/planner` uses wasmtime as the program does. It takes minutes to build.
#[test]
fn wasmtime_is_built_once_for_script_and_program() {
    for selection in [
        &["--edges", "normal,build,dev", "--workspace"][..],
        &["--edges", "normal,build", "--package", "terrine-cli"],
    ] {
        let tree = tree(selection);
        let needed = needed(&tree, "wasmtime");
        assert!(needed.len() > 50, "{needed:?}");
        let mut features: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (_, package, with) in tree.iter().filter(|node| needed.contains(&*node.1)) {
            features.entry(package).or_default().insert(with);
        }
        features.retain(|_, with| with.len() > 1);
        assert!(
            features.is_empty(),
            "give the build dependencies of `host/planner` the same features: {features:#?}"
        );
    }
    // The profile of a release, which scripts do not have by themselves.
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let release = &manifest["profile"]["release"];
    assert_eq!(release["build-override"]["opt-level"].as_integer(), Some(3));
    assert_eq!(release.get("opt-level"), None, "it is 3 as well");
}
