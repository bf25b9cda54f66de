//! The architecture of an image out of a cache, which does not depend on what is known of its paths from earlier builds.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use terrine_tests::{Run, empty_cache, temporary, terrine};

use super::caches::url;
use super::forged::{Forged, PUBLIC, words};

/// The start of a program: its ELF machine, and whether it has 64 bits.
fn elf(machine: u8, is_wide: bool) -> Vec<u8> {
    let mut head = vec![0; 64];
    head[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1 + u8::from(is_wide), 1, 1]);
    (head[16], head[18], head[20]) = (2, machine, 1);
    head
}

/// A cache of packages, each of which has one program and may refer to another.
struct Packages {
    folder: tempfile::TempDir,
}

impl Packages {
    fn new(programs: &[(&str, Vec<u8>, &str)]) -> Self {
        let packages = Self {
            folder: temporary(),
        };
        fs::create_dir(packages.cache()).unwrap();
        for (name, content, refers_to) in programs {
            let nar = words(&[
                b"nix-archive-1",
                b"(",
                b"type",
                b"directory",
                b"entry",
                b"(",
                b"name",
                b"run",
                b"node",
                b"(",
                b"type",
                b"regular",
                b"executable",
                b"",
                b"contents",
                content,
                b")",
                b")",
                b")",
            ]);
            let mut forged = Forged::new(nar);
            let references = refers_to.split_whitespace().map(|name| {
                let path = Self::path(name);
                path.trim_start_matches("/nix/store/").to_owned()
            });
            forged.more = format!("References: {}\n", references.collect::<Vec<_>>().join(" "));
            let hash_part = Self::hash_part(name);
            forged.write_as(&packages.cache(), &hash_part, name);
            let file = json!({"type": "regular", "size": content.len(), "executable": true});
            let root = json!({"type": "directory", "entries": {"run": file}});
            let listing = json!({"version": 1, "root": root}).to_string();
            fs::write(packages.cache().join(format!("{hash_part}.ls")), listing).unwrap();
        }
        packages
    }

    fn cache(&self) -> std::path::PathBuf {
        self.folder.path().join("cache")
    }

    fn hash_part(name: &str) -> String {
        format!("{:0>32}", name.len())
    }

    fn path(name: &str) -> String {
        format!("/nix/store/{}-{name}", Self::hash_part(name))
    }

    /// Builds an image of a package with what a home knows. Returns its id, and the source of its architecture.
    fn build(&self, home: &Path, name: &str, more: &[&str]) -> (String, Value) {
        empty_cache(home);
        let summary = home.join("summary.json");
        let mut command = terrine();
        command
            .args(["build", "--name", "x:1", "--contents", &Self::path(name)])
            .args(["--no-store", "--cache", &url(&self.cache())])
            .args(["--trusted-key", PUBLIC, "--to"])
            .arg(format!("oci:{}", home.join("layout").display()))
            .arg("--summary")
            .arg(&summary)
            .args(more)
            .env("XDG_CACHE_HOME", home)
            .env("NIX_CONF_DIR", home);
        Run::of(&mut command).ok();
        let summary: Value = serde_json::from_slice(&fs::read(summary).unwrap()).unwrap();
        let id = summary["imageId"].as_str().unwrap().to_owned();
        (id, summary["architectureSource"].clone())
    }
}

#[test]
fn what_is_known_of_paths_does_not_decide_the_architecture() {
    let script = |path: &str| format!("#!{}\n", Packages::path(path)).into_bytes();
    let packages = Packages::new(&[
        ("i386", elf(3, false), ""),
        ("script", script("i386"), "i386"),
        ("program", elf(62, true), "i386"),
        ("otherarm", elf(183, true), ""),
        ("scriptarm", script("otherarm"), "otherarm"),
        ("mixedscript", script("i386"), "i386 program"),
    ]);
    let homes = packages.folder.path();
    let from =
        |name: &str| json!({"from": "program", "file": format!("{}/run", Packages::path(name))});
    for (name, decides, more) in [
        ("script", "i386", &[][..]),
        ("program", "program", &[]),
        ("scriptarm", "otherarm", &["--allow-foreign"]),
        // Of dependencies that are as near, the widest machine counts.
        ("mixedscript", "program", &[]),
    ] {
        let home = homes.join(name);
        let cold = packages.build(&home, name, more);
        assert_eq!(cold.1, from(decides), "{name}");
        assert_eq!(packages.build(&home, name, more), cold, "{name} again");
        // Another image's build has looked at the dependency, but not at the path itself.
        let home = homes.join(format!("{name}-after-another"));
        let dependency = if name == "scriptarm" {
            "otherarm"
        } else {
            "i386"
        };
        packages.build(&home, dependency, &["--allow-foreign"]);
        assert_eq!(
            packages.build(&home, name, more),
            cold,
            "{name} after another"
        );
    }
}

/// A plan that may not fetch a path does not take a guess for an answer.
#[test]
fn a_plan_assumes_an_architecture_whatever_is_known_of_dependencies() {
    let packages = Packages::new(&[
        ("otherarm", elf(183, true), ""),
        ("scriptarm", b"#!/bin/sh".to_vec(), "otherarm"),
    ]);
    let home = packages.folder.path().join("home");
    packages.build(&home, "otherarm", &["--allow-foreign"]);
    let mut plan = terrine();
    plan.args([
        "plan",
        "--name",
        "x:1",
        "--contents",
        &Packages::path("scriptarm"),
    ])
    .args(["--no-store", "--cache", &url(&packages.cache())])
    .args(["--trusted-key", PUBLIC])
    .env("XDG_CACHE_HOME", &home)
    .env("NIX_CONF_DIR", &home);
    let run = Run::of(&mut plan).ok();
    let facts: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(
        facts["architectureSource"]["from"], "thisMachine",
        "{facts}"
    );
    assert!(run.stderr.contains("is assumed"), "{}", run.stderr);
}
