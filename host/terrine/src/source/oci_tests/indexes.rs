//! Indexes, and the image of a platform.

use super::*;

#[test]
fn documents_are_what_refers_to_them_says() {
    let made = Made::new();
    let image = made.image("linux/amd64", "x");
    made.list(vec![Descriptor {
        media_type: MediaType::OciIndex,
        ..image.clone()
    }]);
    refused(made.only(), "but the descriptor that refers to it says");
    made.list(vec![Descriptor {
        media_type: MediaType::DockerManifest,
        ..image.clone()
    }]);
    refused(made.only(), "but the descriptor that refers to it says");
    made.list(vec![Descriptor {
        media_type: MediaType::parse("text/html"),
        ..image
    }]);
    refused(made.only(), "it is `text/html`, which is not supported");
    let both = br#"{"schemaVersion":2,"config":{},"manifests":[],"layers":[]}"#;
    made.list(vec![made.put(both, MediaType::OciManifest)]);
    refused(made.only(), "at once");
}

#[test]
fn indexes_are_bounded() {
    let made = Made::new();
    let image = made.image("linux/amd64", "x");
    let nested = |depth: usize| (0..depth).fold(image.clone(), |inner, _| made.index(vec![inner]));
    // The first, and three below it.
    made.list(vec![nested(4)]);
    assert_eq!(made.pick(None).as_deref(), Ok("x"));
    made.list(vec![nested(5)]);
    assert!(made.pick(None).unwrap_err().contains("is nested too deep"));

    let many = |count: usize| made.index(vec![image.clone(); count]);
    made.list(vec![many(1000)]);
    assert_eq!(made.pick(Some("linux/amd64")).as_deref(), Ok("x"));
    made.list(vec![many(1001)]);
    refused(
        made.only(),
        "it lists 1001 manifests, but at most 1000 are allowed",
    );
    // Those of nested ones count, too.
    made.list(vec![made.index(vec![many(600), many(399)])]);
    assert!(
        made.pick(Some("linux/arm64"))
            .unwrap_err()
            .contains("manifests, but at most 1000 are allowed")
    );
    made.list(vec![image; 1001]);
    refused(made.only(), "it lists 1001 manifests");
}

#[test]
fn what_lists_itself_is_refused() {
    // No index can name its own digest, but what serves it may say that it does.
    #[derive(Debug)]
    struct Endless;
    impl Blobs for Endless {
        fn blob(&self, _: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
            Ok(Box::new(std::io::repeat(b' ')))
        }
    }
    let blobs: Arc<dyn Blobs> = Arc::new(Endless);
    let own = Descriptor::of(MediaType::OciIndex, b"x");
    let document = Index::new(vec![own], Annotations::new()).to_document();
    let index = ImageIndex::new(&blobs, "x", document.clone()).unwrap();
    let child = Descriptor::new(MediaType::OciIndex, document.digest(), 10);
    refused(index.open(&child), "is nested too deep");
    refused(index.open(&index.children()[0]), "bytes, not 1");
}

#[test]
fn an_index_gives_the_image_of_the_platform() {
    let made = Made::new();
    let image = |platform: &str, layer: &str| on(&made.image(platform, layer), platform);
    let attestation = on(
        &made.put(b"not read", MediaType::OciManifest),
        "unknown/unknown",
    );
    let index = made.index(vec![
        image("linux/amd64", "amd64"),
        attestation.clone(),
        image("linux/arm/v6", "v6"),
        image("linux/arm/v7", "v7"),
        made.index(vec![image("linux/arm64/v8", "arm64")]),
        // Whose platform only it itself knows.
        made.image("linux/riscv64", "riscv64"),
    ]);
    made.list(vec![index]);
    for (wanted, expected) in [
        ("linux/amd64", "amd64"),
        ("linux/arm", "v7"),
        ("linux/arm/v8", "v7"),
        ("linux/x86_64", "amd64"),
        ("linux/amd64/v3", "amd64"),
        ("linux/aarch64", "arm64"),
        ("linux/arm/v7", "v7"),
        ("linux/arm64", "arm64"),
        ("linux/riscv64", "riscv64"),
    ] {
        assert_eq!(made.pick(Some(wanted)).as_deref(), Ok(expected), "{wanted}");
    }
    let all = "`linux/amd64`, `linux/arm/v6`, `linux/arm/v7`, `linux/arm64/v8`, `linux/riscv64`";
    for wanted in ["linux/s390x", "unknown/unknown", "linux/arm/v5"] {
        let error = made.pick(Some(wanted)).unwrap_err();
        assert!(
            error.contains(&format!("no image for {wanted}, only for {all}")),
            "{error}"
        );
    }
    let error = made.pick(None).unwrap_err();
    assert!(
        error.contains(&format!("it contains 5 images: {all}")),
        "{error}"
    );
    // What is beside the only image does not count.
    made.list(vec![
        made.index(vec![attestation.clone(), image("linux/arm/v6", "v6")]),
    ]);
    assert_eq!(made.pick(None).as_deref(), Ok("v6"));
    made.list(vec![made.index(vec![attestation])]);
    for wanted in [None, Some("linux/amd64")] {
        let error = made.pick(wanted).unwrap_err();
        assert!(error.contains("its index lists no image"), "{error}");
    }
}

#[test]
fn an_image_is_for_the_platform_that_it_says() {
    let made = Made::new();
    made.list(vec![made.image("linux/amd64", "x")]);
    assert_eq!(made.pick(Some("linux/amd64")).as_deref(), Ok("x"));
    assert!(
        made.pick(Some("linux/arm64"))
            .unwrap_err()
            .contains("only for `linux/amd64`")
    );
    // One that says nothing is taken.
    let layer = made.put(b"x", MediaType::OciLayer);
    let config = format!(r#"{{"rootfs":{{"diff_ids":["{}"]}}}}"#, layer.digest);
    let config = made.put(config.as_bytes(), MediaType::OciConfig);
    made.list(vec![made.manifest(config, vec![layer])]);
    assert_eq!(made.pick(Some("linux/arm64")).as_deref(), Ok("x"));
}

#[test]
fn artifacts_beside_images_are_passed_over() {
    let made = Made::new();
    let config = made.put(
        b"{}",
        MediaType::parse("application/vnd.cncf.helm.config.v1+json"),
    );
    let artifact = made.manifest(config, vec![]);
    made.list(vec![
        made.index(vec![artifact, made.image("linux/amd64", "x")]),
    ]);
    assert_eq!(made.pick(None).as_deref(), Ok("x"));
}

#[test]
fn what_is_no_image_does_not_make_several_of_one() {
    let made = Made::new();
    let image = made.image("linux/amd64", "x");
    let layer = made.put(b"{}", MediaType::parse("application/vnd.in-toto+json"));
    let config = made.config("linux/amd64", &[layer.digest]);
    let attestation = made.manifest(config, vec![layer]);
    let chart = made.put(
        b"{}",
        MediaType::parse("application/vnd.cncf.helm.config.v1+json"),
    );
    let mut artifact = on(&made.manifest(chart, vec![]), "linux/amd64");
    artifact.artifact_type = Some("application/vnd.cncf.helm.config.v1+json".to_owned());
    let unknown = made.put(b"<html>", MediaType::parse("text/html"));
    for other in [attestation, artifact, unknown] {
        let entries = vec![other.clone(), image.clone()];
        made.list(entries.clone());
        assert_eq!(made.pick(None).as_deref(), Ok("x"), "{other:?}");
        assert_eq!(made.pick(Some("linux/amd64")).as_deref(), Ok("x"));
        made.list(vec![made.index(entries)]);
        assert_eq!(made.pick(None).as_deref(), Ok("x"), "{other:?}");
        assert_eq!(made.pick(Some("linux/amd64")).as_deref(), Ok("x"));
    }
}
