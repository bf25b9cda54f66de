//! The attributes of a derivation, as Nix gives them to its builder.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use terrine::file;

use super::super::failure::{Context, Failure, Result};

/// The largest file of attributes that is read, in bytes.
const MAX_SIZE: u64 = 256 << 20;
/// The file's name in the folder of a build.
const FILE: &str = ".attrs.json";

/// The attributes that every derivation has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attributes {
    /// The places of the outputs, by their names.
    pub(super) outputs: BTreeMap<String, PathBuf>,
    /// The program that interprets what is built.
    pub(super) terrine: String,
    /// The authorities by which registries are known, in a file, where the environment names none.
    pub(super) certificates: Option<PathBuf>,
    /// The kind of derivation, and what it has beside.
    #[serde(flatten)]
    pub(super) kind: Kind,
}

/// The kinds of derivations.
#[derive(Debug, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum Kind {
    /// An image: its `conf.json` (`conf`), its root layer (`layer`), what it was planned from (`spec`), and
    /// a program that writes it (`out`).
    Image {
        /// The specification.
        spec: Value,
        /// The closure of all that is named in it.
        closure: Value,
    },
    /// A docker-archive of an image (`out`).
    Archive {
        /// The image's `conf.json`.
        conf: PathBuf,
        /// The compression of the archive, in the notation of `--compression`.
        compression: String,
        /// The name of the image, if its tag is the archive's own hash.
        repository: Option<String>,
    },
    /// One docker-archive of several images (`out`), compressed as the last of these is.
    Merge {
        /// The images.
        images: Vec<PathBuf>,
    },
    /// A file (`out`).
    File {
        /// Its kind and content.
        file: Content,
    },
    /// A folder of files (`out`).
    Files {
        /// The files, by their paths in it.
        files: BTreeMap<String, Content>,
    },
    /// A folder of programs (`out`).
    Programs {
        /// The arguments of each.
        programs: BTreeMap<String, Vec<String>>,
    },
    /// The output of a run of terrine.
    Run {
        /// Its arguments, in which `@out@` is the place of the output.
        arguments: Vec<String>,
    },
}

/// An entry of a folder.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Content {
    /// A file with this text.
    Text(String),
    /// A program with this text.
    Program(String),
    /// A link to this target.
    Link(String),
    /// A directory.
    Directory {},
}

impl Attributes {
    /// Reads the attributes of the derivation that is built.
    pub(super) fn read() -> Result<Self> {
        let file = file()?;
        let cannot = || format!("reading the attributes in `{}`", file.display());
        let text = file::read(&file, MAX_SIZE).with_context(cannot)?;
        serde_json::from_slice(&text)
            .map_err(|error| Failure::new(error.to_string()))
            .with_context(cannot)
    }

    /// The place of an output.
    pub(super) fn output(&self, name: &str) -> Result<&Path> {
        let found = self.outputs.get(name).map(PathBuf::as_path);
        found.ok_or_else(|| Failure::new(format!("the derivation has no output `{name}`")))
    }
}

/// The file with the attributes. Nix 2.8 names one in its sandbox that is not there.
fn file() -> Result<PathBuf> {
    let named = env::var_os("NIX_ATTRS_JSON_FILE").map(PathBuf::from);
    let in_folder = |name| env::var_os(name).map(|folder| Path::new(&folder).join(FILE));
    let places = [
        named,
        in_folder("NIX_BUILD_TOP"),
        in_folder("PWD"),
        Some(FILE.into()),
    ];
    let mut places = places.into_iter().flatten();
    places
        .find(|place| place.is_file())
        .ok_or_else(|| Failure::new("there are no attributes: this is not a build by Nix"))
}
