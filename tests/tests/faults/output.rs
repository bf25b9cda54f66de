//! Output that nobody takes: full disks and closed pipes.

use std::fs::{self, File};
use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use terrine_tests::{ConfFile, Run, SmallDisk, TestStore, conf};

use super::{MUCH, refused};

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
    let Some(disk) = SmallDisk::at(out.path(), "size=4m") else {
        return;
    };
    let file = out.path().join("image.tar");
    fs::write(&file, "old").unwrap();
    let run = Run::of(conf.command().arg("-o").arg(&file));
    let (old, left) = (
        fs::read(&file).unwrap(),
        fs::read_dir(out.path()).unwrap().count(),
    );
    disk.unmount();
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
    // All is read but for what the pipe, which holds 1 MiB, and the buffers hold. So the run has seen that the
    // digest is wrong before the pipe is closed: it waits for the pipe and nothing else,
    // or did not write all that was left.
    let mut stdout = child.stdout.take().unwrap();
    let most = MUCH as u64 - (5 << 18);
    std::io::copy(&mut stdout.by_ref().take(most), &mut std::io::sink()).unwrap();
    until_asleep(child.id());
    drop(stdout);
    let run: Run = child.wait_with_output().unwrap().into();
    refused(&run, "its checksum says sha256:");
}

/// Waits until a process has ended, or no thread of it has anything to do, several times in succession: one may wake
/// another while this looks at them.
fn until_asleep(process: u32) {
    let (start, mut times) = (Instant::now(), 0);
    while times < 20 {
        let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let mut states = threads.map(|thread| {
            let stat = fs::read_to_string(thread.unwrap().path().join("stat")).unwrap_or_default();
            // The name before it may have spaces.
            stat.rsplit_once(") ")
                .map(|(_, rest)| rest.starts_with(['S', 'Z']))
        });
        let is_asleep = states.all(|state| state == Some(true));
        times = if is_asleep { times + 1 } else { 0 };
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it is still at work"
        );
        thread::sleep(Duration::from_millis(10));
    }
}
