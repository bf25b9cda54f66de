use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::cache::CacheOptions;
use crate::layer::{LayerOfStore, Ownership, Permissions, Store, StoreLayer};
use crate::pipe;

/// The number of layers: some of large files, and some of small ones.
const COUNT: usize = 40;

/// A store on disk, and its layers: one of each path.
struct Place {
    folder: tempfile::TempDir,
    store: Store,
    ownership: Ownership,
    layers: Vec<StoreLayer>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("nix/store");
        fs::create_dir_all(&dir).unwrap();
        for number in 0..COUNT {
            let size = if number % 2 == 0 { 300_000 } else { 50 };
            let content = vec![number as u8; size + number];
            fs::write(dir.join(format!("{number:032}-x")), content).unwrap();
        }
        let store = Store::open("/nix/store", folder.path()).unwrap();
        let path = |number| store.path(&format!("/nix/store/{number:032}-x")).unwrap();
        let layers = (0..COUNT).map(|number| StoreLayer {
            paths: vec![path(number)],
            ..StoreLayer::default()
        });
        Self {
            layers: layers.collect(),
            store,
            ownership: Ownership {
                uid: 0,
                gid: 0,
                uname: "root".to_owned(),
                gname: "root".to_owned(),
                mtime: 1,
                permissions: Permissions::default(),
            },
            folder,
        }
    }

    fn file(&self, number: usize) -> std::path::PathBuf {
        let below = format!("nix/store/{number:032}-x");
        self.folder.path().join(below)
    }

    fn layers(&self) -> Vec<Box<dyn NewLayer + '_>> {
        let layer = |layer| LayerOfStore {
            layer,
            store: &self.store,
            ownership: &self.ownership,
            watches: [None; 2],
        };
        let layers = self.layers.iter().map(layer);
        layers.map(|layer| Box::new(layer) as _).collect()
    }

    fn cache(&self, check_all: bool) -> Cache {
        let options = CacheOptions {
            check_all,
            ..CacheOptions::on(1)
        };
        Cache::open(&self.folder.path().join("cache"), options).unwrap()
    }
}

/// Digest and size of a layer, as they are.
fn plain(layer: &dyn NewLayer) -> Plain {
    let entries = layer.entries().unwrap();
    let digests = pipe::run::<_, Error>(io::sink(), &(), |feeder| {
        feeder.begin_hash()?;
        layer::feed(feeder, entries.as_ref())?;
        feeder.end_hash()?;
        Ok(feeder.digests()?)
    });
    Plain {
        diff_id: digests.unwrap()[0],
        size: entries.measure().size,
    }
}

/// Goes through the layers as an archive does: the ways that were taken, and the digests.
fn gone_through(
    layers: &[Box<dyn NewLayer + '_>],
    cache: &Cache,
    moves_files: bool,
) -> Result<(Vec<Hashed>, Vec<Digest>), Error> {
    let beside = Beside::new(layers, cache, moves_files)?;
    thread::scope(|scope| {
        let _stopping = beside.start(scope);
        let mut ways = vec![];
        for number in 0..layers.len() {
            let listed = beside.listed(number)?;
            ways.push(listed.hashed.clone());
            beside.written();
        }
        let in_archive: Vec<Plain> = layers.iter().map(|layer| plain(layer.as_ref())).collect();
        for (number, way) in ways.iter().enumerate() {
            if matches!(way, Hashed::InArchive) {
                beside.found(number, in_archive[number]);
            }
        }
        let digests = beside.digests()?;
        let digests = digests.iter().zip(&in_archive);
        let digests = digests.map(|(beside, own)| beside.unwrap_or(own.diff_id));
        Ok((ways, digests.collect()))
    })
}

fn count(ways: &[Hashed], is: impl Fn(&Hashed) -> bool) -> usize {
    ways.iter().filter(|way| is(way)).count()
}

#[test]
fn digests_are_the_same_in_every_way() {
    let place = Place::new();
    let layers = place.layers();
    let expected: Vec<Digest> = layers
        .iter()
        .map(|layer| plain(layer.as_ref()).diff_id)
        .collect();
    let go = |cache: &Cache, moves_files| gone_through(&layers, cache, moves_files).unwrap();
    let (ways, digests) = go(&Cache::none(), false);
    assert_eq!(count(&ways, |way| matches!(way, Hashed::InArchive)), COUNT);
    assert_eq!(digests, expected);
    // Large files are read beside the archive, small ones in it.
    let cache = place.cache(false);
    let (ways, digests) = go(&cache, true);
    assert_eq!(
        count(&ways, |way| matches!(way, Hashed::Beside(_))),
        COUNT / 2
    );
    assert_eq!(
        count(&ways, |way| matches!(way, Hashed::InArchive)),
        COUNT / 2
    );
    assert_eq!(digests, expected);
    // Then they are known, but for some that are checked.
    let (ways, digests) = go(&cache, true);
    assert!(count(&ways, |way| matches!(way, Hashed::Known(_))) > COUNT / 2);
    assert_eq!(digests, expected);
    drop(cache);
    let cache = place.cache(true);
    let (ways, digests) = go(&cache, true);
    assert_eq!(count(&ways, |way| matches!(way, Hashed::Known(_))), 0);
    assert_eq!(digests, expected);
    assert_eq!(cache.complaint(), None);
}

#[test]
fn a_cache_that_is_wrong_is_noticed_and_no_digest_of_it_used() {
    let place = Place::new();
    let layers = place.layers();
    let truth: Vec<Plain> = layers.iter().map(|layer| plain(layer.as_ref())).collect();
    let expected: Vec<Digest> = truth.iter().map(|plain| plain.diff_id).collect();
    let mut noticed = 0;
    for round in 0..8 {
        let cache = place.cache(round == 0);
        for (layer, plain) in layers.iter().zip(&truth) {
            let key = layer.key(false).unwrap().unwrap();
            let lie = Plain {
                diff_id: Digest::of(plain.diff_id.as_bytes()),
                ..*plain
            };
            agreed::remember_plain(&cache, &key, names(layer.as_ref()), &lie);
        }
        let (_, digests) = gone_through(&layers, &cache, true).unwrap();
        let is_noticed = cache.complaint().is_some();
        assert!(
            is_noticed || round > 0,
            "all are checked in the first round"
        );
        if is_noticed {
            assert_eq!(digests, expected);
            noticed += 1;
        }
        cache.flush();
        if is_noticed {
            let (_, digests) = gone_through(&layers, &place.cache(false), true).unwrap();
            assert_eq!(digests, expected, "the entries were replaced");
        }
    }
    // That none of 40 is checked happens one time in 13.
    assert!(noticed >= 4, "{noticed}");
}

#[test]
fn a_layer_of_another_size_than_the_cache_says_is_hashed() {
    let place = Place::new();
    let layers = place.layers();
    let cache = place.cache(false);
    for layer in &layers {
        let key = layer.key(false).unwrap().unwrap();
        let lie = Plain {
            diff_id: Digest::of(b"something else"),
            size: 7,
        };
        agreed::remember_plain(&cache, &key, names(layer.as_ref()), &lie);
    }
    let (ways, digests) = gone_through(&layers, &cache, true).unwrap();
    assert_eq!(count(&ways, |way| matches!(way, Hashed::Known(_))), 0);
    for (layer, digest) in layers.iter().zip(digests) {
        assert_eq!(plain(layer.as_ref()).diff_id, digest);
    }
}

#[test]
fn a_layer_that_cannot_be_listed_or_read_ends_all() {
    for moves_files in [false, true] {
        let place = Place::new();
        let layers = place.layers();
        fs::remove_file(place.file(COUNT - 3)).unwrap();
        let failure = gone_through(&layers, &Cache::none(), moves_files).err();
        let failure = failure.unwrap().to_string();
        assert!(failure.contains("does not exist"), "{failure}");
    }
}

/// Writes an archive of one layer to a file, after another pass has hashed it and `change` was called.
fn archived(place: &Place, number: usize, change: impl FnOnce(&Path)) -> Result<Vec<u8>, Error> {
    let layers = place.layers();
    let entries = layers[number].entries()?;
    let stamps = Arc::<Stamps>::default();
    here(io::sink(), &(), &AtomicBool::new(false), |feeder| {
        feeder.compare(Some(Arc::clone(&stamps)));
        layer::feed(feeder, entries.as_ref())?;
        Ok::<_, Error>(())
    })?;
    change(&place.file(number));
    let out = tempfile::NamedTempFile::new().unwrap();
    let mut writer = out.as_file();
    let outlet = pipe::Outlet::of_file(&mut writer, std::os::fd::AsFd::as_fd(out.as_file()));
    pipe::run_to(outlet, &(), |feeder| {
        feeder.compare(Some(stamps));
        Ok::<_, Error>(layer::feed(feeder, entries.as_ref())?)
    })?;
    Ok(fs::read(out.path()).unwrap())
}

#[test]
fn a_file_that_changes_between_the_two_readings_is_an_error() {
    let place = Place::new();
    for number in [0, 1] {
        let archive = archived(&place, number, |_| {}).unwrap();
        let expected = plain(place.layers()[number].as_ref());
        assert_eq!(Digest::of(&archive), expected.diff_id);
        let same_size = |file: &Path| {
            let mut open = fs::OpenOptions::new().write(true).open(file).unwrap();
            // The clock of a file system may stand still for some milliseconds.
            thread::sleep(Duration::from_millis(20));
            open.write_all(b"!").unwrap();
        };
        let failure = archived(&place, number, same_size).err().unwrap();
        assert!(
            failure.to_string().contains("was changed while"),
            "{failure}"
        );
        let failure = archived(&place, number, |file| {
            thread::sleep(Duration::from_millis(20));
            fs::OpenOptions::new()
                .write(true)
                .open(file)
                .unwrap()
                .set_len(10)
                .unwrap();
        });
        let failure = failure.err().unwrap().to_string();
        assert!(failure.contains("shrank while"), "{failure}");
        assert!(failure.contains(&format!("{number:032}-x")), "{failure}");
    }
}
