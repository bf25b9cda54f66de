//! The output, as Nix reads it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use terrine_tests::{Run, peer};

use super::{Place, platform};

/// Returns what Nix makes of an expression that can import `./image.nix`; nothing, said aloud, where
/// there is no Nix.
fn evaluate(folder: &Path, expression: &str) -> Option<Value> {
    let mut command = Command::new(peer::find("nix-instantiate")?);
    fs::create_dir_all(folder.join("conf")).unwrap();
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder)
        .env("NIX_CONF_DIR", folder.join("conf"))
        .env("NIX_REMOTE", "dummy://")
        .current_dir(folder)
        .args(["--eval", "--strict", "--json", "--expr", expression]);
    Some(serde_json::from_slice(&Run::of(&mut command).ok().stdout).unwrap())
}

#[test]
fn nix_reads_the_same_as_json_says() {
    let Some(place) = Place::new() else { return };
    place.usual();
    let names = [
        r#"a"b"#,
        r"a\b",
        "${builtins.abort \"\"}",
        "a$${b}",
        "let",
        "é",
    ];
    let entries = names.map(|name| place.image("odd", &platform(name), ""));
    place.index("odd", &entries);
    for line in [
        "WEB:1.2",
        "WEB:1.2 --platform linux/arm --final-name web",
        "WEB:1.2 --all",
        "WEB:odd --all --no-hash",
        "WEB:odd --all",
    ] {
        let run = place.run(&format!("prefetch -q {line}")).ok();
        assert_eq!(run.stderr, "", "{line}");
        fs::write(place.folder.path().join("image.nix"), run.stdout).unwrap();
        let Some(value) = evaluate(place.folder.path(), "import ./image.nix") else {
            return;
        };
        assert_eq!(value, place.json(line), "{line}");
    }
    assert_eq!(
        place.json("WEB:odd --all").as_object().unwrap().len(),
        names.len()
    );
}

#[test]
fn the_output_is_an_argument_of_pull_image() {
    let Some(place) = Place::new() else { return };
    place.usual();
    // Its arguments in Nixpkgs. An unknown one is an error.
    let pull = "({ imageName, imageDigest, hash, os ? \"linux\", arch, variant ? \"\", \
        finalImageName ? imageName, finalImageTag ? \"latest\", tlsVerify ? true, name ? \"\" }: \
        arch + variant)";
    let all = |key: &str| format!("{pull} (import ./image.nix).{key}");
    for (line, expression, expected) in [
        ("WEB:1.2", format!("{pull} (import ./image.nix)"), "amd64"),
        ("WEB:1.2 --all", all("${\"arm64\"}"), "arm64"),
        ("WEB:1.2 --all", all("\"arm-v${\"7\"}\""), "armv7"),
        ("WEB:1.2 --all", all("\"386\""), "386"),
    ] {
        let run = place.run(&format!("prefetch -q {line}")).ok();
        fs::write(place.folder.path().join("image.nix"), run.stdout).unwrap();
        let Some(value) = evaluate(place.folder.path(), &expression) else {
            return;
        };
        assert_eq!(value, expected);
    }
}
