//! Files that no layer can hold, that cannot be read, and that change.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::geteuid;
use serde_json::json;
use terrine_tests::{ConfFile, Run, TestStore, peer};

use super::{MUCH, refused, waiting};

#[test]
fn what_a_layer_cannot_hold_is_named() {
    let store = TestStore::default();
    store.directory("a");
    let conf = ConfFile::new(&store, &[&["a"]]);
    let there = |name: &str| format!("`{}` is a", store.host("a").join(name).display());
    let _socket = std::os::unix::net::UnixListener::bind(store.host("a/socket")).unwrap();
    refused(
        &conf.run(),
        &format!("{} socket, which a layer cannot hold", there("socket")),
    );
    fs::remove_file(store.host("a/socket")).unwrap();
    let make = |kind, device| {
        mknodat(
            CWD,
            store.host("a/x"),
            kind,
            Mode::from_raw_mode(0o644),
            device,
        )
    };
    make(FileType::Fifo, 0).unwrap();
    refused(
        &conf.run(),
        &format!("{} fifo, which a layer cannot hold", there("x")),
    );
    for (kind, name) in [
        (FileType::CharacterDevice, "character device"),
        (FileType::BlockDevice, "block device"),
    ] {
        fs::remove_file(store.host("a/x")).unwrap();
        match make(kind, rustix::fs::makedev(1, 3)) {
            Ok(()) => {
                refused(
                    &conf.run(),
                    &format!("{} {name}, which a layer cannot hold", there("x")),
                );
            }
            Err(error) => {
                peer::missing(&format!("devices cannot be made here: {error}"));
                File::create(store.host("a/x")).unwrap();
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let store = TestStore::default();
    store.file("a/dir/secret", b"x").file("a/dir/z", b"x");
    let secret = store.host("a/dir/secret");
    // The test's own folder is for its user alone.
    fs::set_permissions(store.root(), Permissions::from_mode(0o755)).unwrap();
    let conf = ConfFile::new(&store, &[&["a"]]);
    let run = || {
        let mut command = conf.command();
        if geteuid().is_root() {
            // Nothing is unreadable to root.
            command
                .uid(65534)
                .gid(65534)
                .env_remove("XDG_CACHE_HOME")
                .env_remove("HOME");
            let binary = store.root().join("terrine");
            fs::copy(command.get_program(), &binary).unwrap();
            let mut other = Command::new(binary);
            other
                .args(command.get_args())
                .env_clear()
                .uid(65534)
                .gid(65534);
            command = other;
        }
        Run::of(&mut command)
    };
    fs::set_permissions(&secret, Permissions::from_mode(0o0)).unwrap();
    refused(
        &run(),
        &format!(
            "opening `{}`\n  caused by: Permission denied",
            secret.display()
        ),
    );
    fs::set_permissions(store.host("a/dir"), Permissions::from_mode(0o311)).unwrap();
    refused(
        &run(),
        &format!(
            "listing `{}`\n  caused by: Permission denied",
            store.host("a/dir").display()
        ),
    );
    fs::set_permissions(store.host("a/dir"), Permissions::from_mode(0o755)).unwrap();
    // The store itself need not let everyone list it.
    fs::set_permissions(&secret, Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(store.host(""), Permissions::from_mode(0o711)).unwrap();
    terrine_tests::Archive::read(run().ok().stdout);
}

#[test]
fn a_file_that_changes_between_the_two_looks_is_named() {
    type Change = fn(&Path);
    // Each in one step: somebody may look at any moment.
    let table: [(Change, &str); 5] = [
        (
            |new| fs::write(new, b"shorter").unwrap(),
            "shrank while the image was made",
        ),
        (
            |new| fs::write(new, vec![b'x'; 5000]).unwrap(),
            "grew while the image was made",
        ),
        (|_| {}, "vanished while the image was made"),
        (
            |new| std::os::unix::fs::symlink("elsewhere", new).unwrap(),
            "was replaced while the image was made",
        ),
        (
            |new| mknodat(CWD, new, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap(),
            "shrank while the image was made",
        ),
    ];
    for (change, why) in table {
        let store = TestStore::default();
        much_before(&store).file_with_mode("a/file", &[b'x'; 4000], 0o644);
        let (child, said) = waiting(&ConfFile::new(&store, &[&["a"]]));
        replace(&store.host("a/file"), &store.host("new"), change);
        let mut run: Run = child.wait_with_output().unwrap().into();
        run.stderr.insert_str(0, &said);
        refused(&run, &format!("`{}` {why}", store.host("a/file").display()));
    }
}

/// Puts files into `a` that come first: a large one, which fills the pipe, and small ones, which fill all buffers. So no file after them
/// is read while nobody takes the archive.
fn much_before(store: &TestStore) -> &TestStore {
    store.file("a/0-first", &vec![7; MUCH]);
    for number in 0..60 {
        store.file(&format!("a/1-{number}"), &[7; 50_000]);
    }
    store
}

/// Puts what `make` makes at another place into the place of a file; removes the file if that is nothing.
fn replace(file: &Path, new: &Path, make: impl Fn(&Path)) {
    make(new);
    if fs::symlink_metadata(new).is_ok() {
        fs::rename(new, file).unwrap();
    } else {
        fs::remove_file(file).unwrap();
    }
}

/// The tag is made of the contents of files, and the layers are to have the same.
#[test]
fn a_file_that_changes_after_it_was_read_for_the_tag_is_named() {
    let store = TestStore::default();
    let folder = store.root().join("plain");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("0-first"), vec![7; MUCH]).unwrap();
    let file = folder.join("file");
    for flag in ["--contents", "--copy-to-root"] {
        fs::write(&file, "before").unwrap();
        let build = |tag: &str| {
            let mut command = terrine_tests::terrine();
            command
                .args([
                    "build",
                    "--no-cache",
                    "--name",
                    &format!("plain{tag}"),
                    flag,
                ])
                .arg(&folder);
            command
        };
        let changed = |tag: &str| -> Run {
            let (child, start) = begun(&mut build(tag));
            replace(&file, &store.root().join("new"), |new| {
                fs::write(new, "behind").unwrap();
            });
            let mut run: Run = child.wait_with_output().unwrap().into();
            run.stdout.splice(0..0, start);
            run
        };
        refused(
            &changed(""),
            &format!("`{}` ", place(flag, &file).display()),
        );
        // A tag that is given says nothing of files.
        terrine_tests::Archive::read(changed(":1").ok().stdout);
        terrine_tests::Archive::read(Run::of(&mut build("")).ok().stdout);
    }
}

/// The path that is named: a directory of a layer of store paths is looked at as a whole.
fn place<'a>(flag: &str, file: &'a Path) -> &'a Path {
    if flag == "--contents" {
        file.parent().unwrap()
    } else {
        file
    }
}

/// A run that writes its archive and waits for somebody to take it, and the first bytes.
fn begun(command: &mut Command) -> (Child, Vec<u8>) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut start = vec![0; 512];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut start)
        .unwrap();
    (child, start)
}

#[test]
fn an_empty_file_that_grows_is_noticed_and_another_link_is_not() {
    let store = TestStore::default();
    much_before(&store).file_with_mode("a/file", b"", 0o644);
    let (child, _) = waiting(&ConfFile::new(&store, &[&["a"]]));
    fs::write(store.host("a/file"), b"x").unwrap();
    refused(
        &child.wait_with_output().unwrap().into(),
        "grew while the image was made",
    );

    // A store that is optimised while it is read.
    let (child, _) = waiting(&ConfFile::new(&store, &[&["a"]]));
    fs::hard_link(store.host("a/file"), store.host("link")).unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    terrine_tests::Archive::read(run.ok().stdout);
}

#[test]
fn only_what_the_configuration_lists_is_in_the_image() {
    let store = TestStore::default();
    store
        .file("a/x", b"x")
        .file("b/x", b"x")
        .file("conf.json", b"{}");
    let config = json!({"Cmd": [store.path("b/x")]});
    let archive = ConfFile::new(&store, &[&["a"]])
        .with("config", config)
        .archive();
    let entries: Vec<_> = archive
        .layers()
        .into_iter()
        .map(terrine_tests::Archive::entries)
        .collect();
    let [first, last] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!(
        first[..],
        ["/nix/", "/nix/store/", "/nix/store/a/", "/nix/store/a/x"]
    );
    assert_eq!(last[..], ["./"]);
}
