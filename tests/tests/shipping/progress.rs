//! The progress of things: lines, bars and silence.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::{Value, json};
use terrine_tests::registry::Registry;
use terrine_tests::{ConfFile, Run, TestStore};

use super::{HELLO, Place};

/// Drops the digests of manifests: they name the planner, and change with it.
fn without_digests(said: &str) -> String {
    let mut pieces = said.split("@sha256:");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        assert_eq!(piece.len() - rest.len(), 64, "{piece}");
        text.push_str("@[DIGEST]");
        text.push_str(rest);
    }
    text
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
    insta::assert_snapshot!("progress", without_digests(&place.said(&lines)));
    assert_eq!(place.names("new.tar"), json!([["acme/other:1.3"]]));
}

#[test]
fn a_push_says_what_was_sent() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let place = Place::new();
    let lines =
        ["", "-q"].map(|quiet| format!("{quiet} BUILD --to docker://{}/web:1", registry.host()));
    let copy = format!(
        "copy web.tar docker://{}/copy:1 --jobs 1 --no-cache",
        registry.host()
    );
    let lines = [&lines[0], &lines[0], &lines[1], &copy, &copy].map(String::as_str);
    let said = place.said(&lines).replace(registry.host(), "[REGISTRY]");
    insta::assert_snapshot!("push", without_digests(&said));
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
        let Some(run) = Run::on_a_terminal(&place.command(line)) else {
            return;
        };
        let said = String::from_utf8_lossy(&run.stdout);
        assert_eq!(run.code, Some(0), "{said}");
        assert!(
            said.contains("layers done") && !said.contains("layer 1"),
            "{line}: {said}"
        );
    }
}

#[test]
fn an_archive_of_unknown_size_is_measured_while_it_is_read_slowly() {
    let store = TestStore::default();
    // More than pipes and buffers take.
    let size = 20_000_000;
    store.file(HELLO, &vec![b'h'; size]);
    let conf = ConfFile::new(&store, &[&[HELLO]]);
    let mut run = conf
        .command()
        .args(["--log-format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(run.stderr.take().unwrap());
    let told = said.lines().take(20).find_map(|line| {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        line["bytesTotal"].as_u64()
    });
    let mut archive = vec![];
    run.stdout
        .take()
        .unwrap()
        .read_to_end(&mut archive)
        .unwrap();
    assert!(run.wait().unwrap().success());
    let told = usize::try_from(told.unwrap()).unwrap();
    assert!(
        told > size && told <= archive.len(),
        "{told} of {}",
        archive.len()
    );
}

#[test]
fn quiet_is_silent_where_the_tag_is_given() {
    let place = Place::new();
    fs::create_dir(place.root().join("site")).unwrap();
    fs::write(place.root().join("site/file"), "").unwrap();
    let build = "-q build --name web --contents site --architecture amd64";
    let run = place.run(&format!("{build} --to oci:layout:given")).ok();
    assert_eq!(run.stderr, "");
    // Where it is goes to stdout, as ever.
    let stdout = String::from_utf8(run.stdout).unwrap();
    assert!(stdout.starts_with("oci:layout@sha256:") && stdout.lines().count() == 1);
    let run = place
        .run(&format!("{build} --to oci:layout --generated-tag"))
        .ok();
    assert!(run.stderr.ends_with(" (tag generated)\n") || run.stderr.contains("(tag generated), "));
}
