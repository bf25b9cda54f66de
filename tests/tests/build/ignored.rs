//! `--exclude`, as Docker's own command reads the same lines from `.dockerignore`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use terrine_tests::http::{Body, Head};
use terrine_tests::{Archive, Run, peer, temporary, terrine};

use super::all;

/// The files in the directory. Nothing here tells Docker's former builder from BuildKit, which alone looks for
/// exceptions with wildcards in directories that are left out.
const FILES: &[&str] = &[
    "a",
    "a.log",
    ".env",
    "D/a",
    "d/.env",
    "d/a.log",
    "d/e/a",
    "d/e/f/b.log",
    "src/d/a",
    "#x",
    "!x",
    "é",
    "a b",
];

const LINES: &[&str] = &[
    "*.log",
    "**/*.log\n!d/a.log",
    "\u{feff}# comment\n\n /d/e/ \n!d/e/f\r\n",
    "*\n!src\n!./d/../a",
    "./D\n[a-c]*\n?",
    "**/d/*\n.*",
    "\\!x\n #x\n..",
];

/// Answers as a daemon would until the context of a build has come, and sends its names.
fn answer(stream: UnixStream, names: &mpsc::Sender<BTreeSet<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(head) = Head::read(&mut reader)? {
        let mut context = Vec::new();
        Body::new(&mut reader, head.framing()).read_to_end(&mut context)?;
        if head.start.contains("/build?") {
            let mut archive = tar::Archive::new(context.as_slice());
            let name = |entry: std::io::Result<tar::Entry<'_, _>>| {
                let path = entry.unwrap().path_bytes().into_owned();
                let path = String::from_utf8(path).unwrap();
                path.trim_end_matches('/').to_owned()
            };
            names.send(archive.entries()?.map(name).collect()).unwrap();
        }
        let head = Head::answer(200)
            .with("Api-Version", "1.41")
            .with("Content-Type", "application/json")
            .with("Content-Length", 0);
        head.write(&mut writer)?;
    }
    Ok(())
}

/// Returns the files that Docker sends of a directory to build it.
fn sent(docker: &Path, directory: &Path, lines: &str) -> BTreeSet<String> {
    let folder = temporary();
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let (sender, names) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            thread::spawn(move || answer(stream, &sender));
        }
    });
    let ignored = directory.join(".dockerignore");
    fs::write(&ignored, lines).unwrap();
    fs::write(directory.join("Dockerfile"), "FROM scratch\n").unwrap();
    let host = format!("unix://{}", socket.display());
    let mut command = Command::new(docker);
    command
        .env("DOCKER_BUILDKIT", "0")
        .env("HOME", folder.path())
        .args(["--host", &host, "build", "--quiet"])
        .arg(directory);
    Run::of(&mut command);
    fs::remove_file(ignored).unwrap();
    fs::remove_file(directory.join("Dockerfile")).unwrap();
    let names = names.try_recv().unwrap();
    let is_file = |name: &String| directory.join(name).is_file();
    names.into_iter().filter(is_file).collect()
}

#[test]
fn lines_leave_out_what_docker_leaves_out() {
    let Some(docker) = peer::find("docker") else {
        return;
    };
    let folder = temporary();
    for name in FILES {
        let place = folder.path().join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, name).unwrap();
    }
    for lines in LINES {
        let mut command = terrine();
        let name = ["build", "--architecture", "amd64", "--name", "web:1"];
        command
            .args(name)
            .arg("--copy-to-root")
            .arg(folder.path())
            .args(["--exclude", lines]);
        let archive = Archive::read(Run::of(&mut command).ok().stdout);
        let files = all(&archive)
            .into_iter()
            .filter(|(_, entry)| entry.0 == 'f');
        let files: BTreeSet<String> = files.map(|(name, _)| name).collect();
        assert_eq!(files, sent(&docker, folder.path(), lines), "{lines:?}");
    }
}
