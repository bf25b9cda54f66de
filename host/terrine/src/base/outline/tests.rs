use super::super::listing::tests::listing;
use super::*;
use crate::cache::CacheOptions;

fn outline(layers: &[&[&str]]) -> Outline {
    let mut outline = Outline {
        listing: Listing::default(),
        files: BTreeMap::from([(b"/etc/passwd".to_vec(), b"root:x:0:0\xff".to_vec())]),
        store_dir: "/nix/store".to_owned(),
    };
    outline.listing = listing(layers);
    outline
}

const LAYERS: &[&[&str]] = &[&["usr/bin/web=1", "bin -> usr/bin", "etc/", "etc/passwd=20"]];

#[test]
fn what_is_noted_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path(), CacheOptions::on(1)).unwrap();
    let key = Digest::of(b"image");
    assert!(matches!(
        Outline::recall(&cache, key, "/nix/store"),
        Recalled::Nothing
    ));
    let noted = outline(LAYERS);
    assert!(noted.remember(&cache, key));
    let Recalled::Outline(read) = Outline::recall(&cache, key, "/nix/store/") else {
        panic!("it was kept");
    };
    for path in [
        "/usr",
        "/usr/bin/web",
        "/bin",
        "/etc",
        "/no",
        "/nix/store/x",
    ] {
        let path = path.as_bytes();
        assert_eq!(read.look(path), noted.look(path));
        assert_eq!(read.listing().access(path), noted.listing().access(path));
    }
    assert_eq!(read.look(b"/usr/bin/web"), Listed::File { mode: 0o755 });
    assert_eq!(read.look(b"/bin"), Listed::Link(b"usr/bin"));
    assert_eq!(read.look(b"/no"), Listed::Nothing);
    assert_eq!(read.look(b"/nix/store/x"), Listed::Unknown);
    assert_eq!(read.look(b"/nix/storey"), Listed::Nothing);
    assert_eq!(read.read(b"/etc/passwd", 99).unwrap(), b"root:x:0:0\xff");
    assert_eq!(read.read(b"/etc/passwd", 4).unwrap(), b"root");
    assert_eq!(read.read(b"/etc/group", 4), None);
    // A directory that no archive has an entry for is nobody's.
    assert!(read.listing().access(b"/etc").is_some());
    assert_eq!(read.listing().access(b"/usr"), None);
}

#[test]
fn large_outlines_take_several_facts_and_the_largest_none() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path(), CacheOptions::on(1)).unwrap();
    // Digests do not compress.
    let named = |count: u32| {
        let mut outline = outline(&[]);
        for number in 0..count {
            let path = format!("f/{}", Digest::of(&number.to_le_bytes()).hex());
            let entry = ListedEntry::new(EntryKind::File);
            outline
                .listing
                .entries
                .insert(path.into_bytes().into(), entry);
        }
        outline
    };
    let key = Digest::of(b"large");
    let large = named(5_000);
    assert!(large.to_text().unwrap().len() > 2 * PIECE);
    assert!(large.remember(&cache, key));
    let Recalled::Outline(read) = Outline::recall(&cache, key, "/nix/store") else {
        panic!("it was kept");
    };
    assert_eq!(read.listing.entries.below(b"").count(), 5_000);
    // A fact of it is lost.
    cache.remember_facts(FACT, &[(numbered(key, 2), "x".to_owned())]);
    assert!(matches!(
        Outline::recall(&cache, key, "/nix/store"),
        Recalled::Nothing
    ));
    let key = Digest::of(b"largest");
    assert!(!named(80_000).remember(&cache, key));
    assert!(matches!(
        Outline::recall(&cache, key, "/nix/store"),
        Recalled::TooLarge
    ));
}

#[test]
fn files_are_found_through_links() {
    let listing = listing(&[&[
        "etc/passwd -> ../usr/etc/passwd",
        "usr/etc/passwd=3",
        "etc/group -> gone",
        "etc/loop -> loop",
        "etc/folder/",
    ]]);
    let at = |path: &str| {
        let found = listing.file_at(path.as_bytes())?;
        Some(String::from_utf8(found).unwrap())
    };
    assert_eq!(at("/etc/passwd").as_deref(), Some("/usr/etc/passwd"));
    for path in ["/etc/group", "/etc/loop", "/etc/folder", "/etc/passwd/x"] {
        assert_eq!(at(path), None);
    }
}
