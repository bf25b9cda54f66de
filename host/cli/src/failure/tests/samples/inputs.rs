//! Errors of closures, sequences, caches and specifications.

use terrine::spec::{ImageSpec, SpecError};
use terrine::{cache, closure, history, replay, sequence};

use super::{full, name, path};

pub(super) fn sequence_faults() -> Vec<sequence::Fault> {
    use sequence::Fault;
    vec![
        Fault::Json {
            field: name(),
            why: name(),
            hint: Some(name()),
        },
        Fault::NoSteps,
        Fault::OutOfRange {
            field: name(),
            index: 2,
            paths: 1,
        },
    ]
}

pub(super) fn sequence_errors() -> Vec<sequence::Error> {
    sequence_faults()
        .into_iter()
        .map(|fault| sequence::Error::Fault {
            path: path(),
            fault,
        })
        .collect()
}

pub(super) fn history_errors() -> Vec<history::Error> {
    use history::Error;
    let mut errors = vec![
        Error::NoRecord(name()),
        Error::NotAPlan {
            path: path(),
            why: name(),
        },
    ];
    errors.extend(sequence_errors().into_iter().map(Error::from));
    errors.extend(super::images::source_errors().into_iter().map(Error::from));
    errors
}

/// All but those that hold an error of the database.
pub(super) fn import_errors() -> Vec<cache::ImportError> {
    use cache::ImportError;
    vec![
        ImportError::Cache(cache_errors().remove(0)),
        ImportError::NotOne {
            path: "layers.cache".into(),
        },
        ImportError::Version {
            path: "layers.cache".into(),
            version: 2,
        },
        ImportError::Damaged {
            path: "layers.cache".into(),
            why: "it was changed".to_owned(),
        },
    ]
}

pub(super) fn cache_errors() -> Vec<cache::Error> {
    use cache::Error;
    vec![
        Error::Refused {
            why: "the disk is full".to_owned(),
        },
        Error::Io {
            path: path(),
            source: full(),
        },
        Error::NotAFile { path: path() },
        Error::Link { path: path() },
        Error::NotACache { path: path() },
        Error::NotOwn {
            path: path(),
            why: "others may write to `/x`".to_owned(),
        },
        Error::Damaged { path: path() },
    ]
}

pub(super) fn closure_faults() -> Vec<closure::Fault> {
    use closure::Fault;
    vec![
        Fault::Empty,
        Fault::UnknownForm,
        Fault::NoGraph,
        Fault::Json(name()),
        Fault::NotUtf8(1),
        Fault::Field {
            field: name(),
            fault: Box::new(Fault::Empty),
        },
        Fault::NoRegistration,
        Fault::NotInRegistration(name()),
        Fault::NotAStorePath {
            path: name(),
            store_dir: name(),
        },
        Fault::Invalid(name()),
        Fault::MissingReference {
            path: name(),
            reference: name(),
        },
    ]
}

/// All but those that hold an error of the database.
pub(super) fn closure_errors() -> Vec<closure::Error> {
    use closure::Error;
    let not_registered = |immutable| Error::NotRegistered {
        path: name(),
        database: path(),
        immutable,
    };
    let mut errors = vec![
        Error::NotADatabase {
            path: path(),
            why: name(),
        },
        not_registered(true),
        not_registered(false),
    ];
    errors.extend(closure_faults().into_iter().map(|fault| Error::Fault {
        path: path(),
        fault,
    }));
    errors.extend(
        super::binary_caches::substitute_errors()
            .into_iter()
            .map(Error::from),
    );
    errors
}

pub(super) fn replay_errors() -> Vec<replay::Error> {
    super::planners::planner_errors()
        .into_iter()
        .map(|error| replay::Error::Plan {
            step: 1,
            image: name(),
            task: name(),
            source: Box::new(error),
        })
        .collect()
}

pub(super) fn spec_error() -> SpecError {
    ImageSpec::read_from(&br#"{"nam": "web"}"#[..], &path(), &path()).unwrap_err()
}
