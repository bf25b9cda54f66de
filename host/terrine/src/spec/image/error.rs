//! The faults of an image specification, and what was probably meant.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use terrine_support::file::FileError;
use terrine_support::hint::Hint;
use terrine_support::json::{self, Fault};

use super::example;
use crate::spec::mistaken::Mistaken;

/// The likeness of two names, from 0 to 1, for one to be offered for the other.
const ALIKE: f64 = 0.75;

/// An image specification that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not JSON, or not what is needed.
    #[error("`{}` is not a valid image specification: {}{why}", path.display(), place(field))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The field that is to blame, as `permissions[3].mode`; empty for the whole.
        field: String,
        /// The fault, and its place in the text.
        why: String,
        /// The hint for the user.
        hint: Option<String>,
    },
}

fn place(field: &str) -> String {
    if field.is_empty() {
        String::new()
    } else {
        format!("`{field}`: ")
    }
}

impl Hint for SpecError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Invalid { hint, .. } => hint.as_deref().map(Cow::from),
            Self::File(error) => error.hint(),
        }
    }
}

/// A fault in text whose file the caller knows.
#[derive(Debug)]
pub(super) struct Invalid {
    field: String,
    why: String,
    hint: Option<String>,
}

impl Invalid {
    /// A fault of the text as a whole.
    pub(super) fn whole(why: &str) -> Self {
        Self {
            field: String::new(),
            why: why.to_owned(),
            hint: None,
        }
    }

    /// The fault of a file.
    pub(super) fn of(self, path: &Path) -> SpecError {
        let Self { field, why, hint } = self;
        let hint = Some(hint.unwrap_or_else(|| example::of(&field)));
        SpecError::Invalid {
            path: path.to_owned(),
            field,
            why,
            hint,
        }
    }
}

impl From<Mistaken> for Invalid {
    fn from(mistaken: Mistaken) -> Self {
        Self {
            hint: Some(mistaken.instead.to_owned()),
            ..Self::whole(mistaken.what)
        }
    }
}

/// Reads a value, and says where it is wrong.
pub(super) fn deserialize<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Invalid> {
    json::read(text).map_err(explain)
}

/// Puts the parser's words into those of the specification.
fn explain(fault: Fault) -> Invalid {
    let (field, why) = (&*fault.field, &*fault.why);
    let Some((name, known, position)) = unknown_field(why) else {
        let Fault { field, why, hint } = fault;
        return Invalid { field, why, hint };
    };
    // The path of an unknown field ends in the field itself.
    let field = field
        .strip_suffix(name)
        .map_or(field, |parent| parent.trim_end_matches('.'));
    if let Some((_, reason, hint)) = UNSUPPORTED
        .iter()
        .find(|(known, ..)| field.is_empty() && *known == name)
    {
        let why = format!("`{name}` is not supported: {reason}");
        return Invalid {
            field: field.to_owned(),
            why,
            hint: Some((*hint).to_owned()),
        };
    }
    let why = format!("unknown field `{name}`{position}");
    Invalid {
        field: field.to_owned(),
        why,
        hint: Some(suggestion(name, known)),
    }
}

/// The name, the names that are known and the position in a message of the parser about
/// an unknown field. It has no other form for them.
fn unknown_field(why: &str) -> Option<(&str, Vec<&str>, &str)> {
    let rest = why.strip_prefix("unknown field `")?;
    let (name, rest) = rest.split_once('`')?;
    let (rest, position) = rest
        .rfind(" at line ")
        .map_or((rest, ""), |i| rest.split_at(i));
    let known = rest.split('`').skip(1).step_by(2).collect();
    Some((name, known, position))
}

fn suggestion(name: &str, mut known: Vec<&str>) -> String {
    let lower = name.to_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&lower, &known.to_lowercase());
    let nearest = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|known| likeness(known) >= ALIKE) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => {
            known.sort_unstable();
            format!("the fields are `{}`", known.join("`, `"))
        }
    }
}

const OUTER: &str = "pipe the archive through a compressor";
const REMOVE: &str = "leave it out";

/// Arguments of dockerTools that have no counterpart here, why, and what there is.
const UNSUPPORTED: &[(&str, &str, &str)] = &[
    (
        "keepContentsDirlinks",
        "links to directories always become directories",
        REMOVE,
    ),
    (
        "fromImageName",
        "a base image is the first one of its archive",
        REMOVE,
    ),
    (
        "fromImageTag",
        "a base image is the first one of its archive",
        REMOVE,
    ),
    ("compressor", "the archive is written as it is", OUTER),
    ("passthru", "it has a meaning only in Nix", REMOVE),
    ("meta", "it has a meaning only in Nix", REMOVE),
    (
        "debug",
        "it has a meaning only in dockerTools",
        "see `terrine plan --explain`",
    ),
];
