//! Processes that have to succeed. Their messages are shown only if they do not.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, ExitStatus};

use super::Result;

/// A process that was started.
pub(super) struct Process {
    pub(super) child: Child,
    program: String,
    /// The file that its stderr goes to, without a name.
    messages: File,
}

impl Process {
    /// Starts a process, or names the program that could not be started.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let messages = tempfile::tempfile()?;
        let program = command.get_program().display().to_string();
        let child = command
            .stderr(messages.try_clone()?)
            .spawn()
            .map_err(|error| format!("`{program}`: {error}"))?;
        Ok(Self {
            child,
            program,
            messages,
        })
    }

    /// Checks that it has done what it is for.
    pub(super) fn check(mut self, status: ExitStatus) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        let mut messages = vec![];
        self.messages.rewind()?;
        self.messages.read_to_end(&mut messages)?;
        let messages = String::from_utf8_lossy(&messages);
        Err(format!("`{}`: {status}: {}", self.program, messages.trim_end()).into())
    }
}

/// Runs a command that is not measured.
pub(super) fn succeed(command: &mut Command) -> Result<()> {
    let mut process = Process::start(command)?;
    let status = process.child.wait()?;
    process.check(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_status_and_the_messages() {
        let run = |script: &str| succeed(Command::new("sh").args(["-c", script]));
        run("echo quiet >&2").unwrap();
        let error = run("echo why >&2; exit 3").unwrap_err().to_string();
        assert_eq!(error, "`sh`: exit status: 3: why");
        let error = succeed(&mut Command::new("./none")).unwrap_err();
        assert!(error.to_string().starts_with("`./none`: No such file"));
    }
}
