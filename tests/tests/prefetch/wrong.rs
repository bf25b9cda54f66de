//! Things that are wrong, and what is said of them.

use terrine_tests::registry::Registry;
use terrine_tests::{Run, temporary, terrine};

use super::{Place, platform};

#[test]
fn what_is_wrong_is_said_with_a_hint() {
    let Some(place) = Place::new() else { return };
    place.usual();
    place.image("odd", &platform("a\u{1b}[2J"), "");
    let nothing = format!("prefetch WEB@sha256:{} --no-hash", "0".repeat(64));
    let lines = [
        "prefetch WEB:gone",
        &nothing,
        "prefetch WEB:1.2 --platform linux/riscv64",
        "prefetch WEB:386",
        "prefetch WEB:odd --all",
    ];
    for line in lines {
        let run = place.run(line);
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(1), 0),
            "{line}: {}",
            run.stderr
        );
    }
    insta::assert_snapshot!("wrong", place.said(&lines));
}

#[test]
fn a_missing_login_is_told() {
    let Some(registry) = Registry::with_basic_auth() else {
        return;
    };
    let folder = temporary();
    let place = Place { registry, folder };
    insta::assert_snapshot!("login", place.said(&["prefetch WEB:1.2"]));
}

#[test]
fn names_that_are_none_are_a_usage_error() {
    let mut text = String::new();
    for line in [
        "",
        "Debian",
        "debian:-",
        "debian@sha256:00",
        "./web.tar",
        "oci:layout:web",
        "docker-archive:web.tar",
        "https://ghcr.io/acme/web",
        "debian --platform arm65",
        "debian --platform linux/arm64 --all",
        "debian --final-name web:1",
        "debian --final-tag a/b",
    ] {
        let mut command = terrine();
        command.arg("prefetch").args(line.split(' '));
        let run = Run::of(&mut command);
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(2), 0),
            "{line}: {}",
            run.stderr
        );
        let said = run.stderr.split("\n\n").next().unwrap();
        text.push_str(&format!("$ terrine prefetch {line}\n{said}\n\n"));
    }
    insta::assert_snapshot!("usage", text);
}
