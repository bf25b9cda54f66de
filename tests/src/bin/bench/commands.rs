//! The cost of commands at the root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use terrine_tests::peer;

use super::Result;
use super::measure::{self, Samples};
use super::table::{self, Budget, Row};

/// The time that it may take to begin and end the isolation of commands.
const START: Duration = Duration::from_millis(30);
/// The time that so many changes of owners may take.
const CHOWN: Duration = Duration::from_millis(200);
/// The time that it may take to find out that nothing changed.
const UNCHANGED: Duration = Duration::from_millis(10);
/// The tools of the commands: a program for all of them, which no library can look into.
const BUSYBOX: &str = "/bin/busybox";
/// The names that it is called by.
const APPLETS: &[&str] = &["sh", "mkdir", "seq", "xargs", "touch", "chown", "true"];

/// Images with and without commands, by turns. Some commands make so many files, or change their owner.
pub(super) fn commands(made: usize, rounds: usize) -> Result<()> {
    if !Path::new(BUSYBOX).exists() {
        peer::missing(&format!(
            "there is no `{BUSYBOX}`: commands are not measured"
        ));
        return Ok(());
    }
    table::section(&format!("commands at the root, {rounds} rounds"));
    let bench = Bench::new()?;
    let files = format!("mkdir d; cd d; seq {made} | xargs touch");
    let chown = format!("{files}; chown -R 7:8 .");
    let [none, start, files, chown] =
        bench.compare(["", "true", &files, &chown], &["--no-cache"], rounds)?;
    Row::of("no commands", &none).print();
    row("a command that does nothing", &start, &none, START);
    Row::of(&format!("{made} files made"), &files).print();
    row(
        &format!("{made} files made and chowned"),
        &chown,
        &files,
        CHOWN,
    );
    let [none, kept] = bench.compare(["", &chown_again()], &[], rounds)?;
    row("the same again, unchanged", &kept, &none, UNCHANGED);
    Ok(())
}

/// A script whose tree is kept from the first round on.
fn chown_again() -> String {
    "mkdir d; cd d; seq 100 | xargs touch; chown -R 7:8 .".to_owned()
}

/// A row with a budget for what it takes more than another.
fn row(title: &str, samples: &Samples, without: &Samples, budget: Duration) {
    let more = samples.median().saturating_sub(without.median());
    Row::of(title, samples)
        .budget(Budget::new(
            format!("{} ms more", budget.as_millis()),
            more <= budget,
        ))
        .print();
}

/// Tools, and a place for specifications.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Result<Self> {
        let folder = terrine_tests::temporary();
        let bin = folder.path().join("tools/bin");
        fs::create_dir_all(&bin)?;
        fs::copy(BUSYBOX, bin.join("busybox"))?;
        for applet in APPLETS {
            symlink("busybox", bin.join(applet))?;
        }
        Ok(Self { folder })
    }

    /// Builds an image for each script, by turns; of none for an empty one.
    fn compare<const N: usize>(
        &self,
        scripts: [&str; N],
        arguments: &[&str],
        rounds: usize,
    ) -> Result<[Samples; N]> {
        let mut samples = [(); N].map(|()| Samples::default());
        for round in 0..=rounds {
            for (script, samples) in scripts.iter().zip(&mut samples) {
                let sample = measure::pipeline(&mut self.build(script, arguments)?)?;
                // The first round brings everything into memory.
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
        Ok(samples)
    }

    fn build(&self, script: &str, arguments: &[&str]) -> Result<Command> {
        let mut spec = serde_json::json!({
            "name": "commands:1",
            "files": {"/etc/motd": {"text": "hello"}},
        });
        if !script.is_empty() {
            spec["fakeRootCommands"] = script.into();
            spec["commands"] = serde_json::json!({"path": "tools"});
        }
        let file: PathBuf = self.folder.path().join("image.json");
        fs::write(&file, spec.to_string())?;
        let mut command = terrine_tests::terrine();
        command
            .arg("build")
            .arg(file)
            .args(arguments)
            .arg("--quiet")
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        Ok(command)
    }
}
