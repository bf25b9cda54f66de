//! Checks of whether a container of an image can start: what its configuration asks for, and
//! whether the files of the image include that.
//!
//! Container engines find such mistakes when a container is started, or never. What is not known of an image,
//! such as the files of a base image that is not downloaded, is given the benefit of the doubt: nothing is said
//! that may be wrong.

mod by_env;
mod command;
mod config;
mod directories;
mod health;
mod libraries;
mod permitted;
mod program;
mod refused;
mod resolve;
#[cfg(test)]
mod testing;
mod user;
mod values;

use terrine_support::remark::Remark;

use crate::platform::Bytes;
use config::Config;
pub use resolve::{Resolved, resolve};
pub use values::repeated;

/// Files of an image, as far as they are known.
pub trait Files {
    /// Returns what is at an absolute path. The directories that it lies in are known to be directories, and no
    /// link.
    fn look(&self, path: &[u8]) -> Look;

    /// Returns the content of the file at a path that [`Files::look`] knows as one; none where that is not known, or
    /// not cheap to have.
    fn open(&self, path: &[u8]) -> Option<Box<dyn Bytes + '_>>;

    /// Returns who may use what is at a path that [`Files::look`] knows; none where that is not known.
    fn access(&self, path: &[u8]) -> Option<Access> {
        let _ = path;
        None
    }

    /// Returns the first bytes of such a file, whatever it takes: all of them if it has no more than `limit`.
    fn read(&self, path: &[u8], limit: usize) -> Option<Vec<u8>> {
        self.open(path)?.read_at(0, limit).ok()
    }
}

/// The permissions of a file or a directory, and the owner and group that they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: i64,
    /// Numeric group.
    pub gid: i64,
}

/// The kind of thing at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Nothing.
    Nothing,
    /// Something that is not known.
    Unknown,
    /// A directory.
    Directory,
    /// A symbolic link to this target.
    Link(Vec<u8>),
    /// A regular file.
    File {
        /// True if any user may run it.
        executable: bool,
    },
}

/// The check that looks for the interpreters of programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpreters {
    /// The check of the command.
    Here,
    /// Another check, for all programs of the image.
    Elsewhere,
}

/// Returns what keeps containers of an image from starting, or from running as they are meant to: by its
/// configuration, as JSON text, and by its files.
pub fn check(config: &str, files: &dyn Files, interpreters: Interpreters) -> Vec<Remark> {
    let config = Config::read(config);
    let files = &Mounted {
        files,
        volumes: config.volumes.iter().map(String::as_str).collect(),
    };
    let command = command::check(&config, files, interpreters);
    let mut remarks: Vec<Remark> = command.into_iter().collect();
    remarks.extend(user::check(&config, files));
    remarks.extend(values::check(&config, files));
    remarks
}

/// Returns the warning that an image has no files.
pub fn empty() -> Remark {
    Remark::warning("there are no files in the image").hint(
        "add files with `contents`, `copyToRoot` or `files`, or a base image with `fromImage`",
    )
}

/// Directories of every container that its image does not fill.
const MOUNTED: &[&str] = &["/dev", "/proc", "/sys"];

/// Files of a container: what is mounted into it may have anything.
struct Mounted<'a> {
    files: &'a dyn Files,
    volumes: Vec<&'a str>,
}

impl Files for Mounted<'_> {
    fn look(&self, path: &[u8]) -> Look {
        // On the way to such a directory, or in it.
        let leads = |directory: &&str| {
            let directory = directory.trim_end_matches('/').as_bytes();
            let length = directory.len().min(path.len());
            let (of, rest) = (
                &directory[..length],
                [&directory[length..], &path[length..]],
            );
            of == &path[..length] && rest.iter().all(|rest| matches!(rest, [] | [b'/', ..]))
        };
        match self.files.look(path) {
            Look::Nothing if MOUNTED.iter().chain(&self.volumes).any(leads) => Look::Unknown,
            look => look,
        }
    }

    fn open(&self, path: &[u8]) -> Option<Box<dyn Bytes + '_>> {
        self.files.open(path)
    }

    fn access(&self, path: &[u8]) -> Option<Access> {
        self.files.access(path)
    }

    fn read(&self, path: &[u8], limit: usize) -> Option<Vec<u8>> {
        self.files.read(path, limit)
    }
}
