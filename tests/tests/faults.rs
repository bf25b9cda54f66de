//! Runs that go wrong: a clear error, exit code 1, and nothing that could pass for an
//! image.

#![allow(
    clippy::unwrap_used,
    reason = "a test that can not be set up has failed"
)]

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::json;
use terrine_tests::{ConfFile, Run, SpecFile, TestStore, conf, peer};

/// More than pipe and buffers hold, so that a run waits until someone reads.
const MUCH: usize = 16 << 20;

fn refused(run: &Run, why: &str) {
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains(why), "{}\n{why}", run.stderr);
    assert!(
        run.stderr.starts_with("error: ") || run.stderr.contains("\nerror: "),
        "{}",
        run.stderr
    );
    no_image(&run.stdout);
}

/// No consumer takes an archive without a manifest.
fn no_image(stdout: &[u8]) {
    let mut archive = tar::Archive::new(stdout);
    let names = archive
        .entries()
        .unwrap()
        .flatten()
        .map(|entry| entry.path().unwrap().into_owned());
    assert!(!names.collect::<Vec<_>>().contains(&"manifest.json".into()));
}

#[test]
fn what_a_layer_can_not_hold_is_named() {
    let store = TestStore::default();
    store.directory("a");
    let conf = ConfFile::new(&store, &[&["a"]]);
    let there = |name: &str| format!("`{}` is a", store.host("a").join(name).display());
    let _socket = std::os::unix::net::UnixListener::bind(store.host("a/socket")).unwrap();
    refused(
        &conf.run(),
        &format!("{} socket, which a layer can not hold", there("socket")),
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
        &format!("{} fifo, which a layer can not hold", there("x")),
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
                    &format!("{} {name}, which a layer can not hold", there("x")),
                );
            }
            Err(error) => {
                peer::missing(&format!("devices can not be made here: {error}"));
                File::create(store.host("a/x")).unwrap();
            }
        }
    }
}

#[test]
fn what_can_not_be_read_is_named() {
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

/// A run that has looked at everything and waits in the first file of its first layer.
fn waiting(conf: &ConfFile<'_>) -> (Child, String) {
    let mut child = conf
        .command()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut byte = [0];
    while !said.contains("layer 1 of ") {
        child
            .stderr
            .as_mut()
            .unwrap()
            .read_exact(&mut byte)
            .unwrap();
        said.push(char::from(byte[0]));
    }
    (child, said)
}

#[test]
fn a_file_that_changes_between_the_two_looks_is_named() {
    type Change = fn(&Path);
    let table: [(Change, &str); 5] = [
        (
            |file| fs::write(file, b"shorter").unwrap(),
            "shrank while the image was made",
        ),
        (
            |file| fs::write(file, vec![b'x'; 5000]).unwrap(),
            "grew while the image was made",
        ),
        (
            |file| fs::remove_file(file).unwrap(),
            "vanished while the image was made",
        ),
        (
            |file| {
                fs::remove_file(file).unwrap();
                std::os::unix::fs::symlink("elsewhere", file).unwrap();
            },
            "was replaced while the image was made",
        ),
        (
            |file| {
                fs::remove_file(file).unwrap();
                mknodat(CWD, file, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
            },
            "shrank while the image was made",
        ),
    ];
    for (change, why) in table {
        let store = TestStore::default();
        store
            .file("a/0-first", &vec![7; MUCH])
            .file_with_mode("a/file", &[b'x'; 4000], 0o644);
        let (child, said) = waiting(&ConfFile::new(&store, &[&["a"]]));
        change(&store.host("a/file"));
        let mut run: Run = child.wait_with_output().unwrap().into();
        run.stderr.insert_str(0, &said);
        refused(&run, &format!("`{}` {why}", store.host("a/file").display()));
    }
}

#[test]
fn an_empty_file_that_grows_is_noticed_and_another_link_is_not() {
    let store = TestStore::default();
    store
        .file("a/0-first", &vec![7; MUCH])
        .file_with_mode("a/file", b"", 0o644);
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
fn a_configuration_that_is_broken_is_refused() {
    let store = TestStore::default();
    let conf = ConfFile::new(&store, &[]);
    let path = conf.write();
    let whole = fs::read(&path).unwrap();
    let stream = || {
        Run::of(
            terrine_tests::terrine()
                .arg("stream")
                .arg("--store-root")
                .arg(store.root())
                .arg(&path),
        )
    };
    for (text, why) in [
        (&whole[..whole.len() / 2], "the text ends within a string"),
        (
            b"",
            "is not a usable conf.json: the text is empty or ends where a value must be",
        ),
        (b"\xff\xfe", "is not a usable conf.json: it is not text"),
        (
            &[b'['; 100_000],
            "is not a usable conf.json: it is an array, and must be an object",
        ),
        (
            &[&whole[..whole.len() - 1], b", \"deep\": ", &[b'['; 100_000]].concat(),
            "`deep`: the text ends within a list",
        ),
        (
            &[&whole[..], b"{}"].concat(),
            "there is more text after the JSON",
        ),
        (b"{}", "the field `architecture` is missing"),
    ] {
        fs::write(&path, text).unwrap();
        refused(&stream(), why);
    }
    // JSON as deep as this is not read further than the planner.
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (depth, why) in [
        (100_000, "`config`: not JSON: recursion limit exceeded"),
        (100, "`config`: must be an object"),
    ] {
        let whole =
            String::from_utf8_lossy(&whole).replace(r#"{"Cmd":["/bin/hello"]}"#, &nested(depth));
        fs::write(&path, whole).unwrap();
        refused(&stream(), why);
    }
    // A gigabyte that is not even there.
    File::create(&path).unwrap().set_len(1 << 30).unwrap();
    refused(&stream(), "has more than 64 MiB, the most that is read");
    fs::remove_file(&path).unwrap();
    refused(
        &stream(),
        &format!("reading `{}`\n  caused by: No such file", path.display()),
    );
    refused(
        &Run::of(terrine_tests::terrine().args(["stream", "/"])),
        "reading `/`\n  caused by: Is a directory",
    );
    refused(
        &Run::of(terrine_tests::terrine().args(["stream", "/dev/zero"])),
        "has more than 64 MiB",
    );
}

#[test]
fn a_customisation_layer_is_held_against_its_checksum() {
    let store = TestStore::default();
    let name = "0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-customisation-layer";
    let conf = ConfFile::new(&store, &[]);
    let layer = store.host(name).join("layer.tar");
    let whole = fs::read(&layer).unwrap();
    fs::remove_file(&layer).unwrap();
    let write = |bytes: &[u8]| store.file_with_mode(&format!("{name}/layer.tar"), bytes, 0o644);

    refused(&conf.run(), "layer.tar`\n  caused by: No such file");
    write(&whole[..whole.len() - 512]);
    refused(&conf.run(), "its checksum says sha256:");
    let mut other = whole.clone();
    other[700] ^= 1;
    write(&other);
    refused(&conf.run(), "its checksum says sha256:");
    write(&whole);
    terrine_tests::Archive::read(conf.run().ok().stdout);

    store.file_with_mode("bad/layer.tar", &whole, 0o644);
    for checksum in [
        "",
        "abc",
        &"0".repeat(63),
        &"g".repeat(64),
        &"0".repeat(5000),
    ] {
        store.file_with_mode("bad/checksum", checksum.as_bytes(), 0o644);
        let conf = ConfFile::new(&store, &[]).with("customisation_layer", store.path("bad"));
        refused(
            &conf.run(),
            "checksum` does not hold a sha256 digest of 64 hexadecimal digits",
        );
    }
    conf::customise(&store, "fifo", &whole);
    fs::remove_file(store.host("fifo/layer.tar")).unwrap();
    mknodat(
        CWD,
        store.host("fifo/layer.tar"),
        FileType::Fifo,
        Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    let conf = ConfFile::new(&store, &[]).with("customisation_layer", store.path("fifo"));
    refused(&conf.run(), "is not a regular file");
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let store = TestStore::default();
    store.file("a", &vec![7; MUCH]);
    let conf = ConfFile::new(&store, &[&["a"]]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let run: Run = conf.command().stdout(full).output().unwrap().into();
    refused(
        &run,
        "writing the archive\n  caused by: No space left on device",
    );
    assert!(run.stderr.contains("hint: make room"), "{}", run.stderr);
    refused(
        &Run::of(conf.command().args(["-o", "/dev/full"])),
        "No space left on device",
    );
    // A file system that is smaller than the image.
    let out = terrine_tests::temporary();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(out.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return peer::missing("a small file system can not be mounted here");
    }
    let file = out.path().join("image.tar");
    fs::write(&file, "old").unwrap();
    let run = Run::of(conf.command().arg("-o").arg(&file));
    let (old, left) = (
        fs::read(&file).unwrap(),
        fs::read_dir(out.path()).unwrap().count(),
    );
    assert!(
        Command::new("umount")
            .arg(out.path())
            .status()
            .unwrap()
            .success()
    );
    refused(&run, "No space left on device");
    assert_eq!((old.as_slice(), left), (&b"old"[..], 1));
}

#[test]
fn a_closed_pipe_ends_the_run_quietly() {
    let store = TestStore::default();
    store.file("a", &vec![7; MUCH]);
    let conf = ConfFile::new(&store, &[&["a"]]).with("config", json!({}));
    let mut command = conf.command();
    let mut child = command
        .arg("-q")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 1000]).unwrap();
    drop(stdout);
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""));
}

/// Waits until a condition holds.
fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(120), "it never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_signal_ends_the_run_and_leaves_only_the_old_file() {
    for (signal, name, code) in [
        (Signal::INT, "int", Some(130)),
        (Signal::TERM, "term", Some(143)),
        (Signal::HUP, "hup", Some(129)),
        (Signal::QUIT, "quit", Some(131)),
        (Signal::KILL, "kill", None),
    ] {
        let store = TestStore::default();
        store.directory("a");
        // A hole that takes many seconds to read, and a device to write it to would not
        // do: the file must be one that is made.
        File::create(store.host("a/huge"))
            .unwrap()
            .set_len(64 << 30)
            .unwrap();
        let out = terrine_tests::temporary();
        let file = out.path().join("image.tar");
        fs::write(&file, "old").unwrap();
        let mut command = ConfFile::new(&store, &[&["a"]]).command();
        let child = command
            .arg("-o")
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until(|| fs::read_dir(out.path()).unwrap().count() == 2);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let run: Run = child.wait_with_output().unwrap().into();
        assert_eq!(run.code, code, "{}", run.stderr);
        assert_eq!(fs::read(&file).unwrap(), b"old");
        if code.is_some() {
            assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1, "{signal:?}");
            let said = format!(
                "error: interrupted by SIG{}\nhint: `{}` was not written\n",
                name.to_uppercase(),
                file.display()
            );
            // A line about the layer that was under way may follow.
            assert!(run.stderr.contains(&said), "{}", run.stderr);
        }
    }
}

#[test]
fn a_signal_removes_the_summary_as_well_as_the_image() {
    for (option, image) in [("-o", "image.tar"), ("--to", "oci-archive:image.tar")] {
        let store = TestStore::default();
        store.directory("a");
        File::create(store.host("a/huge"))
            .unwrap()
            .set_len(64 << 30)
            .unwrap();
        let spec = SpecFile::new(&store, &["a"])
            .graph(&[("a", 64 << 30, "")])
            .write();
        let out = terrine_tests::temporary();
        let mut command = terrine_tests::terrine();
        command
            .current_dir(out.path())
            .arg("build")
            .arg(spec)
            .arg("--store-root")
            .arg(store.root());
        command.args([
            "--no-cache",
            "--jobs",
            "1",
            "--summary",
            "summary.json",
            option,
            image,
        ]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let names = || -> Vec<_> {
            fs::read_dir(out.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect()
        };
        until(|| names().len() == 2);
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let run: Run = child.wait_with_output().unwrap().into();
        assert_eq!(run.code, Some(130), "{option} {image}: {}", run.stderr);
        assert!(names().is_empty(), "{option} {image}: {:?}", names());
        assert!(
            run.stderr.contains("interrupted by SIGINT"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains(" were not written"), "{}", run.stderr);
    }
}

#[test]
fn a_signal_ends_a_run_that_nobody_reads_from() {
    let store = TestStore::default();
    store.file("a", &vec![7; MUCH]);
    let (mut child, _) = waiting(&ConfFile::new(&store, &[&["a"]]));
    std::thread::sleep(Duration::from_millis(50));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
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

#[test]
fn an_error_is_said_though_nobody_reads_any_more() {
    let store = TestStore::default();
    let name = "big-customisation";
    conf::customise(&store, name, &vec![7; MUCH]);
    store.file_with_mode("big-customisation-2/layer.tar", &vec![8; MUCH], 0o644);
    fs::copy(
        store.host(name).join("checksum"),
        store.host("big-customisation-2/checksum"),
    )
    .unwrap();
    let conf =
        ConfFile::new(&store, &[]).with("customisation_layer", store.path("big-customisation-2"));
    let mut child = conf
        .command()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // All is read but for what the pipe and the buffers hold, and the run has seen that
    // the digest is wrong before the pipe is closed.
    let mut stdout = child.stdout.take().unwrap();
    let most = MUCH as u64 - (6 << 20);
    std::io::copy(&mut stdout.by_ref().take(most), &mut std::io::sink()).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    drop(stdout);
    let run: Run = child.wait_with_output().unwrap().into();
    refused(&run, "its checksum says sha256:");
}

#[test]
fn a_signal_ends_a_run_though_the_tests_were_started_with_it_ignored() {
    let mut tests = Command::new("sh");
    tests.args(["-c", "trap '' INT TERM HUP QUIT; exec \"$@\"", "sh"]);
    tests.arg(std::env::current_exe().unwrap());
    tests.args(["--exact", "a_signal_ends_a_run_that_nobody_reads_from"]);
    let run = Run::of(&mut tests).ok();
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let store = TestStore::default();
    store.file("a", &vec![7; MUCH]);
    let conf = ConfFile::new(&store, &[&["a"]]);
    let inner = conf.command();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut [0; 512])
        .unwrap();
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
