//! Manifests that stay, and manifests that are rewritten.

use std::num::NonZeroUsize;
use std::path::Path;

use serde_json::json;
use terrine_compress::{Compression, Pool, Setting};
use terrine_oci::{Annotations, Content, Descriptor, Document, Platform, Reference};

mod destinations;
mod rewritten;

use super::{Copying, Error, Named, write_archive};
use crate::cache::Cache;
use crate::destination::{Carrier, Destination, Foreign, LayoutDestination, Recompress, Reporter};
use crate::layer::LayerOrigin;
use crate::layout::Layout;
use crate::pipe::Observer;
use crate::source::testing::{MemoryLayer, archive, image};
use crate::source::{Image, LocalOpener, Opened, open, pick};
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

/// A carrier that leaves layers as they are.
fn plain<'a>(destination: &'a dyn Destination, pool: &'a Pool, cache: &'a Cache) -> Carrier<'a> {
    Carrier {
        destination,
        setting: &Setting::NONE,
        pool,
        cache,
        cache_directories: false,
        claims: None,
        shared: None,
        recompress: Recompress::Never,
        foreign: Foreign::Left,
    }
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
        setting,
        recompress,
        ..plain(&destination, &pool, &cache)
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
