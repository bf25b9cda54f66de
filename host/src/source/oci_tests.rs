//! Images of layouts and archives, good ones and others.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;
use crate::image::{Annotations, Index, Manifest, MediaType, Platform, Reference, Selector};
use crate::layout::{Layout as Directory, REF_NAME};

/// A layout in the making.
struct Made {
    directory: tempfile::TempDir,
    layout: Directory,
}

impl Made {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = Directory::create(&directory.path().join("layout")).unwrap();
        Self { directory, layout }
    }

    fn put(&self, bytes: &[u8], media_type: MediaType) -> Descriptor {
        self.layout.put(bytes, media_type).unwrap()
    }

    fn config(&self, platform: &str, diff_ids: &[Digest]) -> Descriptor {
        let platform: Platform = platform.parse().unwrap();
        let mut value = serde_json::json!({"rootfs": {"type": "layers", "diff_ids": diff_ids}});
        value["os"] = platform.os.into();
        value["architecture"] = platform.architecture.into();
        value["variant"] = platform.variant.into();
        self.put(value.to_string().as_bytes(), MediaType::OciConfig)
    }

    fn manifest(&self, config: Descriptor, layers: Vec<Descriptor>) -> Descriptor {
        let document = Manifest::new(config, layers, Annotations::new()).to_document();
        self.put(&document.bytes, document.media_type)
    }

    /// An image with one plain layer.
    fn image(&self, platform: &str, layer: &str) -> Descriptor {
        let layer = self.put(layer.as_bytes(), MediaType::OciLayer);
        let config = self.config(platform, &[layer.digest]);
        self.manifest(config, vec![layer])
    }

    fn index(&self, manifests: Vec<Descriptor>) -> Descriptor {
        let document = Index::new(manifests, Annotations::new()).to_document();
        self.put(&document.bytes, document.media_type)
    }

    /// What `index.json` lists.
    fn list(&self, manifests: Vec<Descriptor>) -> &Self {
        let text = Index::new(manifests, Annotations::new()).to_document().bytes;
        std::fs::write(self.layout.path().join("index.json"), text).unwrap();
        self
    }

    /// Another content under the same digest.
    fn alter(&self, blob: &Descriptor, bytes: &[u8]) {
        let path = self.layout.path().join("blobs/sha256").join(blob.digest.hex());
        std::fs::write(path, bytes).unwrap();
    }

    /// The same as an archive.
    fn archive(&self) -> PathBuf {
        let path = self.directory.path().join("archive.tar");
        let mut archive = tar::Builder::new(std::fs::File::create(&path).unwrap());
        archive.append_dir_all(".", self.layout.path()).unwrap();
        archive.finish().unwrap();
        path
    }

    fn open(&self, selector: &Selector) -> Result<Opened, Error> {
        let opened = open_layout("x", self.layout.path()).and_then(|images| images.open(selector));
        // The same in an archive.
        let archived = open_archive("x", &self.archive()).and_then(|images| images.open(selector));
        assert_eq!(message(&opened), message(&archived));
        opened
    }

    fn only(&self) -> Result<Opened, Error> {
        self.open(&Selector::Only)
    }

    fn pick(&self, platform: Option<&str>) -> Result<String, String> {
        let platform = platform.map(|text| text.parse().unwrap());
        let picked = self.only().and_then(|opened| pick(opened, platform.as_ref()));
        picked.map(|image| first_layer(&image)).map_err(|error| chain(&error))
    }

    fn by(&self, selector: &Selector) -> Result<String, String> {
        let picked = self.open(selector).and_then(|opened| pick(opened, None));
        picked.map(|image| first_layer(&image)).map_err(|error| chain(&error))
    }
}

fn first_layer(image: &Image) -> String {
    let mut text = String::new();
    image.layers[0].open().unwrap().read_to_string(&mut text).unwrap();
    text
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn message(opened: &Result<Opened, Error>) -> String {
    match opened {
        Ok(Opened::Image(image)) => image.configuration.digest().to_string(),
        Ok(Opened::Index(index)) => index.document.digest().to_string(),
        Err(error) => chain(error),
    }
}

fn refused(outcome: Result<impl Sized, Error>, expected: &str) {
    let Err(error) = outcome else { panic!("it was taken: {expected}") };
    let text = chain(&error);
    assert!(text.contains(expected), "{text}: {expected}");
}

fn with(descriptor: &Descriptor, key: &str, value: &str) -> Descriptor {
    let mut descriptor = descriptor.clone();
    descriptor.annotations.insert(key.to_owned(), value.to_owned());
    descriptor
}

fn on(descriptor: &Descriptor, platform: &str) -> Descriptor {
    Descriptor { platform: Some(platform.parse().unwrap()), ..descriptor.clone() }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn layers_are_what_their_descriptors_say() {
    let made = Made::new();
    let plain = b"plain".to_vec();
    let stored = [plain.clone(), gzip(b"zipped"), zstd::encode_all(&b"std"[..], 1).unwrap()];
    let types = [MediaType::OciLayer, MediaType::DockerLayerGzip, MediaType::OciLayerZstd];
    let layers: Vec<_> =
        stored.iter().zip(&types).map(|(bytes, kind)| made.put(bytes, kind.clone())).collect();
    let diff_ids = [&b"plain"[..], b"zipped", b"std"].map(Digest::of);
    let config = made.config("linux/amd64", &diff_ids);
    let manifest = made.manifest(config.clone(), layers.clone());
    made.list(vec![manifest.clone()]);
    let Opened::Image(image) = made.only().unwrap() else { panic!("an index") };
    assert_eq!(image.manifest.unwrap().digest(), manifest.digest);
    assert_eq!(image.configuration.digest(), config.digest);
    let compressions = [Compression::None, Compression::Gzip, Compression::Zstd];
    for (number, layer) in image.layers.iter().enumerate() {
        assert_eq!(layer.descriptor().unwrap(), layers[number]);
        assert_eq!(layer.diff_id(), diff_ids[number]);
        assert_eq!(layer.stored_size(), stored[number].len() as u64);
        assert_eq!(layer.compression(), compressions[number]);
        for mut reader in [layer.open().unwrap(), Box::new(layer.content().unwrap().unwrap())] {
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
        let path = made.layout.path().join("blobs/sha256").join(blob.digest.hex());
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
    let huge = |descriptor: &Descriptor| Descriptor { size: u64::MAX, ..descriptor.clone() };
    let image = made.image("linux/amd64", "x");
    made.list(vec![huge(&image)]);
    refused(made.only(), "and 4194304 are allowed");
    let config = made.config("linux/amd64", &[]);
    made.list(vec![made.manifest(huge(&config), vec![])]);
    refused(made.only(), "its configuration has 18446744073709551615 bytes");
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
        refused(made.only(), &format!("it lists {layers} layers and {diff_ids} diff ids"));
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
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "not distributed"),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "not distributed"),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "it is encrypted"),
        ("application/vnd.wasm.content.layer.v1+wasm", "that is no layer of an image"),
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
    refused(made.only(), "its configuration is `application/vnd.oci.empty.v1+json`");
}

#[test]
fn a_type_that_its_bytes_belie_is_refused() {
    for (bytes, media_type, expected) in [
        (gzip(b"x"), MediaType::OciLayer, "its bytes are gzip"),
        (b"x".to_vec(), MediaType::OciLayerGzip, "its bytes are plain"),
        (gzip(b"x"), MediaType::OciLayerZstd, "its bytes are gzip"),
        (b"BZh9".to_vec(), MediaType::DockerLayer, "its bytes are bzip2"),
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
fn documents_are_what_refers_to_them_says() {
    let made = Made::new();
    let image = made.image("linux/amd64", "x");
    made.list(vec![Descriptor { media_type: MediaType::OciIndex, ..image.clone() }]);
    refused(made.only(), "and what refers to it says");
    made.list(vec![Descriptor { media_type: MediaType::DockerManifest, ..image.clone() }]);
    refused(made.only(), "and what refers to it says");
    made.list(vec![Descriptor { media_type: MediaType::parse("text/html"), ..image }]);
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
    refused(made.only(), "it lists 1001 manifests, and 1000 are allowed");
    // Those of nested ones count, too.
    made.list(vec![made.index(vec![many(600), many(399)])]);
    assert!(made.pick(Some("linux/arm64")).unwrap_err().contains("manifests, and 1000 are allowed"));
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
    let attestation = on(&made.put(b"not read", MediaType::OciManifest), "unknown/unknown");
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
        ("linux/arm", "v6"),
        ("linux/arm/v7", "v7"),
        ("linux/arm64", "arm64"),
        ("linux/riscv64", "riscv64"),
    ] {
        assert_eq!(made.pick(Some(wanted)).as_deref(), Ok(expected), "{wanted}");
    }
    let all = "`linux/amd64`, `linux/arm/v6`, `linux/arm/v7`, `linux/arm64/v8`, `linux/riscv64`";
    for wanted in ["linux/s390x", "unknown/unknown", "linux/arm/v5"] {
        let error = made.pick(Some(wanted)).unwrap_err();
        assert!(error.contains(&format!("no image for {wanted}, but for {all}")), "{error}");
    }
    let error = made.pick(None).unwrap_err();
    assert!(error.contains(&format!("it holds 5 images: {all}")), "{error}");
    // What is beside the only image does not count.
    made.list(vec![made.index(vec![attestation.clone(), image("linux/arm/v6", "v6")])]);
    assert_eq!(made.pick(None).as_deref(), Ok("v6"));
    made.list(vec![made.index(vec![attestation])]);
    assert!(made.pick(None).unwrap_err().contains("its index lists no image"));
}

#[test]
fn an_image_is_for_the_platform_that_it_says() {
    let made = Made::new();
    made.list(vec![made.image("linux/amd64", "x")]);
    assert_eq!(made.pick(Some("linux/amd64")).as_deref(), Ok("x"));
    assert!(made.pick(Some("linux/arm64")).unwrap_err().contains("but for `linux/amd64`"));
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
    let config = made.put(b"{}", MediaType::parse("application/vnd.cncf.helm.config.v1+json"));
    let artifact = made.manifest(config, vec![]);
    made.list(vec![made.index(vec![artifact, made.image("linux/amd64", "x")])]);
    assert_eq!(made.pick(None).as_deref(), Ok("x"));
}

#[test]
fn images_are_selected() {
    let made = Made::new();
    let image = |layer: &str| made.image("linux/amd64", layer);
    let full = "io.containerd.image.name";
    made.list(vec![
        with(&image("a"), REF_NAME, "a"),
        with(&with(&image("web"), REF_NAME, "latest"), full, "docker.io/library/web:latest"),
        with(&with(&image("api"), REF_NAME, "latest"), full, "ghcr.io/acme/api:latest"),
        with(&image("podman"), REF_NAME, "docker.io/library/alpine:3"),
        image("nameless"),
    ]);
    let by = |name: &str| made.by(&Selector::Name(name.to_owned()));
    assert_eq!(by("a").as_deref(), Ok("a"));
    assert_eq!(by("web:latest").as_deref(), Ok("web"));
    assert_eq!(by("web").as_deref(), Ok("web"));
    assert_eq!(by("ghcr.io/acme/api:latest").as_deref(), Ok("api"));
    assert_eq!(by("alpine:3").as_deref(), Ok("podman"));
    assert_eq!(made.by(&Selector::Number(4)).as_deref(), Ok("nameless"));
    assert_eq!(made.by(&Selector::Digest(image("nameless").digest)).as_deref(), Ok("nameless"));
    let names = "`a`, `docker.io/library/web:latest`, `ghcr.io/acme/api:latest`, `docker.io/library/alpine:3`, `@4`";
    for (wanted, text) in [
        (Selector::Name("b".to_owned()), "b"),
        (Selector::Number(5), "@5"),
        (Selector::Digest(Digest::of(b"")), &*Digest::of(b"").to_string()),
    ] {
        let error = made.by(&wanted).unwrap_err();
        assert!(error.contains(&format!("it has no image `{text}`, but {names}")), "{error}");
    }
    let error = made.by(&Selector::Only).unwrap_err();
    assert!(error.contains(&format!("it holds 5 images: {names}")), "{error}");
    // A tag of two repositories.
    let error = by("latest").unwrap_err();
    assert!(error.contains("it holds 2 images: `docker.io/library/web:latest`, `ghcr"), "{error}");
}

#[test]
fn the_only_image_is_found_whatever_else_is_listed() {
    let made = Made::new();
    let image = made.image("linux/amd64", "x");
    made.list(vec![]);
    assert!(made.pick(None).unwrap_err().contains("its index lists no image"));
    // Under two names.
    made.list(vec![with(&image, REF_NAME, "a"), with(&image, REF_NAME, "b")]);
    assert_eq!(made.pick(None).as_deref(), Ok("x"));
    // With the images of an index beside it, as skopeo writes them.
    let other = made.image("linux/arm64", "y");
    let parts = vec![on(&image, "linux/amd64"), on(&other, "linux/arm64")];
    let index = made.index(parts.clone());
    made.list(vec![image.clone(), other.clone(), with(&index, REF_NAME, "web")]);
    assert_eq!(made.pick(Some("linux/arm64")).as_deref(), Ok("y"));
    assert_eq!(made.by(&Selector::Digest(other.digest)).as_deref(), Ok("y"));
    // With nothing but the index in `index.json`.
    made.list(parts);
    assert_eq!(made.pick(Some("linux/arm64")).as_deref(), Ok("y"));
    // An image that is only listed by an index.
    made.list(vec![index]);
    assert_eq!(made.by(&Selector::Digest(other.digest)).as_deref(), Ok("y"));
}

fn open_text(text: &str) -> Result<Opened, Error> {
    open(&text.parse::<Reference>().unwrap(), &FilesOnly)
}

#[test]
fn references_lead_to_what_is_there() {
    let made = Made::new();
    let image = made.image("linux/amd64", "x");
    made.list(vec![with(&image, REF_NAME, "web")]);
    let (layout, archive) = (made.layout.path().display(), made.archive());
    let zipped = made.directory.path().join("archive.tar.gz");
    std::fs::write(&zipped, gzip(&std::fs::read(&archive).unwrap())).unwrap();
    let (archive, zipped) = (archive.display(), zipped.display());
    for text in [
        format!("oci:{layout}"),
        format!("oci:{layout}:web"),
        format!("oci:{layout}@{}", image.digest),
        format!("{layout}"),
        format!("oci-archive:{archive}:web"),
        format!("oci-archive:{zipped}"),
        format!("{archive}"),
        format!("{zipped}"),
    ] {
        let image = pick(open_text(&text).unwrap(), None).unwrap();
        assert_eq!((first_layer(&image).as_str(), image.name), ("x", text));
    }
    refused(open_text(&format!("oci:{archive}")), "it is not a directory");
    refused(open_text(&format!("oci-archive:{layout}")), "it is a directory");
    refused(open_text(&format!("docker-archive:{archive}")), "manifest.json");
    refused(open_text("oci:/nonexistent"), "No such file");
    refused(open_text("docker://localhost/web"), "neither a file nor a directory");
    let directory = made.directory.path().display();
    refused(open_text(&format!("{directory}")), "it has no `oci-layout`");
}

/// An archive of a few members.
fn tarball(path: &Path, members: &[(&str, &[u8])]) {
    let mut archive = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn an_archive_of_both_kinds_is_dockers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tar");
    let config = format!(r#"{{"rootfs":{{"diff_ids":["{}"]}}}}"#, Digest::of(b"x"));
    let manifest = br#"[{"Config":"c.json","RepoTags":["web:1"],"Layers":["l.tar"]}]"#;
    let members: &[(&str, &[u8])] = &[
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        ("index.json", b"not read"),
        ("manifest.json", manifest),
        ("c.json", config.as_bytes()),
        ("l.tar", b"x"),
    ];
    tarball(&path, members);
    let image = pick(open_path("x", &path).unwrap(), None).unwrap();
    assert_eq!(first_layer(&image), "x");
    tarball(&path, &members[..2]);
    refused(open_path("x", &path), "its document `index.json` can not be used");
    tarball(&path, &members[1..2]);
    refused(open_path("x", &path), "it has no `oci-layout`");
    tarball(&path, &members[3..]);
    refused(open_path("x", &path), "it has no `manifest.json` and no `index.json`");
}

#[test]
fn an_image_may_have_more_layers_than_a_process_files() {
    let made = Made::new();
    let layers: Vec<_> =
        (0..1000).map(|number| made.put(format!("{number}").as_bytes(), MediaType::OciLayer)).collect();
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.digest).collect();
    made.list(vec![made.manifest(made.config("linux/amd64", &diff_ids), layers)]);
    let before = std::fs::read_dir("/proc/self/fd").map(Iterator::count).unwrap_or_default();
    let opened = made.only().unwrap();
    let after = std::fs::read_dir("/proc/self/fd").map(Iterator::count).unwrap_or_default();
    // Other tests have theirs.
    assert!(after < before + 500, "{before} {after}");
    assert_eq!(pick(opened, None).unwrap().layers.len(), 1000);
}
