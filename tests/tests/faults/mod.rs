//! Runs that go wrong: a clear error, exit code 1, and nothing that could pass for an
//! image.

mod configuration;
mod files;
mod output;
mod signals;

use std::io::Read;
use std::process::{Child, Stdio};

use terrine_tests::{ConfFile, Run};

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
