//! Missing images and files, and what exists instead.

use std::fs;

use serde_json::json;
use terrine_tests::Run;

use super::{Place, index};

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
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(1), 0),
            "{line}: {}",
            run.stderr
        );
    }
    insta::assert_snapshot!("missing", place.said(&lines));
    assert!(!place.root().join("out.tar").exists());
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
