//! Errors of preparing an image.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use terrine_planner_host as planner;
use terrine_support::hint::Hint;

use super::decide::PIPELINE;
use super::dockertools;
use crate::layer::StorePathError;
use crate::spec::{ImageSpec, example};
use crate::{assemble, closure, history, layer, rootfs, source, store_database, substitute};

/// An error of preparing an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the specification, or the flag that stands for it.
    #[error("`{field}`: {why}")]
    Field {
        /// The field, as `permissions[3].mode`.
        field: String,
        /// A description of the problem.
        why: String,
        /// The remedy for the user, if there is one.
        hint: Option<String>,
    },
    /// Something that the specification names is not there.
    #[error("`{field}`: {why}")]
    Missing {
        /// The field that names it.
        field: String,
        /// A description of the missing path, and of the place where it starts.
        why: String,
        /// The remedy for the user.
        hint: String,
    },
    /// Something that the specification names cannot be read.
    #[error("`{field}`: reading `{}`", path.display())]
    Io {
        /// The field that names it.
        field: String,
        /// The path that cannot be read.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A path that is not one of the store.
    #[error(transparent)]
    Store(#[from] StorePathError),
    /// The base image.
    #[error(transparent)]
    Base(#[from] source::Error),
    /// The base image, where a `conf.json` describes it.
    #[error(transparent)]
    BaseConf(Box<dockertools::Error>),
    /// The references of store paths.
    #[error(transparent)]
    Closure(#[from] closure::Error),
    /// A binary cache.
    #[error(transparent)]
    Substitute(#[from] substitute::Error),
    /// The references of store paths, where several sources contradict each other.
    #[error("the closures contradict each other")]
    Closures(#[source] closure::Fault),
    /// The image's past: `history` and `previous`.
    #[error("`{field}` cannot be used")]
    Past {
        /// The field that names it.
        field: String,
        /// The reason.
        #[source]
        source: Box<history::Error>,
    },
    /// The tree at the image's root.
    #[error(transparent)]
    Root(#[from] rootfs::Error),
    /// The Nix database, of this image or of the one that it is built on.
    #[error(transparent)]
    NixDatabase(#[from] store_database::Error),
    /// A store path.
    #[error(transparent)]
    Layer(#[from] layer::Error),
    /// The planner, or what it refuses.
    #[error(transparent)]
    Planner(#[from] planner::Error),
    /// A layer of the image that is to be.
    #[error(transparent)]
    Pack(Box<assemble::Error>),
    /// Commands at the root.
    #[error(transparent)]
    Commands(Box<terrine_isolate::Error>),
    /// Commands that leave something else each time.
    #[error("two runs of the commands at the root differ: `{path}` {what}")]
    Differs {
        /// The first path that differs.
        path: String,
        /// In what it differs.
        what: &'static str,
    },
    /// Files that commands see, and that somebody wrote to while they ran.
    #[error("{what} has changed while the commands at the root ran")]
    Meanwhile {
        /// The file, or what it belongs to.
        what: String,
    },
    /// The folder that keeps what commands leave.
    #[error("the directory for the results of commands cannot be used")]
    Trees(#[source] io::Error),
    /// A program that the image's platform cannot run, or a base of another platform.
    #[error("{message}")]
    Foreign {
        /// A description of the program or base, and of the image.
        message: String,
    },
}

impl Error {
    /// A fault of a field.
    pub(super) fn field(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            why: why.into(),
            hint: None,
        }
    }

    /// A fault of the field that names a part of the past.
    pub(super) fn past(field: &str, source: history::Error) -> Self {
        Self::Past {
            field: field.to_owned(),
            source: Box::new(source),
        }
    }

    /// A fault of the text in a field, with the remedy that its own error has.
    pub(super) fn value(field: impl Into<String>, error: &impl Hint) -> Self {
        Self::Field {
            field: field.into(),
            why: error.to_string(),
            hint: error.hint().map(Cow::into_owned),
        }
    }

    /// A fault of a field with a remedy.
    pub(super) fn hinted(
        field: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Field {
            field: field.into(),
            why: why.into(),
            hint: Some(hint.into()),
        }
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Field {
                hint: Some(hint), ..
            } => Some(hint.into()),
            Self::Field { field, .. } => Some(example(field).into()),
            Self::Base(error) => error.hint(),
            Self::BaseConf(error) => error.hint(),
            Self::Closure(error) => error.hint(),
            Self::Closures(fault) => fault.hint(),
            Self::Past { source, .. } => source.hint(),
            Self::Root(error) => error.hint(),
            Self::NixDatabase(error) => error.hint(),
            Self::Layer(error) => error.hint(),
            Self::Planner(error) => error.hint(),
            Self::Pack(error) => error.hint(),
            Self::Foreign { .. } => Some(assemble::FOREIGN_HINT.into()),
            Self::Substitute(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Commands(error) => error.hint(),
            Self::Differs { .. } => Some(
                "look for dates, random numbers and process numbers in what the commands write"
                    .into(),
            ),
            Self::Meanwhile { .. } => Some("run again when nothing writes to it any more".into()),
            Self::Missing { hint, .. } => Some(hint.into()),
            Self::Io { .. } | Self::Trees(_) => None,
        }
    }
}

/// Returns a remedy for a field of the contract, where the planner says only what is wrong.
fn remedy(field: &str, message: &str) -> Option<String> {
    let hint = match field {
        _ if message.contains(" is given twice") => "leave one of them out",
        "reference" => {
            "an image's name is like `web` or `ghcr.io/acme/web`, optionally followed by `:TAG`"
        }
        "tag" => {
            "a tag has up to 128 letters, digits, `_`, `.` and `-`, and starts with one of the first three"
        }
        "max-layers" => {
            "a number such as 100 leaves room for the base image and the root layer; clients accept up to 127"
        }
        field if field.starts_with("options.pipeline") => PIPELINE,
        field if field.starts_with("options") => {
            "`terrine planner describe` lists the options of policies"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Names the field of the specification that a refusal is about, not that of the contract.
pub(super) fn in_terms_of_the_spec(spec: &ImageSpec, error: planner::Error) -> Error {
    let name = |field: String| match field.as_str() {
        "reference" => "name".to_owned(),
        "platform" if spec.architecture.is_none() && spec.system.is_some() => "system".to_owned(),
        "platform" => "architecture".to_owned(),
        "max-layers" => "maxLayers".to_owned(),
        "policy" => "planner.policy".to_owned(),
        _ => match (
            field.strip_prefix("options.pipeline"),
            field.strip_prefix("options"),
        ) {
            (Some(place), _) if spec.layering_pipeline.is_some() => {
                format!("layeringPipeline{place}")
            }
            (_, Some(place)) => format!("planner.options{place}"),
            (_, None) => field,
        },
    };
    match error {
        planner::Error::Refused {
            component,
            embedded,
            kind,
            message,
            field,
            hint,
        } => planner::Error::Refused {
            component,
            embedded,
            kind,
            hint: hint.or_else(|| remedy(field.as_deref()?, &message)),
            message: message.replace(" and the customisation take ", " and the root layer take "),
            field: field.map(name),
        },
        planner::Error::Option { field, why, hint } => planner::Error::Option {
            field: name(field),
            why,
            hint,
        },
        other => other,
    }
    .into()
}
