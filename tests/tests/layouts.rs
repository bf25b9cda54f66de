//! Layouts that skopeo and umoci write are read, those that are written are taken by them, and
//! one layout is written by all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use terrine::compress::Compression;
use terrine::layout::Layout;
use terrine::oci::{Annotations, Digest, Manifest, MediaType, Reference};
use terrine::source::{Image, LocalOpener, Verified, open, pick};
use terrine_tests::archive::digest;
use terrine_tests::base::{self, BaseImage};
use terrine_tests::{Generation, Run, TestStore};

/// A docker-archive of two layers, and its image id.
fn archive(store: &TestStore) -> (PathBuf, String) {
    let layers = [
        base::layer("etc/one", &[b'x'; 100_000]),
        base::layer("etc/two", b"two"),
    ];
    let image = BaseImage::old(&[&layers[0], &layers[1]], &["A=1"]);
    let id = digest(image.configuration.to_string().as_bytes());
    (image.write(store), id)
}

/// Runs skopeo or umoci in the store's root, with nothing of the user's.
fn tool(generation: Generation, store: &TestStore, name: &str, arguments: &[&str]) -> Option<Run> {
    let mut command = generation.command(name, store.root())?;
    command.current_dir(store.root());
    if name == "skopeo" {
        command.arg("--insecure-policy");
    }
    Some(Run::of(command.args(arguments)).ok())
}

fn read(text: &str) -> Image {
    pick(
        open(&text.parse::<Reference>().unwrap(), &LocalOpener).unwrap(),
        None,
    )
    .unwrap()
}

/// Every layer is the one that its descriptor and its diff id name.
fn verify(image: &Image) {
    for layer in &image.layers {
        let blob = layer.descriptor().unwrap();
        let mut stored = Verified::new(layer.open().unwrap(), layer.name(), blob.size, blob.digest);
        io::copy(&mut stored, &mut io::sink()).unwrap();
        let mut plain = Vec::new();
        let stored = layer.open().unwrap();
        io::Read::read_to_end(
            &mut layer.compression().decoder(stored).unwrap(),
            &mut plain,
        )
        .unwrap();
        assert_eq!(Digest::of(&plain), layer.diff_id());
    }
}

/// Writes an image to a layout as a sink would.
fn write(image: &Image, path: &Path, name: &str) {
    let layout = Layout::create(path).unwrap();
    let layers = image
        .layers
        .iter()
        .map(|layer| {
            let blob = layer.descriptor().unwrap();
            let mut staged = layout.stage().unwrap();
            io::copy(&mut layer.open().unwrap(), &mut staged).unwrap();
            layout.keep(staged, &blob).unwrap();
            blob
        })
        .collect();
    let config = layout
        .put(image.configuration.text().as_bytes(), MediaType::OciConfig)
        .unwrap();
    let document = Manifest::new(config, layers, Annotations::new()).to_document();
    let manifest = layout.put(&document.bytes, document.media_type).unwrap();
    layout.tag(manifest, Some(name)).unwrap();
}

terrine_tests::for_each_generation!(
    what_skopeo_writes_is_read,
    what_umoci_writes_is_read,
    others_take_what_is_written_and_write_beside_it,
);

fn what_skopeo_writes_is_read(generation: Generation) {
    let store = TestStore::default();
    let (archive, _) = archive(&store);
    let source = format!("docker-archive:{}", archive.display());
    let copy = |options: &[&str], to: &str| {
        let arguments = [&["copy", "--quiet"], options, &[&source, to]].concat();
        tool(generation, &store, "skopeo", &arguments).map(drop)
    };
    let place = |name: &str| store.root().join(name).display().to_string();
    let (gzip, zstd, tar) = (place("gzip"), place("zstd"), place("oci.tar"));
    let format = ["--dest-compress-format", "zstd"];
    if copy(&[], &format!("oci:{gzip}:web")).is_none() {
        return;
    }
    copy(&format, &format!("oci:{zstd}:web"));
    copy(&[], &format!("oci-archive:{tar}:acme/web:1"));
    for (text, compression) in [
        (format!("oci:{gzip}:web"), Compression::Gzip),
        (format!("oci:{gzip}"), Compression::Gzip),
        (gzip.clone(), Compression::Gzip),
        (format!("oci:{zstd}:web"), Compression::Zstd),
        (format!("oci-archive:{tar}"), Compression::Gzip),
        (format!("oci-archive:{tar}:acme/web:1"), Compression::Gzip),
        (tar.clone(), Compression::Gzip),
    ] {
        let image = read(&text);
        assert_eq!(image.layers.len(), 2, "{text}");
        assert!(
            image
                .layers
                .iter()
                .all(|layer| layer.compression() == compression),
            "{text}"
        );
        verify(&image);
    }
}

fn what_umoci_writes_is_read(generation: Generation) {
    let store = TestStore::default();
    fs::create_dir(store.root().join("files")).unwrap();
    fs::write(store.root().join("files/x"), "x").unwrap();
    if tool(generation, &store, "umoci", &["init", "--layout", "u"]).is_none() {
        return;
    }
    tool(generation, &store, "umoci", &["new", "--image", "u:web"]);
    let place = store.root().join("u").display().to_string();
    assert_eq!(read(&format!("oci:{place}")).layers.len(), 0);
    tool(
        generation,
        &store,
        "umoci",
        &[
            "insert",
            "--rootless",
            "--image",
            "u:web",
            "files",
            "/files",
        ],
    );
    let image = read(&format!("oci:{place}:web"));
    assert_eq!(image.layers.len(), 1);
    verify(&image);
}

fn others_take_what_is_written_and_write_beside_it(generation: Generation) {
    let store = TestStore::default();
    let (archive, id) = archive(&store);
    let image = read(&archive.display().to_string());
    let path = store.root().join("layout");
    write(&image, &path, "web");
    // What is being written, and what was left, does not disturb them.
    let layout = Layout::open(&path).unwrap();
    let _staged = layout.stage().unwrap();
    fs::write(path.join(".terrine-left.part"), "x").unwrap();

    let Some(run) = tool(
        generation,
        &store,
        "skopeo",
        &["inspect", "--raw", "oci:layout:web"],
    ) else {
        return;
    };
    let manifest: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(manifest["config"]["digest"], format!("sha256:{id}"));
    tool(
        generation,
        &store,
        "skopeo",
        &[
            "copy",
            "--quiet",
            "oci:layout:web",
            "docker-archive:again.tar",
        ],
    );
    assert_eq!(
        read(&store.root().join("again.tar").display().to_string())
            .layers
            .len(),
        2
    );

    tool(
        generation,
        &store,
        "skopeo",
        &["copy", "--quiet", "oci:layout:web", "oci:layout:skopeo"],
    );
    if tool(
        generation,
        &store,
        "umoci",
        &["tag", "--image", "layout:web", "umoci"],
    )
    .is_some()
    {
        tool(
            generation,
            &store,
            "umoci",
            &[
                "raw",
                "unpack",
                "--rootless",
                "--image",
                "layout:web",
                "files",
            ],
        );
        assert_eq!(
            fs::read(store.root().join("files/etc/two")).unwrap(),
            b"two"
        );
        tool(generation, &store, "umoci", &["gc", "--layout", "layout"]);
    }
    write(&image, &path, "last");
    assert_eq!(layout.sweep().unwrap(), 1);
    let names: Vec<String> = layout
        .index()
        .unwrap()
        .manifests
        .into_iter()
        .map(|entry| {
            let text = format!("oci:{}@{}", path.display(), entry.digest);
            verify(&read(&text));
            entry.annotations.into_values().next().unwrap()
        })
        .filter(|name| name != "umoci")
        .collect();
    assert_eq!(names, ["web", "skopeo", "last"]);
}
