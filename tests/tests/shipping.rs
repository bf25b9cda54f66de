//! `build --to`, `copy`, `index` and `merge` as their users see them: arguments, messages, exit
//! codes, progress.

#![allow(clippy::unwrap_used, reason = "a test that can not be set up has failed")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use terrine_tests::base::{BaseImage, layer};
use terrine_tests::registry::Registry;
use terrine_tests::{Archive, Run, SpecFile, TestStore, terrine};

const HELLO: &str = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0";
const GREETING: &str = "1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-greeting-1.0";

/// A folder with a specification `image.json` of two store paths, and `web.tar`, an image.
struct Place {
    store: TestStore,
}

impl Place {
    fn new() -> Self {
        let store = TestStore::default();
        store.file(&format!("{HELLO}/bin/hello"), b"hello").file(GREETING, &[b'g'; 100_000]);
        SpecFile::new(&store, &[HELLO])
            .with("name", "web:1.2")
            .graph(&[(HELLO, 5, GREETING), (GREETING, 100_000, "")])
            .write();
        let layers = [layer("etc/one", &[b'x'; 100_000]), layer("etc/two", b"two")];
        let image = BaseImage::old(&[&layers[0], &layers[1]], &["A=1"]);
        fs::write(store.root().join("web.tar"), image.archive()).unwrap();
        Self { store }
    }

    fn root(&self) -> &Path {
        self.store.root()
    }

    /// A command line of ours, words between spaces. `BUILD` stands for the image of two store
    /// paths, made in order and without what earlier runs know.
    fn command(&self, line: &str) -> Command {
        let line = line.replace("BUILD", "build image.json --store-root . --jobs 1 --no-cache");
        let mut command = terrine();
        command.current_dir(self.root()).args(line.split(' ').filter(|word| !word.is_empty()));
        command
    }

    fn run(&self, line: &str) -> Run {
        Run::of(&mut self.command(line))
    }

    /// What each of some command lines says.
    fn said(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            let said = self.run(line).without_speed(&[(self.root(), "[ROOT]")]);
            text.push_str(&format!("$ terrine {line}\n{}\n", said.replace("--- stdout\n---", "---")));
        }
        text
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.root().join(name)).unwrap()
    }

    /// The names that the images of a docker-archive have.
    fn names(&self, archive: &str) -> Value {
        let mut archive = tar::Archive::new(&*Box::leak(self.file(archive).into_boxed_slice()));
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        let manifest = entries.find(|entry| &*entry.path_bytes() == b"manifest.json").unwrap();
        let manifest: Value = serde_json::from_reader(manifest).unwrap();
        manifest.as_array().unwrap().iter().map(|image| image["RepoTags"].clone()).collect()
    }
}

#[test]
fn help_is_what_it_was() {
    let place = Place::new();
    insta::assert_snapshot!(
        "help",
        place.said(&["copy --help", "index --help", "merge --help", "copy -h"])
    );
}

#[test]
fn what_is_no_reference_is_refused_with_the_reason() {
    let place = Place::new();
    let zeros = "0".repeat(64);
    let mut text = String::new();
    for reference in [
        "docker:x",
        "docker://",
        "docker:///x",
        "docker://ghcr.io/Acme/web",
        "docker://ghcr.io/acme/web:a b",
        "docker://ghcr.io/acme/web@sha256:00",
        "docker://ghcr.io/acme/web@md5:00",
        "dir:x",
        "https://ghcr.io/acme/web",
        "oci:",
        "oci::web",
        "oci:layout:",
        "oci:layout:@web",
        "oci-archive:",
        "docker-archive:",
        "docker-archive:x.tar:",
        "docker-daemon:",
        "containers-storage:",
        "",
        &format!("oci:layout:web@sha256:{zeros}"),
        &format!("oci:layout@sha256:{}", &zeros[1..]),
    ] {
        let run = Run::of(terrine().current_dir(place.root()).args(["copy", reference, "oci:out"]));
        assert_eq!((run.code, run.stdout.len()), (Some(2), 0), "{reference}: {}", run.stderr);
        let first = run.stderr.lines().next().unwrap();
        text.push_str(&format!("{}\n", first.split_once("<FROM>': ").unwrap().1));
    }
    insta::assert_snapshot!("references", text);
    insta::assert_snapshot!("reference-hint", place.said(&["copy dir:x oci:out"]));
}

#[test]
fn what_can_not_be_meant_is_a_usage_error() {
    let place = Place::new();
    let zeros = "0".repeat(64);
    fs::create_dir(place.root().join("folder")).unwrap();
    let digest = format!("BUILD --to docker://localhost:1/x@sha256:{zeros}");
    let lines = [
        "BUILD --to oci:layout -o web.tar",
        "BUILD --to docker-archive:new.tar --compression gzip",
        "BUILD -o new.tar --compression zstd:19",
        "BUILD --to docker-daemon:web:1 --compression gzip",
        "BUILD --to docker-archive:new.tar --annotation a=b",
        "BUILD --to oci:layout --annotation a",
        "BUILD --to oci:layout --compression xz",
        "BUILD --to oci:layout --compression gzip:13",
        "BUILD --to - --summary -",
        "BUILD --to oci-archive:- --summary -",
        "BUILD --to docker-archive:new.tar:Web:1",
        "BUILD --to docker-archive:new.tar:@0",
        "BUILD --to oci:layout:@0",
        "BUILD --to folder",
        &digest,
        "BUILD --to containers-storage:web:1:2",
        "build image.json --no-cache --cache-directories",
        "copy web.tar docker-archive:new.tar --compression gzip",
        "copy web.tar - --annotation a=b",
        "copy web.tar folder",
        "copy web.tar",
        "copy web.tar oci:layout --platform arm64/linux/v8/9",
        "index --to docker-archive:new.tar web.tar",
        "index --to oci:layout",
        "merge",
    ];
    for line in lines {
        let run = place.run(line);
        assert_eq!((run.code, run.stdout.len()), (Some(2), 0), "{line}: {}", run.stderr);
    }
    insta::assert_snapshot!("usage", place.said(&lines));
    for name in ["layout", "new.tar"] {
        assert!(!place.root().join(name).exists(), "{name}");
    }
}

#[test]
fn places_that_can_not_be_written_are_named_before_anything_is_made() {
    let place = Place::new();
    fs::write(place.root().join("file"), "x").unwrap();
    fs::create_dir_all(place.root().join("folder/x")).unwrap();
    let lines = [
        "BUILD --to oci:file",
        "BUILD --to oci:file/below",
        "BUILD --to oci:folder",
        "BUILD --to oci:/proc/nothing",
        "BUILD --to oci:layout:a+",
        "BUILD --to oci-archive:nowhere/x.tar",
        "BUILD --to docker-archive:folder",
        "copy web.tar oci:folder",
        "copy web.tar oci-archive:/proc/x.tar",
        "merge web.tar -o nowhere/x.tar",
    ];
    let said = place.said(&lines);
    assert!(!said.contains("layer 1"), "{said}");
    insta::assert_snapshot!("places", said);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let place = Place::new();
    place.run("copy web.tar oci:layout:web").ok();
    place.run("BUILD --to oci:layout:old").ok();
    place.run("copy web.tar oci-archive:layout.tar:web").ok();
    fs::create_dir(place.root().join("folder")).unwrap();
    let zeros = "0".repeat(64);
    let digest = format!("copy oci:layout@sha256:{zeros} oci:out");
    let lines = [
        "copy gone.tar oci:out",
        "copy oci:gone oci:out",
        "copy oci:folder oci:out",
        "copy oci:web.tar oci:out",
        "copy folder oci:out",
        "copy image.json oci:out",
        "copy docker-archive:layout.tar oci:out",
        "copy oci-archive:web.tar oci:out",
        "copy oci:layout oci:out",
        "copy oci:layout:new oci:out",
        &digest,
        "copy oci-archive:layout.tar:new oci:out",
        "copy docker-archive:web.tar:other:1 oci:out",
        "copy docker-archive:web.tar:@1 oci:out",
        "copy web.tar oci:out --platform linux/arm64",
        "index --to oci:out web.tar oci:layout:web",
        "merge web.tar gone.tar -o out.tar",
        "inspect oci:layout:new",
        "plan image.json --store-root . --from-image oci:layout:new",
    ];
    for line in lines {
        let run = place.run(line);
        assert_eq!((run.code, run.stdout.len()), (Some(1), 0), "{line}: {}", run.stderr);
    }
    insta::assert_snapshot!("missing", place.said(&lines));
    assert!(!place.root().join("out.tar").exists());
}

/// An index of two platforms in the layout `index`.
fn index(place: &Place) {
    let mut arm = BaseImage::old(&[&layer("etc/arm", b"arm")], &[]);
    arm.configuration["architecture"] = json!("arm64");
    let id = terrine_tests::archive::digest(arm.configuration.to_string().as_bytes());
    arm.manifest[0]["Config"] = json!(format!("{id}.json"));
    fs::write(place.root().join("arm.tar"), arm.archive()).unwrap();
    place.run("index --to oci:index:web web.tar arm.tar").ok();
}

#[test]
fn of_several_platforms_one_is_asked_for_where_there_is_room_for_one() {
    let place = Place::new();
    index(&place);
    insta::assert_snapshot!(
        "platforms",
        place.said(&[
            "copy oci:index:web docker-archive:out.tar",
            "copy oci:index:web docker-archive:out.tar --platform linux/s390x",
            "copy oci:index:web docker-archive:out.tar:web:arm --platform linux/arm64",
            "copy oci:index:web oci:again:web --jobs 1",
            "copy oci:index:web oci:again:web --jobs 1",
        ])
    );
    assert_eq!(place.names("out.tar"), json!([["web:arm"]]));
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let place = Place::new();
    let said = place.said(&[
        "copy docker://localhost:1/acme/web oci:out",
        "copy web.tar docker://localhost:1/acme/web:1 --jobs 1 --no-cache",
        "BUILD --to docker://localhost:1/acme/web:1",
    ]);
    insta::assert_snapshot!("no-registry", said);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let place = Place::new();
    let mut text = String::new();
    for line in [
        "copy web.tar docker-daemon:web:1",
        "copy containers-storage:web:1 oci:out",
        "BUILD --to docker-daemon:web",
    ] {
        let run = Run::of(place.command(line).env("PATH", place.root()));
        assert_eq!(run.code, Some(1), "{line}");
        text.push_str(&format!("$ terrine {line}\n{}\n", run.without_speed(&[])));
    }
    insta::assert_snapshot!("no-program", text);
}

/// Puts a script in the place of docker.
fn docker(place: &Place, script: &str) {
    let path = place.root().join("bin/docker");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn docker_loads_and_saves_by_its_own_commands() {
    let place = Place::new();
    let run = |line: &str| {
        let path = format!("{}:/usr/bin:/bin", place.root().join("bin").display());
        Run::of(place.command(line).env("PATH", path))
    };
    docker(
        &place,
        r#"echo "$@" >> calls; case $1 in load) cat > loaded.tar;; save) cat web.tar;; esac"#,
    );
    run("copy web.tar docker-daemon:web:1").ok();
    assert_eq!(place.names("loaded.tar"), json!([["web:1"]]));
    run("BUILD --to docker-daemon:other").ok();
    Archive::read(place.file("loaded.tar"));
    // With the tag of the image.
    assert_eq!(place.names("loaded.tar"), json!([["other:1.2"]]));
    run("copy docker-daemon:web:1 oci:out").ok();
    assert_eq!(String::from_utf8(place.file("calls")).unwrap(), "load\nload\nsave -- web:1\n");
    // One that fails, before it has read anything and after, has its words repeated.
    let mut text = String::new();
    for (script, line) in [
        ("echo no room >&2; exit 3", "copy web.tar docker-daemon:web:1"),
        ("cat > /dev/null; echo no room >&2; exit 3", "BUILD --to docker-daemon:web:1"),
        // Some say it where their results go, after much else.
        (
            "cat > /dev/null; seq 9999; printf %16379s; echo full; exit 3",
            "copy web.tar docker-daemon:web:1",
        ),
        ("echo loading; echo no room >&2; exit 3", "copy web.tar docker-daemon:web:1"),
        // One that does not want to know more has not loaded the image.
        ("exec <&-; exit 0", "copy web.tar docker-daemon:web:1"),
        ("exec <&-; exit 0", "BUILD --to docker-daemon:web:1"),
        ("exit 3", "copy docker-daemon:web:1 oci:new"),
        ("echo half", "copy docker-daemon:web:1 oci:new"),
        ("kill -9 $$", "copy docker-daemon:web:1 oci:new"),
    ] {
        docker(&place, script);
        let failed = run(&format!("-q {line}"));
        assert_eq!(failed.code, Some(1), "{line}");
        text.push_str(&format!("{script}\n{}\n", failed.stderr));
    }
    insta::assert_snapshot!("docker", text);
    assert!(!place.root().join("new").exists());
    // An image that breaks is not loaded.
    docker(&place, "cat > loaded.tar; tar -tf loaded.tar manifest.json");
    let mut broken = place.file("web.tar");
    broken[700] ^= 1;
    fs::write(place.root().join("broken.tar"), broken).unwrap();
    let failed = run("-q copy broken.tar docker-daemon:web:1");
    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains("has the digest"), "{}", failed.stderr);
}

/// Runs a command line with fewer open files than the image has layers.
fn with_few_files(place: &Place, line: &str) {
    let command = place.command(line);
    let mut limited = Command::new("sh");
    limited.args(["-c", r#"ulimit -n 256 && exec "$@""#, "sh"]).arg(command.get_program());
    limited.args(command.get_args()).current_dir(place.root());
    Run::of(&mut limited).ok();
}

#[test]
fn an_image_may_have_more_layers_than_there_may_be_open_files() {
    let place = Place::new();
    let layers: Vec<Vec<u8>> =
        (0..300).map(|number| layer(&format!("etc/{number}"), &[b'x'; 100])).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    fs::write(place.root().join("many.tar"), BaseImage::old(&layers, &[]).archive()).unwrap();
    with_few_files(&place, "copy many.tar oci-archive:archive.tar --no-cache");
    place.run("verify archive.tar").ok();
    let Some(registry) = Registry::start() else { return };
    let many = format!("docker://{}/many:1", registry.host());
    place.run(&format!("copy many.tar {many}")).ok();
    with_few_files(&place, &format!("copy {many} docker-archive:copy.tar"));
    place.run("verify copy.tar").ok();
    with_few_files(&place, &format!("merge {many} web.tar -o both.tar"));
    assert_eq!(place.names("both.tar").as_array().map(Vec::len), Some(2));
    with_few_files(&place, &format!("export {many} -o files.tar"));
}

#[test]
fn progress_is_a_line_for_each_layer_that_is_made() {
    let place = Place::new();
    let lines = [
        "BUILD --to oci:layout:web",
        "BUILD --to oci:layout:web",
        "BUILD --to oci-archive:layout.tar --compression zstd",
        "BUILD --to docker-archive:new.tar:acme/other:1.3",
        "-q BUILD --to oci:quiet",
        "copy web.tar oci:layout:copy --jobs 1",
        "copy web.tar oci:layout:copy --jobs 1",
        "-q copy web.tar oci:layout:quiet",
        "copy web.tar docker-archive:copy.tar",
        "merge web.tar copy.tar -o both.tar",
        "export web.tar -o files.tar",
        "-q export web.tar -o files.tar",
        "verify new.tar oci:layout:web",
    ];
    insta::assert_snapshot!("progress", place.said(&lines));
    assert_eq!(place.names("new.tar"), json!([["acme/other:1.3"]]));
}

#[test]
fn a_push_says_what_was_sent() {
    let Some(registry) = Registry::start() else { return };
    let place = Place::new();
    let lines = ["", "-q"].map(|quiet| format!("{quiet} BUILD --to docker://{}/web:1", registry.host()));
    let copy = format!("copy web.tar docker://{}/copy:1 --jobs 1 --no-cache", registry.host());
    let lines = [&lines[0], &lines[0], &lines[1], &copy, &copy].map(String::as_str);
    let said = place.said(&lines).replace(registry.host(), "[REGISTRY]");
    insta::assert_snapshot!("push", said);
}

#[test]
fn a_terminal_shows_a_bar() {
    let place = Place::new();
    for line in [
        "BUILD --to oci:layout:web",
        "copy web.tar oci:layout:copy",
        "merge web.tar -o new.tar",
        "export web.tar -o files.tar",
    ] {
        let Some(run) = Run::on_a_terminal(&place.command(line)) else { return };
        let said = String::from_utf8_lossy(&run.stdout);
        assert_eq!(run.code, Some(0), "{said}");
        assert!(said.contains("layers done") && !said.contains("layer 1"), "{line}: {said}");
    }
}

#[test]
fn an_archive_is_not_written_to_a_terminal() {
    let place = Place::new();
    for line in
        ["BUILD --to -", "BUILD --to oci-archive:-", "copy web.tar -", "merge web.tar", "export web.tar"]
    {
        let Some(run) = Run::on_a_terminal(&place.command(line)) else { return };
        let said = String::from_utf8_lossy(&run.stdout);
        assert_eq!(run.code, Some(2), "{line}: {said}");
        assert!(said.contains("refusing to write binary data to a terminal"), "{line}: {said}");
        assert!(said.len() < 1000, "{line}: {} bytes", said.len());
    }
}

#[test]
fn a_reader_that_does_not_want_more_ends_a_run_quietly() {
    let place = Place::new();
    place.run("copy web.tar oci:layout:web").ok();
    for line in [
        "-q BUILD --to -",
        "-q BUILD --to oci-archive:-",
        "-q copy oci:layout:web -",
        "-q copy oci:layout:web oci-archive:-",
        "-q merge web.tar",
        "-q export web.tar",
        "inspect web.tar",
        "diff web.tar web.tar",
    ] {
        // Nobody has read from it when the run begins.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command(line);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let run = Run::from(child.wait_with_output().unwrap());
        assert_eq!(run.stderr, "", "{line}");
        assert_eq!(run.code, Some(1), "{line}");
    }
}

#[test]
fn a_dash_is_stdin_and_stdout() {
    let place = Place::new();
    let archive = place.file("web.tar");
    let pipe = |line: &str, input: &[u8]| {
        let mut command = place.command(line);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Run::from(child.wait_with_output().unwrap()).ok().stdout
    };
    let direct = place.run("copy web.tar -").ok().stdout;
    assert_eq!(pipe("copy - -", &archive), direct);
    assert!(pipe("copy - oci:layout:web", &archive).is_empty());
    assert_eq!(pipe("-q verify -", &archive), b"");
    let layout = pipe("copy - oci-archive:-:web", &archive);
    assert!(pipe("copy - oci:layout:again", &layout).is_empty());
    let ids = ["oci:layout:web", "oci:layout:again", "web.tar"].map(|image| {
        let run = place.run(&format!("inspect {image}")).ok();
        serde_json::from_slice::<Value>(&run.stdout).unwrap()["imageId"].clone()
    });
    assert!(ids[0].is_string() && ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
}

#[test]
fn names_of_a_docker_archive_stay_with_it() {
    let place = Place::new();
    let mut image = BaseImage::old(&[&layer("etc/a", b"a")], &[]);
    image.manifest[0]["RepoTags"] = json!(["acme/web:1", "acme/web:latest"]);
    fs::write(place.root().join("two.tar"), image.archive()).unwrap();
    for (line, names) in [
        ("copy two.tar docker-archive:out.tar", json!([["acme/web:1", "acme/web:latest"]])),
        ("copy docker-archive:two.tar:@0 out.tar", json!([["acme/web:1", "acme/web:latest"]])),
        ("copy docker-archive:two.tar:acme/web:1 out.tar", json!([["acme/web:1"]])),
        ("copy two.tar docker-archive:out.tar:other", json!([["other:latest"]])),
        ("merge web.tar two.tar -o out.tar", json!([["base:1"], ["acme/web:1", "acme/web:latest"]])),
    ] {
        place.run(line).ok();
        assert_eq!(place.names("out.tar"), names, "{line}");
    }
}

#[test]
fn the_summary_of_a_shipped_image_says_what_is_where() {
    let place = Place::new();
    let summary = |line: &str| {
        place.run(&format!("{line} --summary web.json")).ok();
        let facts: Value = serde_json::from_slice(&place.file("web.json")).unwrap();
        let there: Vec<Value> =
            facts["layers"].as_array().unwrap().iter().map(|layer| layer["wasThere"].clone()).collect();
        (facts, there)
    };
    let (first, there) = summary("BUILD --to oci:layout:web --compression gzip");
    assert_eq!(there, [false, false, false]);
    let (second, there) = summary("BUILD --to oci:layout:web --compression gzip");
    assert_eq!(there, [true, true, true]);
    assert_eq!(first["manifest"], second["manifest"]);
    let inspected = place.run("inspect oci:layout:web --format json").ok();
    let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(first["manifest"]["digest"], inspected["manifest"]["digest"]);
    // The component is in the manifest, and another whenever it is built by another compiler.
    let text = serde_json::to_string_pretty(&second).unwrap();
    let digest = second["manifest"]["digest"].as_str().unwrap();
    let planner = second["planner"]["digest"].as_str().unwrap();
    let text = text.replace(digest, "[MANIFEST]").replace(planner, "[PLANNER]");
    insta::assert_snapshot!("summary", text);
    let (archive, there) = summary("BUILD -o new.tar");
    assert_eq!((&archive["manifest"], there), (&Value::Null, vec![Value::Null; 3]));
}

#[test]
fn a_base_in_a_layout_is_planned_and_built_on() {
    let place = Place::new();
    place.run("copy web.tar oci:layout:base --compression zstd").ok();
    index(&place);
    for base in ["oci:layout:base", "layout", "oci:index:web"] {
        let line = format!("image.json --store-root . --from-image {base} --format json");
        let plan = place.run(&format!("plan {line}")).ok();
        let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
        let kinds: Vec<&Value> = plan["layers"].as_array().unwrap().iter().map(|l| &l["kind"]).collect();
        assert_eq!(kinds, ["base", "base", "store", "store", "root"], "{base}");
    }
    let table = "plan image.json --store-root . --from-image oci:layout:base --format table";
    insta::assert_snapshot!("plan", place.said(&[table]));
    place.run("BUILD --from-image oci:layout:base --to oci:out:web").ok();
    place.run("verify oci:out:web").ok();
}

/// The digests of the layers of an image.
fn blobs(place: &Place, image: &str) -> Vec<String> {
    let run = place.run(&format!("inspect {image}")).ok();
    let facts: Value = serde_json::from_slice(&run.stdout).unwrap();
    let layers = facts["layers"].as_array().unwrap();
    layers.iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_damaged_blob_is_mended_by_whoever_makes_it_again() {
    let place = Place::new();
    place.run("BUILD --to oci:layout:1").ok();
    let blob = &blobs(&place, "oci:layout:1")[0];
    let path = place.root().join("layout/blobs/sha256").join(blob.trim_start_matches("sha256:"));
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 2000;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(place.run("verify oci:layout:1").code, Some(1));
    place.run("BUILD --to oci:layout:2").ok();
    place.run("verify oci:layout:1 oci:layout:2").ok();
}

#[test]
fn what_is_in_a_registry_is_not_sent_again_by_who_has_no_cache() {
    let Some(registry) = Registry::start() else { return };
    let place = Place::new();
    let host = registry.host();
    let line = format!("copy --no-cache web.tar docker://{host}/acme/web:1");
    assert!(place.run(&line).ok().stderr.contains(" sent"));
    let again = place.run(&line).ok().stderr;
    assert!(!again.contains(" sent"), "{again}");
    // The image's own tag counts where the target names none.
    place.run(&format!("BUILD --to docker://{host}/acme/own")).ok();
    assert_eq!(registry.tags("acme/own"), ["1.2"]);
    place.run(&format!("copy web.tar docker://{host}/acme/none")).ok();
    assert_eq!(registry.tags("acme/none"), ["latest"]);
}

#[test]
fn quiet_is_silent_where_the_tag_is_given() {
    let place = Place::new();
    fs::create_dir(place.root().join("site")).unwrap();
    let build = "-q build --name web --contents site --architecture amd64";
    let run = place.run(&format!("{build} --to oci:layout:given")).ok();
    assert_eq!((run.stdout.len(), run.stderr.as_str()), (0, ""));
    let run = place.run(&format!("{build} --to oci:layout")).ok();
    assert!(run.stderr.ends_with(" (tag generated)\n") || run.stderr.contains("(tag generated), "));
}

#[test]
fn a_level_that_is_asked_for_is_what_comes() {
    let place = Place::new();
    place.run("copy web.tar oci:layout:1 --compression gzip:1").ok();
    let first = blobs(&place, "oci:layout:1");
    place.run("copy oci:layout:1 oci:layout:same --compression gzip").ok();
    assert_eq!(blobs(&place, "oci:layout:same"), first);
    place.run("copy oci:layout:1 oci:layout:9 --compression gzip:9").ok();
    assert_ne!(blobs(&place, "oci:layout:9"), first);
}

#[test]
fn two_spellings_of_a_name_are_one_and_a_platform_is_held_against_archives() {
    let place = Place::new();
    place.run("BUILD --name web --tag 1 -o a.tar").ok();
    place.run("BUILD --name docker.io/library/web --tag 1 --label a=b -o b.tar").ok();
    let run = place.run("merge a.tar b.tar -o all.tar");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("web:1"), "{}", run.stderr);
    assert!(!place.root().join("all.tar").exists());
    let run = place.run("merge --platform linux/s390x a.tar -o all.tar");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("no image for linux/s390x"), "{}", run.stderr);
}

#[test]
fn what_a_manifest_says_of_others_is_kept_when_it_is_made_anew() {
    let place = Place::new();
    place.run("copy web.tar oci:layout:1").ok();
    let index = place.root().join("layout/index.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    let blob = |digest: &Value| {
        let hex = digest.as_str().unwrap().trim_start_matches("sha256:").to_owned();
        place.root().join("layout/blobs/sha256").join(hex)
    };
    let entry = &mut json["manifests"][0];
    let mut manifest: Value =
        serde_json::from_slice(&fs::read(blob(&entry["digest"])).unwrap()).unwrap();
    manifest["artifactType"] = json!("application/x");
    manifest["subject"] = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": entry["digest"], "size": entry["size"],
    });
    let subject = manifest["subject"].clone();
    let bytes = manifest.to_string().into_bytes();
    entry["digest"] = json!(format!("sha256:{}", terrine_tests::archive::digest(&bytes)));
    entry["size"] = json!(bytes.len());
    fs::write(blob(&entry["digest"]), bytes).unwrap();
    fs::write(&index, json.to_string()).unwrap();
    place.run("copy oci:layout:1 oci:layout:2 --annotation a=b").ok();
    let json: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    let entries = json["manifests"].as_array().unwrap();
    let copied =
        entries.iter().find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == "2");
    let copied: Value =
        serde_json::from_slice(&fs::read(blob(&copied.unwrap()["digest"])).unwrap()).unwrap();
    assert_eq!((&copied["artifactType"], &copied["subject"]), (&json!("application/x"), &subject));
    assert_eq!(copied["annotations"]["a"], "b");
}
