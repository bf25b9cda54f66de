//! Running the binary under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The `terrine` binary of the profile that the tests are built with.
///
/// Cargo hands a binary's path only to the tests of its own package, so it is built
/// here, which takes no time when it is there already.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(super::workspace()).args([
            "build",
            "--locked",
            "--package",
            "terrine",
            "--bins",
        ]);
        cargo.args(["--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "building the binary under test failed");
        let messages = String::from_utf8(output.stdout).unwrap();
        let executable = messages.lines().find_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            let name = message["target"]["name"].as_str()?;
            message["executable"].as_str().filter(|_| name == "terrine").map(PathBuf::from)
        });
        executable.expect("cargo names the binary that it built")
    })
}

/// A command that runs the binary under test, undisturbed by the user's environment.
pub fn terrine() -> Command {
    let mut command = Command::new(binary());
    command.env("XDG_CACHE_HOME", cache()).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// One cache for all tests, so that the planner is compiled once.
pub(crate) fn cache() -> PathBuf {
    binary().parent().unwrap().join("test-cache")
}

/// How a run ended, and what it said.
#[derive(Debug)]
pub struct Run {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Run {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }

    /// The same, checked to have succeeded.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Exit code, stdout and stderr as one text, for a snapshot. Each of `names` stands
    /// for the path of a folder that is another at each run.
    pub fn snapshot(&self, names: &[(&Path, &str)]) -> String {
        let code = self.code.map_or_else(|| "signal".to_owned(), |code| code.to_string());
        let stdout = String::from_utf8_lossy(&self.stdout);
        let mut text = format!("exit: {code}\n--- stdout\n{stdout}--- stderr\n{}", self.stderr);
        for (path, name) in names {
            text = text.replace(path.to_str().unwrap(), name);
        }
        text
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
