//! Programs that load an image and run it, each in name spaces of its own
//! (`tests/consumers`).

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use super::{Archive, Generation, Run, fixture, peer, temporary};

/// The result that a consumer made of an image.
#[derive(Debug)]
pub struct Consumed {
    // Sockets have short paths, so this is no folder of the test's.
    work: tempfile::TempDir,
    /// The consumer, for messages.
    by: String,
    /// The text that it printed besides.
    pub said: String,
}

impl Consumed {
    /// Lets a consumer load and run an image, by its script. It has to be [available].
    pub fn by(script: &str, image: &Path, reference: &str) -> Self {
        Self::by_generation(Generation::Machine, script, image, reference)
    }

    /// The same by a consumer of a generation.
    pub fn by_generation(
        generation: Generation,
        script: &str,
        image: &Path,
        reference: &str,
    ) -> Self {
        Self::with_generation(generation, script, &[image.as_os_str(), reference.as_ref()])
    }

    /// Runs a consumer's script with arguments of its own. It has to be [available].
    pub fn with(script: &str, arguments: &[&OsStr]) -> Self {
        Self::with_generation(Generation::Machine, script, arguments)
    }

    /// The same with a consumer of a generation.
    pub fn with_generation(generation: Generation, script: &str, arguments: &[&OsStr]) -> Self {
        let work = temporary();
        let mut command = isolated(generation);
        command
            .arg(work.path())
            .arg(fixture("consumers").join(script))
            .args(arguments);
        let said = Run::of(&mut command).ok().stderr;
        let by = format!("{script} ({generation:?})");
        Self { work, by, said }
    }

    /// A file that the consumer left.
    pub fn file(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// The text of one.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Checks the id and the layers that the consumer tells, and what the image printed.
    pub fn check(&self, archive: &Archive, output: &str) {
        self.check_in(".", archive, output);
    }

    /// The same of what it tells in a folder.
    pub fn check_in(&self, folder: &str, archive: &Archive, output: &str) {
        let text = |name: &str| self.text(&format!("{folder}/{name}"));
        let place = format!("{}, {folder}", self.by);
        assert_eq!(
            text("id").trim().trim_start_matches("sha256:"),
            archive.id,
            "{place}"
        );
        let layers = text("layers");
        assert_eq!(
            layers.split_whitespace().collect::<Vec<_>>(),
            archive.diff_ids(),
            "{place}"
        );
        assert_eq!(text("output"), output, "{place}");
    }
}

/// Returns true if programs are installed that a consumer needs, and daemons and containers can run
/// here; says so aloud if not.
pub fn available(tools: &[&str]) -> bool {
    available_in(Generation::Machine, tools)
}

/// The same of the programs of a generation.
pub fn available_in(generation: Generation, tools: &[&str]) -> bool {
    tools.iter().all(|tool| generation.has(tool)) && can_isolate(generation)
}

/// A command that runs another one in name spaces of its own, by the programs of a generation.
fn isolated(generation: Generation) -> Command {
    let mut command = Command::new(fixture("consumers/isolated"));
    command.env_remove("CONSUMERS");
    if let Some(root) = generation.root() {
        command.env("CONSUMERS", root);
    }
    command
}

fn can_isolate(generation: Generation) -> bool {
    if !geteuid().is_root() {
        peer::missing("containers are run as root here");
        return false;
    }
    let work = temporary();
    let run = Run::of(isolated(generation).arg(work.path()).arg("true"));
    if run.code != Some(0) {
        peer::missing(&format!(
            "no name spaces of our own can be had here: {}",
            run.stderr
        ));
    }
    run.code == Some(0)
}
