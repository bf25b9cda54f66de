//! `wit/GUIDE.md`, followed from the first line to the last.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use terrine_tests::page::{Step, steps};
use terrine_tests::{Archive, Run, peer, policy, temporary, terrine, workspace};

/// The reader's folder, and what has been made so far.
struct Reader {
    folder: PathBuf,
    plans: Vec<Value>,
    archives: usize,
}

#[test]
fn every_step_of_the_guide_works() {
    let folder = temporary();
    let mut reader = Reader {
        folder: folder.path().to_owned(),
        plans: vec![],
        archives: 0,
    };
    let steps = steps("wit/GUIDE.md");
    assert!(steps.len() >= 15, "{steps:?}");
    for step in steps {
        match step {
            Step::Block { file, text } => {
                let file = reader
                    .folder
                    .join(file.expect("each block says which file it is"));
                fs::write(file, text).unwrap();
            }
            Step::Command(command) => {
                if !reader.run(&command) {
                    break;
                }
            }
        }
    }
    // By default and with three layers.
    assert_eq!(reader.plans.len(), 2);
    for plan in &reader.plans {
        assert_eq!(plan["policy"], "steady");
        assert_eq!(plan["layers"][0]["reason"], "packages by name");
    }
    assert_eq!(reader.archives, 1);
}

impl Reader {
    /// Does what a command says; not if the page ends here on this machine.
    fn run(&mut self, command: &str) -> bool {
        let words: Vec<&str> = command.split(' ').collect();
        match words[0] {
            // The workspace's own build has done that.
            "rustup" => assert_eq!(command, "rustup target add wasm32-unknown-unknown"),
            "cd" => self.folder.push(words[1]),
            "cargo" => self.cargo(&words[1..]),
            "terrine" => self.terrine(&words[1..]),
            "mkdir" => {
                let mut mkdir = Command::new("mkdir");
                Run::of(mkdir.current_dir(&self.folder).args(&words[1..])).ok();
            }
            "pip" => return self.python(words.last().unwrap()),
            "componentize-py" => {
                assert_eq!(command, policy::COMPONENTIZE_PY);
                let Some(component) = policy::app_on_top() else {
                    return false;
                };
                fs::copy(component, self.folder.join("app_on_top.wasm")).unwrap();
            }
            _ => panic!("no test runs `{command}`"),
        }
        true
    }

    fn cargo(&self, words: &[&str]) {
        policy::cargo(&self.folder, words);
        if words[0] == "new" {
            let made = self.folder.join(words.last().unwrap());
            policy::keep_target(&made);
            // The versions that are here already.
            let lock = workspace().join("tests/policies/steady/Cargo.lock");
            fs::copy(lock, made.join("Cargo.lock")).unwrap();
        }
    }

    fn terrine(&mut self, words: &[&str]) {
        let run = Run::of(terrine().current_dir(&self.folder).args(words)).ok();
        match words[0] {
            "plan" => self
                .plans
                .push(serde_json::from_slice(&run.stdout).unwrap()),
            "build" => {
                let archive = fs::read(self.folder.join(words.last().unwrap())).unwrap();
                Archive::read(archive);
                self.archives += 1;
            }
            _ => assert!(words[0] == "planner"),
        }
    }

    /// Begins with the part about Python, in an empty folder with the policy.
    fn python(&mut self, requirement: &str) -> bool {
        let example = workspace().join("tests/policies/app-on-top");
        let pinned = fs::read_to_string(example.join("requirements.txt")).unwrap();
        assert_eq!(pinned.trim_end(), requirement);
        self.folder.push("python");
        fs::create_dir(&self.folder).unwrap();
        fs::copy(
            example.join("app_on_top.py"),
            self.folder.join("app_on_top.py"),
        )
        .unwrap();
        peer::installed("python/bin/componentize-py").is_some()
    }
}

#[test]
fn the_guide_shows_the_example() {
    for step in steps("wit/GUIDE.md") {
        let Step::Block {
            file: Some(file),
            text,
        } = step
        else {
            continue;
        };
        if file != "image.json" {
            assert_eq!(text, example(Path::new(&file)), "{file}");
        }
    }
}

fn example(file: &Path) -> String {
    fs::read_to_string(workspace().join("tests/policies/steady").join(file)).unwrap()
}
