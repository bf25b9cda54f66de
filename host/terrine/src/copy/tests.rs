//! Manifests that stay, and those that are made anew.

use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use terrine_compress::{Compression, Pool, Setting};
use terrine_oci::{
    Annotations, Content, Descriptor, Digest, Document, MediaType, Platform, Reference, Repository,
};

use super::{Copying, Error, Named, write_archive};
use crate::cache::Cache;
use crate::destination::{
    Carrier, Destination, Error as DestinationError, Foreign, LayoutDestination, Recompress,
    Reporter, Staged,
};
use crate::layer::LayerOrigin;
use crate::layout::Layout;
use crate::pipe::Observer;
use crate::source::testing::{MemoryLayer, archive, image};
use crate::source::{
    Blobs, Error as SourceError, Image, ImageIndex, LocalOpener, Opened, open, pick,
};
use crate::verify::Verification;

struct Quiet;

impl Observer for Quiet {
    fn written(&self, _: u64) {}
}

impl Reporter for Quiet {
    fn layer(&self, _: usize, _: LayerOrigin<'_>, _: u64) {}
}

fn sample(architecture: &str, compression: Compression) -> Image {
    let layers = ["a=1", "b=2"].map(|entry| MemoryLayer::new(&archive(&[entry]), compression));
    image(layers.to_vec(), |text| {
        text["architecture"] = json!(architecture);
    })
}

fn annotations(pairs: &[(&str, &str)]) -> Annotations {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Does something with a layout as the destination.
fn copying<T>(
    path: &Path,
    setting: &Setting,
    annotations: &Annotations,
    work: impl FnOnce(&Copying<'_>) -> T,
) -> T {
    let destination = LayoutDestination::new(Layout::create(path).unwrap(), Some("web".to_owned()));
    let recompress = match setting.compression() {
        Compression::None => Recompress::Never,
        _ => Recompress::All,
    };
    let (pool, cache) = (Pool::new(NonZeroUsize::MIN), Cache::none());
    let carrier = Carrier {
        destination: &destination,
        setting,
        pool: &pool,
        cache: &cache,
        cache_directories: false,
        recompress,
        foreign: Foreign::Left,
    };
    let jobs = NonZeroUsize::MIN;
    work(&Copying {
        carriers: &[carrier],
        jobs,
        annotations,
        reporter: &Quiet,
    })
}

/// The document at the only destination.
fn alone(outcomes: Result<Vec<Result<Document, Error>>, Error>) -> Result<Document, Error> {
    outcomes?.remove(0)
}

fn read(path: &Path) -> Opened {
    open(
        &format!("oci:{}:web", path.display())
            .parse::<Reference>()
            .unwrap(),
        &LocalOpener,
    )
    .unwrap()
}

fn valid(image: &Image) {
    let report = Verification::new(image).run(&());
    assert!(report.is_valid(), "{report:?}");
}

fn said(document: &Document) -> &Annotations {
    match &document.content {
        Content::Manifest(manifest) => &manifest.annotations,
        Content::Index(index) => &index.annotations,
    }
}

#[test]
fn a_manifest_stays_unless_something_changes() {
    let folder = tempfile::tempdir().unwrap();
    let original = sample("amd64", Compression::Gzip);
    let id = original.configuration.digest();
    for (name, setting, added, same) in [
        ("same", Setting::NONE, annotations(&[]), true),
        ("gzip", Setting::GZIP, annotations(&[]), true),
        ("zstd", "zstd".parse().unwrap(), annotations(&[]), false),
        (
            "annotated",
            Setting::NONE,
            annotations(&[("a", "1"), ("b", "")]),
            false,
        ),
    ] {
        let path = folder.path().join(name);
        let document = copying(&path, &setting, &added, |copying| {
            alone(copying.image(&original))
        })
        .unwrap();
        assert_eq!(
            Some(&document) == original.manifest.as_ref(),
            same,
            "{name}"
        );
        let copy = pick(read(&path), None).unwrap();
        assert_eq!(
            (copy.manifest.as_ref(), copy.configuration.digest()),
            (Some(&document), id),
            "{name}"
        );
        valid(&copy);
        // An empty value takes away.
        let kept = annotations(&[("a", "1")]);
        assert_eq!(
            said(&document),
            if name == "annotated" {
                &kept
            } else {
                said(original.manifest.as_ref().unwrap())
            }
        );
    }
}

#[test]
fn an_index_has_one_image_for_each_platform_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout");
    let images = ["riscv64", "amd64"].map(|architecture| sample(architecture, Compression::Gzip));
    let none = annotations(&[]);
    let said = |images: &[(Option<Descriptor>, Image)]| {
        copying(&path, &Setting::NONE, &none, |copying| {
            alone(copying.index(images))
        })
    };
    let index = |images: &[Image]| {
        said(
            &images
                .iter()
                .map(|image| (None, image.clone()))
                .collect::<Vec<_>>(),
        )
    };
    let made = index(&images).unwrap();
    let Opened::Index(opened) = read(&path) else {
        panic!("no index")
    };
    let platforms: Vec<String> = opened
        .platforms()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(platforms, ["linux/amd64", "linux/riscv64"]);
    opened
        .platforms()
        .unwrap()
        .iter()
        .for_each(|platform| valid(&opened.image(platform).unwrap()));
    // A copy is the same; one that is compressed anew lists the same platforms.
    let again = |name: &str, setting: &Setting| {
        let path = folder.path().join(name);
        copying(&path, setting, &none, |copying| {
            alone(copying.whole_index(&opened))
        })
        .unwrap()
    };
    assert_eq!(again("again", &Setting::NONE), made);
    let zstd = again("zstd", &"zstd".parse().unwrap());
    assert_ne!(zstd, made);
    let Content::Index(zstd) = &zstd.content else {
        panic!("no index")
    };
    let platforms: Vec<String> = zstd
        .manifests
        .iter()
        .map(|entry| entry.platform.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(platforms, ["linux/amd64", "linux/riscv64"]);

    // What an index says of an image counts more than what that says of itself.
    let arm = ["v6", "v7"].map(|variant| {
        let image = sample("arm", Compression::Gzip);
        let mut descriptor = image.manifest.as_ref().unwrap().descriptor();
        descriptor.platform = Some(Platform::new("linux", "arm", Some(variant)));
        descriptor.annotations = annotations(&[("of", variant)]);
        (Some(descriptor), image)
    });
    let Content::Index(arm) = said(&arm).unwrap().content else {
        panic!("no index")
    };
    let said_of: Vec<String> = arm
        .manifests
        .iter()
        .map(|entry| {
            format!(
                "{} {}",
                entry.platform.as_ref().unwrap(),
                entry.annotations["of"]
            )
        })
        .collect();
    assert_eq!(said_of, ["linux/arm/v6 v6", "linux/arm/v7 v7"]);

    assert!(matches!(index(&[]), Err(Error::NoImages)));
    let twice = [images[0].clone(), images[0].clone()];
    assert!(matches!(index(&twice), Err(Error::SamePlatform { .. })));
    let nowhere = sample("", Compression::None);
    assert!(matches!(index(&[nowhere]), Err(Error::NoPlatform { .. })));
}

/// A layout that does not take one blob.
#[derive(Debug)]
struct Refusing {
    inner: LayoutDestination,
    refused: Digest,
}

impl Destination for Refusing {
    fn holds(&self, blob: &Descriptor, origins: &[Repository]) -> Result<bool, DestinationError> {
        self.inner.holds(blob, origins)
    }

    fn stage(&self) -> Result<Staged, DestinationError> {
        self.inner.stage()
    }

    fn keep(
        &self,
        staged: Staged,
        blob: &Descriptor,
        sent: &dyn Fn(u64),
    ) -> Result<(), DestinationError> {
        if blob.digest == self.refused {
            return Err(DestinationError::Output(std::io::Error::other("refused")));
        }
        self.inner.keep(staged, blob, sent)
    }

    fn put_document(&self, document: &Document) -> Result<(), DestinationError> {
        self.inner.put_document(document)
    }

    fn publish(
        &self,
        document: &Document,
        platform: Option<&Platform>,
    ) -> Result<(), DestinationError> {
        self.inner.publish(document, platform)
    }

    fn name(&self) -> String {
        self.inner.name()
    }
}

#[test]
fn a_destination_that_lacks_an_image_keeps_its_old_index() {
    let folder = tempfile::tempdir().unwrap();
    let images = ["amd64", "riscv64"].map(|architecture| sample(architecture, Compression::Gzip));
    let layout = |name: &str| {
        let layout = Layout::create(&folder.path().join(name)).unwrap();
        LayoutDestination::new(layout, Some("web".to_owned()))
    };
    let (whole, old) = (layout("whole"), sample("arm64", Compression::Gzip));
    let both = images.each_ref().map(|image| (None, image.clone()));
    for refused in &images {
        let refusing = Refusing {
            inner: layout("refusing"),
            refused: refused.configuration.digest(),
        };
        let (pool, cache) = (Pool::new(NonZeroUsize::MIN), Cache::none());
        let carrier = |destination| Carrier {
            destination,
            setting: &Setting::NONE,
            pool: &pool,
            cache: &cache,
            cache_directories: false,
            recompress: Recompress::Never,
            foreign: Foreign::Left,
        };
        let all: [Carrier<'_>; 2] = [carrier(&refusing), carrier(&whole)];
        for carriers in [&all[..1], &all] {
            let copying = Copying {
                carriers,
                jobs: NonZeroUsize::MIN,
                annotations: &Annotations::new(),
                reporter: &Quiet,
            };
            alone(copying.image(&old)).unwrap();
            let outcomes = copying.index(&both).unwrap();
            let failed: Vec<bool> = outcomes.iter().map(Result::is_err).collect();
            assert_eq!(failed, [true, false][..carriers.len()]);
            let kept = pick(read(&folder.path().join("refusing")), None).unwrap();
            assert_eq!(kept.manifest, old.manifest);
        }
        assert!(matches!(
            read(&folder.path().join("whole")),
            Opened::Index(_)
        ));
    }
}

#[test]
fn an_archive_has_each_layer_and_each_image_once() {
    let named = |architecture: &str, names: &[&str]| Named {
        image: sample(architecture, Compression::None),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let images = vec![
        named("amd64", &["a:1", "a:2"]),
        named("arm64", &["b:1"]),
        named("amd64", &["a:2", "a:3"]),
    ];
    let mut bytes = vec![];
    write_archive(images, &mut bytes, &Quiet).unwrap();
    assert_eq!(bytes.len() % 10240, 0);
    let names: Vec<String> = tar::Archive::new(&bytes[..])
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    // Two layers, two configurations, the manifest.
    assert_eq!(names.len(), 5, "{names:?}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    for (selector, expected) in [
        (":a:1", "amd64"),
        (":a:3", "amd64"),
        (":b:1", "arm64"),
        (":@1", "arm64"),
    ] {
        let reference = format!("docker-archive:{}{selector}", file.path().display());
        let image = pick(
            open(&reference.parse::<Reference>().unwrap(), &LocalOpener).unwrap(),
            None,
        )
        .unwrap();
        assert_eq!(
            image.configuration.platform().architecture,
            expected,
            "{selector}"
        );
        valid(&image);
    }
}

/// An image with a manifest that says more than terrine knows.
fn talkative() -> Image {
    let mut original = sample("amd64", Compression::Gzip);
    let document = original.manifest.take().unwrap();
    let mut text: Value = serde_json::from_slice(&document.bytes).unwrap();
    let layer = &mut text["layers"][0];
    let digest = layer["digest"].clone();
    layer["annotations"] =
        json!({"of.digest": digest, "kept": "a", "containerd.io/snapshot/stargz/toc.digest": "x"});
    layer["mine"] = json!([1.0]);
    text["config"]["annotations"] = json!({"kept": "b"});
    text["annotations"] = json!({
        "dev.terrine.compression": "gzip level 4", "lowest": digest, "kept": "c",
    });
    text["mine"] = json!({"d": null});
    let bytes = text.to_string().into_bytes();
    original.manifest = Some(Document::parse(bytes, None).unwrap());
    original
}

fn json_of(document: &Document) -> Value {
    serde_json::from_slice(&document.bytes).unwrap()
}

#[test]
fn what_is_rewritten_keeps_what_is_still_true() {
    let folder = tempfile::tempdir().unwrap();
    let original = talkative();
    let zstd: Setting = "zstd".parse().unwrap();
    let none = annotations(&[]);
    let path = folder.path().join("image");
    let made = copying(&path, &zstd, &none, |copying| {
        alone(copying.image(&original))
    })
    .unwrap();
    let text = json_of(&made);
    let layer = &text["layers"][0];
    assert_eq!(
        layer["annotations"],
        json!({"of.digest": layer["digest"], "kept": "a"})
    );
    assert_eq!(layer["mediaType"], MediaType::OciLayerZstd.as_str());
    assert_eq!(layer["mine"], json!([1.0]));
    assert_eq!(text["config"]["annotations"], json!({"kept": "b"}));
    assert_eq!(
        text["annotations"],
        json!({"dev.terrine.compression": zstd.describe(), "lowest": layer["digest"], "kept": "c"})
    );
    assert_eq!(text["mine"], json!({"d": null}));
    valid(&pick(read(&path), None).unwrap());

    // The same for the index that lists it.
    let subject = Descriptor::of(MediaType::OciManifest, b"x");
    let entry = |document: &Document| {
        let mut entry = serde_json::to_value(document.descriptor()).unwrap();
        entry["platform"] = json!({"architecture": "amd64", "os": "linux", "features": ["x"]});
        entry["artifactType"] = json!("a/b");
        entry["mine"] = json!(1);
        entry
    };
    let listed = json!({
        "schemaVersion": 2, "subject": subject, "artifactType": "c/d", "mine": 2,
        "manifests": [entry(&made)],
    });
    let layout = Layout::open(&path).unwrap();
    let index = Document::parse(listed.to_string().into_bytes(), None).unwrap();
    layout.put(&index.bytes, MediaType::OciIndex).unwrap();
    layout.tag(index.descriptor(), Some("web")).unwrap();
    let Opened::Index(opened) = read(&path) else {
        panic!("no index")
    };
    let path = folder.path().join("index");
    let again = copying(&path, &Setting::GZIP, &none, |copying| {
        alone(copying.whole_index(&opened))
    });
    let text = json_of(&again.unwrap());
    for (name, value) in [
        ("subject", json!(subject)),
        ("artifactType", json!("c/d")),
        ("mine", json!(2)),
    ] {
        assert_eq!(text[name], value);
    }
    let (old, new) = (entry(&made), &text["manifests"][0]);
    assert_ne!(new["digest"], old["digest"]);
    for name in ["platform", "artifactType", "mine"] {
        assert_eq!(new[name], old[name], "{name}");
    }
}

#[test]
fn a_rewritten_manifest_calls_layers_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut layers =
        [Compression::None, Compression::Zstd].map(|how| MemoryLayer::new(&archive(&["a=1"]), how));
    for layer in &mut layers {
        layer.descriptor.media_type = MediaType::DockerLayerGzip;
    }
    let original = image(layers.to_vec(), |_| {});
    let added = annotations(&[("a", "1")]);
    let path = folder.path().join("layout");
    let made = copying(&path, &Setting::NONE, &added, |copying| {
        alone(copying.image(&original))
    });
    let text = json_of(&made.unwrap());
    assert_eq!(text["layers"][0]["mediaType"], MediaType::OciLayer.as_str());
    assert_eq!(
        text["layers"][1]["mediaType"],
        MediaType::OciLayerZstd.as_str()
    );
    valid(&pick(read(&path), None).unwrap());
}

#[test]
fn a_compression_that_is_asked_for_is_also_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut layers =
        ["a=1", "b=2"].map(|entry| MemoryLayer::new(&archive(&[entry]), Compression::Gzip));
    layers[1].descriptor.media_type = MediaType::OciLayer;
    let original = image(layers.to_vec(), |_| {});
    for (setting, is_rewritten) in [(Setting::GZIP, true), (Setting::NONE, false)] {
        let path = folder.path().join(setting.to_string());
        let made = copying(&path, &setting, &Annotations::new(), |copying| {
            alone(copying.image(&original))
        });
        let made = made.unwrap();
        // Nothing was asked for by the helper above where it is `NONE`.
        assert_eq!(Some(&made) != original.manifest.as_ref(), is_rewritten);
        let text = json_of(&made);
        let expected = if is_rewritten {
            MediaType::OciLayerGzip
        } else {
            MediaType::OciLayer
        };
        assert_eq!(text["layers"][1]["mediaType"], expected.as_str());
    }
}

#[test]
fn entries_that_are_no_images_need_no_size() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let none = Annotations::new();
    let original = sample("amd64", Compression::Gzip);
    let image = copying(&from, &Setting::NONE, &none, |copying| {
        alone(copying.image(&original))
    });
    let layout = Layout::open(&from).unwrap();
    let put = |bytes: &[u8], kind: &str| {
        let kind = MediaType::parse(kind);
        let descriptor = layout.put(bytes, kind).unwrap();
        Descriptor {
            size: 0,
            ..descriptor
        }
    };
    let parts = [
        put(b"{}", "application/vnd.oci.empty.v1+json"),
        put(
            b"signed",
            "application/vnd.dev.cosign.simplesigning.v1+json",
        ),
    ];
    let signature = json!({
        "schemaVersion": 2, "mediaType": MediaType::OciManifest.as_str(),
        "config": parts[0], "layers": [parts[1]],
    });
    let entries = [
        image.unwrap().descriptor(),
        put(
            signature.to_string().as_bytes(),
            MediaType::OciManifest.as_str(),
        ),
        put(b"thing", "application/x-thing"),
    ];
    let index = json!({"schemaVersion": 2, "manifests": entries});
    let index = Document::parse(index.to_string().into_bytes(), None).unwrap();
    layout.put(&index.bytes, MediaType::OciIndex).unwrap();
    layout.tag(index.descriptor(), Some("web")).unwrap();
    let Opened::Index(opened) = read(&from) else {
        panic!("no index")
    };
    let made = copying(&to, &Setting::NONE, &none, |copying| {
        alone(copying.whole_index(&opened))
    });
    assert_eq!(made.unwrap().bytes, index.bytes);
    for blob in parts.iter().chain(&entries) {
        let path = to.join("blobs/sha256").join(blob.digest.hex());
        assert!(path.exists(), "{blob:?}");
    }
}

/// Blobs, one of which is a document and no blob, as in registries.
#[derive(Debug)]
struct WithDocument {
    inner: Arc<dyn Blobs>,
    document: Digest,
}

impl Blobs for WithDocument {
    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, SourceError> {
        if blob.digest == self.document {
            let absent = terrine_tar::Fault::NoMember(blob.digest.to_string());
            return Err(SourceError::fault("test", absent.into()));
        }
        self.inner.blob(blob)
    }

    fn unknown(
        &self,
        document: &Descriptor,
    ) -> Option<Result<Box<dyn Read + Send + '_>, SourceError>> {
        Some(self.inner.blob(document))
    }
}

#[test]
fn a_destination_that_fails_to_take_an_unknown_document_has_failed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let none = Annotations::new();
    let layout = |name: &str| {
        let layout = Layout::create(&folder.path().join(name)).unwrap();
        LayoutDestination::new(layout, Some("web".to_owned()))
    };
    let from = folder.path().join("from");
    let original = sample("amd64", Compression::Gzip);
    let image = copying(&from, &Setting::NONE, &none, |copying| {
        alone(copying.image(&original))
    });
    let given = Layout::open(&from).unwrap();
    let kind = MediaType::parse("application/x-thing");
    let thing = given.put(b"thing", kind).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": [image.unwrap().descriptor(), thing]});
    let index = Document::parse(index.to_string().into_bytes(), None).unwrap();
    given.put(&index.bytes, MediaType::OciIndex).unwrap();
    given.tag(index.descriptor(), Some("web")).unwrap();
    let Opened::Index(opened) = read(&from) else {
        panic!("no index")
    };
    let blobs: Arc<dyn Blobs> = Arc::new(WithDocument {
        inner: Arc::clone(opened.blobs()),
        document: thing.digest,
    });
    let opened = ImageIndex::new(&blobs, "test", index.clone()).unwrap();
    let refusing = Refusing {
        inner: layout("refusing"),
        refused: thing.digest,
    };
    let whole = layout("whole");
    let (pool, cache) = (Pool::new(NonZeroUsize::MIN), Cache::none());
    let carrier = |destination| Carrier {
        destination,
        setting: &Setting::NONE,
        pool: &pool,
        cache: &cache,
        cache_directories: false,
        recompress: Recompress::Never,
        foreign: Foreign::Left,
    };
    let carriers: [Carrier<'_>; 2] = [carrier(&refusing), carrier(&whole)];
    let copying = Copying {
        carriers: &carriers,
        jobs: NonZeroUsize::MIN,
        annotations: &none,
        reporter: &Quiet,
    };
    let mut outcomes = copying.whole_index(&opened).unwrap();
    assert_eq!(outcomes.pop().unwrap().unwrap().bytes, index.bytes);
    assert!(outcomes.pop().unwrap().is_err());
    // It does not get the index without what it failed to take.
    assert!(
        Layout::open(&folder.path().join("refusing"))
            .unwrap()
            .index()
            .unwrap()
            .manifests
            .is_empty()
    );
    let path = folder
        .path()
        .join("whole/blobs/sha256")
        .join(thing.digest.hex());
    assert!(path.exists());
}
