//! Running the binary under test.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::{peer, signals};

/// The `terrine` binary of the profile that the tests are built with.
///
/// Cargo hands a binary's path only to the tests of its own package, so it is built
/// here, which takes no time when it exists already.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| built("terrine"))
}

/// An example of the library, of the same profile.
pub fn example(name: &str) -> PathBuf {
    built(name)
}

/// The program that cargo makes, `terrine` or the example.
///
/// Of the whole workspace, and an example always among it: so everything has the features that the tests
/// themselves are built with, and is not built a second time with others.
fn built(executable: &str) -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(super::workspace())
        .args(["build", "--locked", "--workspace"])
        .args(["--bin", "terrine", "--example", "ship"]);
    cargo
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
    // What cargo says of this package to its tests is no reason to build others again.
    let of_tests =
        |name: &std::ffi::OsStr| name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| of_tests(name)) {
        cargo.env_remove(name);
    }
    cargo
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_MANIFEST_PATH");
    cargo.env_remove("CARGO_MANIFEST_LINKS");
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "building `{executable}` failed");
    let messages = String::from_utf8(output.stdout).unwrap();
    let path = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let name = message["target"]["name"].as_str()?;
        message["executable"]
            .as_str()
            .filter(|_| name == executable)
            .map(PathBuf::from)
    });
    path.expect("cargo names what it built")
}

/// A command that runs the binary under test, undisturbed by the user's environment and by what
/// has been done about signals.
pub fn terrine() -> Command {
    signals::are_the_default();
    let mut command = Command::new(binary());
    command
        .env("XDG_CACHE_HOME", cache())
        .env_remove("RUST_BACKTRACE")
        // Tests may be a job on GitHub themselves.
        .env_remove("GITHUB_ACTIONS")
        .env_remove("GITHUB_OUTPUT")
        .stdin(Stdio::null());
    command
}

/// Passes an image through `terrine verify`, which has to find nothing.
pub fn verify(reference: &str) {
    let run = Run::of(terrine().args(["verify", reference]));
    assert_eq!(run.code, Some(0), "{reference}: {}", run.stderr);
    assert!(
        run.stderr.contains(" is valid: "),
        "{reference}: {}",
        run.stderr
    );
}

/// One cache for all tests, so that each planner from a file is compiled once.
pub fn cache() -> PathBuf {
    binary().parent().unwrap().join("test-cache")
}

/// Makes an empty cache in a folder.
pub fn empty_cache(folder: &Path) {
    fs::create_dir_all(folder.join("terrine")).unwrap();
}

/// A command that runs another one on a terminal of its own.
fn on_a_terminal(command: &Command) -> Option<Command> {
    let script = peer::find("script")?;
    // When a program has ended, `script` may not read its last line any more, so something stays for a moment.
    let stay = r#""$@"; code=$?; sleep 0.2; exit "$code""#;
    let mut words = vec!["sh", "-c", stay, "sh"];
    let program = std::iter::once(command.get_program()).chain(command.get_args());
    words.extend(program.map(|word| word.to_str().unwrap()));
    let line = words
        .iter()
        .map(|word| format!("'{word}'"))
        .collect::<Vec<String>>()
        .join(" ");
    let mut outer = Command::new(script);
    outer
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("TERM", "xterm");
    for (name, value) in command.get_envs() {
        outer.env(name, value.unwrap_or_default());
    }
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    Some(outer)
}

/// The end of a run, and what it said.
#[derive(Debug)]
pub struct Run {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The bytes that it wrote to stdout.
    pub stdout: Vec<u8>,
    /// The text that it wrote to stderr.
    pub stderr: String,
}

impl Run {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        loop {
            match command.output() {
                // A program that a test has just written: a process that another thread is starting has its descriptor
                // until it runs its own program.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                    thread::sleep(Duration::from_millis(1));
                }
                output => return output.unwrap().into(),
            }
        }
    }

    /// Runs a command on a terminal of its own; what it says is on stdout then. Nothing, said
    /// aloud, where that cannot be.
    pub fn on_a_terminal(command: &Command) -> Option<Self> {
        let mut outer = on_a_terminal(command)?;
        Some(Self::of(outer.stdin(Stdio::null())))
    }

    /// Runs a command on a terminal of its own, where each answer is typed when its question appears.
    pub fn answering(command: &Command, answers: &[(&str, &str)]) -> Option<Self> {
        let mut outer = on_a_terminal(command)?;
        outer.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = outer.spawn().unwrap();
        let (mut keyboard, mut screen) =
            (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut said = vec![];
        let mut seen = 0;
        for (question, answer) in answers {
            while !String::from_utf8_lossy(&said[seen..]).contains(question) {
                let mut part = [0; 1024];
                match screen.read(&mut part).unwrap() {
                    0 => break,
                    count => said.extend(&part[..count]),
                }
            }
            seen = said.len();
            // It may have ended without asking.
            let _ = writeln!(keyboard, "{answer}");
        }
        screen.read_to_end(&mut said).unwrap();
        drop(keyboard);
        Some(Self {
            code: child.wait().unwrap().code(),
            stdout: said,
            stderr: String::new(),
        })
    }

    /// The same, checked to have succeeded.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Exit code, stdout and stderr as one text, for a snapshot. Each of `names` stands
    /// for the path of a folder that is another at each run.
    pub fn snapshot(&self, names: &[(&Path, &str)]) -> String {
        let code = self
            .code
            .map_or_else(|| "signal".to_owned(), |code| code.to_string());
        let stdout = String::from_utf8_lossy(&self.stdout);
        // How often it is told that a planner takes long depends on the machine.
        let is_about_time = |line: &&str| {
            line.contains("` is still running") || line.contains("` is still being compiled")
        };
        let stderr: String = self
            .stderr
            .split_inclusive('\n')
            .filter(|line| !is_about_time(line))
            .collect();
        let mut text = format!("exit: {code}\n--- stdout\n{stdout}--- stderr\n{stderr}");
        for (path, name) in names {
            text = text.replace(path.to_str().unwrap(), name);
        }
        text
    }
}

impl Run {
    /// [`Run::snapshot`] without how fast things went.
    pub fn without_speed(&self, names: &[(&Path, &str)]) -> String {
        self.snapshot(names)
            .lines()
            .map(|line| match line.split_once(" at ") {
                Some((before, rest)) if rest.contains("/s") => {
                    let after = rest.split_once("/s").map_or("", |(_, after)| after);
                    format!("{before} at [SPEED]{after}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
