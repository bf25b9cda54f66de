use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::super::New;
use super::*;
use crate::layer::{Selection, Store};

/// A store with packages, each entry a file (`a/bin/x`) or a link (`a/sbin -> bin`).
struct Machine {
    root: tempfile::TempDir,
    store: Store,
}

impl Machine {
    fn new(entries: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("nix/store")).unwrap();
        for entry in entries {
            let (name, target) = entry.split_once(" -> ").unwrap_or((entry, ""));
            let place = root.path().join("nix/store").join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            match target {
                "" => fs::write(&place, *entry).unwrap(),
                target => symlink(target, &place).unwrap(),
            }
        }
        let store = Store::open("/nix/store", root.path()).unwrap();
        Self { root, store }
    }

    fn place(&self, package: &str) -> PathBuf {
        self.root.path().join("nix/store").join(package)
    }

    fn link(&self, root: &mut Root, package: &str) -> Result<(), Error> {
        let origin = Origin::Contents(package.to_owned());
        root.link(
            &format!("/nix/store/{package}"),
            &self.place(package),
            origin,
        )
    }

    fn copy(&self, root: &mut Root, package: &str) -> Result<(), Error> {
        let origin = Origin::CopyToRoot(package.to_owned());
        root.copy(&self.place(package), &self.store, &Selection::all(), origin)
    }
}

/// Lists the root without its directories: links with their targets, copies by their paths.
fn listing(root: &Root) -> Vec<String> {
    let entries = root
        .entries()
        .filter(|entry| entry.kind != terrine_tar::Kind::Directory);
    entries
        .map(|entry| {
            let text = String::from_utf8_lossy(entry.path);
            match entry.link {
                b"" => text.into_owned(),
                link => format!("{text} -> {}", String::from_utf8_lossy(link)),
            }
        })
        .map(|text| text.replace("/nix/store/", "$"))
        .collect()
}

fn told(root: &Root) -> Vec<String> {
    root.remarks().iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_of_contents_is_lost_where_links_to_directories_meet_directories() {
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        // A link within the tree, first and last.
        (
            &["a/bin/x", "a/sbin -> bin", "b/sbin/visudo"],
            &[
                "/bin/visudo -> $b/sbin/visudo",
                "/bin/x -> $a/bin/x",
                "/sbin -> bin",
            ],
            &[],
        ),
        (
            &["a/sbin/visudo", "b/bin/x", "b/sbin -> bin"],
            &[
                "/bin/x -> $b/bin/x",
                "/sbin/visudo -> $a/sbin/visudo",
                "/sbin/x -> $b/bin/x",
            ],
            &[],
        ),
        // One that leads nowhere yet, an absolute one, and a chain.
        (
            &["a/lib64 -> lib", "b/lib64/l", "c/lib/m"],
            &[
                "/lib/l -> $b/lib64/l",
                "/lib/m -> $c/lib/m",
                "/lib64 -> lib",
            ],
            &[],
        ),
        (
            &["a/sbin -> /usr/sbin", "a/usr/sbin -> bin", "b/sbin/d/v"],
            &[
                "/sbin -> /usr/sbin",
                "/usr/bin/d/v -> $b/sbin/d/v",
                "/usr/sbin -> bin",
            ],
            &[],
        ),
        // `/` is its own parent.
        (
            &["a/x -> ../../../y", "b/x/z"],
            &["/x -> ../../../y", "/y/z -> $b/x/z"],
            &[],
        ),
        // Links into the store become directories of links, as deep as it takes.
        (
            &[
                "a/lib -> /nix/store/l/lib",
                "b/lib/m",
                "l/lib/d/n",
                "l/lib/o",
            ],
            &[
                "/lib/d -> $l/lib/d",
                "/lib/m -> $b/lib/m",
                "/lib/o -> $l/lib/o",
            ],
            &[],
        ),
        (
            &[
                "a/lib -> /nix/store/l/lib",
                "b/lib/d/m",
                "l/lib/d/n",
                "l/lib/o",
            ],
            &[
                "/lib/d/m -> $b/lib/d/m",
                "/lib/d/n -> $l/lib/d/n",
                "/lib/o -> $l/lib/o",
            ],
            &[],
        ),
        (
            &[
                "a/bin -> /nix/store/p/bin",
                "b/bin -> /nix/store/q/bin",
                "p/bin/p",
                "q/bin/q",
            ],
            &["/bin/p -> $p/bin/p", "/bin/q -> $q/bin/q"],
            &[],
        ),
        (
            &["a/bin -> /nix/store/p/bin", "b/bin -> ../p/bin", "p/bin/p"],
            &["/bin -> $p/bin"],
            &[],
        ),
        (
            &["a/bin -> usr/bin", "b/bin -> /nix/store/q/bin", "q/bin/q"],
            &["/bin -> usr/bin", "/usr/bin/q -> $q/bin/q"],
            &[],
        ),
        // A link that is made again elsewhere leads where it led.
        (
            &["a/sbin -> usr/bin", "b/lib/y", "b/sbin/l -> ../lib/y"],
            &[
                "/lib/y -> $b/lib/y",
                "/sbin -> usr/bin",
                "/usr/bin/l -> $b/sbin/l",
            ],
            &[],
        ),
        (
            &[
                "a/bin -> /nix/store/p/bin",
                "b/bin/x",
                "p/bin/l -> q",
                "p/bin/q",
            ],
            &[
                "/bin/l -> $p/bin/l",
                "/bin/q -> $p/bin/q",
                "/bin/x -> $b/bin/x",
            ],
            &[],
        ),
        // What cannot be in one place is told, with both names.
        (
            &["a/bin/x", "b/bin/x", "b/bin/y"],
            &["/bin/x -> $a/bin/x", "/bin/y -> $b/bin/y"],
            &[
                "`/bin/x` is in contents `a` and in contents `b`: the image has that of contents `a`",
            ],
        ),
        (
            &["a/x", "b/x/y"],
            &["/x -> $a/x"],
            &[
                "`/x` is a symbolic link in contents `a` and a directory in contents `b`: the image has that of contents `a`",
            ],
        ),
        (
            &["a/x/y", "b/x"],
            &["/x/y -> $a/x/y"],
            &[
                "`/x` is a directory in contents `a` and a symbolic link in contents `b`: the image has that of contents `a`",
            ],
        ),
        (
            &["a/l -> m", "a/m -> l", "b/l/y"],
            &["/l -> m", "/m -> l"],
            &[
                "`/l` is a symbolic link in contents `a` and a directory in contents `b`: the image has that of contents `a`",
            ],
        ),
        (
            &["a/f", "a/l -> m", "a/m -> f", "b/l/y"],
            &["/f -> $a/f", "/l -> m", "/m -> f"],
            &[
                "`/l` is a symbolic link in contents `a` and a directory in contents `b`: the image has that of contents `a`",
            ],
        ),
        (
            &["a/l -> /nix/store/gone/lib", "b/l/y"],
            &["/l -> $gone/lib"],
            &[
                "`/l` is a symbolic link in contents `a` and a directory in contents `b`: the image has that of contents `a`",
            ],
        ),
        (
            &["a/l/x", "b/l -> /nix/store/gone/lib"],
            &["/l/x -> $a/l/x"],
            &[
                "`/l` is a directory in contents `a` and a symbolic link in contents `b`: the image has that of contents `a`",
            ],
        ),
    ];
    for (entries, expected, remarks) in cases {
        let machine = Machine::new(entries);
        let mut root = Root::new().within(&machine.store);
        for package in ["a", "b", "c"] {
            if machine.place(package).exists() {
                machine.link(&mut root, package).unwrap();
            }
        }
        assert_eq!(listing(&root), *expected, "{entries:?}");
        assert_eq!(told(&root), *remarks, "{entries:?}");
    }
}

#[test]
fn copies_files_and_helpers_go_through_links() {
    let machine = Machine::new(&[
        "a/bin -> usr/bin",
        "a/lib -> /nix/store/l/lib",
        "l/lib/n",
        "c/bin/x",
        "c/lib/m",
        "d/bin/x",
    ]);
    let mut root = Root::new().within(&machine.store);
    machine.link(&mut root, "a").unwrap();
    machine.copy(&mut root, "c").unwrap();
    machine.copy(&mut root, "d").unwrap();
    root.add("/bin/sh", New::symlink("x"), Origin::Helper("binSh"))
        .unwrap();
    root.add("/bin/deep/er", New::file(""), Origin::Files)
        .unwrap();
    root.add("/lib", New::directory().mode(0o700), Origin::Files)
        .unwrap();
    let expected = [
        "/bin -> usr/bin",
        "/lib/m",
        "/lib/n -> $l/lib/n",
        "/usr/bin/deep/er",
        "/usr/bin/sh -> x",
        "/usr/bin/x",
    ];
    assert_eq!(listing(&root), expected);
    assert_eq!(root.get(b"/lib").unwrap().mode, 0o700);
    let remark = "`/usr/bin/x` is in copyToRoot `d` and in copyToRoot `c`: the image has that of copyToRoot `d`";
    assert_eq!(told(&root), [remark]);
    let clash = root
        .add("/bin/x", New::file(""), Origin::Files)
        .unwrap_err();
    assert_eq!(
        clash.to_string(),
        "`/usr/bin/x` comes from both copyToRoot `d` and `files`"
    );
}

#[test]
fn remarks_are_few_however_much_is_lost() {
    let files: Vec<String> = (0..20)
        .flat_map(|package| (0..5).map(move |file| format!("p{package:02}/f{file}")))
        .collect();
    let machine = Machine::new(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let mut root = Root::new().within(&machine.store);
    for package in 0..20 {
        machine.link(&mut root, &format!("p{package:02}")).unwrap();
    }
    let remarks = told(&root);
    assert_eq!(remarks.len(), 11);
    assert_eq!(
        remarks[0],
        "`/f0`, `/f1`, `/f2` and 2 more are in contents `p00` and in contents `p01`: the image has that of contents `p00`"
    );
    assert_eq!(
        remarks[10],
        "9 more pairs of packages have the same paths, of which one is in the image"
    );
}

#[test]
fn directories_in_the_place_of_links_have_what_comes_later() {
    let cases: &[(&[&str], &[&str])] = &[
        (
            &[
                "e/lib/e",
                "c/lib -> usr/lib",
                "c/usr/lib/c",
                "d/usr/lib/d",
                "d/usr/lib/s/x",
                "d/usr/lib/l -> d",
            ],
            &[
                "/lib/c -> $c/usr/lib/c",
                "/lib/d -> $d/usr/lib/d",
                "/lib/e -> $e/lib/e",
                "/lib/l -> /usr/lib/l",
                "/lib/s/x -> $d/usr/lib/s/x",
                "/usr/lib/c -> $c/usr/lib/c",
                "/usr/lib/d -> $d/usr/lib/d",
                "/usr/lib/l -> d",
                "/usr/lib/s/x -> $d/usr/lib/s/x",
            ],
        ),
        // What is there stays, and a link to where it lies leads to no end.
        (
            &[
                "a/lib/d/x",
                "b/lib -> lib64",
                "b/lib64/y",
                "c/lib64/d",
                "d/lib64/up -> ..",
            ],
            &[
                "/lib/d/x -> $a/lib/d/x",
                "/lib/up -> /lib64/up",
                "/lib/y -> $b/lib64/y",
                "/lib64/d -> $c/lib64/d",
                "/lib64/up -> ..",
                "/lib64/y -> $b/lib64/y",
            ],
        ),
    ];
    for (entries, expected) in cases {
        let machine = Machine::new(entries);
        let mut root = Root::new().within(&machine.store);
        let packages: BTreeSet<&str> = entries.iter().map(|entry| &entry[..1]).collect();
        let mut packages: Vec<&str> = packages.into_iter().collect();
        packages.sort_by_key(|name| *name != "e");
        for package in packages {
            machine.link(&mut root, package).unwrap();
        }
        root.merge_links().unwrap();
        assert_eq!(listing(&root), *expected);
    }
}
