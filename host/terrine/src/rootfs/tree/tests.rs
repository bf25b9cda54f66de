use super::*;

fn paths(root: &Root) -> Vec<String> {
    root.entries().map(|entry| shown(entry.path)).collect()
}

#[test]
fn entries_come_by_names_and_directories_before_their_content() {
    let mut root = Root::new();
    for path in [
        "/foo/a",
        "/foo-bar",
        "/foo.txt",
        "/Foo",
        "/foo0",
        "//foo/./a-b//c/",
        "/fo",
    ] {
        root.add(path, New::file(""), Origin::Files).unwrap();
    }
    let expected = [
        "/",
        "/Foo",
        "/fo",
        "/foo",
        "/foo/a",
        "/foo/a-b",
        "/foo/a-b/c",
        "/foo-bar",
        "/foo.txt",
        "/foo0",
    ];
    assert_eq!(paths(&root), expected);
    let directories: Vec<_> = root.directories().map(|entry| shown(entry.path)).collect();
    assert_eq!(directories, ["/foo", "/foo/a-b"]);
    assert_eq!(root.get(b"/foo/").unwrap().kind, Kind::Directory);
    assert_eq!(root.get(b"/").unwrap().path, b"/");
    assert!(root.get(b"/bar").is_none());
}

#[test]
fn texts_are_targets_and_contents() {
    let mut root = Root::new();
    root.add("/a", New::file("inline"), Origin::Files).unwrap();
    root.add("/b", New::symlink("target"), Origin::Files)
        .unwrap();
    root.add(
        "/c",
        New::copy_of(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
        Origin::Files,
    )
    .unwrap();
    assert_eq!(
        root.texts().collect::<Vec<_>>(),
        [&b"inline"[..], b"target"]
    );
}

/// Adds both and says what is at `/x` then, or what is wrong.
fn both(first: (&str, New, Origin), second: (&str, New, Origin)) -> String {
    let mut root = Root::new();
    for (path, new, origin) in [first, second] {
        if let Err(error) = root.add(path, new, origin) {
            return error.to_string();
        }
    }
    root.get(b"/x")
        .map(|entry| format!("{:?} {:o}", entry.kind, entry.mode))
        .unwrap()
}

#[test]
fn what_two_sources_have_has_to_be_the_same() {
    let (nss, base) = (
        || Origin::Helper("fakeNss"),
        || Origin::Contents("/nix/store/x-base".into()),
    );
    let (file, link, directory) = (
        New::file,
        |target: &str| New::symlink(target),
        New::directory,
    );
    let clash = "`/x` comes from both contents `/nix/store/x-base` and `fakeNss`";
    for (path, first, other, second, expected) in [
        ("/x", file("a"), "/x", file("b"), clash),
        ("/x", file("a"), "/x", file("a"), "File 644"),
        ("/x", file("a"), "/x", file("a").mode(0o600), clash),
        ("/x", file("a"), "/x", file("a").owner(1, 0), clash),
        ("/x", link("a"), "/x", link("a"), "Symlink 777"),
        ("/x", link("a"), "/x", link("b"), clash),
        ("/x", link("a"), "/x", file("a"), clash),
        ("/x", directory(), "/x", directory(), "Directory 755"),
        (
            "/x",
            directory().mode(0o700),
            "/x",
            directory().mode(0o700),
            "Directory 700",
        ),
        ("/x", directory().mode(0o700), "/x", directory(), clash),
        (
            "/x/y",
            file("a"),
            "/x",
            directory().mode(0o700),
            "Directory 700",
        ),
        (
            "/x",
            directory().mode(0o700),
            "/x/y",
            file("a"),
            "Directory 700",
        ),
        ("/x", link("a"), "/x/y/z", file("a"), "Symlink 777"),
        (
            "/x",
            file("a"),
            "/x/y/z",
            file("a"),
            "`/x` is a file in contents `/nix/store/x-base` and a directory in `fakeNss`",
        ),
        (
            "/x/y",
            file("a"),
            "/x",
            file("a"),
            "`/x` is a directory in contents `/nix/store/x-base` and a file in `fakeNss`",
        ),
    ] {
        let found = both((path, first, base()), (other, second, nss()));
        assert_eq!(found, expected);
    }
    let twice = both(
        ("/x", file("a"), Origin::Files),
        ("/x", file("b"), Origin::Files),
    );
    assert_eq!(twice, "`/x` comes twice from `files`");
}

#[test]
fn among_packages_the_first_stays_or_the_last_replaces() {
    let origin = |copied, name: &str| {
        Arc::new(if copied {
            Origin::CopyToRoot(name.into())
        } else {
            Origin::Contents(name.into())
        })
    };
    let link = |target: &str, origin: &_| Node::symlink(target.as_bytes(), origin);
    for (copied, twice, target) in [(false, Twice::Keep, "a"), (true, Twice::Replace, "b")] {
        let (one, two) = (origin(copied, "one"), origin(copied, "two"));
        let mut root = Root::new();
        root.place(b"/x".into(), link("a", &one), twice).unwrap();
        root.place(b"/x".into(), link("b", &two), twice).unwrap();
        assert_eq!(root.get(b"/x").unwrap().link, target.as_bytes());
        // Of another kind than what is there, it is nobody's to settle.
        let other = root.place(b"/x".into(), link("c", &origin(!copied, "three")), twice);
        assert!(matches!(other, Err(Error::Clash { .. })), "{other:?}");
        let directory = root.place(b"/x".into(), Node::implied(&two), twice);
        match twice {
            Twice::Keep => assert!(!directory.unwrap()),
            _ => assert!(matches!(directory, Err(Error::Kinds { .. }))),
        }
    }
}

#[test]
fn of_directories_the_strongest_word_on_permissions_counts() {
    use Strength::{Copied, Given, Implied};
    let modes = |given: &[(Strength, u32)]| {
        let mut root = Root::new();
        for &(strength, mode) in given {
            let node = Node::root(
                NodeContent::Directory(strength),
                mode,
                &Arc::new(Origin::Files),
            );
            root.place(b"/x".into(), node, Twice::Refuse).unwrap();
        }
        root.get(b"/x").unwrap().mode
    };
    for (given, expected) in [
        (&[(Implied, 0o755), (Copied, 0o555)][..], 0o555),
        (&[(Copied, 0o555), (Implied, 0o755)], 0o555),
        (&[(Copied, 0o555), (Copied, 0o550)], 0o550),
        (&[(Copied, 0o555), (Given, 0o1777)], 0o1777),
        (
            &[(Given, 0o1777), (Copied, 0o555), (Implied, 0o755)],
            0o1777,
        ),
    ] {
        assert_eq!(modes(given), expected, "{given:?}");
    }
}

#[test]
fn what_cannot_be_in_an_image_is_refused() {
    let add = |path: &str, new: New| {
        Root::new()
            .add(path, new, Origin::Files)
            .map_err(|error| error.to_string())
    };
    let (file, directory) = (|| New::file("a"), New::directory);
    for (path, new, message) in [
        ("", file(), "`` is not an absolute path without `..`"),
        (
            "etc/x",
            file(),
            "`etc/x` is not an absolute path without `..`",
        ),
        (
            "/etc/../x",
            file(),
            "`/etc/../x` is not an absolute path without `..`",
        ),
        (
            "/x\0",
            file(),
            "`/x\0` is not an absolute path without `..`",
        ),
        ("//.", file(), "`/` can only be a directory"),
        (
            "/x",
            file().mode(0o10000),
            "the mode 10000 of `/x` is above 7777",
        ),
        ("/x", New::symlink(""), "`/x` cannot be a link to ``"),
        ("/x", New::symlink("a\0"), "`/x` cannot be a link to `a\0`"),
        (
            "/x",
            New::copy_of("/"),
            "`/` for `/x` is not a regular file",
        ),
        (
            "/x",
            New::copy_of("/no/such/file"),
            "`/no/such/file` does not exist",
        ),
    ] {
        assert_eq!(add(path, new), Err(message.to_owned()));
    }
    assert_eq!(add("/", directory().mode(0o700)), Ok(()));
    let path = |length: usize| "/d".repeat(length / 2) + &"x".repeat(length % 2);
    assert_eq!(add(&path(4095), file()), Ok(()));
    assert!(
        add(&path(4096), file())
            .unwrap_err()
            .ends_with("has 4096 bytes, but a path may have at most 4095")
    );
    assert!(add("/x", New::symlink("x".repeat(4096))).is_err());
}

#[test]
fn there_are_not_more_entries_than_are_allowed() {
    let mut root = Root {
        limit: 3,
        ..Root::new()
    };
    root.add("/a/b", New::file(""), Origin::Files).unwrap();
    root.add("/a/b", New::file(""), Origin::Files).unwrap();
    let error = root.add("/a/c", New::file(""), Origin::Files).unwrap_err();
    assert_eq!(
        error.to_string(),
        "with `files`, the root has more than 3 entries"
    );
}
