//! Several destinations of one run.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::proxy::Proxy;
use terrine_tests::registry::Registry;

use super::Place;

fn lines(stdout: &[u8]) -> Vec<String> {
    let text = String::from_utf8(stdout.to_vec()).unwrap();
    text.lines().map(ToOwned::to_owned).collect()
}

/// The digest that a command prints.
fn digest(place: &Place, reference: &str) -> String {
    lines(&place.run(&format!("digest {reference}")).ok().stdout).remove(0)
}

#[test]
fn each_destination_gets_what_it_gets_alone() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let place = Place::new();
    let host = registry.host();
    let several = format!(
        "BUILD --tag 1 --tag 2 --to docker://{host}/a/web --to oci:layout --to docker-archive:both.tar \
         --to oci-archive:both-oci.tar:x --to docker://{host}/b/web:only --to oci:./layout:3 \
         --digest-file digests --summary summary.json"
    );
    let said = lines(&place.run(&several).ok().stdout);
    for (line, kept) in [
        (
            format!("BUILD --tag 1 --to docker://{host}/alone/web:1"),
            None,
        ),
        ("BUILD --tag 1 --to oci:alone".to_owned(), None),
        (
            "BUILD --tag 1 --tag 2 -o alone.tar".to_owned(),
            Some(("alone.tar", "both.tar")),
        ),
        (
            "BUILD --tag 1 --to oci-archive:alone-oci.tar:x".to_owned(),
            Some(("alone-oci.tar", "both-oci.tar")),
        ),
    ] {
        place.run(&line).ok();
        if let Some((alone, both)) = kept {
            assert!(place.file(alone) == place.file(both), "{line}");
        }
    }
    let pushed = digest(&place, &format!("docker://{host}/alone/web:1"));
    let layout = digest(&place, "oci:alone:1");
    assert_ne!(pushed, layout);
    assert_eq!(
        said,
        [
            format!("{host}/a/web@{pushed}"),
            format!("oci:layout@{layout}"),
            format!("oci-archive:both-oci.tar@{layout}"),
            format!("{host}/b/web@{pushed}"),
        ]
    );
    assert_eq!(
        lines(&place.file("digests")),
        [&pushed, &layout, &layout, &pushed].map(String::clone)
    );
    for tag in ["1", "2", "3"] {
        assert_eq!(digest(&place, &format!("oci:layout:{tag}")), layout);
    }
    assert_eq!(registry.tags("a/web"), ["1", "2"]);
    assert_eq!(registry.tags("b/web"), ["only"]);
    assert_eq!(place.names("both.tar"), json!([["web:1", "web:2"]]));
    let summary: Value = serde_json::from_slice(&place.file("summary.json")).unwrap();
    let tags: Vec<&Value> = summary["destinations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|destination| &destination["tags"])
        .collect();
    assert_eq!(
        tags,
        [
            &json!(["1", "2"]),
            &json!(["1", "2", "3"]),
            &json!(["web:1", "web:2"]),
            &json!(["x"]),
            &json!(["only"])
        ]
    );
    place
        .run(&format!(
            "verify both.tar both-oci.tar oci:layout:1 docker://{host}/b/web:only"
        ))
        .ok();
    // Again, nothing is sent.
    let again = place.run(&format!(
        "BUILD --to docker://{host}/a/web --to docker://{host}/b/web"
    ));
    assert!(!again.ok().stderr.contains(" sent"));
}

#[test]
fn one_of_several_may_be_stdout() {
    let place = Place::new();
    let alone = place.run("BUILD").ok().stdout;
    assert!(place.run("BUILD --to - --to oci:layout").ok().stdout == alone);
    assert!(
        place
            .run("BUILD --to oci:layout --to docker-archive:-")
            .ok()
            .stdout
            == alone
    );
    place.run("verify oci:layout:1.2").ok();
}

#[test]
fn what_one_fails_to_do_does_not_keep_the_image_from_the_others() {
    let place = Place::new();
    fs::write(place.root().join("file"), "x").unwrap();
    for line in [
        "BUILD --to docker://localhost:1/x:1 --to oci:layout:x --to oci:file --to docker-archive:new.tar",
        "copy web.tar docker://localhost:1/x:1 oci:layout:x oci:file docker-archive:new.tar",
    ] {
        let run = place.run(&format!(
            "{line} --digest-file digests --summary summary.json"
        ));
        assert_eq!(run.code, Some(1), "{line}");
        for named in ["docker://localhost:1/x:1", "oci:file"] {
            assert!(
                run.stderr.contains(&format!("to `{named}")),
                "{}",
                run.stderr
            );
        }
        let said = lines(&run.stdout);
        let summary: Value = serde_json::from_slice(&place.file("summary.json")).unwrap();
        let summary = summary["destinations"].as_array().unwrap();
        let references: Vec<&Value> = summary.iter().map(|one| &one["reference"]).collect();
        assert_eq!(references, [&json!(said[0]), &json!(null)]);
        let digests = String::from_utf8(place.file("digests")).unwrap();
        assert!(said[0].ends_with(&format!("@{}", digests.trim_end())));
        assert!(
            said.len() == 1 && said[0].starts_with("oci:layout@sha256:"),
            "{said:?}"
        );
        place.run("verify oci:layout:x new.tar").ok();
        fs::remove_file(place.root().join("new.tar")).unwrap();
    }
    // All of them.
    let run = place.run("BUILD --to docker://localhost:1/x:1 --to oci:file");
    assert_eq!((run.code, run.stdout.len()), (Some(1), 0), "{}", run.stderr);
}

#[test]
fn what_cannot_go_together_is_told_before_anything_is_made() {
    let place = Place::new();
    let lines = [
        "BUILD --to docker-archive:new.tar --to oci-archive:./new.tar",
        "BUILD --to - --to oci-archive:-",
        "BUILD --to docker-archive:new.tar --digest-file digest",
        "BUILD --to oci:layout --summary - --digest-file -",
        "BUILD --to oci:layout --summary both --digest-file ./both",
        "BUILD --to oci-archive:new.tar --summary new.tar",
        "copy web.tar docker-archive:new.tar --digest-file digest",
        "copy web.tar oci:layout --summary both --digest-file both",
        "BUILD --to oci:layout:@",
        "BUILD --to oci:layout --generated-tag",
        "tag web.tar latest",
        "tag oci:layout docker://localhost/x:1",
    ];
    for line in lines {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
    insta::assert_snapshot!("together", place.said(&lines));
    assert!(!place.root().join("new.tar").exists());
}

#[test]
fn what_exists_is_read_once_for_all_destinations() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let place = Place::new();
    let (host, proxy) = (registry.host(), Proxy::to(&registry));
    place
        .run(&format!("copy web.tar docker://{host}/web:1"))
        .ok();
    super::index(&place);
    place
        .run(&format!("copy oci:index:web docker://{host}/both:1"))
        .ok();
    let from = format!("docker://{}/web:1", proxy.host());
    let both = format!("docker://{}/both:1", proxy.host());
    // (the source, the command line, the number of its blobs)
    for (line, blobs) in [
        (
            format!(
                "copy {from} oci:a oci-archive:b.tar docker-archive:c.tar docker://{host}/d:1 --no-cache"
            ),
            3,
        ),
        (
            format!(
                "copy {from} oci:zstd oci:other docker-archive:z.tar --compression zstd --no-cache"
            ),
            3,
        ),
        (
            format!("copy {both} oci:e docker://{host}/f:1 oci-archive:g.tar"),
            5,
        ),
        (
            format!("index {both} --to oci:h:1 --to docker://{host}/i:1 --to oci-archive:j.tar:1"),
            5,
        ),
        // One destination that fails does not keep it from the others.
        (
            format!(
                "copy {both} oci:k:1 docker-archive:l.tar docker://localhost:1/x:1 --retries 0"
            ),
            5,
        ),
    ] {
        proxy.forget();
        let run = place.run(&line);
        assert_eq!(
            run.code,
            Some(i32::from(line.contains("l.tar"))),
            "{line}: {}",
            run.stderr
        );
        let mut read: Vec<String> = proxy
            .requests()
            .iter()
            .filter(|request| request.is("GET", "/blobs/"))
            .map(|request| request.path.clone())
            .collect();
        read.sort();
        let all = read.len();
        read.dedup();
        assert_eq!(
            (read.len(), all),
            (blobs, blobs),
            "{line}: {}",
            proxy.story()
        );
    }
    // Each is what it is alone.
    let manifest = digest(&place, &from);
    for copy in [
        "oci:a:1",
        "oci-archive:b.tar:1",
        &format!("docker://{host}/d:1"),
    ] {
        assert_eq!(digest(&place, copy), manifest, "{copy}");
    }
    place
        .run(&format!("copy {from} docker-archive:alone.tar"))
        .ok();
    assert!(place.file("c.tar") == place.file("alone.tar"));
    let index = digest(&place, &both);
    for copy in [
        "oci:e:1",
        "oci-archive:g.tar:1",
        &format!("docker://{host}/f:1"),
        "oci:k:1",
    ] {
        assert_eq!(digest(&place, copy), index, "{copy}");
    }
    assert_eq!(
        digest(&place, "oci:h:1"),
        digest(&place, &format!("docker://{host}/i:1"))
    );
    place
        .run("verify c.tar z.tar oci:zstd:1 oci:other:1 oci:h:1 b.tar g.tar j.tar")
        .ok();
}

#[test]
fn an_index_of_one_image_goes_to_archives_as_well() {
    let place = Place::new();
    place.run("index --to oci:one:web web.tar").ok();
    let run = place
        .run("copy oci:one:web oci:copy oci-archive:copy-oci.tar docker-archive:copy.tar:web:1")
        .ok();
    assert_eq!(lines(&run.stdout).len(), 2, "{}", run.stderr);
    assert_eq!(
        digest(&place, "oci:copy:web"),
        digest(&place, "oci:one:web")
    );
    place.run("verify copy.tar copy-oci.tar").ok();
    assert_eq!(place.names("copy.tar"), json!([["web:1"]]));
}

#[test]
fn merged_images_go_where_archives_go() {
    let place = Place::new();
    place.run("BUILD -o built.tar").ok();
    let alone = place.run("merge web.tar built.tar").ok().stdout;
    for (line, written) in [
        (
            "merge web.tar built.tar --to docker-archive:m1.tar --summary m1.json",
            "m1.tar",
        ),
        ("merge web.tar built.tar --to m2.tar", "m2.tar"),
        ("merge web.tar built.tar -o m3.tar --summary -", "m3.tar"),
    ] {
        place.run(line).ok();
        assert!(place.file(written) == alone, "{line}");
    }
    assert!(place.run("merge web.tar built.tar --to -").ok().stdout == alone);
    let summary: Value = serde_json::from_slice(&place.file("m1.json")).unwrap();
    assert_eq!(summary["schemaVersion"], 1);
    assert_eq!(summary["images"][1]["names"], json!(["web:1.2"]));
    assert!(
        summary["images"][0]["imageId"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    assert_eq!(
        summary["destinations"][0]["destination"],
        "docker-archive:m1.tar"
    );
    let refused = [
        "merge web.tar --to docker://localhost/x",
        "merge web.tar --to oci:layout",
        "merge web.tar --to docker-archive:m.tar:web:1",
        "merge web.tar --to docker-daemon:web:1",
        "merge web.tar -o m.tar --digest-file digest",
        "merge web.tar --to - --summary -",
    ];
    for line in refused {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
    insta::assert_snapshot!("merged", place.said(&refused));
}
