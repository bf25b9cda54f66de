//! Layers, held against what is said of them.

use super::*;

#[test]
fn layers_are_what_their_descriptors_say() {
    let made = Made::new();
    let plain = b"plain".to_vec();
    let stored = [
        plain.clone(),
        gzip(b"zipped"),
        zstd::encode_all(&b"std"[..], 1).unwrap(),
    ];
    let types = [
        MediaType::OciLayer,
        MediaType::DockerLayerGzip,
        MediaType::OciLayerZstd,
    ];
    let layers: Vec<_> = stored
        .iter()
        .zip(&types)
        .map(|(bytes, kind)| made.put(bytes, kind.clone()))
        .collect();
    let diff_ids = [&b"plain"[..], b"zipped", b"std"].map(Digest::of);
    let config = made.config("linux/amd64", &diff_ids);
    let manifest = made.manifest(config.clone(), layers.clone());
    made.list(vec![manifest.clone()]);
    let Opened::Image(image) = made.only().unwrap() else {
        panic!("an index")
    };
    assert_eq!(image.manifest.unwrap().digest(), manifest.digest);
    assert_eq!(image.configuration.digest(), config.digest);
    let compressions = [Compression::None, Compression::Gzip, Compression::Zstd];
    for (number, layer) in image.layers.iter().enumerate() {
        assert_eq!(layer.descriptor().unwrap(), layers[number]);
        assert_eq!(layer.diff_id(), diff_ids[number]);
        assert_eq!(layer.stored_size(), stored[number].len() as u64);
        assert_eq!(layer.compression(), compressions[number]);
        for mut reader in [
            layer.open().unwrap(),
            Box::new(layer.content().unwrap().unwrap()),
        ] {
            let mut bytes = vec![];
            reader.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, stored[number]);
        }
    }
}

#[test]
fn bytes_that_are_not_those_of_a_digest_are_refused() {
    for what in 0..2 {
        let made = Made::new();
        let layer = made.put(b"x", MediaType::OciLayer);
        let config = made.config("linux/amd64", &[layer.digest]);
        let manifest = made.manifest(config.clone(), vec![layer]);
        made.list(vec![manifest.clone()]);
        let blob = [&manifest, &config][what];
        let path = made
            .layout
            .path()
            .join("blobs/sha256")
            .join(blob.digest.hex());
        let text = std::fs::read_to_string(&path).unwrap();
        made.alter(blob, text.replacen("sha256:", "sha256;", 1).as_bytes());
        refused(made.only(), "has the digest");
        made.alter(blob, (text + " ").as_bytes());
        refused(made.only(), "bytes, not");
        std::fs::remove_file(path).unwrap();
        refused(made.only(), "it has no member `blobs/sha256/");
    }
}

#[test]
fn sizes_are_bounded_before_anything_is_read() {
    let made = Made::new();
    let huge = |descriptor: &Descriptor| Descriptor {
        size: u64::MAX,
        ..descriptor.clone()
    };
    let image = made.image("linux/amd64", "x");
    made.list(vec![huge(&image)]);
    refused(made.only(), "and 4194304 are allowed");
    let config = made.config("linux/amd64", &[]);
    made.list(vec![made.manifest(huge(&config), vec![])]);
    refused(
        made.only(),
        "its configuration has 18446744073709551615 bytes",
    );
    let layer = made.put(b"x", MediaType::OciLayer);
    let config = made.config("linux/amd64", &[layer.digest]);
    made.list(vec![made.manifest(config, vec![huge(&layer)])]);
    refused(made.only(), "has 1 bytes, not 18446744073709551615");
}

#[test]
fn layers_and_diff_ids_are_as_many() {
    let made = Made::new();
    let layer = made.put(b"x", MediaType::OciLayer);
    for (layers, diff_ids) in [(1, 0), (0, 1), (2, 1)] {
        let config = made.config("linux/amd64", &vec![layer.digest; diff_ids]);
        made.list(vec![made.manifest(config, vec![layer.clone(); layers])]);
        refused(
            made.only(),
            &format!("it lists {layers} layers and {diff_ids} diff ids"),
        );
    }
    let config = made.config("linux/amd64", &vec![layer.digest; 1001]);
    made.list(vec![made.manifest(config, vec![layer.clone(); 1001])]);
    refused(made.only(), "it lists 1001 layers, and 1000 are allowed");
    let config = made.config("linux/amd64", &[]);
    made.list(vec![made.manifest(config, vec![])]);
    assert!(made.only().is_ok());
}

#[test]
fn types_that_are_no_layers_are_named() {
    for (text, expected) in [
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "not distributed",
        ),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "not distributed",
        ),
        (
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            "it is encrypted",
        ),
        (
            "application/vnd.wasm.content.layer.v1+wasm",
            "that is no layer of an image",
        ),
    ] {
        let made = Made::new();
        let layer = made.put(b"x", MediaType::parse(text));
        let config = made.config("linux/amd64", &[layer.digest]);
        made.list(vec![made.manifest(config, vec![layer])]);
        refused(made.only(), &format!("is `{text}`"));
        refused(made.only(), expected);
    }
    let made = Made::new();
    let config = made.put(b"{}", MediaType::parse("application/vnd.oci.empty.v1+json"));
    made.list(vec![made.manifest(config, vec![])]);
    refused(
        made.only(),
        "its configuration is `application/vnd.oci.empty.v1+json`",
    );
}

#[test]
fn a_type_that_its_bytes_belie_is_refused() {
    for (bytes, media_type, expected) in [
        (gzip(b"x"), MediaType::OciLayer, "its bytes are gzip"),
        (
            b"x".to_vec(),
            MediaType::OciLayerGzip,
            "its bytes are plain",
        ),
        (gzip(b"x"), MediaType::OciLayerZstd, "its bytes are gzip"),
        (
            b"BZh9".to_vec(),
            MediaType::DockerLayer,
            "its bytes are bzip2",
        ),
    ] {
        let made = Made::new();
        let layer = made.put(&bytes, media_type.clone());
        let config = made.config("linux/amd64", &[layer.digest]);
        made.list(vec![made.manifest(config, vec![layer])]);
        refused(made.only(), expected);
        refused(made.only(), &format!("is called `{media_type}`"));
    }
}

#[test]
fn an_image_may_have_more_layers_than_a_process_files() {
    let made = Made::new();
    let layers: Vec<_> = (0..1000)
        .map(|number| made.put(format!("{number}").as_bytes(), MediaType::OciLayer))
        .collect();
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.digest).collect();
    made.list(vec![
        made.manifest(made.config("linux/amd64", &diff_ids), layers),
    ]);
    let before = std::fs::read_dir("/proc/self/fd")
        .map(Iterator::count)
        .unwrap_or_default();
    let opened = made.only().unwrap();
    let after = std::fs::read_dir("/proc/self/fd")
        .map(Iterator::count)
        .unwrap_or_default();
    // Other tests have theirs.
    assert!(after < before + 500, "{before} {after}");
    assert_eq!(pick(opened, None).unwrap().layers.len(), 1000);
}
