//! Layers of store paths, byte for byte as Python's `tarfile` writes them.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use terrine_tests::{Archive, ConfFile, TestStore, oracle};

#[test]
fn an_image_without_store_layers_is_an_image() {
    let store = TestStore::default();
    let archive = oracle::agree(&ConfFile::new(&store, &[]));
    assert_eq!(archive.layers().len(), 1);
}

#[test]
fn the_order_is_that_of_path_components() {
    let store = TestStore::default();
    for name in [
        "p/foo/a",
        "p/foo-bar",
        "p/foo.txt",
        "p/foo0",
        "p/Foo",
        "p/foo/a-b/c",
        "p/foo/a.b",
        "p/fo",
    ] {
        store.file(name, name.as_bytes());
    }
    let archive = oracle::agree(&ConfFile::new(&store, &[&["p"]]));
    let entries = Archive::entries(archive.layers()[0]);
    assert_eq!(
        entries,
        [
            "/nix/",
            "/nix/store/",
            "/nix/store/p/",
            "/nix/store/p/Foo",
            "/nix/store/p/fo",
            "/nix/store/p/foo/",
            "/nix/store/p/foo/a",
            "/nix/store/p/foo/a-b/",
            "/nix/store/p/foo/a-b/c",
            "/nix/store/p/foo/a.b",
            "/nix/store/p/foo-bar",
            "/nix/store/p/foo.txt",
            "/nix/store/p/foo0",
        ]
    );
}

#[test]
fn every_kind_of_entry_is_written() {
    let store = TestStore::default();
    store
        .file("p/empty", b"")
        .file("p/one", b"1")
        .file("p/block", &[7; 512])
        .file("p/more", &[8; 513]);
    store
        .file_with_mode("p/setuid", b"x", 0o4755)
        .file_with_mode("p/sticky", b"x", 0o1644)
        .directory("p/dir/inner");
    store
        .link("p/link", "one")
        .link("p/broken", "/nowhere/at/all")
        .link("p/to-dir", "dir")
        .link("p/self", "self");
    store.link("p/up", "../../../..");
    fs::hard_link(store.host("p/one"), store.host("p/hard")).unwrap();
    fs::hard_link(store.host("p/one"), store.host("p/dir/hard")).unwrap();
    fs::set_permissions(store.host("p/dir"), Permissions::from_mode(0o1777)).unwrap();
    // Store paths that are a file and a link themselves.
    store
        .file("file", b"file")
        .link("link", "p/one")
        .link("link-to-dir", "p");
    oracle::agree(&ConfFile::new(
        &store,
        &[&["p"], &["file", "link"], &["link-to-dir"]],
    ));
}

#[test]
fn names_that_a_plain_header_cannot_hold_are_extended() {
    let store = TestStore::default();
    // "/nix/store/p/" has 13 characters: names on both sides of the field's 100.
    for length in [86, 87, 88, 200, 255] {
        store.file(&format!("p/{}", "f".repeat(length)), b"x");
        store.directory(&format!("p/{}", "d".repeat(length)));
        store.link(
            &format!("p/{}", "l".repeat(length)),
            "t".repeat(length + 13),
        );
    }
    for name in [
        "é",
        "日本語",
        "😀",
        "a\u{301}",
        "tab\there",
        "new\nline",
        " ",
        "equals=sign",
        "back\\slash",
    ] {
        store
            .file(&format!("p/{name}"), b"x")
            .link(&format!("p/link-{name}"), name);
    }
    store.file(&format!("p/{}é", "x".repeat(120)), b"x");
    let archive = oracle::agree(&ConfFile::new(&store, &[&["p"]]));
    assert!(archive.layers()[0].len() > 50_000);
}

#[test]
fn names_that_are_not_utf8_are_kept() {
    let store = TestStore::default();
    store.directory("p");
    for bytes in [
        &b"\xff"[..],
        b"a\x80b",
        b"\xc3\xa9\xff",
        b"\xed\xa0\x80",
        b"\xee\x80\x80",
        b"\xe2\x82",
    ] {
        fs::write(store.host("p").join(OsStr::from_bytes(bytes)), bytes).unwrap();
        let mut link = b"link-".to_vec();
        link.extend_from_slice(bytes);
        let link = store.host("p").join(OsStr::from_bytes(&link));
        std::os::unix::fs::symlink(OsStr::from_bytes(bytes), link).unwrap();
    }
    oracle::agree(&ConfFile::new(&store, &[&["p"]]));
}

#[test]
fn owners_and_times_that_a_plain_header_cannot_hold_are_extended() {
    let store = TestStore::default();
    store.file("p/x", b"x");
    let conf = || ConfFile::new(&store, &[&["p"]]);
    for (key, value) in [
        ("uid", "2097151"),
        ("uid", "2097152"),
        ("gid", "4294967294"),
        ("uname", "é"),
        ("uname", "a-name-of-exactly-thirty-two-cha"),
        ("uname", "a-name-of-exactly-thirty-three-ch"),
        ("gname", "a-name-of-exactly-thirty-two-cha"),
        ("gname", "a-name-of-exactly-thirty-three-ch"),
        ("gname", "a-name-of-more-than-thirty-two-chars"),
        ("uname", ""),
        ("mtime", "1969-12-31T23:59:59+00:00"),
        ("mtime", "2242-03-16T12:56:31+00:00"),
        ("mtime", "2242-03-16T12:56:32+00:00"),
        ("mtime", "2024-02-29T12:00:00.75+05:30"),
    ] {
        oracle::agree(&conf().with(key, value));
    }
}

#[test]
fn a_store_elsewhere_has_its_own_ancestors() {
    let store = TestStore::new("/gnu/store");
    store.file("p/x", b"x");
    let archive = oracle::agree(&ConfFile::new(&store, &[&["p"]]));
    assert_eq!(
        Archive::entries(archive.layers()[0]),
        ["/gnu/", "/gnu/store/", "/gnu/store/p/", "/gnu/store/p/x"]
    );
    let store = TestStore::new("/home/user/.local/share/nix/root/nix/store");
    store.file("p/x", b"x");
    oracle::agree(&ConfFile::new(&store, &[&["p"]]));
}

#[test]
fn a_file_too_large_for_a_plain_header_is_extended() {
    let store = TestStore::default();
    store.directory("p");
    // A hole of 8 GiB: read in no time, and only hashed here, not kept.
    let file = fs::File::create(store.host("p/huge")).unwrap();
    file.set_len(8 << 30).unwrap();
    let conf = ConfFile::new(&store, &[&["p"]]);
    let mut child = conf
        .command()
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut start = vec![0; 8192];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut start).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // The layer in the archive, and the file in the layer: sizes that follow from the
    // contents, in records, with 0 in the header proper.
    let text = String::from_utf8_lossy(&start);
    assert_eq!(text.matches("19 size=8589946880\n").count(), 1, "{text}");
    assert_eq!(text.matches("19 size=8589934592\n").count(), 1, "{text}");
}

#[test]
fn a_hundred_thousand_files_and_two_hundred_directories_are_no_trouble() {
    let store = TestStore::default();
    store.directory("many");
    for i in 0..100_000 {
        fs::File::create(store.host("many").join(i.to_string())).unwrap();
    }
    let deep = format!("deep/{}x", "directory/".repeat(200));
    store.file(&deep, b"x");
    let archive = ConfFile::new(&store, &[&["many"], &["deep"]]).archive();
    assert_eq!(Archive::entries(archive.layers()[0]).len(), 100_003);
    assert!(Archive::entries(archive.layers()[1]).contains(&store.path(&deep)));
}

#[test]
fn a_path_is_as_long_as_the_system_allows_even_below_a_long_root() {
    let store = TestStore::default();
    // 15 directories of 255 bytes and one file: 4,095 bytes in the image, more on this
    // machine, where it can only be made step by step.
    let mut handle = fs::File::open(store.root()).unwrap();
    let mut length = 0;
    let directory = "d".repeat(255);
    let mut components: Vec<&str> = vec!["nix", "store", "p"];
    components.extend(std::iter::repeat_n(directory.as_str(), 15));
    for component in components {
        use rustix::fs::{Mode, OFlags, mkdirat, openat};
        // Two of them are there already.
        let _ = mkdirat(&handle, component, Mode::from_raw_mode(0o755));
        handle = openat(
            &handle,
            component,
            OFlags::RDONLY | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .unwrap()
        .into();
        length += 1 + component.len();
    }
    let conf = ConfFile::new(&store, &[&["p"]]);
    for (name, fits) in [
        ("f".repeat(4095 - length - 1), true),
        ("g".repeat(4096 - length - 1), false),
    ] {
        use rustix::fs::{Mode, OFlags, openat};
        openat(
            &handle,
            &name,
            OFlags::CREATE | OFlags::WRONLY,
            Mode::from_raw_mode(0o644),
        )
        .unwrap();
        let run = conf.run();
        if fits {
            let archive = Archive::read(run.ok().stdout);
            assert_eq!(
                Archive::entries(archive.layers()[0]).last().unwrap().len(),
                4095
            );
        } else {
            assert_eq!(run.code, Some(1));
            assert!(
                run.stderr
                    .contains("has 4096 bytes, but a path may have at most 4095"),
                "{}",
                run.stderr
            );
        }
    }
    // Too deep for the standard library's own way of removing it.
    let mut remove = std::process::Command::new("rm");
    assert!(
        remove
            .arg("-rf")
            .arg(store.host("p"))
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn no_link_leads_out_of_the_store() {
    let store = TestStore::default();
    let outside = terrine_tests::temporary();
    fs::write(outside.path().join("secret"), b"x").unwrap();
    store.link("link", outside.path()).file("a/x", b"x");
    let run = ConfFile::new(&store, &[&["link/secret"]]).run();
    assert_eq!((run.code, run.stdout.len()), (Some(1), 0), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("link/secret`\n  caused by: Not a directory"),
        "{}",
        run.stderr
    );
    // The store's own directory may be reached through one.
    let root = terrine_tests::temporary();
    fs::create_dir(root.path().join("nix")).unwrap();
    std::os::unix::fs::symlink(store.host(""), root.path().join("nix/store")).unwrap();
    let conf = ConfFile::new(&store, &[&["a"]]);
    let mut command = terrine_tests::terrine();
    command
        .arg("stream")
        .arg("--store-root")
        .arg(root.path())
        .arg(conf.write());
    assert_eq!(
        terrine_tests::Run::of(&mut command).ok().stdout,
        conf.archive().bytes
    );
}

/// Something in a generated tree.
#[derive(Debug, Clone)]
enum Node {
    File(Vec<u8>, u32),
    Link(Vec<u8>),
    Directory(Vec<(Vec<u8>, Node)>, u32),
}

/// Names that are hard on an archive: of all lengths, in and out of UTF-8.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let plain = proptest::collection::vec(proptest::sample::select(b"ab.-_+ A~0".to_vec()), 1..8);
    let bytes = proptest::collection::vec(1_u8.., 1..12);
    let unicode = proptest::collection::vec(any::<char>(), 1..6)
        .prop_map(|c| String::from_iter(c).into_bytes());
    let long =
        (90_usize..255, proptest::sample::select(b"xyz".to_vec())).prop_map(|(n, b)| vec![b; n]);
    prop_oneof![4 => plain, 2 => bytes, 2 => unicode, 1 => long]
        .prop_map(|name| {
            name.into_iter()
                .filter(|&byte| byte != b'/' && byte != 0)
                .take(255)
                .collect::<Vec<u8>>()
        })
        .prop_filter("a name", |name| {
            !name.is_empty() && name != b"." && name != b".."
        })
}

fn node() -> impl Strategy<Value = Node> {
    let file = (
        proptest::collection::vec(any::<u8>(), 0..1200),
        0o400_u32..=0o7777,
    )
        .prop_map(|(content, mode)| Node::File(content, mode | 0o400));
    let link = proptest::collection::vec(1_u8.., 1..150).prop_map(Node::Link);
    prop_oneof![3 => file, 1 => link].prop_recursive(5, 40, 8, |inner| {
        (
            proptest::collection::vec((name(), inner), 0..8),
            0o700_u32..=0o7777,
        )
            .prop_map(|(children, mode)| Node::Directory(children, mode | 0o700))
    })
}

fn make(path: &std::path::Path, node: &Node) {
    match node {
        Node::File(content, mode) => {
            fs::write(path, content).unwrap();
            fs::set_permissions(path, Permissions::from_mode(*mode)).unwrap();
        }
        Node::Link(target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), path).unwrap(),
        Node::Directory(children, mode) => {
            fs::create_dir(path).unwrap();
            for (name, child) in children {
                let child_path = path.join(OsStr::from_bytes(name));
                // The same name twice makes one entry.
                if child_path.symlink_metadata().is_err() {
                    make(&child_path, child);
                }
            }
            fs::set_permissions(path, Permissions::from_mode(*mode)).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_trees_are_archived_as_the_oracle_does(trees in proptest::collection::vec(node(), 1..4)) {
        let store = TestStore::default();
        let names: Vec<String> = (0..trees.len()).map(|i| format!("path-{i}")).collect();
        for (name, tree) in names.iter().zip(&trees) {
            make(&store.host(name), tree);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (last, rest) = names.split_last().unwrap();
        oracle::agree(&ConfFile::new(&store, &[rest, &[last]]));
    }
}
