//! Errors of images, and of the places that they come from and go to.

use std::io::ErrorKind;
use std::time::Duration;

use terrine::destination::CarryError;
use terrine::{claims, copy, daemon, destination, export, layout, prefetch, source};

use super::{digest, full, name, path};

pub(super) fn daemon_errors() -> Vec<daemon::Error> {
    vec![
        daemon::Error::NoProgram {
            program: "docker",
            source: ErrorKind::NotFound.into(),
        },
        daemon::Error::Spool {
            directory: path(),
            source: full(),
        },
    ]
}

pub(super) fn layout_errors() -> Vec<layout::Error> {
    use layout::Error;
    vec![
        Error::Io {
            action: "writing",
            path: path(),
            source: full(),
        },
        Error::Missing {
            path: path(),
            member: "index.json",
        },
        Error::Version {
            path: path(),
            version: name(),
        },
        Error::Occupied { path: path() },
        Error::NoBlob {
            path: path(),
            digest: digest(),
        },
        Error::Size {
            path: path(),
            digest: digest(),
            expected: 1,
            actual: 2,
        },
        Error::Locked {
            path: path(),
            holder: layout::Holder::default(),
            waited: Duration::from_secs(60),
        },
        Error::Name(name()),
    ]
}

pub(super) fn source_faults() -> Vec<source::Fault> {
    use source::Fault;
    let list = || vec![name()];
    let available = || source::Available {
        names: list(),
        by_platform: true,
        ..source::Available::default()
    };
    vec![
        Fault::Archive(terrine_tar::Fault::Truncated {
            position: 0,
            size: 2,
            length: 1,
        }),
        Fault::Holes {
            member: name(),
            stored: 1,
            size: 2,
        },
        Fault::Directory,
        Fault::NoKind,
        Fault::NoLayout("index.json"),
        Fault::LayoutIsAFile,
        Fault::NoPlatform {
            wanted: name(),
            available: list(),
        },
        Fault::Foreign {
            name: name(),
            urls: list(),
            why: None,
        },
        Fault::Several(available()),
        Fault::Platforms { available: list() },
        Fault::NoSuchImage {
            wanted: name(),
            available: available(),
        },
        Fault::Size {
            member: name(),
            expected: 1,
            actual: 2,
        },
        Fault::Compression {
            what: name(),
            compression: terrine::compress::Compression::Gzip,
            why: name(),
        },
        Fault::OtherCompression {
            found: terrine::compress::Compression::Zstd,
            wanted: terrine::compress::Compression::Gzip,
        },
        Fault::Digest {
            member: name(),
            expected: name(),
            actual: name(),
        },
        Fault::Layer {
            name: name(),
            fault: Box::new(Fault::Directory),
        },
    ]
}

pub(super) fn claim_errors() -> Vec<claims::Error> {
    let missing = source::Error::Io {
        image: name(),
        source: ErrorKind::NotFound.into(),
    };
    let source = || source_errors().remove(0);
    let error = |source| claims::Error {
        image: name(),
        source,
    };
    vec![error(missing), error(source())]
}

pub(super) fn entry_errors() -> Vec<claims::EntryError> {
    use claims::EntryError;
    vec![
        super::registries::registry_error().into(),
        EntryError::Other(name()),
        EntryError::Untrusted(name()),
        source_errors().remove(0).into(),
    ]
}

pub(super) fn source_errors() -> Vec<source::Error> {
    use source::Error;
    let mut errors = vec![
        Error::Spool {
            image: name(),
            directory: path(),
            source: full(),
        },
        super::registries::registry_error().into(),
    ];
    errors.extend(daemon_errors().into_iter().map(Error::from));
    errors.extend(source_faults().into_iter().map(|fault| Error::Fault {
        image: name(),
        fault,
    }));
    errors
}

pub(super) fn destination_errors() -> Vec<destination::Error> {
    use destination::Error;
    let mut errors = vec![
        super::registries::registry_error().into(),
        Error::Staging {
            place: name(),
            source: full(),
        },
        Error::Output(full()),
        Error::Unsupported {
            what: name(),
            place: name(),
            hint: "leave it out",
        },
    ];
    errors.extend(layout_errors().into_iter().map(Error::from));
    errors.extend(daemon_errors().into_iter().map(Error::from));
    errors
}

pub(super) fn carry_errors() -> Vec<CarryError> {
    let mut errors: Vec<CarryError> = source_errors().into_iter().map(CarryError::from).collect();
    errors.extend(destination_errors().into_iter().map(CarryError::from));
    errors.extend(
        super::plans::layer_errors()
            .into_iter()
            .map(CarryError::from),
    );
    errors
}

pub(super) fn copy_errors() -> Vec<copy::Error> {
    use copy::Error;
    let mut errors = vec![
        Error::NoManifest {
            image: name(),
            layer: name(),
            compression: terrine::compress::Compression::Xz,
        },
        Error::SamePlatform {
            first: name(),
            second: name(),
            platform: name(),
        },
        Error::SameName {
            first: name(),
            second: name(),
            name: name(),
        },
    ];
    errors.extend(source_errors().into_iter().map(Error::from));
    errors.extend(destination_errors().into_iter().map(Error::from));
    errors.extend(carry_errors().into_iter().map(Error::from));
    errors
}

pub(super) fn prefetch_errors() -> Vec<prefetch::ParseNameError> {
    vec![
        "oci:x".parse::<prefetch::ImageName>().unwrap_err(),
        "x:1".parse::<prefetch::FinalName>().unwrap_err(),
        "-".parse::<prefetch::FinalTag>().unwrap_err(),
    ]
}

pub(super) fn export_errors() -> Vec<export::Error> {
    source_errors().into_iter().map(Into::into).collect()
}
