//! Programs that load images into a storage of their own, and save them from there: Docker's
//! and podman's, through their own commands.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;

use terrine_support::hint::Hint;

/// A reason why a program did not load or save an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It does not exist.
    #[error("`{program}` cannot be run")]
    NoProgram {
        /// Its name.
        program: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("`{program}` failed: {message}")]
    Failed {
        /// The program and its command.
        program: String,
        /// Its message, or how it ended.
        message: String,
    },
    /// The image that it saves could not be put anywhere.
    #[error("saving an image to `{}`", directory.display())]
    Spool {
        /// The directory for temporary files.
        directory: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoProgram { .. } => Some("install it, or use an archive instead".into()),
            Self::Spool { .. } => {
                Some("make room there, or set `TMPDIR` to another directory".into())
            }
            Self::Failed { .. } => None,
        }
    }
}

/// The number of bytes that are kept of what a program says.
const SAID: u64 = 16 << 10;

/// A program with a storage of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loader {
    /// `docker load` and `docker save`.
    Docker,
    /// `podman load` and `podman save`.
    Podman,
}

impl Loader {
    /// The program's name.
    pub fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    /// Lets the program save an image as a docker-archive to a temporary file without a name.
    ///
    /// # Errors
    ///
    /// A program that is missing, or fails.
    pub fn save(self, image: &str) -> Result<File, Error> {
        let spooling = |source| Error::Spool {
            directory: std::env::temp_dir(),
            source,
        };
        let file = tempfile::tempfile().map_err(spooling)?;
        let stdout = file.try_clone().map_err(spooling)?;
        let mut command = Command::new(self.program());
        command.arg("save");
        if self == Self::Podman {
            command.args(["--format", "docker-archive"]);
        }
        // So that a name that starts with a hyphen is not an option.
        command.arg("--").arg(image);
        let mut child = self.spawn(command.stdin(Stdio::null()).stdout(stdout))?;
        let said = Said::by(&mut child);
        self.finish("save", child, said)?;
        io::Seek::rewind(&mut &file).map_err(spooling)?;
        Ok(file)
    }

    /// Lets the program give an image another name.
    ///
    /// # Errors
    ///
    /// A program that is missing, or fails.
    pub fn tag(self, image: &str, name: &str) -> Result<(), Error> {
        let mut command = Command::new(self.program());
        // So that a name that starts with a hyphen is not an option.
        command.args(["tag", "--", image, name]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = self.spawn(&mut command)?;
        let said = Said::by(&mut child);
        self.finish("tag", child, said)
    }

    fn spawn(self, command: &mut Command) -> Result<Child, Error> {
        let program = self.program();
        command
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| Error::NoProgram { program, source })
    }

    fn finish(self, what: &str, mut child: Child, said: Said) -> Result<(), Error> {
        let status = child.wait();
        if status.as_ref().is_ok_and(ExitStatus::success) {
            return Ok(());
        }
        let said = said.text();
        let message = match status {
            Ok(status) if said.is_empty() => status.to_string(),
            Err(error) if said.is_empty() => error.to_string(),
            _ => said,
        };
        Err(self.failed(what, message))
    }

    fn failed(self, what: &str, message: String) -> Error {
        Error::Failed {
            program: format!("{} {what}", self.program()),
            message,
        }
    }
}

/// Runs `produce` with the standard input of a program that loads a docker-archive from it.
///
/// # Errors
///
/// A program that is missing, fails or ends too early, else what `produce` returns. If both
/// fail it is the program's failure that counts when `produce` only met a closed pipe.
pub fn load<T, E: From<Error>>(
    loader: Loader,
    produce: impl FnOnce(&ChildStdin) -> Result<T, E>,
    is_closed: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let mut command = Command::new(loader.program());
    command
        .arg("load")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = loader.spawn(&mut command)?;
    let said = Said::by(&mut child);
    let Some(stdin) = child.stdin.take() else {
        loader.finish("load", child, said)?;
        return Err(loader.failed("load", "it takes no input".to_owned()).into());
    };
    let produced = produce(&stdin);
    drop(stdin);
    match produced {
        Err(error) if !is_closed(&error) => {
            // The archive ends before its manifest, and whatever the program makes of that is
            // no image.
            let _ = child.kill();
            let _ = loader.finish("load", child, said);
            Err(error)
        }
        produced => {
            loader.finish("load", child, said)?;
            // It has no reason to call that a success, and to the user it is none.
            produced.map_err(|_closed| {
                loader
                    .failed(
                        "load",
                        "it exited before it read the whole image".to_owned(),
                    )
                    .into()
            })
        }
    }
}

/// The output of a program. It is read as it comes, so that the program does not wait for a reader.
struct Said {
    stdout: Option<thread::JoinHandle<Vec<u8>>>,
    stderr: Option<thread::JoinHandle<Vec<u8>>>,
}

impl Said {
    fn by(child: &mut Child) -> Self {
        Self {
            stdout: child
                .stdout
                .take()
                .map(|stdout| thread::spawn(|| end(stdout))),
            stderr: child
                .stderr
                .take()
                .map(|stderr| thread::spawn(|| start(stderr))),
        }
    }

    /// Returns what it said of its failure: that goes to stderr, as a rule.
    fn text(self) -> String {
        let [stderr, stdout] = [self.stderr, self.stdout].map(|reader| {
            let bytes = reader
                .and_then(|reader| reader.join().ok())
                .unwrap_or_default();
            String::from_utf8_lossy(&bytes)
                .trim()
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect::<String>()
        });
        if stderr.is_empty() { stdout } else { stderr }
    }
}

/// The first bytes of what is read to its end. What cannot be read is not said.
fn start(mut reader: impl Read) -> Vec<u8> {
    let mut start = vec![];
    let _ = reader.by_ref().take(SAID).read_to_end(&mut start);
    let _ = io::copy(&mut reader, &mut io::sink());
    start
}

/// The last bytes of what is read to its end: before them come words on how far it is.
fn end(mut reader: impl Read) -> Vec<u8> {
    let mut end = vec![];
    // At least one byte each time, until there is none.
    while let Ok(1..) = reader.by_ref().take(SAID).read_to_end(&mut end) {
        end.drain(..end.len().saturating_sub(SAID as usize));
    }
    end
}
