//! Layers, held against what is said of them.

use terrine_oci::MAX_DOCUMENT;

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
    refused(made.only(), "but at most 4194304 are allowed");
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
    // A descriptor that says nothing of the size does not lift the limit.
    let unsaid = Descriptor {
        size: 0,
        ..image.clone()
    };
    made.list(vec![unsaid]);
    assert!(made.only().is_ok());
    let blobs = made.layout.path().join("blobs/sha256");
    let blob = std::fs::File::options()
        .write(true)
        .open(blobs.join(image.digest.hex()))
        .unwrap();
    blob.set_len(MAX_DOCUMENT + 1).unwrap();
    let opened = open_layout("x", made.layout.path());
    let opened = opened.and_then(|images| images.open(&Selector::Only));
    refused(
        opened,
        "it has 4194305 bytes, but at most 4194304 are allowed",
    );
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
    refused(
        made.only(),
        "it lists 1001 layers, but at most 1000 are allowed",
    );
    let config = made.config("linux/amd64", &[]);
    made.list(vec![made.manifest(config, vec![])]);
    assert!(made.only().is_ok());
}

#[test]
fn types_that_are_no_layers_are_named() {
    for (text, expected) in [
        (
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            "it is encrypted",
        ),
        (
            "application/vnd.wasm.content.layer.v1+wasm",
            "that is not a layer of an image",
        ),
        (
            "application/vnd.in-toto+json",
            "that is not a layer of an image",
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
fn bytes_count_more_than_what_they_are_called() {
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    for (bytes, plain, name, expected) in [
        (
            gzip(b"x"),
            &b"x"[..],
            MediaType::OciLayer.as_str(),
            Compression::Gzip,
        ),
        (
            b"x".to_vec(),
            b"x",
            MediaType::OciLayerGzip.as_str(),
            Compression::None,
        ),
        (
            b"x".to_vec(),
            b"x",
            MediaType::DockerLayerZstd.as_str(),
            Compression::None,
        ),
        (
            gzip(b"x"),
            b"x",
            MediaType::OciLayerZstd.as_str(),
            Compression::Gzip,
        ),
        (
            zstd(b"x"),
            b"x",
            MediaType::DockerLayerGzip.as_str(),
            Compression::Zstd,
        ),
        (
            zstd(b"x"),
            b"x",
            "application/octet-stream",
            Compression::Zstd,
        ),
        (gzip(b"x"), b"x", "", Compression::Gzip),
        (gzip(b"x"), b"x", "application/x-tar", Compression::Gzip),
        (
            b"x".to_vec(),
            b"x",
            "application/vnd.oci.image.layer.v1.tar+xz",
            Compression::None,
        ),
        // An archive whose first file is called so.
        (
            b"BZh9".to_vec(),
            b"BZh9",
            MediaType::DockerLayer.as_str(),
            Compression::None,
        ),
        (
            b"\x1f\x8b".to_vec(),
            b"\x1f\x8b",
            MediaType::OciLayer.as_str(),
            Compression::None,
        ),
    ] {
        let made = Made::new();
        let layer = made.put(&bytes, MediaType::parse(name));
        let config = made.config("linux/amd64", &[Digest::of(plain)]);
        made.list(vec![made.manifest(config, vec![layer])]);
        let image = pick(made.only().unwrap(), None).unwrap();
        let layer = image.layers[0].as_ref();
        assert_eq!(layer.compression(), expected, "{name}");
        let mut read = vec![];
        unpacked("x", layer)
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, plain, "{name}");
    }
}

/// Blobs that cannot be read at any place, as those of a registry.
#[derive(Debug)]
struct Remote(Vec<(Descriptor, Vec<u8>)>);

impl Blobs for Remote {
    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, Error> {
        let (_, bytes) = self.0.iter().find(|(one, _)| one == blob).unwrap();
        Ok(Box::new(&bytes[..]))
    }
}

#[test]
fn a_layer_of_a_registry_tells_what_it_is_when_it_is_opened() {
    let open = |bytes: Vec<u8>, media_type, plain: &[u8]| {
        let layer = Descriptor::of(media_type, &bytes);
        let text = serde_json::json!({"rootfs": {"diff_ids": [Digest::of(plain)]}}).to_string();
        let config = Descriptor::of(MediaType::OciConfig, text.as_bytes());
        let manifest = Manifest::new(config.clone(), vec![layer.clone()], Annotations::new());
        let blobs = vec![(layer, bytes), (config, text.into_bytes())];
        let blobs: Arc<dyn Blobs> = Arc::new(Remote(blobs));
        open_document(&blobs, "x", manifest.to_document())
            .and_then(|opened| pick(opened, None))
            .unwrap()
    };
    let image = open(gzip(b"x"), MediaType::OciLayer, b"x");
    let layer = image.layers[0].as_ref();
    assert_eq!(layer.compression(), Compression::None);
    assert_eq!(layer.look().unwrap(), Compression::Gzip);
    let image = open(gzip(b"x"), MediaType::OciLayerZstd, b"x");
    let mut read = vec![];
    let layer = image.layers[0].as_ref();
    unpacked("x", layer)
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert_eq!(
        (&read[..], layer.compression()),
        (&b"x"[..], Compression::Gzip)
    );
    // Its digest tells that one is plain.
    let image = open(b"x".to_vec(), MediaType::OciLayerGzip, b"x");
    assert_eq!(image.layers[0].compression(), Compression::None);
}

#[test]
fn a_layer_that_is_not_distributed_need_not_be_there() {
    for media_type in [
        MediaType::OciForeignLayerGzip,
        MediaType::DockerForeignLayerGzip,
    ] {
        let made = Made::new();
        let bytes = gzip(b"x");
        let mut layer = Descriptor::of(media_type, &bytes);
        layer.urls = vec!["https://a.example/x".to_owned()];
        let config = made.config("windows/amd64", &[Digest::of(b"x")]);
        made.list(vec![made.manifest(config, vec![layer.clone()])]);
        let image = pick(made.only().unwrap(), None).unwrap();
        assert!(image.layers[0].is_foreign());
        refused(
            image.layers[0].open(),
            "is not distributed with it, but from `https://a.example/x`",
        );
        made.put(&bytes, layer.media_type);
        let image = pick(made.only().unwrap(), None).unwrap();
        let mut read = vec![];
        let mut layer = unpacked("x", image.layers[0].as_ref()).unwrap();
        layer.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"x");
    }
}

#[test]
fn a_configuration_is_told_by_what_is_in_it() {
    for name in [
        "",
        "application/octet-stream",
        "application/json",
        "text/html",
    ] {
        let made = Made::new();
        let config = made.config("linux/amd64", &[]);
        let config = Descriptor::new(MediaType::parse(name), config.digest, config.size);
        made.list(vec![made.manifest(config, vec![])]);
        assert!(made.only().is_ok(), "{name}");
        let config = made.put(b"{}", MediaType::parse(name));
        made.list(vec![made.manifest(config, vec![])]);
        refused(made.only(), "it is not an image");
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

#[test]
fn sizes_that_nobody_says_are_found_out() {
    let made = Made::new();
    let bytes = gzip(b"x");
    let unsaid = |descriptor: Descriptor| Descriptor {
        size: 0,
        ..descriptor
    };
    let config = unsaid(made.config("linux/amd64", &[Digest::of(b"x")]));
    let layer = unsaid(made.put(&bytes, MediaType::OciLayerGzip));
    made.list(vec![unsaid(made.manifest(config, vec![layer]))]);
    let image = pick(made.only().unwrap(), None).unwrap();
    assert_eq!(image.layers[0].stored_size(), bytes.len() as u64);
    let mut read = vec![];
    let mut layer = unpacked("x", image.layers[0].as_ref()).unwrap();
    layer.read_to_end(&mut read).unwrap();
    assert_eq!(read, b"x");
}
