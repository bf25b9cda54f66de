//! Errors of planning and making an image.

use terrine::layer::Change;
use terrine::plan::dockertools;
use terrine::rootfs::{File, Origin};
use terrine::{assemble, layer, plan, rootfs, store_database};

use super::{digest, full, name, path};

pub(super) fn layer_errors() -> Vec<layer::Error> {
    use layer::Error;
    let mut errors = vec![
        Error::Mismatch {
            path: path(),
            expected: digest(),
            actual: digest(),
        },
        Error::Missing { path: path() },
        Error::Special {
            path: path(),
            kind: "socket",
        },
        Error::Changed {
            path: path(),
            change: Change::Grew,
        },
        Error::Whiteout { path: path() },
    ];
    errors.extend(
        super::binary_caches::substitute_errors()
            .into_iter()
            .map(Error::from),
    );
    errors
}

pub(super) fn store_path_errors() -> Vec<layer::StorePathError> {
    let open = |dir, root: &str| layer::Store::open(dir, root.as_ref()).unwrap_err();
    vec![open("store", "/"), open("/nix/store", "/dev/null")]
}

pub(super) fn rootfs_errors() -> Vec<rootfs::Error> {
    use rootfs::Error;
    let origin = || Origin::Files;
    let line = |file| Error::Line {
        line: name(),
        file,
        why: "it is empty",
    };
    let mut errors = vec![
        Error::Clash {
            path: name(),
            first: origin(),
            second: origin(),
        },
        Error::Kinds {
            path: name(),
            first: origin(),
            first_kind: layer::Kind::File,
            second: origin(),
            second_kind: layer::Kind::Directory,
        },
        Error::OverStore {
            path: name(),
            kind: layer::Kind::File,
            origin: origin(),
            store: name(),
        },
        Error::InStore {
            path: name(),
            origin: origin(),
            store_path: name(),
        },
        Error::NotDirectory {
            origin: Origin::Contents(name()),
        },
        Error::NotDirectory { origin: origin() },
        Error::Whiteout {
            path: name(),
            origin: origin(),
        },
        Error::Loop {
            path: name(),
            target: name(),
            origin: origin(),
        },
        line(File::Passwd),
        line(File::Group),
        Error::Path(name()),
        Error::NotFile {
            path: name(),
            source_path: path(),
        },
        Error::NoCertificate(path()),
    ];
    errors.extend(layer_errors().into_iter().map(Error::from));
    errors
}

/// All but the one that holds an error of the database.
pub(super) fn store_database_errors() -> Vec<store_database::Error> {
    use store_database::Error;
    vec![
        Error::Spool {
            image: name(),
            directory: path(),
            source: full(),
        },
        Error::Invalid {
            image: name(),
            why: name(),
        },
    ]
}

pub(super) fn assemble_errors() -> Vec<assemble::Error> {
    use assemble::Error;
    let mut errors = vec![Error::Foreign { message: name() }, Error::Output(full())];
    errors.extend(super::images::source_errors().into_iter().map(Error::from));
    errors.extend(
        super::planners::planner_errors()
            .into_iter()
            .map(Error::from),
    );
    errors.extend(layer_errors().into_iter().map(Error::from));
    errors.extend(
        super::images::destination_errors()
            .into_iter()
            .map(Error::from),
    );
    errors.extend(super::images::daemon_errors().into_iter().map(Error::from));
    errors
}

pub(super) fn dockertools_errors() -> Vec<dockertools::Error> {
    use dockertools::Error;
    let base = |source| Error::Base {
        path: path(),
        source: Box::new(source),
    };
    let mut errors = vec![Error::Nested(64), base(Error::Nested(64))];
    errors.extend(assemble_errors().into_iter().map(Error::from));
    errors
}

pub(super) fn conf_error() -> dockertools::ConfError {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "name: web\n").unwrap();
    dockertools::Conf::read(file.path()).unwrap_err()
}

pub(super) fn plan_errors() -> Vec<plan::Error> {
    use plan::Error;
    let mut errors = vec![
        Error::Field {
            field: name(),
            why: name(),
            hint: Some(name()),
        },
        Error::Missing {
            field: name(),
            why: name(),
            hint: name(),
        },
        Error::Foreign { message: name() },
        Error::Meanwhile {
            what: format!("`{}`", name()),
        },
        Error::Differs {
            path: name(),
            what: "has different content",
        },
    ];
    errors.extend(
        super::planners::isolate_errors()
            .into_iter()
            .map(|error| Error::Commands(Box::new(error))),
    );
    errors.extend(
        dockertools_errors()
            .into_iter()
            .map(|error| Error::BaseConf(Box::new(error))),
    );
    errors.extend(super::images::source_errors().into_iter().map(Error::from));
    errors.extend(super::inputs::closure_errors().into_iter().map(Error::from));
    errors.extend(
        super::binary_caches::substitute_errors()
            .into_iter()
            .map(Error::from),
    );
    errors.extend(
        super::inputs::closure_faults()
            .into_iter()
            .map(Error::Closures),
    );
    errors.extend(
        super::inputs::history_errors()
            .into_iter()
            .map(|error| Error::Past {
                field: name(),
                source: Box::new(error),
            }),
    );
    errors.extend(rootfs_errors().into_iter().map(Error::from));
    errors.extend(store_database_errors().into_iter().map(Error::from));
    errors.extend(layer_errors().into_iter().map(Error::from));
    errors.extend(
        super::planners::planner_errors()
            .into_iter()
            .map(Error::from),
    );
    errors.extend(
        assemble_errors()
            .into_iter()
            .map(|error| Error::Pack(Box::new(error))),
    );
    errors
}
