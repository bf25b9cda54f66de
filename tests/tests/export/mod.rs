//! `terrine export` against programs that unpack layers: GNU tar and umoci.

mod formats;
mod numbers;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use rustix::process::geteuid;
use tar::{EntryType, Header};
use terrine_tests::base::BaseImage;
use terrine_tests::{Run, peer, temporary, terrine};

/// A member of a layer.
#[derive(Debug, Clone, PartialEq)]
struct Member {
    path: String,
    kind: Kind,
    mode: u32,
    uid: u64,
    mtime: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    File(Vec<u8>),
    Directory,
    Symlink(String),
    Link(String),
    Fifo,
    Device(u32, u32),
    Whiteout,
    Opaque,
}

fn member(path: &str, kind: Kind) -> Member {
    Member {
        path: path.to_owned(),
        kind,
        mode: 0o755,
        uid: 0,
        mtime: 1_000_000_000,
    }
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

fn archive(members: &[Member]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = Header::new_gnu();
        header.set_mode(member.mode);
        header.set_uid(member.uid);
        header.set_gid(member.uid);
        header.set_mtime(member.mtime);
        header.set_size(0);
        let (path, name) = (&member.path, member.path.rsplit('/').next().unwrap());
        let beside =
            |name: String| parent(path).map_or(name.clone(), |dir| format!("{dir}/{name}"));
        let (kind, path) = match &member.kind {
            Kind::File(_) => (EntryType::Regular, path.clone()),
            Kind::Whiteout => (EntryType::Regular, beside(format!(".wh.{name}"))),
            Kind::Opaque => (EntryType::Regular, format!("{path}/.wh..wh..opq")),
            Kind::Directory => (EntryType::Directory, format!("{path}/")),
            Kind::Symlink(_) => (EntryType::Symlink, path.clone()),
            Kind::Link(_) => (EntryType::Link, path.clone()),
            Kind::Fifo => (EntryType::Fifo, path.clone()),
            Kind::Device(..) => (EntryType::Char, path.clone()),
        };
        header.set_entry_type(kind);
        match &member.kind {
            Kind::File(content) => {
                header.set_size(content.len() as u64);
                builder
                    .append_data(&mut header, path, &content[..])
                    .unwrap();
            }
            Kind::Symlink(target) | Kind::Link(target) => {
                builder.append_link(&mut header, path, target).unwrap();
            }
            Kind::Device(major, minor) => {
                header.set_device_major(*major).unwrap();
                header.set_device_minor(*minor).unwrap();
                builder.append_data(&mut header, path, &b""[..]).unwrap();
            }
            _ => builder.append_data(&mut header, path, &b""[..]).unwrap(),
        }
    }
    builder.into_inner().unwrap()
}

/// Lists a folder: everything but the times of directories, which are not all set.
fn listing(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    let mut inodes: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec();
            let kind = metadata.file_type();
            let what = if kind.is_dir() {
                open.push(path);
                "directory".to_owned()
            } else {
                if !kind.is_symlink() {
                    inodes.entry(metadata.ino()).or_default().push(name.clone());
                }
                let what = match kind {
                    kind if kind.is_symlink() => {
                        format!("-> {}", path.read_link().unwrap().display())
                    }
                    kind if kind.is_fifo() => "fifo".to_owned(),
                    kind if kind.is_char_device() => format!("device {}", metadata.rdev()),
                    _ => format!("{:?}", xattrs(&path, &fs::read(&path).unwrap())),
                };
                format!("{what} {}.{}", metadata.mtime(), metadata.mtime_nsec())
            };
            let owner = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
            found.insert(name, format!("{what} {owner:?}"));
        }
    }
    for mut names in inodes.into_values() {
        names.sort();
        for name in &names[1..] {
            let text = format!("{} = {}", found[name], String::from_utf8_lossy(&names[0]));
            found.insert(name.clone(), text);
        }
    }
    found
}

/// A file's content and one of its extended attributes.
fn xattrs(path: &Path, content: &[u8]) -> (String, Option<Vec<u8>>) {
    let mut value = [0; 100];
    let length = rustix::fs::lgetxattr(path, "user.test", &mut value[..]).ok();
    let value = length.map(|length| value[..length].to_vec());
    (String::from_utf8_lossy(content).into_owned(), value)
}

fn image_of(layers: &[Vec<u8>], folder: &Path) -> PathBuf {
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let path = folder.join("image.tar");
    fs::write(&path, BaseImage::old(&layers, &[]).archive()).unwrap();
    path
}

/// Lists what GNU tar makes of what terrine exports.
fn exported(image: &Path, folder: &Path) -> BTreeMap<Vec<u8>, String> {
    exported_with(image, folder, &[])
}

/// The same with more arguments.
fn exported_with(image: &Path, folder: &Path, more: &[&str]) -> BTreeMap<Vec<u8>, String> {
    let archive = folder.join("export.tar");
    let mut command = terrine();
    command.arg("export").arg(image).arg("-o").arg(&archive);
    Run::of(command.args(more)).ok();
    let root = folder.join("exported");
    fs::create_dir(&root).unwrap();
    extract(&archive, &root);
    let listed = listing(&root);
    fs::remove_dir_all(&root).unwrap();
    listed
}

fn extract(archive: &Path, root: &Path) {
    let mut command = Command::new("tar");
    command.args([
        "--xattrs",
        "--xattrs-include=*",
        "-p",
        "--same-owner",
        "--numeric-owner",
    ]);
    command
        .args(["--exclude=.wh.*", "-x", "-C"])
        .arg(root)
        .arg("-f")
        .arg(archive);
    Run::of(&mut command).ok();
}

/// Lists what exists when each layer is unpacked in order by GNU tar, after what it takes away is
/// taken away.
fn unpacked(layers: &[Vec<Member>], folder: &Path) -> BTreeMap<Vec<u8>, String> {
    let root = folder.join("unpacked");
    fs::create_dir(&root).unwrap();
    let remove = |path: &Path| match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    };
    for members in layers {
        let directories = members
            .iter()
            .filter(|member| member.kind == Kind::Directory);
        for path in directories.map(|member| root.join(&member.path)) {
            if path.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
                remove(&path);
            }
        }
        let takes = |member: &&Member| matches!(member.kind, Kind::Whiteout | Kind::Opaque);
        let others = members.iter().filter(|member| !takes(member));
        for member in members.iter().filter(takes).chain(others) {
            let path = root.join(&member.path);
            match &member.kind {
                Kind::Whiteout => remove(&path),
                Kind::Opaque if path.is_dir() => {
                    fs::read_dir(&path)
                        .unwrap()
                        .for_each(|entry| remove(&entry.unwrap().path()));
                }
                Kind::Opaque => {}
                Kind::Directory if path.symlink_metadata().is_ok_and(|found| found.is_dir()) => {}
                // Tar replaces files and empty directories only.
                _ if path.symlink_metadata().is_ok_and(|found| found.is_dir()) => remove(&path),
                Kind::Directory => remove(&path),
                _ => {}
            }
        }
        let file = folder.join("layer.tar");
        fs::write(&file, archive(members)).unwrap();
        extract(&file, &root);
    }
    listing(&root)
}

/// Lists what umoci unpacks.
fn by_umoci(image: &Path, folder: &Path) -> BTreeMap<Vec<u8>, String> {
    let layout = folder.join("layout");
    let mut copy = Command::new("skopeo");
    copy.args(["--insecure-policy", "copy", "-q"])
        .arg(format!("docker-archive:{}", image.display()));
    Run::of(copy.arg(format!("oci:{}:test", layout.display()))).ok();
    let root = folder.join("umoci");
    let mut unpack = Command::new("umoci");
    unpack
        .args(["raw", "unpack", "--image"])
        .arg(format!("{}:test", layout.display()))
        .arg(&root);
    Run::of(&mut unpack).ok();
    listing(&root)
}

fn available() -> bool {
    if !geteuid().is_root() {
        peer::missing("layers are unpacked as root here");
    }
    geteuid().is_root()
        && ["skopeo", "umoci", "tar"]
            .iter()
            .all(|tool| peer::find(tool).is_some())
}

fn name() -> impl Strategy<Value = String> {
    // Few names, so that layers meet; one of them is long.
    let long = "n".repeat(120);
    prop_oneof![4 => "[a-c]", 1 => Just(long), 1 => Just("é b".to_owned())]
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(name(), 1..4).prop_map(|names| names.join("/"))
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => "[a-z]{0,9}".prop_map(|text| Kind::File(text.into_bytes())),
        3 => Just(Kind::Directory),
        1 => path().prop_map(Kind::Symlink),
        2 => Just(Kind::Link(String::new())),
        1 => Just(Kind::Fifo),
        1 => (0..300_u32, 0..300_u32).prop_map(|(major, minor)| Kind::Device(major, minor)),
        3 => Just(Kind::Whiteout),
        2 => Just(Kind::Opaque),
    ]
}

fn layer() -> impl Strategy<Value = Vec<Member>> {
    let one = (
        path(),
        kind(),
        0..0o10000_u32,
        0..70_000_u64,
        0..2_000_000_000_u64,
    );
    let one = one.prop_map(|(path, kind, mode, uid, mtime)| Member {
        path,
        kind,
        mode,
        uid,
        mtime,
    });
    proptest::collection::vec(one, 1..12)
}

/// Makes layers of generated ones that all tools read alike: what a layer takes away comes
/// first, everything is in directories of its own layer, and hard links are to files that it
/// has or that are below it and stay.
fn sensible(layers: Vec<Vec<Member>>) -> Vec<Vec<Member>> {
    layers.into_iter().map(sensible_layer).collect()
}

fn sensible_layer(members: Vec<Member>) -> Vec<Member> {
    let takes = |kind: &Kind| matches!(kind, Kind::Whiteout | Kind::Opaque);
    let (taken, put): (Vec<Member>, Vec<Member>) =
        members.into_iter().partition(|one| takes(&one.kind));
    let mut layer: Vec<Member> = Vec::new();
    let mut files: Vec<String> = Vec::new();
    for one in put {
        let prefixes: Vec<String> = one
            .path
            .match_indices('/')
            .map(|(i, _)| one.path[..i].to_owned())
            .collect();
        let find =
            |layer: &[Member], path: &str| layer.iter().find(|other| other.path == path).cloned();
        let blocked = prefixes
            .iter()
            .any(|prefix| find(&layer, prefix).is_some_and(|other| other.kind != Kind::Directory));
        if blocked || find(&layer, &one.path).is_some() {
            continue;
        }
        let kind = match one.kind {
            Kind::Link(_) => match files.last() {
                Some(target) => Kind::Link(target.clone()),
                None => continue,
            },
            kind => kind,
        };
        for prefix in prefixes {
            if find(&layer, &prefix).is_none() {
                layer.push(member(&prefix, Kind::Directory));
            }
        }
        if let Kind::File(_) = kind {
            files.push(one.path.clone());
        }
        layer.push(Member { kind, ..one });
    }
    let is_directory = |path: &str| {
        layer
            .iter()
            .find(|other| other.path == path)
            .is_none_or(|other| other.kind == Kind::Directory)
    };
    // The directories that hold what takes away are real ones.
    let taken: Vec<Member> = taken
        .into_iter()
        .filter(|one| {
            one.path
                .match_indices('/')
                .all(|(i, _)| is_directory(&one.path[..i]))
        })
        .filter(|one| one.kind != Kind::Opaque || is_directory(&one.path))
        .collect();
    let mut all: Vec<Member> = Vec::new();
    for one in &taken {
        let holds: Vec<usize> = one.path.match_indices('/').map(|(i, _)| i).collect();
        let own = (one.kind == Kind::Opaque).then_some(one.path.len());
        for end in holds.into_iter().chain(own) {
            let path = &one.path[..end];
            let there = all
                .iter()
                .chain(&layer)
                .any(|other| other.path == path && !takes(&other.kind));
            if !there {
                all.push(member(path, Kind::Directory));
            }
        }
    }
    // Directories first, so that what is taken away is in real ones.
    let (mut directories, rest): (Vec<Member>, Vec<Member>) = layer
        .into_iter()
        .partition(|one| one.kind == Kind::Directory);
    directories.extend(all);
    directories.sort_by(|a, b| a.path.cmp(&b.path));
    directories.dedup_by(|a, b| a.path == b.path);
    let put: Vec<String> = directories
        .iter()
        .chain(&rest)
        .map(|one| one.path.clone())
        .collect();
    let taken = taken
        .into_iter()
        .filter(|one| one.kind == Kind::Opaque || !put.contains(&one.path));
    directories.into_iter().chain(taken).chain(rest).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_layers_are_flattened_as_others_unpack_them(layers in proptest::collection::vec(layer(), 1..5)) {
        if available() {
            let layers = sensible(layers);
            let folder = temporary();
            let archives: Vec<Vec<u8>> = layers.iter().map(|layer| archive(layer)).collect();
            let image = image_of(&archives, folder.path());
            let exported = exported(&image, folder.path());
            prop_assert_eq!(&exported, &unpacked(&layers, folder.path()));
            prop_assert_eq!(&exported, &by_umoci(&image, folder.path()));
        }
    }
}

#[test]
fn links_above_a_name_are_followed_as_umoci_does() {
    if !available() {
        return;
    }
    let file = |path: &str| member(path, Kind::File(path.into()));
    let link = |path: &str, target: &str| member(path, Kind::Symlink(target.to_owned()));
    let below = || {
        vec![
            member("usr", Kind::Directory),
            member("usr/lib", Kind::Directory),
            file("usr/lib/a"),
        ]
    };
    for (above, expected) in [
        (vec![link("lib", "usr/lib"), file("lib/b")], "usr/lib/b"),
        (vec![link("lib", "/usr/lib"), file("lib/b")], "usr/lib/b"),
        (
            vec![link("lib", "../../usr/./lib"), file("lib/b")],
            "usr/lib/b",
        ),
        (vec![link("usr/up", ".."), file("usr/up/b")], "b"),
        (
            vec![link("lib", "usr/lib"), link("l", "lib"), file("l/b")],
            "usr/lib/b",
        ),
        (vec![link("lib", "new/lib"), file("lib/b")], "new/lib/b"),
        (
            vec![
                link("lib", "usr/lib"),
                member("lib/b", Kind::Link("lib/a".to_owned())),
            ],
            "usr/lib/b",
        ),
    ] {
        let folder = temporary();
        let image = image_of(&[archive(&below()), archive(&above)], folder.path());
        let exported = exported(&image, folder.path());
        assert!(
            exported.contains_key(expected.as_bytes()),
            "{above:?} {exported:?}"
        );
        assert_eq!(exported, by_umoci(&image, folder.path()), "{above:?}");
    }
}
