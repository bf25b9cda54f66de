//! Requests to the helper process, and its answers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Level;

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path without a slash at its start; empty for the root of the tree.
    pub path: Vec<u8>,
    /// Its kind.
    pub kind: Kind,
    /// Permission bits, 0 to 07777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Extended attributes, by name: those of users, and `security.capability`.
    pub xattrs: Xattrs,
}

/// Extended attributes: names and values.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A symbolic link with this target.
    Symlink(Vec<u8>),
    /// A file with these bytes.
    Inline(Vec<u8>),
    /// A file with the content of another.
    Copy {
        /// Its place on this machine.
        source: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// A device.
    Device {
        /// True for a block device, false for a character device.
        block: bool,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A fifo.
    Fifo,
}

/// Commands to run on a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// An empty folder for the tree and for what comes of it. It has to be on a file system that
    /// keeps owners and extended attributes.
    pub work: PathBuf,
    /// A folder around it that is removed with all that is in it if the program ends before.
    pub scratch: PathBuf,
    /// The tree as it is at first, over the base where there is one: each directory before what
    /// is in it.
    pub entries: Vec<Entry>,
    /// True if the archive of a base image follows, over which the tree is laid.
    pub base: bool,
    /// True if commands need a `/tmp`: where the tree has none it gets one in which everyone may
    /// write, and keeps it.
    pub tmp: bool,
    /// The directory of store paths, where commands see any.
    pub store_dir: String,
    /// The store paths that commands see: their names, and where they are on this machine.
    pub store: Vec<(String, PathBuf)>,
    /// Directories of this machine with tools.
    pub tools: Vec<PathBuf>,
    /// The steps, in the order in which they run.
    pub steps: Vec<Step>,
    /// The number of processes that may run at once.
    pub max_processes: u32,
    /// The time that all steps together may take, in seconds.
    pub max_seconds: Option<u64>,
    /// True if a place without name spaces is used although it is not isolated.
    pub unsafe_host: bool,
}

/// One script to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The field of the specification that has it, by which messages and the shell call it.
    pub name: String,
    /// Its text.
    pub script: Vec<u8>,
    /// The shell; none for the first one on the path.
    pub shell: Option<Directory>,
    /// The place of the tree, as commands see it.
    pub place: Place,
    /// The user that commands seem to be.
    pub identity: Identity,
    /// Directories with programs, in the order of the path.
    pub path: Vec<Directory>,
    /// The rest of the environment.
    pub environment: Vec<(String, String)>,
    /// True if a failure within a pipeline ends the script, where the shell can tell.
    pub pipefail: bool,
}

/// A path as commands see it, wherever that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Directory {
    /// An absolute path.
    Absolute(String),
    /// A path below the directory of store paths.
    Store(String),
    /// A path below one of the directories with tools.
    Tool(usize, String),
    /// A path below the tree.
    Tree(String),
}

/// The place of the tree, as commands see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// As their working directory, in a world that holds little else.
    Directory,
    /// As `/`.
    Root,
}

/// The user that commands seem to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// Root, whose changes of owners are kept.
    Root,
    /// A user without any rights, 1000:100 as in builds of Nix. All that it makes is root's.
    User,
}

/// A request to the helper process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) level: Level,
    pub(crate) job: Job,
}

/// The outcome of commands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The entries of the layer, each directory before what is in it: all that lie over a base
    /// and differ from it, or that were given. Files are copies of files in the folder of the job.
    pub entries: Vec<Entry>,
    /// Paths that are in the base and no longer in the tree.
    pub removed: Vec<Vec<u8>>,
    /// Directories of which nothing in the base is left.
    pub opaque: Vec<Vec<u8>>,
}

/// An answer of the helper process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// All steps ran.
    Done(Changes),
    /// A step failed.
    Failed(Failure),
    /// The machine does not grant what the level needs; nothing ran.
    Refused(Refusal),
    /// Something else went wrong.
    Broken(Refusal),
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step's name.
    pub step: String,
    /// Its end.
    pub ending: Ending,
    /// The line of the script that it ended at, where the shell told it.
    pub line: Option<u32>,
}

/// The end of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// With this exit status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// After the time that it may take, in seconds.
    Time(u64),
    /// With more processes than it may have.
    Processes(u32),
    /// The shell cannot be started, with this error of the system.
    NoShell(i32),
}

/// A refusal of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// The action that was tried: `creating namespaces`.
    pub(crate) action: String,
    /// The error of the system.
    pub(crate) errno: i32,
}
