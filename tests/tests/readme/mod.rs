//! The commands that README.md, the guides and the topics of `terrine help` show are run as they are.

mod shown;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use shown::{commands, shown_files, unquoted};
use terrine_tests::base::{BaseImage, layer};
use terrine_tests::registry::Registry;
use terrine_tests::{Archive, Run, peer, programs, temporary, terrine, workspace};

use super::planner::component;

#[test]
fn every_command_is_known_to_a_test() {
    let commands = commands();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in &commands {
        let runs_us =
            command.starts_with("terrine ") || command.starts_with("cargo run --release -- ");
        // The consumers' own test loads and runs the example, the tests are being run, and
        // the benchmark takes minutes, but is built with them.
        let known = [
            "docker run --rm hello:1.0",
            "docker load -i site.tar",
            "docker run --rm -p 8080:8080 site:1",
            "mkdir -p site/srv && echo '<h1>It works</h1>' > site/srv/index.html",
            "cargo install --path host/cli",
            "cargo test --release --workspace",
            "cargo run --release -p terrine-tests --bin bench",
        ];
        // Nix's are run by the tests of the Nix library.
        let runs_nix = command.starts_with("nix");
        assert!(
            runs_us || runs_nix || known.contains(&command.as_str()),
            "no test runs `{command}`"
        );
    }
}

/// The example's store path, and the program in it.
const HELLO: &str = "nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0";

fn hello() -> Vec<u8> {
    let program = workspace()
        .join("tests/hello")
        .join(HELLO)
        .join("bin/hello");
    fs::read(program).unwrap()
}

/// A layer with a program that the base image of the README's first example has, and what its
/// configuration names.
fn busybox() -> Vec<u8> {
    let mut builder = tar::Builder::new(vec![]);
    let users = b"base:x:1:1::/:/bin/sh\n";
    let program = hello();
    let files = [
        ("bin/httpd", &program[..]),
        ("bin/base", &program),
        ("etc/passwd", users),
    ];
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, path, bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The secret key that belongs to the public one of docs/shipping.md, made by
/// `nix-store --generate-binary-cache-key`.
const LAYERS_KEY: &str = "acme-ci-1:gquWGDNuKyzZ4rDw1R17JctBLhqzC2YjQeHHvBzcO0wDQxuJkgUPdC4zhLISbw+Pe6/RC2bN94oAEquiU+bN3g==";

/// The environment of that image.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Puts the base image into a registry.
fn push_busybox(registry: &Registry, folder: &Path) {
    let base = BaseImage::old(&[&busybox()], &[PATH]);
    fs::write(folder.join("busybox.tar"), base.archive()).unwrap();
    let to = format!("docker://{}/library/busybox", registry.host());
    let mut copy = terrine();
    Run::of(copy.current_dir(folder).args(["copy", "busybox.tar", &to])).ok();
}

/// A folder with the files that the commands name.
fn folder() -> tempfile::TempDir {
    let example = workspace().join("tests/hello");
    let folder = temporary();
    for (from, to) in [
        ("conf.json", "conf.json"),
        ("image.json", "image.json"),
        ("closure.json", "closure.json"),
        ("closure.json", "graph.json"),
    ] {
        fs::copy(example.join(from), folder.path().join(to)).unwrap();
    }
    let updates = "tests/updates/python-application.json";
    fs::create_dir_all(folder.path().join("tests/updates")).unwrap();
    fs::copy(workspace().join(updates), folder.path().join(updates)).unwrap();
    fs::create_dir_all(folder.path().join("site/srv")).unwrap();
    fs::write(
        folder.path().join("site/srv/index.html"),
        "<h1>It works</h1>\n",
    )
    .unwrap();
    fs::create_dir_all(folder.path().join("web/bin")).unwrap();
    symlink(format!("/{HELLO}"), folder.path().join("result")).unwrap();
    let program = folder.path().join("web/bin/web");
    fs::write(&program, hello()).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(
        folder.path().join("my-policy.wasm"),
        component::good().build(),
    )
    .unwrap();
    for (name, text) in shown_files() {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::write(folder.path().join("layers.key"), LAYERS_KEY).unwrap();
    let old = BaseImage::old(&[&layer("etc/old", b"old")], &[]);
    fs::write(folder.path().join("old.tar"), old.archive()).unwrap();
    for architecture in ["amd64", "arm64"] {
        let to = format!("oci:{architecture}:web");
        let mut command = terrine();
        command
            .current_dir(folder.path())
            .args(["build", "--name", "web", "--contents", "site"]);
        Run::of(command.args(["--architecture", architecture, "--to", &to])).ok();
    }
    // In the place of an image that skopeo copies.
    let mut base = terrine();
    base.current_dir(folder.path());
    Run::of(base.args(["copy", "old.tar", "oci:base:debian"])).ok();
    let mut record = terrine();
    record.current_dir(folder.path()).args([
        "replay",
        "record",
        "image.json",
        "-o",
        "updates.json",
    ]);
    Run::of(record.arg("--store-root").arg(&example)).ok();
    folder
}

/// Makes the directory of tools, as docs/recipes.md does. There is none without busybox.
fn tools(folder: &Path) -> bool {
    let Some(busybox) = peer::find("busybox") else {
        return false;
    };
    let tools = folder.join("tools");
    fs::create_dir(&tools).unwrap();
    let mut install = Command::new(&busybox);
    install.arg("--install").arg(&tools);
    programs::copy(&busybox, tools.join("busybox"));
    Run::of(&mut install).ok();
    true
}

#[test]
fn every_command_of_ours_does_what_it_says() {
    let example = workspace().join("tests/hello");
    let folder = folder();
    let has_tools = tools(folder.path());
    let files = shown_files();
    assert!(files.len() >= 3, "{files:?}");
    // All registries are one on this machine.
    let registry = Registry::start();
    if let Some(registry) = &registry {
        push_busybox(registry, folder.path());
    }
    for line in commands() {
        let Some(ours) = line
            .strip_prefix("terrine ")
            .or_else(|| line.strip_prefix("cargo run --release -- "))
        else {
            continue;
        };
        if ours.contains("run.json") && !has_tools {
            continue;
        }
        // What it is piped to is tried in the consumers' own test.
        let ours = ours.split(" | ").next().unwrap();
        let mut ours = ours.to_owned();
        if ours.contains("docker://") {
            let Some(registry) = &registry else { continue };
            for name in ["docker://ghcr.io/", "docker://localhost:5000/"] {
                ours = ours.replace(name, &format!("docker://{}/", registry.host()));
            }
            let library = format!("docker://{}/library/busybox", registry.host());
            ours = ours.replace("docker://busybox", &library);
        }
        let is_login = ours.starts_with("login ") || ours.starts_with("logout ");
        if let (Some(registry), true) = (&registry, is_login) {
            ours = ours.replace("ghcr.io", registry.host());
        }
        let mut words: Vec<&str> = ours.split(' ').map(unquoted).collect();
        let place = ["--store-root", example.to_str().unwrap()];
        // Only the first command says where the example's store is.
        if (words[0] == "stream" || words.contains(&"image.json"))
            && !words.contains(&"--store-root")
        {
            words.splice(1..1, place);
        }
        // The example's store has no database.
        if words.contains(&"result") {
            words.splice(1..1, [place[0], place[1], "--closure", "closure.json"]);
        }
        let mut command = terrine();
        // The first command names the example from the root of the workspace; the others
        // name files that the reader has.
        if words.contains(&"tests/hello") {
            command.current_dir(workspace());
        } else {
            command.current_dir(folder.path());
        }
        command.args(words.iter().map(|word| {
            if *word == "/mnt" {
                example.to_str().unwrap()
            } else {
                word
            }
        }));
        if is_login {
            fs::write(folder.path().join("password"), "secret").unwrap();
            command.stdin(fs::File::open(folder.path().join("password")).unwrap());
            command.env("REGISTRY_AUTH_FILE", folder.path().join("auth.json"));
        }
        let run = Run::of(&mut command).ok();
        // The images and closures of this test have few steps and no names of layers.
        let warned = run.stderr.contains("warning: ");
        let is_about_an_image = ["build", "plan", "stream"].contains(&words[0]);
        assert!(!warned || !is_about_an_image, "{ours}: {}", run.stderr);
        let output = words
            .iter()
            .position(|word| matches!(*word, "-o" | "--output"));
        match (words[0], output) {
            ("stream" | "build", Some(flag)) => {
                Archive::read(fs::read(folder.path().join(words[flag + 1])).unwrap());
            }
            ("stream" | "build" | "index", None) if words.contains(&"--to") => pinned(&run.stdout),
            ("copy" | "tag", _) => pinned(&run.stdout),
            ("digest", _) => assert!(run.stdout.starts_with(b"sha256:")),
            ("login", _) => assert!(folder.path().join("auth.json").is_file()),
            ("logout", _) => assert_eq!(run.stdout, b""),
            ("cache", _) if words[1] == "export" => {
                assert!(folder.path().join(words[2]).is_file());
            }
            ("cache", _) if words[1] == "import" => assert_eq!(run.stdout, b""),
            ("--version", _) => assert!(run.stdout.starts_with(b"terrine ")),
            ("verify", _) | ("replay", Some(_)) => assert_eq!(run.stdout, b""),
            ("merge", None) => assert!(!run.stdout.is_empty()),
            ("prefetch", _) => assert!(run.stdout.starts_with(b"{\n  imageName = ")),
            ("stream" | "build", None) => drop(Archive::read(run.stdout)),
            ("planner", _) if words[1] == "export" => {
                assert!(folder.path().join(words[2]).is_file());
            }
            (
                "plan" | "planner" | "layers" | "schema" | "inspect" | "diff" | "cache" | "replay",
                _,
            ) => {
                serde_json::from_slice::<serde_json::Value>(&run.stdout).unwrap();
            }
            _ => assert!(folder.path().join(words.last().unwrap()).is_file()),
        }
        if let Some(flag) = words
            .iter()
            .position(|word| matches!(*word, "--summary" | "--html"))
        {
            assert!(folder.path().join(words[flag + 1]).is_file());
        }
    }
}

#[test]
fn the_specification_that_is_shown_is_one() {
    let readme = fs::read_to_string(workspace().join("docs/building.md")).unwrap();
    let (_, rest) = readme.split_once("```json\n").unwrap();
    let (json, _) = rest.split_once("```").unwrap();
    let folder = folder();
    fs::write(folder.path().join("shown.json"), json).unwrap();
    let run = Run::of(
        terrine()
            .current_dir(folder.path())
            .args([
                "build",
                "shown.json",
                "--closure",
                "closure.json",
                "--store-root",
            ])
            .arg(workspace().join("tests/hello")),
    );
    Archive::read(run.ok().stdout);
}

/// The image that the README shows is the one that its commands make.
#[test]
fn the_plan_that_is_shown_is_one() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let folder = folder();
    push_busybox(&registry, folder.path());
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let shown = readme
        .split("```")
        .find(|block| block.starts_with("\nimage "))
        .unwrap();
    let build = commands()
        .into_iter()
        .find(|line| line.contains("--from-image"))
        .unwrap();
    let plan = build
        .replace("terrine build", "plan --format table")
        .replace(" -o site.tar", "");
    let base = format!("docker://{}/library/busybox", registry.host());
    let plan = plan.replace("docker://busybox", &base);
    let mut command = terrine();
    command.current_dir(folder.path()).args(plan.split(' '));
    let said = String::from_utf8(Run::of(&mut command).ok().stdout).unwrap();
    let said = said.replace(&base, "docker://docker.io/library/busybox");
    assert!(said.starts_with(shown.trim_start()), "{said}");
}

/// The table of ratios has what the command prints for the sequence that stands above it.
#[test]
fn the_figures_are_those_of_a_run() {
    let readme = fs::read_to_string(workspace().join("docs/updates.md")).unwrap();
    let (before, rest) = readme.split_once("| layers |").unwrap();
    let (table, after) = rest.split_once("\n\n").unwrap();
    let mut rows = table.lines().map(|line| {
        let cells = line.trim_matches('|').split('|');
        cells.map(str::trim).collect::<Vec<_>>()
    });
    let budgets = rows.next().unwrap();
    // Below the heads is a line.
    let rows: Vec<Vec<&str>> = rows.skip(1).collect();
    let mut command = terrine();
    let (_, file) = before.rsplit_once("(`").unwrap();
    let file = file.split('`').next().unwrap();
    command.args(["replay", file, "--format", "table"]);
    command.args(["--max-layers", &budgets.join(",")]);
    for row in &rows {
        command.args(["--policy", row[0].trim_matches('`')]);
    }
    let run = Run::of(command.current_dir(workspace())).ok();
    let text = String::from_utf8(run.stdout).unwrap();
    let printed: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let mut shown = rows.iter().flat_map(|row| {
        let policy = row[0].trim_matches('`');
        let cells = budgets.iter().zip(&row[1..]);
        cells.map(move |(budget, ratio)| (policy, *budget, *ratio))
    });
    assert_eq!(shown.clone().count(), 12);
    let ratio = printed
        .iter()
        .position(|line| line.contains(&"ratio"))
        .unwrap();
    for line in &printed[ratio + 1..] {
        // Sizes are two words.
        assert_eq!(shown.next(), Some((line[0], line[1], line[6])), "{text}");
    }
    assert_eq!(shown.next(), None);
    // The text around the table speaks of this sequence: a policy matters unless each path has its own layer.
    let sequence: serde_json::Value =
        serde_json::from_slice(&fs::read(workspace().join(file)).unwrap()).unwrap();
    let steps = sequence["steps"].as_array().unwrap();
    assert!(before.contains(&format!("in {} weekly versions", steps.len())));
    let paths = steps
        .iter()
        .map(|step| step["paths"].as_array().unwrap().len());
    assert!(paths.clone().all(|paths| paths.abs_diff(80) <= 5));
    assert!(after.contains("With more layers than paths"));
    for row in &rows {
        for (budget, ratio) in budgets.iter().zip(&row[1..]) {
            let fits = budget.parse::<usize>().unwrap() >= paths.clone().max().unwrap();
            assert_eq!(fits, *ratio == "1.000", "{row:?}");
        }
    }
}

/// Checks that each line is an image by its digest. There is none of a docker-archive.
fn pinned(stdout: &[u8]) {
    let text = String::from_utf8(stdout.to_vec()).unwrap();
    for line in text.lines() {
        let (name, digest) = line.split_once("@sha256:").unwrap();
        assert!(!name.is_empty() && digest.len() == 64, "{line}");
    }
}

/// The messages for programs that are shown are those of two commands.
#[test]
fn the_messages_that_are_shown_are_ours() {
    let page = fs::read_to_string(workspace().join("docs/messages.md")).unwrap();
    let (_, rest) = page.split_once("```json\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let folder = folder();
    let spec = r#"{"name": "web", "copyToRoot": ["./site"], "diskSize": 1024}"#;
    fs::write(folder.path().join("disk.json"), spec).unwrap();
    let said: String = [["plan", "disk.json"], ["inspect", "web.tar"]]
        .into_iter()
        .map(|words| {
            let mut command = terrine();
            command.current_dir(folder.path()).args(words);
            Run::of(command.args(["--log-format", "json"])).stderr
        })
        .collect();
    let here = folder.path().to_str().unwrap();
    assert_eq!(shown, said.replace(here, "/srv/images"));
}
