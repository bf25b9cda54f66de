//! Layers on their way, to layouts and archives.

use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
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
use crate::source::{self, Layer, LocalOpener, open, pick};
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
        claims: None,
        shared: None,
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

/// A layer that counts how often it is read.
#[derive(Debug)]
struct Counted(MemoryLayer, AtomicUsize);

impl Layer for Counted {
    fn name(&self) -> String {
        self.0.name()
    }

    fn diff_id(&self) -> Digest {
        self.0.diff_id()
    }

    fn descriptor(&self) -> Result<Descriptor, source::Error> {
        self.0.descriptor()
    }

    fn stored_size(&self) -> u64 {
        self.0.stored_size()
    }

    fn compression(&self) -> Compression {
        self.0.compression()
    }

    fn open(&self) -> Result<Box<dyn Read + Send + '_>, source::Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.open()
    }
}

#[test]
fn several_destinations_take_one_reading_of_a_layer() {
    let folder = tempfile::tempdir().unwrap();
    let layout = |name: &str| destination(&folder.path().join(name));
    let (one, two, three) = (layout("1"), layout("2"), layout("3"));
    let (pool, cache) = (Pool::new(ONE), Cache::none());
    let carrier = |destination, setting| Carrier {
        destination,
        setting,
        pool: &pool,
        cache: &cache,
        cache_directories: false,
        claims: None,
        shared: None,
        recompress: Recompress::Always,
        foreign: Foreign::Left,
    };
    let carriers = [
        carrier(&one, &Setting::GZIP),
        carrier(&two, &Setting::ZSTD),
        carrier(&three, &Setting::GZIP),
    ];
    let plain = [b'x'; 100_000];
    let counted = Arc::new(Counted(
        MemoryLayer::new(&plain, Compression::None),
        AtomicUsize::new(0),
    ));
    let layer: Arc<dyn Layer> = Arc::<Counted>::clone(&counted);
    let part = Part {
        layer: Carried::Existing("test", &layer),
        origin: LayerOrigin::Existing("layer"),
        key: None,
    };
    let brought = all(&carriers, &[part], ONE, &()).unwrap();
    assert_eq!(counted.1.load(Ordering::Relaxed), 1);
    let shipped: Vec<Shipped> = brought
        .into_iter()
        .map(|brought| brought.unwrap().remove(0))
        .collect();
    assert_eq!(shipped[0], shipped[2]);
    assert_ne!(shipped[0].descriptor, shipped[1].descriptor);
    for (destination, shipped) in [&one, &two, &three].into_iter().zip(&shipped) {
        assert!(
            destination
                .holds(&shipped.descriptor, &[])
                .unwrap()
                .is_there()
        );
        assert_eq!(shipped.diff_id, Digest::of(&plain));
    }
}

#[test]
fn a_destination_that_fails_does_not_end_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    let (good, gone) = (destination(&good), destination(&bad));
    std::fs::remove_dir_all(&bad).unwrap();
    let (pool, cache) = (Pool::new(ONE), Cache::none());
    let carrier = |destination| Carrier {
        destination,
        setting: &Setting::NONE,
        pool: &pool,
        cache: &cache,
        cache_directories: false,
        claims: None,
        shared: None,
        recompress: Recompress::Never,
        foreign: Foreign::Left,
    };
    let layers: Vec<Arc<dyn Layer>> = [b"one", b"two"]
        .map(|plain| Arc::new(MemoryLayer::new(plain, Compression::Gzip)) as Arc<dyn Layer>)
        .into();
    let parts: Vec<Part<'_>> = layers
        .iter()
        .map(|layer| Part {
            layer: Carried::Existing("test", layer),
            origin: LayerOrigin::Existing("layer"),
            key: None,
        })
        .collect();
    let brought = all(&[carrier(&gone), carrier(&good)], &parts, ONE, &()).unwrap();
    assert!(brought[0].is_err());
    assert_eq!(brought[1].as_ref().unwrap().len(), 2);
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
            !first.was_there()
                && destination
                    .holds(&first.descriptor, &[])
                    .unwrap()
                    .is_there(),
            "{case}"
        );
        if own == becomes {
            assert_eq!(first.descriptor, layer.descriptor, "{case}");
            // Again nothing is read, and nobody is told.
            assert!(bring().was_there(), "{case}");
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
    assert!(second.was_there());
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
            MemoryLayer::new(&source::testing::archive(&["a=1"]), Compression::Gzip),
            MemoryLayer::new(&source::testing::archive(&["b=2"]), Compression::None),
        ],
        |_| {},
    );
    let write = || {
        let archive = OciArchive::new("oci-archive:x".to_owned(), Some("web".to_owned()));
        for layer in &image.layers {
            let blob = layer.descriptor().unwrap();
            let mut staged = archive.stage().unwrap();
            std::io::copy(&mut layer.open().unwrap(), &mut staged).unwrap();
            assert!(!archive.holds(&blob, &[]).unwrap().is_there());
            archive.keep(staged, &blob, &|_| {}).unwrap();
            assert!(archive.holds(&blob, &[]).unwrap().is_there());
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
    // A layout copies what waits for several destinations.
    let kept = layout.keep(archive.stage().unwrap(), &blob, &|_| {});
    assert!(kept.is_ok() && layout.holds(&blob, &[]).unwrap().is_there());
    let wrong = archive
        .keep(layout.stage().unwrap(), &blob, &|_| {})
        .unwrap_err();
    assert!(
        wrong
            .to_string()
            .contains("cannot be copied to oci-archive:x"),
        "{wrong}"
    );
}
