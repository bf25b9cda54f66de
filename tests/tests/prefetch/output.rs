//! The output, and what is asked of a registry for it.

use terrine_tests::proxy::{Proxy, Request};
use terrine_tests::{Run, terrine};

use super::Place;

#[test]
fn help_is_what_it_was() {
    let help = Run::of(terrine().args(["prefetch", "--help"])).snapshot(&[]);
    insta::assert_snapshot!("help", help);
}

#[test]
fn the_output_is_what_it_was() {
    let Some(place) = Place::new() else { return };
    let index = place.usual();
    // The names are part of the hash, and the port of the registry is another in each run.
    let pinned = format!("prefetch -q WEB@{index} --final-name web --platform linux/arm/v7");
    let lines = [
        "prefetch WEB:1.2 --final-name web",
        "prefetch -q WEB:1.2 --final-name ghcr.io/acme/web --final-tag a --platform linux/arm64",
        &pinned,
        "prefetch -q docker://WEB:386 --final-name web --platform linux/386",
        "prefetch -q WEB:1.2 --final-name web --json",
        "prefetch -q WEB:1.2 --no-hash",
        "prefetch -q WEB:1.2 --final-name web --all",
        "prefetch -q WEB:1.2 --no-hash --all --json",
        "prefetch -q WEB:arm --no-hash --all",
    ];
    let said = place.said(&lines);
    assert_eq!(said, place.said(&lines), "it is the same in each run");
    insta::assert_snapshot!("output", said);
}

#[test]
fn the_digest_is_that_of_the_manifest_for_the_platform() {
    let Some(place) = Place::new() else { return };
    let index = place.usual();
    let amd64 = place.digest_of("amd64");
    let (by_index, by_digest) = (format!("WEB@{index}"), format!("WEB@{amd64}"));
    let both = format!("WEB:9@{amd64}");
    for (image, arguments, tag, named) in [
        ("WEB:1.2", "", "amd64", "1.2"),
        ("WEB:1.2", "--platform linux/amd64", "amd64", "1.2"),
        ("WEB:1.2", "--platform linux/arm64", "arm64", "1.2"),
        ("WEB:1.2", "--platform linux/arm64/v8", "arm64", "1.2"),
        ("WEB:1.2", "--platform linux/arm", "arm", "1.2"),
        ("WEB:386", "--platform linux/386", "386", "386"),
        ("docker://WEB:amd64", "", "amd64", "amd64"),
        (&by_index, "--platform linux/arm64", "arm64", "latest"),
        (&by_digest, "", "amd64", "latest"),
        (&both, "", "amd64", "9"),
    ] {
        for hash in ["", " --no-hash"] {
            let line = format!("{image} {arguments}{hash}");
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            let found = place.json(&line);
            let name = format!("{}/acme/web", place.registry.host());
            assert_eq!(found["imageDigest"], place.digest_of(tag), "{line}");
            assert_eq!(found["imageName"], name, "{line}");
            assert_eq!(found["finalImageName"], name, "{line}");
            assert_eq!(found["finalImageTag"], named, "{line}");
            assert_eq!(found.get("hash").is_none(), !hash.is_empty(), "{line}");
        }
    }
}

#[test]
fn without_a_hash_no_layer_is_fetched() {
    let Some(place) = Place::new() else { return };
    place.usual();
    let proxy = Proxy::to(&place.registry);
    for (line, manifests, blobs) in [
        ("WEB:1.2 --no-hash", 1, 0),
        ("WEB:1.2 --no-hash --all", 1, 0),
        // Only the configuration tells the platform.
        ("WEB:amd64 --no-hash", 1, 1),
        // The index and the manifest, the configuration and the layer.
        ("WEB:1.2", 2, 2),
    ] {
        proxy.forget();
        let line = line.replace("WEB", &format!("{}/acme/web", proxy.host()));
        place.run(&format!("prefetch {line}")).ok();
        let gets = |part: &'static str| {
            proxy.count(move |request: &Request| {
                request.is("GET", part) && request.status == Some(200)
            })
        };
        assert_eq!(
            (gets("/manifests/"), gets("/blobs/")),
            (manifests, blobs),
            "{line}: {}",
            proxy.story()
        );
    }
}
