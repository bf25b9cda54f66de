//! Outputs of data: binary output goes to a file that appears when it is complete, or to stdout;
//! text goes to stdout.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::closed;
use super::exit::Usage;
use super::failure::{Context, Result};
use super::interrupt;

/// A place for output: a stream or a file.
pub(super) enum Output {
    /// Standard output, or something that is not a regular file.
    Stream(File),
    /// A file that gets its name at the end.
    File {
        temporary: NamedTempFile,
        path: PathBuf,
    },
}

impl Output {
    /// Opens an output: `path`, or stdout where there is none or it is `-`.
    ///
    /// A terminal is refused: it would show what it cannot.
    pub(super) fn open(path: Option<&Path>) -> Result<Self> {
        match path.filter(|path| *path != Path::new("-")) {
            Some(path) => Self::file(path).with_context(|| format!("writing `{}`", path.display())),
            None => Self::stdout(),
        }
    }

    /// Opens an output for text, which a terminal shows.
    pub(super) fn open_text(path: Option<&Path>) -> Result<Self> {
        if path.is_some_and(|path| path != Path::new("-")) {
            return Self::open(path);
        }
        closed::check().context("writing to stdout")?;
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        Ok(Self::Stream(stdout.context("writing to stdout")?.into()))
    }

    fn stdout() -> Result<Self> {
        closed::check().context("writing to stdout")?;
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Err(Usage {
                message: "refusing to write binary data to a terminal".to_owned(),
                hint: "pipe it to another program, or name a file with `-o`",
            }
            .into());
        }
        // Not through the standard library's handle, which looks for line ends.
        let file: File = stdout
            .as_fd()
            .try_clone_to_owned()
            .context("writing to stdout")?
            .into();
        enlarge_pipe(&file);
        interrupt::leaves("the output on stdout is incomplete");
        Ok(Self::Stream(file))
    }

    fn file(path: &Path) -> io::Result<Self> {
        // Other names of stdout.
        if ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]
            .iter()
            .any(|name| path == Path::new(name))
        {
            closed::check()?;
        }
        let path = match fs::metadata(path) {
            // A device or a fifo is written to, not replaced.
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
                return OpenOptions::new().write(true).open(path).map(Self::Stream);
            }
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            // What a link leads to is replaced, not the link.
            Ok(_) => path.canonicalize()?,
            // A link to what is not there yet leads to where it is to be.
            Err(_) => match fs::read_link(path) {
                Ok(target) => path.parent().unwrap_or(Path::new("")).join(target),
                Err(_) => path.to_owned(),
            },
        };
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let temporary = interrupt::guard(&path, || {
            tempfile::Builder::new()
                .prefix(".terrine-")
                .suffix(".partial")
                // What a new file gets, less what the user's mask takes away.
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(directory)
        })
        .map_err(without_path)?;
        Ok(Self::File { temporary, path })
    }

    /// Gives the output its name, if it is a file. Not called after a failure: a
    /// temporary file then goes when the output is dropped.
    pub(super) fn commit(self) -> Result<()> {
        let Self::File { temporary, path } = self else {
            return Ok(());
        };
        persist(temporary, &path).with_context(|| format!("writing `{}`", path.display()))
    }
}

/// Gives a file that is complete its name.
fn persist(temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    // Also reports what closing the file would have told.
    temporary.as_file().sync_all()?;
    let unnamed = temporary.path().to_owned();
    interrupt::release(&unnamed, || temporary.persist(path))
        .map(drop)
        .map_err(|error| error.error)
}

/// Writes text that is data, or was asked for, to stdout.
pub(super) fn print(text: &str) -> Result<()> {
    closed::check()
        .and_then(|()| io::stdout().write_all(text.as_bytes()))
        .context("writing to stdout")
}

/// Returns the system's error without the path of a temporary file, which means nothing to users.
fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((plain, _)) => io::Error::new(error.kind(), plain.to_owned()),
        None => error,
    }
}

/// Makes a pipe as large as it may be without privileges: fewer switches between us
/// and whoever reads.
#[cfg(target_os = "linux")]
fn enlarge_pipe(file: &File) {
    const SIZE: usize = 1 << 20;
    // Only a pipe has such a size, and the user's share of them may be used up.
    let _ = rustix::pipe::fcntl_setpipe_size(file, SIZE);
}

/// Elsewhere pipes are as large as they are.
#[cfg(not(target_os = "linux"))]
fn enlarge_pipe(_: &File) {}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stream(file) => file.as_fd(),
            Self::File { temporary, .. } => temporary.as_file().as_fd(),
        }
    }
}

impl Write for &Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stream(file) => (&*file).write(bytes),
            Output::File { temporary, .. } => temporary.as_file().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
