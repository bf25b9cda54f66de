//! Layers on their way, to layouts and archives.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};

use terrine_compress::{Compression, Pool, Setting};
use terrine_oci::{Digest, MediaType, Reference};
use terrine_support::hint::Hint;

use super::*;
use crate::cache::{Cache, CacheOptions};
use crate::layer::LayerOrigin;
use crate::layout::Layout;
use crate::pipe::Observer;
use crate::source::testing::{MemoryLayer, image};
use crate::source::{Layer, LocalOpener, open, pick};
use crate::verify::Verification;

const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// Writes down which layers begin.
#[derive(Debug, Default)]
struct Said(Mutex<Vec<usize>>);

impl Said {
    fn layers(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Said {
    fn written(&self, _: u64) {}
}

impl Reporter for Said {
    fn layer(&self, number: usize, _: LayerOrigin<'_>, _: u64) {
        self.0.lock().unwrap().push(number);
    }
}

fn destination(path: &Path) -> LayoutDestination {
    LayoutDestination::new(Layout::create(path).unwrap(), None)
}

/// Brings one layer.
fn bring(
    destination: &dyn Destination,
    setting: &Setting,
    recompress: Recompress,
    cache: &Cache,
    layer: &MemoryLayer,
    said: &Said,
) -> Result<Shipped, CarryError> {
    let pool = Pool::new(ONE);
    let carrier = Carrier {
        destination,
        setting,
        pool: &pool,
        cache,
        cache_directories: false,
        recompress,
        foreign: Foreign::Left,
    };
    let layer: Arc<dyn Layer> = Arc::new(layer.clone());
    let part = Part {
        layer: Carried::Existing("test", &layer),
        origin: LayerOrigin::Existing("layer"),
        key: None,
    };
    let mut shipped = carrier.all(&[part], ONE, said)?;
    Ok(shipped.remove(0))
}

#[test]
fn layers_keep_their_compression_or_get_another() {
    use Compression::{Gzip, None, Zstd};
    for (own, asked, recompress, becomes) in [
        (None, Setting::NONE, Recompress::Never, None),
        (Gzip, Setting::NONE, Recompress::Never, Gzip),
        (None, Setting::GZIP, Recompress::Never, None),
        (None, Setting::GZIP, Recompress::Plain, Gzip),
        (Zstd, Setting::GZIP, Recompress::Plain, Zstd),
        (Zstd, Setting::GZIP, Recompress::All, Gzip),
        (Gzip, Setting::NONE, Recompress::All, None),
        (Gzip, "zstd".parse().unwrap(), Recompress::All, Zstd),
        (Gzip, Setting::GZIP, Recompress::All, Gzip),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let destination = destination(&folder.path().join("layout"));
        let (layer, said) = (MemoryLayer::new(b"some layer", own), Said::default());
        let bring = || {
            bring(
                &destination,
                &asked,
                recompress,
                &Cache::none(),
                &layer,
                &said,
            )
            .unwrap()
        };
        let first = bring();
        let case = format!("{own} {asked} {recompress:?}");
        assert_eq!(
            Some(&first.descriptor.media_type),
            becomes.media_type().as_ref(),
            "{case}"
        );
        assert_eq!(
            (first.diff_id, first.size),
            (Digest::of(b"some layer"), Some(10)),
            "{case}"
        );
        assert!(
            !first.was_there && destination.holds(&first.descriptor, &[]).unwrap(),
            "{case}"
        );
        if own == becomes {
            assert_eq!(first.descriptor, layer.descriptor, "{case}");
            // Again nothing is read, and nobody is told.
            assert!(bring().was_there, "{case}");
            assert_eq!(said.layers(), [1], "{case}");
        }
    }
}

#[test]
fn what_is_compressed_anew_is_not_read_again_with_a_cache() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(&folder.path().join("layout"));
    let cache = Cache::open(&folder.path().join("cache"), CacheOptions::on(1)).unwrap();
    let (mut layer, said) = (
        MemoryLayer::new(b"plain", Compression::None),
        Said::default(),
    );
    let bring = |layer: &MemoryLayer| {
        bring(
            &destination,
            &Setting::GZIP,
            Recompress::Plain,
            &cache,
            layer,
            &said,
        )
    };
    let first = bring(&layer).unwrap();
    layer.bytes.clear();
    let second = bring(&layer).unwrap();
    assert!(second.was_there);
    assert_eq!(first.descriptor, second.descriptor);
    assert_eq!(said.layers(), [1]);
}

#[test]
fn a_layer_that_is_not_what_it_should_be_is_not_kept() {
    let wrong = |change: fn(&mut MemoryLayer)| {
        let mut layer = MemoryLayer::new(b"some layer", Compression::Gzip);
        change(&mut layer);
        layer
    };
    for layer in [
        wrong(|layer| layer.diff_id = Digest::of(b"other")),
        wrong(|layer| layer.descriptor.digest = Digest::of(b"other")),
        wrong(|layer| layer.descriptor.size += 1),
        wrong(|layer| layer.descriptor.size -= 1),
        wrong(|layer| layer.bytes.truncate(15)),
        wrong(|layer| layer.bytes[12] ^= 1),
        wrong(|layer| layer.bytes.push(0)),
    ] {
        for recompress in [Recompress::Never, Recompress::All] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("layout");
            let destination = destination(&path);
            let outcome = bring(
                &destination,
                &Setting::NONE,
                recompress,
                &Cache::none(),
                &layer,
                &Said::default(),
            );
            // What is unpacked is held against the diff id only.
            if recompress == Recompress::Never || layer.diff_id != Digest::of(b"some layer") {
                assert!(matches!(outcome, Err(CarryError::Source(_))), "{outcome:?}");
            }
            if outcome.is_err() {
                let blobs = std::fs::read_dir(path.join("blobs/sha256"));
                assert_eq!(blobs.map_or(0, Iterator::count), 0, "{outcome:?}");
            }
        }
    }
}

#[test]
fn an_archive_is_what_was_put_into_it_and_always_the_same() {
    let image = image(
        vec![
            MemoryLayer::new(
                &crate::source::testing::archive(&["a=1"]),
                Compression::Gzip,
            ),
            MemoryLayer::new(
                &crate::source::testing::archive(&["b=2"]),
                Compression::None,
            ),
        ],
        |_| {},
    );
    let write = || {
        let archive = OciArchive::new("oci-archive:x".to_owned(), Some("web".to_owned()));
        for layer in &image.layers {
            let blob = layer.descriptor().unwrap();
            let mut staged = archive.stage().unwrap();
            std::io::copy(&mut layer.open().unwrap(), &mut staged).unwrap();
            assert!(!archive.holds(&blob, &[]).unwrap());
            archive.keep(staged, &blob, &|_| {}).unwrap();
            assert!(archive.holds(&blob, &[]).unwrap());
        }
        let text = image.configuration.text().as_bytes();
        let config = Descriptor::of(MediaType::OciConfig, text);
        archive
            .keep(from_bytes(&archive, text).unwrap(), &config, &|_| {})
            .unwrap();
        let platform = image.configuration.platform();
        archive
            .publish(image.manifest.as_ref().unwrap(), Some(&platform))
            .unwrap();
        let mut bytes = vec![];
        archive.write(&mut bytes).unwrap();
        bytes
    };
    let bytes = write();
    assert_eq!(bytes, write());
    assert_eq!(bytes.len() % 10240, 0);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let reference = format!("oci-archive:{}:web", file.path().display());
    let read = pick(
        open(&reference.parse::<Reference>().unwrap(), &LocalOpener).unwrap(),
        None,
    )
    .unwrap();
    assert_eq!(read.manifest, image.manifest);
    let report = Verification::new(&read).run(&());
    assert!(report.is_valid(), "{report:?}");
}

#[test]
fn an_archive_without_room_is_an_error() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            let count = bytes.len().min(self.0);
            self.0 -= count;
            Ok(count)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for room in [0, 100, 512, 600, 5000] {
        let archive = OciArchive::new("oci-archive:x".to_owned(), None);
        let error = archive.write(&mut Full(room)).unwrap_err();
        assert_eq!(
            error.hint().as_deref(),
            Some("make room where the archive is written to"),
            "{room}"
        );
    }
}

#[test]
fn what_was_staged_elsewhere_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let layout = destination(&folder.path().join("layout"));
    let archive = OciArchive::new("oci-archive:x".to_owned(), None);
    let blob = Descriptor::of(MediaType::OciLayer, b"");
    let wrong = layout
        .keep(archive.stage().unwrap(), &blob, &|_| {})
        .unwrap_err();
    assert!(wrong.to_string().contains("can not go to oci:"), "{wrong}");
    let wrong = archive
        .keep(layout.stage().unwrap(), &blob, &|_| {})
        .unwrap_err();
    assert!(
        wrong.to_string().contains("can not go to oci-archive:x"),
        "{wrong}"
    );
}
