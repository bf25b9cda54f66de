//! The project's own files for Nix: the flake, the package, the guide's commands.

use std::fs;
use std::path::{Path, PathBuf};

use terrine_tests::{NixStore, Run, binary, fixture, peer, programs, workspace};

/// Copies a folder or a file.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// A folder that stands for Nixpkgs, with the program under test as its terrine.
fn nixpkgs(store: &NixStore) -> Option<PathBuf> {
    let folder = store.beside().join("nixpkgs");
    copy(&fixture("nix/nixpkgs"), &folder);
    for name in ["packages.nix", "images.nix"] {
        copy(&fixture("nix").join(name), &folder.join(name));
    }
    copy(&workspace().join("nix"), &folder.join("library"));
    copy(binary(), &folder.join("terrine"));
    copy(&peer::find("busybox")?, &folder.join("busybox"));
    Some(folder)
}

/// Copies what the flake is made of, without what is built of it.
fn flake(store: &NixStore) -> PathBuf {
    let folder = store.beside().join("flake");
    fs::create_dir(&folder).unwrap();
    for name in ["flake.nix", "nix", "Cargo.toml", "Cargo.lock"] {
        copy(&workspace().join(name), &folder.join(name));
    }
    folder
}

#[test]
fn the_flake_is_one() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let Some(nixpkgs) = nixpkgs(&store) else {
        return;
    };
    let flake = format!("path:{}", flake(&store).display());
    let nixpkgs = format!("path:{}", nixpkgs.display());
    let run = |words: &[&str]| {
        let mut command = store.command("nix");
        command.args(["--extra-experimental-features", "nix-command flakes"]);
        let rest = [
            "--no-write-lock-file",
            "--override-input",
            "nixpkgs",
            &nixpkgs,
        ];
        Run::of(command.args(words).args(rest)).ok()
    };
    run(&["flake", "check", &flake]);
    let image = format!("{flake}#lib.{}.examples.hello.imageName", system());
    let said = run(&["eval", "--raw", &image]);
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "hello");
    let package = format!("{flake}#packages.{}.terrine.meta.mainProgram", system());
    let said = run(&["eval", "--raw", &package]);
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "terrine");
}

#[test]
fn the_package_is_built_as_the_readme_says() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let Some(nixpkgs) = nixpkgs(&store) else {
        return;
    };
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let lines = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    nix"));
    let lines: Vec<&str> = lines
        .map(|line| line.split("  #").next().unwrap().trim_end())
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let flake = flake(&store);
    for line in lines {
        let Some(mut command) = store.inside("sh") else {
            return;
        };
        // Nixpkgs is the one that stands for it, and flakes are allowed.
        let line = match line.strip_prefix(" build .#") {
            Some(attribute) => format!(
                "nix --extra-experimental-features 'nix-command flakes' build 'path:.#{attribute}' \
                 --no-write-lock-file --override-input nixpkgs path:{}",
                nixpkgs.display()
            ),
            None => format!("nix{line} --out-link result"),
        };
        command
            .current_dir(&flake)
            .env("NIX_PATH", format!("nixpkgs={}", nixpkgs.display()))
            .args(["-euc", &format!("{line} && result/bin/terrine --version")]);
        let run = Run::of(&mut command).ok();
        let said = String::from_utf8(run.stdout).unwrap();
        assert!(said.contains("terrine "), "{line}: {said}");
        fs::remove_file(flake.join("result")).unwrap();
    }
}

/// This machine in Nix's terms.
fn system() -> String {
    format!("{}-linux", std::env::consts::ARCH)
}

/// The blocks of one kind in the guide.
fn blocks(kind: &str) -> Vec<String> {
    let guide = fs::read_to_string(workspace().join("docs/nix.md")).unwrap();
    let start = format!("```{kind}\n");
    let blocks = guide.split(&start).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_guides_commands_work() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let Some(nixpkgs) = nixpkgs(&store) else {
        return;
    };
    let folder = store.beside().join("guide");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("default.nix"), &blocks("nix")[0]).unwrap();
    // In the place of docker.
    let bin = store.beside().join("bin");
    fs::create_dir(&bin).unwrap();
    programs::script(bin.join("docker"), "cat > loaded.tar");
    let console = blocks("console").remove(0);
    let lines = console.lines().filter_map(|line| line.strip_prefix("$ "));
    let lines: Vec<&str> = lines
        .map(|line| line.split(" #").next().unwrap().trim())
        .collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    for line in lines {
        let Some(mut command) = store.inside("unshare") else {
            return;
        };
        let path = format!(
            "nixpkgs={}:terrine={}",
            nixpkgs.display(),
            workspace().display()
        );
        command
            .current_dir(&folder)
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/bin", bin.display()))
            .env("NIX_PATH", path)
            // Without a network: no registry is to be reached.
            .args(["--net", "sh", "-euc", line]);
        let run = Run::of(&mut command);
        if line.contains("push") {
            assert!(run.stderr.contains("ghcr.io"), "{line}: {}", run.stderr);
        } else {
            assert_eq!(run.code, Some(0), "{line}: {}", run.stderr);
        }
    }
    assert!(folder.join("layout/index.json").is_file());
    assert!(fs::metadata(folder.join("loaded.tar")).unwrap().len() > 0);
}
