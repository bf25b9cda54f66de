//! The layer at the image's root, checked against GNU tar, `lndir` and rsync.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use terrine::hint::Hint;
use terrine::layer::{self, Kind, NewLayer, Pattern, Rule, Selection, Store};
use terrine::pipe::{self, Feeder, Observer};
use terrine::rootfs::{self, LayerOfRoot, New, Origin, Root};
use terrine_tests::archive::digest;
use terrine_tests::{Run, peer, temporary};

struct Nobody;

impl Observer for Nobody {
    fn written(&self, _: u64) {}
}

/// Feeds the archive of a root.
fn feed(
    feeder: &mut Feeder<'_>,
    root: &Root,
    permissions: &layer::Permissions,
) -> std::io::Result<()> {
    LayerOfRoot {
        root,
        permissions,
        late: None,
    }
    .entries()
    .and_then(|entries| layer::feed(feeder, entries.as_ref()))
    .map_err(|error| std::io::Error::other(error.to_string()))
}

/// The archive of a root, which is checked to be as long as was said before.
fn archive(root: &Root, permissions: &layer::Permissions) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe::run(&mut bytes, &Nobody, |feeder| {
        feed(feeder, root, permissions)
    })
    .unwrap();
    assert_eq!(
        bytes.len() as u64,
        rootfs::measure(root, permissions).unwrap().size
    );
    bytes
}

/// The archive that GNU tar makes of a directory as dockerTools calls it.
fn tar(directory: &Path, more: &[&str]) -> Option<Vec<u8>> {
    let program = peer::find("tar")?;
    let mut command = Command::new(program);
    command.args([
        "--create",
        "--format=gnu",
        "--sort=name",
        "--numeric-owner",
        "--hard-dereference",
    ]);
    command
        .args(["--owner=0", "--group=0", "--mtime=@315532800"])
        .args(more);
    Some(
        Run::of(command.arg("-C").arg(directory).arg("."))
            .ok()
            .stdout,
    )
}

/// A root that is a copy of a directory.
fn copy(directory: &Path) -> Root {
    let mut root = Root::new();
    let store = Store::open("/nix/store", Path::new("/")).unwrap();
    root.copy(
        directory,
        &store,
        &Selection::all(),
        Origin::CopyToRoot("x".to_owned()),
    )
    .unwrap();
    root
}

fn same(ours: &[u8], theirs: &[u8], what: &str) {
    if ours == theirs {
        return;
    }
    let at = ours
        .iter()
        .zip(theirs)
        .position(|(a, b)| a != b)
        .unwrap_or(ours.len().min(theirs.len()));
    let show = |bytes: &[u8]| {
        let block = at / 512 * 512;
        let block = &bytes[block.min(bytes.len())..(block + 512).min(bytes.len())];
        block
            .escape_ascii()
            .to_string()
            .replace(&"\\x00".repeat(8), "")
    };
    panic!(
        "{what}: {} and {} bytes ({} and {}), first different at {at}\n{}\nwhere tar has\n{}",
        ours.len(),
        theirs.len(),
        digest(ours),
        digest(theirs),
        show(ours),
        show(theirs)
    );
}

fn agrees_with_tar(directory: &Path, what: &str) {
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    let Some(theirs) = tar(directory, &[]) else {
        return;
    };
    same(
        &archive(&copy(directory), &layer::Permissions::default()),
        &theirs,
        what,
    );
}

#[test]
fn an_empty_root_is_what_tar_makes_of_an_empty_directory() {
    let folder = temporary();
    agrees_with_tar(folder.path(), "empty");
    let names: Vec<_> = Root::new()
        .entries()
        .map(|entry| entry.path.to_vec())
        .collect();
    assert_eq!(names, [b"/".to_vec()]);
}

#[test]
fn every_corner_of_the_format_is_as_tar_has_it() {
    let folder = temporary();
    let place = |name: &str| folder.path().join(name);
    // The names in the archive have two more bytes, and directories a slash.
    for length in [96, 97, 98, 99, 100, 101, 150, 250] {
        fs::write(place(&"f".repeat(length)), "x").unwrap();
        fs::create_dir(place(&"d".repeat(length))).unwrap();
        symlink("t".repeat(length), place(&format!("l{length}"))).unwrap();
        symlink("t".repeat(length), place(&"l".repeat(length))).unwrap();
    }
    let mut deep = folder.path().to_owned();
    for _ in 0..40 {
        deep.push("deep-directory-name");
        fs::create_dir(&deep).unwrap();
    }
    fs::write(deep.join("file"), vec![7; 513]).unwrap();
    for (name, size) in [("empty", 0), ("block", 512), ("more", 10_241)] {
        fs::write(place(name), vec![b'x'; size]).unwrap();
    }
    for name in ["a", "a-b", "a.b", "a b", "é", "z\n", "-", "~", "A"] {
        fs::create_dir(place(name)).unwrap();
        fs::write(place(name).join("inside"), name).unwrap();
    }
    fs::write(folder.path().join(OsStr::from_bytes(b"\xff\xfe")), "bytes").unwrap();
    for mode in [0o000, 0o444, 0o4755, 0o2755, 0o1777, 0o7777, 0o600] {
        fs::write(place(&format!("mode{mode:o}")), "").unwrap();
        fs::set_permissions(
            place(&format!("mode{mode:o}")),
            Permissions::from_mode(mode),
        )
        .unwrap();
    }
    fs::hard_link(place("more"), place("hard")).unwrap();
    symlink("", place("never")).unwrap_err();
    symlink("../up/é", place("odd-link")).unwrap();
    agrees_with_tar(folder.path(), "corners");
}

#[test]
fn large_numbers_are_as_tar_has_them() {
    let folder = temporary();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    for id in ["2097151", "2097152", "4294967294"] {
        let Some(theirs) = tar(
            folder.path(),
            &[&format!("--owner={id}"), &format!("--group={id}")],
        ) else {
            return;
        };
        let id = Some(id.parse().unwrap());
        let pattern = Pattern::glob("**").unwrap();
        let rule = Rule {
            pattern,
            mode: None,
            uid: id,
            gid: id,
            uname: None,
            gname: None,
            xattrs: vec![],
        };
        same(
            &archive(&copy(folder.path()), &layer::Permissions::new(vec![rule])),
            &theirs,
            "owner",
        );
    }
}

#[test]
fn a_file_of_more_than_eight_gigabytes_has_the_header_that_tar_gives_it() {
    let folder = temporary();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let size = (8_u64 << 30) + 1;
    fs::File::create(folder.path().join("large"))
        .unwrap()
        .set_len(size)
        .unwrap();
    let root = copy(folder.path());
    let measure = rootfs::measure(&root, &layer::Permissions::default()).unwrap();
    assert_eq!(
        measure.size,
        (512 * 2 + size + 511 + 1024).div_ceil(10240) * 10240
    );
    let Some(program) = peer::find("tar") else {
        return;
    };
    let mut command = Command::new(program);
    command.args([
        "--create",
        "--format=gnu",
        "--sort=name",
        "--numeric-owner",
        "--owner=0",
        "--group=0",
    ]);
    command
        .args(["--mtime=@315532800", "-C"])
        .arg(folder.path())
        .arg(".");
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut theirs = [0; 1024];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut theirs).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let mut ours = Vec::new();
    // Until the output does not want any more.
    let _ = pipe::run(Limited(&mut ours), &Nobody, |feeder| {
        feed(feeder, &root, &layer::Permissions::default())
    });
    same(&ours[..1024], &theirs, "large");
}

/// Takes a mebibyte.
struct Limited<'a>(&'a mut Vec<u8>);

impl std::io::Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() >= 1 << 20 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The thing at a path of a generated tree.
#[derive(Debug, Clone)]
enum Thing {
    File(Vec<u8>, u32),
    Link(String),
    Directory(u32),
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        (
            proptest::collection::vec(any::<u8>(), 0..700),
            0..0o10000_u32
        )
            .prop_map(|(content, mode)| Thing::File(content, mode | 0o400)),
        // Links that lead nowhere: those to directories would be followed.
        "[a-z]{3}-[a-zé./]{1,110}".prop_map(Thing::Link),
        (0..0o10000_u32).prop_map(|mode| Thing::Directory(mode | 0o700)),
    ]
}

/// Trees of some depth: a path is a list of names that clash often.
fn tree() -> impl Strategy<Value = BTreeMap<Vec<String>, Thing>> {
    let name = prop_oneof![
        "[a-c]",
        "[ab][-. ~][ab]",
        "é",
        "[a-z]{60}",
        r"\.svn|CVS|RCS|x~|\.git|\.hg|SCCS|BitKeeper|CVS\.adm"
    ];
    let path = proptest::collection::vec(name, 1..4);
    proptest::collection::btree_map(path, thing(), 0..12)
}

/// Makes a tree, leaving out what lies below something that is no directory.
fn make(directory: &Path, tree: &BTreeMap<Vec<String>, Thing>) {
    let mut modes = vec![];
    for (path, thing) in tree {
        let place = path
            .iter()
            .fold(directory.to_owned(), |place, name| place.join(name));
        if fs::create_dir_all(place.parent().unwrap()).is_err() || place.symlink_metadata().is_ok()
        {
            continue;
        }
        match thing {
            Thing::File(content, mode) => {
                fs::write(&place, content).unwrap();
                modes.push((place, *mode));
            }
            Thing::Link(target) => symlink(target, &place).unwrap(),
            Thing::Directory(mode) => {
                fs::create_dir(&place).unwrap();
                modes.push((place, *mode));
            }
        }
    }
    for (place, mode) in modes.iter().rev() {
        fs::set_permissions(place, Permissions::from_mode(*mode)).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_archived_as_tar_does(tree in tree()) {
        let folder = temporary();
        make(folder.path(), &tree);
        agrees_with_tar(folder.path(), "random");
    }

    #[test]
    fn any_packages_are_joined_as_lndir_does(trees in proptest::collection::vec(tree(), 1..4)) {
        let Some(program) = peer::find("lndir") else { return Ok(()) };
        if meet_at_a_link(&trees) {
            return Ok(());
        }
        let folder = temporary();
        let joined = folder.path().join("joined");
        fs::create_dir(&joined).unwrap();
        let store = Store::open(folder.path().to_str().unwrap(), Path::new("/")).unwrap();
        let mut root = Root::new().within(&store);
        for (i, tree) in trees.iter().enumerate() {
            let package = folder.path().join(format!("package{i}"));
            fs::create_dir(&package).unwrap();
            make(&package, tree);
            // It says what clashes, and goes on; on some links it crashes.
            if Run::of(Command::new(&program).arg(&package).arg(&joined)).code.is_none() {
                return Ok(());
            }
            let origin = Origin::Contents(format!("package{i}"));
            root.link(package.to_str().unwrap(), &package, origin).unwrap();
        }
        fs::set_permissions(&joined, Permissions::from_mode(0o755)).unwrap();
        let ours = archive(&root, &layer::Permissions::default());
        if let Some(theirs) = tar(&joined, &["--mode=u=rwx,go=rx"]) {
            // The mode of links is their own.
            let theirs = with_link_modes(theirs);
            same(&ours, &theirs, "joined");
        }
    }

    #[test]
    fn any_packages_are_copied_as_rsync_does(trees in proptest::collection::vec(tree(), 1..3)) {
        let Some(program) = peer::find("rsync") else { return Ok(()) };
        if meet_at_a_link(&trees) {
            return Ok(());
        }
        let folder = temporary();
        let copied = folder.path().join("copied");
        fs::create_dir(&copied).unwrap();
        let mut root = Root::new();
        let store = Store::open("/nix/store", Path::new("/")).unwrap();
        for (i, tree) in trees.iter().enumerate() {
            let package = folder.path().join(format!("package{i}"));
            fs::create_dir(&package).unwrap();
            make(&package, tree);
            let origin = Origin::CopyToRoot(format!("package{i}"));
            if root.copy(&package, &store, &Selection::all(), origin).is_err() {
                // A directory against something else: rsync takes one, and we neither.
                return Ok(());
            }
            let mut source = package.into_os_string();
            source.push("/");
            // Directories of this test may not be readable for everyone: that is fine.
            Run::of(Command::new(&program).arg("-ak").arg(source).arg(&copied)).ok();
        }
        fs::set_permissions(&copied, Permissions::from_mode(0o755)).unwrap();
        let Some(theirs) = tar(&copied, &[]) else { return Ok(()) };
        same(&archive(&root, &layer::Permissions::default()), &theirs, "copied");
    }
}

/// Returns true if one tree has something below a link of another, or a directory in its place: that goes
/// through the link, which the programs of old do not do.
fn meet_at_a_link(trees: &[BTreeMap<Vec<String>, Thing>]) -> bool {
    let all = || trees.iter().flatten();
    let links = all().filter(|(_, thing)| matches!(thing, Thing::Link(_)));
    let mut links = links.map(|(link, _)| link);
    links.any(|link| {
        all().any(|(path, thing)| {
            let is_directory = path.len() > link.len() || matches!(thing, Thing::Directory(_));
            is_directory && path.starts_with(link)
        })
    })
}

/// The archive with 0777 for symbolic links, which `--mode` has changed, too.
fn with_link_modes(mut archive: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while at + 512 <= archive.len() && archive[at] != 0 {
        let block = &mut archive[at..at + 512];
        let size = u64::from_str_radix(std::str::from_utf8(&block[124..135]).unwrap(), 8).unwrap();
        if block[156] == b'2' {
            block[100..107].copy_from_slice(b"0000777");
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
        at += 512 + (size as usize).next_multiple_of(512);
    }
    archive
}

#[test]
fn clashes_are_errors_that_name_both() {
    let folder = temporary();
    fs::create_dir(folder.path().join("etc")).unwrap();
    fs::write(folder.path().join("etc/passwd"), "x").unwrap();
    let store = Store::open("/nix/store", Path::new("/")).unwrap();
    let contents = || {
        let mut root = Root::new().within(&store);
        root.link(
            "/nix/store/base",
            folder.path(),
            Origin::Contents("/nix/store/base".to_owned()),
        )
        .unwrap();
        root
    };
    let error = rootfs::helpers::fake_nss(&mut contents(), &[], &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/etc/passwd` comes from both contents `/nix/store/base` and `fakeNss`"
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("remove the path from one of them")
    );
    let add = |path: &str, new: New| {
        contents()
            .add(path, new, Origin::Files)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        add("/etc/passwd", New::file("x")),
        "`/etc/passwd` comes from both contents `/nix/store/base` and `files`"
    );
    assert_eq!(
        add("/etc/passwd/x", New::file("x")),
        "`/etc/passwd` is a symbolic link in contents `/nix/store/base` and a directory in `files`"
    );
    assert_eq!(
        add("/etc", New::symlink("x")),
        "`/etc` is a directory in contents `/nix/store/base` and a symbolic link in `files`"
    );
    // Directories merge, and what is said of one explicitly counts.
    let mut root = contents();
    root.add("/etc", New::directory().mode(0o700), Origin::Files)
        .unwrap();
    root.add("/etc/other", New::file(""), Origin::Files)
        .unwrap();
    assert_eq!(
        root.get(b"/etc").map(|entry| (entry.kind, entry.mode)),
        Some((Kind::Directory, 0o700))
    );
    let error = root
        .add("/etc", New::directory().mode(0o711), Origin::Helper("tmp"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/etc` comes from both `files` and `tmp`"
    );
}

#[test]
fn links_to_directories_are_copied_as_directories() {
    let folder = temporary();
    let place = |name: &str| folder.path().join(name);
    fs::create_dir_all(place("real/inner")).unwrap();
    fs::write(place("real/inner/file"), "x").unwrap();
    symlink("real", place("link")).unwrap();
    symlink("real/inner/file", place("to-file")).unwrap();
    let root = copy(folder.path());
    let kind = |path: &str| root.get(path.as_bytes()).map(|entry| entry.kind);
    assert_eq!(kind("/link"), Some(Kind::Directory));
    assert_eq!(kind("/link/inner/file"), Some(Kind::File));
    assert_eq!(kind("/to-file"), Some(Kind::Symlink));
    symlink(".", place("real/loop")).unwrap();
    let store = Store::open("/nix/store", Path::new("/")).unwrap();
    let error = Root::new()
        .copy(
            folder.path(),
            &store,
            &Selection::all(),
            Origin::CopyToRoot("x".to_owned()),
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/link/loop` in copyToRoot `x` leads back to `/link`"
    );
}
