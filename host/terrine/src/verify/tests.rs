use serde_json::json;
use terrine_compress::Compression;
use terrine_oci::{Annotations, Platform};
use terrine_support::chain;

use super::*;
use crate::source::testing::{MemoryLayer, archive, image};

fn layers() -> Vec<MemoryLayer> {
    vec![
        MemoryLayer::new(&archive(&["a=1", "b/"]), Compression::Gzip),
        MemoryLayer::new(&archive(&["a/.wh.c", "c -> ../../d"]), Compression::Zstd),
        MemoryLayer::new(&archive(&[]), Compression::None),
    ]
}

/// Returns the mismatches of a report as text: the property, the expected and the actual value.
fn wrong(report: &VerifyReport) -> Vec<String> {
    report.mismatches.iter().map(ToString::to_string).collect()
}

/// The same of three layers with the second one changed after its manifest was written.
fn changed(change: impl FnOnce(&mut MemoryLayer)) -> Vec<String> {
    let mut layers = layers();
    change(&mut layers[1]);
    let report = verify(&image(layers, |_| {}), &());
    wrong(&report)
        .iter()
        .map(|line| line.split_once("`): ").unwrap().1.to_owned())
        .collect()
}

#[test]
fn a_whole_image_is_valid() {
    let read = std::sync::atomic::AtomicU64::new(0);
    struct Count<'a>(&'a std::sync::atomic::AtomicU64);
    impl VerifyReporter for Count<'_> {
        fn read(&self, bytes: u64) {
            self.0.fetch_add(bytes, Ordering::Relaxed);
        }
    }
    let image = image(layers(), |_| {});
    let sizes: u64 = image.layers.iter().map(|layer| layer.stored_size()).sum();
    for threads in [1, 2, 50] {
        read.store(0, Ordering::Relaxed);
        let threads = NonZeroUsize::new(threads).unwrap();
        let report = Verification::new(&image)
            .threads(threads)
            .run(&Count(&read));
        assert_eq!(wrong(&report), Vec::<String>::new());
        assert_eq!(
            (report.bytes_read, read.load(Ordering::Relaxed)),
            (sizes, sizes)
        );
        let last = format!("layer 3 (`{}`): content", image.layers[2].name());
        let files = "files of the layers, on top of each other";
        let end = &report.checked[report.checked.len() - 2..];
        assert_eq!(end, [last.as_str(), files]);
        assert!(report.is_valid());
    }
}

#[test]
fn a_layer_that_is_another_is_told_with_both_sides() {
    let other = MemoryLayer::new(&archive(&["other=1"]), Compression::Zstd);
    let own = layers().remove(1);
    let (digest, diff_id) = (own.descriptor.digest, own.diff_id);
    let (expected, found) = (own.bytes.len(), other.bytes.len());
    assert_eq!(
        changed(|layer| layer.bytes = other.bytes.clone()),
        [
            format!(
                "digest: expected {digest}, found {}",
                other.descriptor.digest
            ),
            format!("size: expected {expected}, found {found}"),
            format!("diff id: expected {diff_id}, found {}", other.diff_id),
        ]
    );
}

#[test]
fn what_descriptors_say_is_held_against_the_bytes() {
    assert_eq!(changed(|layer| layer.descriptor.size += 1).len(), 1);
    assert_eq!(
        changed(|layer| layer.descriptor.media_type = MediaType::DockerLayerGzip),
        [format!(
            "media type: expected one for zstd bytes, found {}",
            MediaType::DockerLayerGzip
        )]
    );
    assert_eq!(
        changed(|layer| layer.descriptor.media_type = MediaType::OciConfig),
        [format!(
            "media type: expected the type of a layer, found {}",
            MediaType::OciConfig
        )]
    );
    let other = Digest::of(b"x");
    let digest = layers()[1].descriptor.digest;
    assert_eq!(
        changed(|layer| layer.descriptor.digest = other),
        [format!("digest: expected {other}, found {digest}")]
    );
    let diff_id = layers()[1].diff_id;
    assert_eq!(
        changed(|layer| layer.diff_id = other),
        [format!("diff id: expected {other}, found {diff_id}")]
    );
}

/// Returns the mismatches in the content of a layer that matches its descriptor.
fn content(plain: &[u8], compression: Compression, cut: usize) -> Vec<String> {
    let mut layer = MemoryLayer::new(plain, compression);
    layer.bytes.truncate(layer.bytes.len() - cut);
    layer.descriptor.digest = Digest::of(&layer.bytes);
    layer.descriptor.size = layer.bytes.len() as u64;
    let report = verify(&image(vec![layer], |_| {}), &());
    wrong(&report)
        .iter()
        .map(|line| line.split_once("`): ").unwrap().1.to_owned())
        .collect()
}

#[test]
fn content_that_cannot_be_read_is_told_once() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let told = content(&archive(&["a=1"]), compression, 9);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("content: expected bytes that can be unpacked, found "),
            "{told:?}"
        );
    }
    let mut truncated = archive(&["a=1", "b=2"]);
    truncated.truncate(700);
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let told = content(&truncated, compression, 0);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("content: expected a readable archive, found it is truncated"),
            "{told:?}"
        );
        let told = content(&[b'x'; 5000], compression, 0);
        assert!(told[0].contains("no valid header at offset 0"), "{told:?}");
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.as_mut_bytes()[..4].copy_from_slice(b"../x");
    header.set_cksum();
    let up = [&header.as_bytes()[..], &[0; 1024]].concat();
    assert_eq!(
        content(&up, Compression::Gzip, 0),
        [
            "content: expected a readable archive, found it has the member `../x`, which leads out of the archive"
        ]
    );
}

#[test]
fn documents_are_held_against_each_other() {
    let mut image = image(layers(), |text| {
        text["history"] = json!([{}, {"empty_layer": true}]);
    });
    let Some(Document {
        content: Content::Manifest(manifest),
        ..
    }) = &image.manifest
    else {
        panic!()
    };
    let mut manifest = manifest.clone();
    manifest.config.digest = Digest::of(b"");
    manifest.config.size = 1;
    manifest.config.media_type = MediaType::OciLayer;
    manifest.layers.pop();
    let document = manifest.to_document();
    let mut referrer = document.descriptor();
    referrer.digest = Digest::of(b"");
    referrer.size += 1;
    referrer.media_type = MediaType::DockerManifest;
    referrer.platform = Some(Platform::new("linux", "arm64", None));
    image.manifest = Some(document);
    let report = Verification::new(&image).referrer(&referrer).run(&());
    let what: Vec<&str> = report
        .mismatches
        .iter()
        .map(|mismatch| &*mismatch.what)
        .collect();
    assert_eq!(
        what,
        [
            "manifest: digest",
            "manifest: size",
            "manifest: media type",
            "configuration: platform",
            "configuration: digest",
            "configuration: size",
            "configuration: media type",
            "number of layers, as there are diff ids",
            "number of layers, as the manifest has them",
            "number of entries of the history that have a layer",
        ]
    );
    assert_eq!(
        report.mismatches[3].to_string(),
        "configuration: platform: expected linux/arm64, found linux/amd64"
    );
    let json: serde_json::Value = serde_json::from_str(&to_json(&[report], false)).unwrap();
    assert_eq!(
        json["images"][0]["mismatches"][0]["expected"],
        Digest::of(b"").to_string()
    );
    image.manifest = None;
    assert_eq!(verify(&image, &()).mismatches.len(), 1);
    let manifest = Manifest::new(manifest.config, vec![], Annotations::new());
    image.manifest = Some(manifest.to_document());
    assert!(!verify(&image, &()).is_valid());
}

/// Returns the mismatches that `verify` reports of layers in the notation of [`archive`], and the
/// result of `export`.
fn both(layers: &[&[&str]]) -> (Vec<String>, Result<(), String>) {
    let layers = || {
        layers
            .iter()
            .map(|entries| MemoryLayer::new(&archive(entries), Compression::None))
            .collect::<Vec<_>>()
    };
    let report = verify(&image(layers(), |_| {}), &());
    let mut out = vec![];
    let exported = crate::export::export(
        &image(layers(), |_| {}),
        &mut out,
        crate::export::Holes::Filled,
        &(),
    );
    (
        wrong(&report),
        exported.map(drop).map_err(|error| chain(&error)),
    )
}

#[test]
fn what_export_refuses_is_told() {
    let long = format!("a -> {}", "x".repeat(4096));
    let deep = format!("{}=1", "d/".repeat(2100));
    let cases: &[(&[&[&str]], &str)] = &[
        (&[&["a => missing"]], "leads to `missing`"),
        (&[&["a => a"]], "leads to `a`"),
        (&[&["a => ../out"]], "leads out of the archive"),
        (&[&["d/", "a => d"]], "leads to `d`"),
        (&[&["a=1", "a/b=1"]], "not a directory"),
        (&[&["a=1"], &["a/b=1"]], "not a directory"),
        (&[&["a=1"], &[".wh.a", "b => a"]], ""),
        (&[&[&long]], "cannot be used"),
        (&[&[&deep]], ""),
        (&[&["l -> l", "l/x=1"]], "leads nowhere"),
        (&[&["a=1", "b => a", "c -> /etc/passwd"]], ""),
    ];
    for (layers, expected) in cases {
        let (told, exported) = both(layers);
        assert_eq!(told.is_empty(), exported.is_ok(), "{told:?} {exported:?}");
        if let Err(why) = exported {
            let told = told.join("\n");
            assert!(
                told.contains(": files: expected") || told.contains(": content: expected"),
                "{told}"
            );
            assert!(why.contains(expected), "{expected}: {why}");
        }
    }
}
