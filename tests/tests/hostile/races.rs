//! Directories that are exchanged for links while they are read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use terrine_tests::{Run, TestStore, terrine};

/// The number of times that each race is run.
const ROUNDS: usize = 200;
/// As long as what is inside, so that the size does not tell.
const SECRET: &str = "the secret of somebody else";
const OWN: &str = "what everyone is let to see";

/// Two directories with the same names below them, and a link to where one of them does not lead.
fn tree(top: &Path, name: &str, below: &str) -> (PathBuf, PathBuf) {
    let source = top.join(name);
    for number in 0..30 {
        fs::create_dir_all(source.join(format!("{below}/{number}"))).unwrap();
        fs::write(source.join(format!("{below}/{number}/f")), OWN).unwrap();
        fs::create_dir_all(top.join(format!("outside/{number}"))).unwrap();
        fs::write(top.join(format!("outside/{number}/f")), SECRET).unwrap();
    }
    let link = top.join(format!("{name}-link"));
    symlink(top.join("outside"), &link).unwrap();
    (source.join(below), link)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Ends a thread when it goes, by a panic as well.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_from_outside_gets_into_an_image() {
    let store = TestStore::default();
    let top = store.root().to_owned();
    let pairs = [tree(&top, "copied", "c"), tree(&top, "joined", "j")];
    let over = AtomicBool::new(false);
    let mut built = 0;
    let mut refused = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0u64;
            while !over.load(Ordering::Relaxed) {
                for (directory, link) in &pairs {
                    renameat_with(CWD, directory, CWD, link, RenameFlags::EXCHANGE).unwrap();
                }
                // Longer and shorter than what lies between listing and reading.
                number = number.wrapping_mul(25) + 7;
                thread::sleep(Duration::from_micros(50 + number % 3000));
            }
        });
        let _over = Over(&over);
        for round in 0..ROUNDS {
            let mut command = terrine();
            command.current_dir(&top).args([
                "-q",
                "build",
                "--name",
                "raced:1",
                "--architecture",
                "amd64",
                "--copy-to-root",
                "copied",
                "--contents",
                "joined",
                "-o",
                "-",
            ]);
            let run = Run::of(&mut command);
            assert!(!holds(&run.stdout, SECRET), "round {round}");
            match run.code {
                Some(0) => built += 1,
                _ => {
                    let told = run.stderr.contains("while the image was made");
                    assert!(told, "round {round}: {}", run.stderr);
                    refused += 1;
                }
            }
        }
    });
    // Else no exchange came at the right time, and nothing was tried.
    assert!(
        built > 0 && refused > 0,
        "{built} were built, and {refused} refused"
    );
}
