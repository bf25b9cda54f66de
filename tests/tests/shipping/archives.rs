//! Archives, on pipes and in storages that take them.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};
use terrine_tests::base::{BaseImage, layer};
use terrine_tests::{Archive, Run, programs};

use super::Place;

/// Puts a script in the place of docker.
fn docker(place: &Place, script: &str) {
    let path = place.root().join("bin/docker");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    programs::script(&path, script);
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
    assert_eq!(
        String::from_utf8(place.file("calls")).unwrap(),
        "load\nload\nsave -- web:1\n"
    );
    // One that fails, before it has read anything and after, has its words repeated.
    let mut text = String::new();
    for (script, line) in [
        (
            "echo no room >&2; exit 3",
            "copy web.tar docker-daemon:web:1",
        ),
        (
            "cat > /dev/null; echo no room >&2; exit 3",
            "BUILD --to docker-daemon:web:1",
        ),
        // Some say it where their results go, after much else.
        (
            "cat > /dev/null; seq 9999; printf %16379s; echo full; exit 3",
            "copy web.tar docker-daemon:web:1",
        ),
        (
            "echo loading; echo no room >&2; exit 3",
            "copy web.tar docker-daemon:web:1",
        ),
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
    assert!(
        failed.stderr.contains("has the digest"),
        "{}",
        failed.stderr
    );
}

#[test]
fn an_archive_is_not_written_to_a_terminal() {
    let place = Place::new();
    for line in [
        "BUILD --to -",
        "BUILD --to oci-archive:-",
        "copy web.tar -",
        "merge web.tar",
        "export web.tar",
    ] {
        let Some(run) = Run::on_a_terminal(&place.command(line)) else {
            return;
        };
        let said = String::from_utf8_lossy(&run.stdout);
        assert_eq!(run.code, Some(2), "{line}: {said}");
        assert!(
            said.contains("refusing to write binary data to a terminal"),
            "{line}: {said}"
        );
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
        let child = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let run = Run::from(child.wait_with_output().unwrap());
        // What is said of the image before it is written is no complaint about the reader.
        let said = run.stderr.lines();
        let mut said =
            said.filter(|said| !said.starts_with("warning: ") && !said.starts_with("hint: "));
        assert_eq!(said.next(), None, "{line}");
        assert_eq!(run.code, Some(1), "{line}");
    }
}

#[test]
fn a_dash_is_stdin_and_stdout() {
    let place = Place::new();
    let archive = place.file("web.tar");
    let pipe = |line: &str, input: &[u8]| {
        let mut command = place.command(line);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Run::from(child.wait_with_output().unwrap()).ok().stdout
    };
    let direct = place.run("copy web.tar -").ok().stdout;
    assert_eq!(pipe("copy - -", &archive), direct);
    let pinned = |out: Vec<u8>| {
        String::from_utf8(out)
            .unwrap()
            .starts_with("oci:layout@sha256:")
    };
    assert!(pinned(pipe("copy - oci:layout:web", &archive)));
    assert_eq!(pipe("-q verify -", &archive), b"");
    let layout = pipe("copy - oci-archive:-:web", &archive);
    assert!(pinned(pipe("copy - oci:layout:again", &layout)));
    let ids = ["oci:layout:web", "oci:layout:again", "web.tar"].map(|image| {
        let run = place.run(&format!("inspect {image}")).ok();
        serde_json::from_slice::<Value>(&run.stdout).unwrap()["imageId"].clone()
    });
    assert!(
        ids[0].is_string() && ids[0] == ids[1] && ids[1] == ids[2],
        "{ids:?}"
    );
}

#[test]
fn names_of_a_docker_archive_stay_with_it() {
    let place = Place::new();
    let mut image = BaseImage::old(&[&layer("etc/a", b"a")], &[]);
    image.manifest[0]["RepoTags"] = json!(["acme/web:1", "acme/web:latest"]);
    fs::write(place.root().join("two.tar"), image.archive()).unwrap();
    for (line, names) in [
        (
            "copy two.tar docker-archive:out.tar",
            json!([["acme/web:1", "acme/web:latest"]]),
        ),
        (
            "copy docker-archive:two.tar:@0 out.tar",
            json!([["acme/web:1", "acme/web:latest"]]),
        ),
        (
            "copy docker-archive:two.tar:acme/web:1 out.tar",
            json!([["acme/web:1"]]),
        ),
        (
            "copy two.tar docker-archive:out.tar:other",
            json!([["other:latest"]]),
        ),
        (
            "merge web.tar two.tar -o out.tar",
            json!([["base:1"], ["acme/web:1", "acme/web:latest"]]),
        ),
    ] {
        place.run(line).ok();
        assert_eq!(place.names("out.tar"), names, "{line}");
    }
}

#[test]
fn two_spellings_of_a_name_are_one_and_a_platform_is_held_against_archives() {
    let place = Place::new();
    place.run("BUILD --name web --tag 1 -o a.tar").ok();
    place
        .run("BUILD --name docker.io/library/web --tag 1 --label a=b -o b.tar")
        .ok();
    let run = place.run("merge a.tar b.tar -o all.tar");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("web:1"), "{}", run.stderr);
    assert!(!place.root().join("all.tar").exists());
    let run = place.run("merge --platform linux/s390x a.tar -o all.tar");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains("no image for linux/s390x"),
        "{}",
        run.stderr
    );
}
