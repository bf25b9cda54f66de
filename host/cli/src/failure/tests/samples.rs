//! One error for each variant with a hint, and all that wrap it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use terrine::compress::ParseSettingError;
use terrine::destination::CarryError;
use terrine::layer::Change;
use terrine::oci::{Digest, ParseReferenceError, Reference, Repository};
use terrine::plan::dockertools;
use terrine::planner::{ComponentizeError, DescriptionFault, Imports, Limits, Runtime};
use terrine::registry::{
    CertificatesError, Client, ClientOptions, CredentialsError, ServerName, ServerNameError,
};
use terrine::rootfs::{File, Origin};
use terrine::spec::{ImageSpec, SpecError, Time};
use terrine::{
    assemble, cache, closure, copy, daemon, destination, export, history, isolate, layer, layout,
    plan, planner, prefetch, registry, replay, rootfs, sequence, source, store_database,
};

use super::Walked;
use crate::exit::Usage;
use crate::failure::JsonError;
use crate::strict_args::Warnings;

/// Brings every error with a hint through a failure.
pub(super) fn walk() -> Walked {
    let mut walked = Walked::default();
    walked.walk("cli/src/exit.rs", vec![usage()]);
    walked.walk("cli/src/strict_args.rs", vec![Warnings(1)]);
    let json = serde_json::from_str::<bool>("{").unwrap_err();
    walked.walk("cli/src/failure/mod.rs", vec![JsonError(json)]);
    walked.walk("compress/src/setting.rs", settings());
    walked.walk("isolate/src/error.rs", isolate_errors());
    walked.walk("oci/src/reference.rs", vec![reference()]);
    let name = Reference::Path("localhost/web".into());
    walked.walk("terrine/src/plan/dockertools/conf.rs", vec![conf_error()]);
    walked.walk(
        "oci/src/transport.rs",
        vec![name.check_source().unwrap_err()],
    );
    walked.walk("planner/src/author.rs", componentize_errors());
    walked.walk("planner/src/error.rs", planner_errors());
    walked.walk("registry/src/credentials.rs", credentials());
    walked.walk("registry/src/error.rs", vec![registry_error()]);
    walked.walk("registry/src/logins.rs", vec![server_name()]);
    walked.walk("registry/src/tls/folder.rs", vec![certificates()]);
    walked.walk("terrine/src/assemble/error.rs", assemble_errors());
    walked.walk("terrine/src/cache/error.rs", cache_errors());
    walked.walk("terrine/src/cache/transfer.rs", import_errors());
    walked.walk("terrine/src/closure/error.rs", closure_faults());
    walked.walk("terrine/src/closure/error.rs", closure_errors());
    walked.walk("terrine/src/copy/error.rs", copy_errors());
    walked.walk("terrine/src/destination/carrier/mod.rs", carry_errors());
    walked.walk("terrine/src/daemon.rs", daemon_errors());
    walked.walk("terrine/src/destination/error.rs", destination_errors());
    walked.walk("terrine/src/export/mod.rs", export_errors());
    walked.walk("terrine/src/history/error.rs", history_errors());
    walked.walk("terrine/src/layer/error.rs", layer_errors());
    walked.walk("terrine/src/layer/store.rs", store_path_errors());
    walked.walk(
        "terrine/src/spec/time.rs",
        vec![Time::parse("soon").unwrap_err()],
    );
    let pattern = layer::Exclude::new(["[a"]).unwrap_err();
    walked.walk("terrine/src/layer/exclude.rs", vec![pattern]);
    walked.walk("terrine/src/layout/error.rs", layout_errors());
    walked.walk(
        "terrine/src/plan/dockertools/error.rs",
        dockertools_errors(),
    );
    walked.walk("terrine/src/plan/error.rs", plan_errors());
    walked.walk("terrine/src/prefetch/name.rs", prefetch_errors());
    walked.walk("terrine/src/replay/error.rs", replay_errors());
    walked.walk("terrine/src/rootfs/error.rs", rootfs_errors());
    walked.walk("terrine/src/sequence/error.rs", sequence_faults());
    walked.walk("terrine/src/sequence/error.rs", sequence_errors());
    walked.walk("terrine/src/source/error.rs", source_faults());
    walked.walk("terrine/src/source/error.rs", source_errors());
    walked.walk("terrine/src/spec/image/error.rs", vec![spec_error()]);
    walked.walk(
        "terrine/src/store_database/error.rs",
        store_database_errors(),
    );
    walked
}

fn name() -> String {
    "name".to_owned()
}

fn path() -> PathBuf {
    "path".into()
}

fn digest() -> Digest {
    Digest::of(b"")
}

fn full() -> io::Error {
    ErrorKind::StorageFull.into()
}

fn usage() -> Usage {
    Usage {
        message: name(),
        hint: "leave it out",
    }
}

fn settings() -> Vec<ParseSettingError> {
    ["xz", "none:1", "gzip:0"]
        .map(|text| text.parse::<terrine::compress::Setting>().unwrap_err())
        .into()
}

fn reference() -> ParseReferenceError {
    "dir:x".parse::<Reference>().unwrap_err()
}

/// All but those that hold an error of the engine.
fn componentize_errors() -> Vec<ComponentizeError> {
    vec![
        ComponentizeError::Component { module: name() },
        ComponentizeError::NoContract { module: name() },
    ]
}

fn planner_errors() -> Vec<planner::Error> {
    use planner::Error;
    let component = name;
    let imports = |sealed, sealable| Error::Imports {
        component: name(),
        imports: vec![],
        sealed,
        sealable,
    };
    let version = |newer| Error::Version {
        component: name(),
        versions: vec![],
        newer,
    };
    let function = "plan";
    vec![
        Error::CompileTime {
            component: name(),
            limit: Duration::from_secs(30),
        },
        Error::CompileMemory {
            component: name(),
            limit: 1 << 30,
        },
        Error::CompileEnded {
            component: name(),
            how: name(),
        },
        Error::Read {
            path: path(),
            source: ErrorKind::NotFound.into(),
        },
        Error::Pin {
            component: component(),
            expected: digest(),
            found: digest(),
        },
        Error::Text {
            component: component(),
        },
        Error::Module {
            component: component(),
        },
        Error::NotWasm {
            component: component(),
        },
        not_a_component(),
        Error::Extent {
            component: component(),
            limit: 1,
        },
        Error::Depth {
            component: component(),
            what: "types",
            limit: 1,
        },
        Error::Work {
            component: component(),
            what: "code",
        },
        Error::Passing {
            component: component(),
        },
        imports(true, false),
        imports(false, true),
        imports(false, false),
        Error::World {
            component: component(),
            exports: vec![],
        },
        version(true),
        version(false),
        Error::NotAnInterface {
            component: component(),
        },
        Error::Memory {
            component: component(),
            asked: 2,
            limit: 1,
        },
        Error::Table {
            component: component(),
            asked: 2,
            limit: 1,
        },
        Error::Fuel {
            component: component(),
            function,
            limit: 1,
        },
        Error::Time {
            component: component(),
            function,
            limit: Duration::ZERO,
        },
        Error::Stack {
            component: component(),
            function,
            limit: 1,
        },
        Error::Refused {
            component: component(),
            embedded: true,
            kind: None,
            message: name(),
            field: None,
            hint: Some(name()),
        },
        Error::Description {
            component: component(),
            source: DescriptionFault::NoPolicies,
        },
        Error::UnknownPolicy {
            component: component(),
            policy: name(),
            hint: name(),
        },
        Error::Option {
            field: name(),
            why: name(),
            hint: name(),
        },
    ]
}

fn not_a_component() -> planner::Error {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let broken = b"\0asm\x0d\0\x01\0\xff\xff";
    match runtime.load("name", broken, Imports::Nothing) {
        Err(error) => error,
        Ok(_) => panic!("it is broken"),
    }
}

fn credentials() -> Vec<CredentialsError> {
    vec![
        CredentialsError::Nowhere,
        CredentialsError::Helper {
            program: name(),
            why: name(),
        },
        CredentialsError::Waits {
            program: name(),
            server: name(),
            why: name(),
        },
    ]
}

fn server_name() -> ServerNameError {
    "a b".parse::<ServerName>().unwrap_err()
}

fn certificates() -> CertificatesError {
    CertificatesError {
        file: path(),
        why: name(),
    }
}

/// Error of a registry that has nothing.
fn registry_error() -> registry::Error {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = listener.local_addr().unwrap().to_string();
    // It is asked whether there is a login as well, and answers all in the same way.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream
                .write_all(
                    b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                )
                .unwrap();
        }
    });
    let client = Client::new(ClientOptions {
        plain_http: true,
        retries: 0,
        ..ClientOptions::default()
    });
    let image = format!("{registry}/name:tag");
    client
        .document(&image.parse::<Repository>().unwrap())
        .unwrap_err()
}

fn daemon_errors() -> Vec<daemon::Error> {
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

fn layout_errors() -> Vec<layout::Error> {
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

fn source_faults() -> Vec<source::Fault> {
    use source::Fault;
    let list = || vec![name()];
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
        Fault::Several { available: list() },
        Fault::Platforms { available: list() },
        Fault::NoSuchImage {
            wanted: name(),
            available: list(),
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

fn source_errors() -> Vec<source::Error> {
    use source::Error;
    let mut errors = vec![
        Error::Spool {
            image: name(),
            directory: path(),
            source: full(),
        },
        registry_error().into(),
    ];
    errors.extend(daemon_errors().into_iter().map(Error::from));
    errors.extend(source_faults().into_iter().map(|fault| Error::Fault {
        image: name(),
        fault,
    }));
    errors
}

fn destination_errors() -> Vec<destination::Error> {
    use destination::Error;
    let mut errors = vec![
        registry_error().into(),
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

fn carry_errors() -> Vec<CarryError> {
    let mut errors: Vec<CarryError> = source_errors().into_iter().map(CarryError::from).collect();
    errors.extend(destination_errors().into_iter().map(CarryError::from));
    errors.extend(layer_errors().into_iter().map(CarryError::from));
    errors
}

fn copy_errors() -> Vec<copy::Error> {
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

fn prefetch_errors() -> Vec<prefetch::ParseNameError> {
    vec![
        "oci:x".parse::<prefetch::ImageName>().unwrap_err(),
        "x:1".parse::<prefetch::FinalName>().unwrap_err(),
        "-".parse::<prefetch::FinalTag>().unwrap_err(),
    ]
}

fn export_errors() -> Vec<export::Error> {
    source_errors().into_iter().map(Into::into).collect()
}

fn sequence_faults() -> Vec<sequence::Fault> {
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

fn sequence_errors() -> Vec<sequence::Error> {
    sequence_faults()
        .into_iter()
        .map(|fault| sequence::Error::Fault {
            path: path(),
            fault,
        })
        .collect()
}

fn history_errors() -> Vec<history::Error> {
    use history::Error;
    let mut errors = vec![
        Error::NoRecord(name()),
        Error::NotAPlan {
            path: path(),
            why: name(),
        },
    ];
    errors.extend(sequence_errors().into_iter().map(Error::from));
    errors.extend(source_errors().into_iter().map(Error::from));
    errors
}

/// All but those that hold an error of the database.
fn import_errors() -> Vec<cache::ImportError> {
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

fn cache_errors() -> Vec<cache::Error> {
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

fn closure_faults() -> Vec<closure::Fault> {
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
fn closure_errors() -> Vec<closure::Error> {
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
    errors
}

fn layer_errors() -> Vec<layer::Error> {
    use layer::Error;
    vec![
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
    ]
}

fn store_path_errors() -> Vec<layer::StorePathError> {
    let open = |dir, root: &str| layer::Store::open(dir, root.as_ref()).unwrap_err();
    vec![open("store", "/"), open("/nix/store", "/dev/null")]
}

fn rootfs_errors() -> Vec<rootfs::Error> {
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
fn store_database_errors() -> Vec<store_database::Error> {
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

fn assemble_errors() -> Vec<assemble::Error> {
    use assemble::Error;
    let mut errors = vec![Error::Output(full())];
    errors.extend(source_errors().into_iter().map(Error::from));
    errors.extend(planner_errors().into_iter().map(Error::from));
    errors.extend(layer_errors().into_iter().map(Error::from));
    errors.extend(destination_errors().into_iter().map(Error::from));
    errors.extend(daemon_errors().into_iter().map(Error::from));
    errors
}

fn dockertools_errors() -> Vec<dockertools::Error> {
    use dockertools::Error;
    let base = |source| Error::Base {
        path: path(),
        source: Box::new(source),
    };
    let mut errors = vec![Error::Nested(64), base(Error::Nested(64))];
    errors.extend(assemble_errors().into_iter().map(Error::from));
    errors
}

fn conf_error() -> dockertools::ConfError {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "name: web\n").unwrap();
    dockertools::Conf::read(file.path()).unwrap_err()
}

fn isolate_errors() -> Vec<isolate::Error> {
    use isolate::{Ending, Error, Failure, Level, Tail};
    let failed = |ending| Error::Failed {
        failure: Failure {
            step: name(),
            ending,
            line: None,
        },
        tail: Tail::default(),
        level: Level::Single,
    };
    vec![
        Error::NoLinux,
        Error::NoLevel {
            tried: vec![],
            is_given: false,
        },
        failed(Ending::Time(1)),
        failed(Ending::Processes(1)),
        failed(Ending::NoShell(2)),
        Error::Broken {
            action: name(),
            source: io::Error::from_raw_os_error(28),
        },
    ]
}

fn plan_errors() -> Vec<plan::Error> {
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
        Error::Differs {
            path: name(),
            what: "has another content",
        },
    ];
    errors.extend(
        isolate_errors()
            .into_iter()
            .map(|error| Error::Commands(Box::new(error))),
    );
    errors.extend(
        dockertools_errors()
            .into_iter()
            .map(|error| Error::BaseConf(Box::new(error))),
    );
    errors.extend(source_errors().into_iter().map(Error::from));
    errors.extend(closure_errors().into_iter().map(Error::from));
    errors.extend(closure_faults().into_iter().map(Error::Closures));
    errors.extend(history_errors().into_iter().map(|error| Error::Past {
        field: name(),
        source: Box::new(error),
    }));
    errors.extend(rootfs_errors().into_iter().map(Error::from));
    errors.extend(store_database_errors().into_iter().map(Error::from));
    errors.extend(layer_errors().into_iter().map(Error::from));
    errors.extend(planner_errors().into_iter().map(Error::from));
    errors.extend(
        assemble_errors()
            .into_iter()
            .map(|error| Error::Pack(Box::new(error))),
    );
    errors
}

fn replay_errors() -> Vec<replay::Error> {
    planner_errors()
        .into_iter()
        .map(|error| replay::Error::Plan {
            step: 1,
            image: name(),
            task: name(),
            source: Box::new(error),
        })
        .collect()
}

fn spec_error() -> SpecError {
    ImageSpec::read_from(&br#"{"nam": "web"}"#[..], &path(), &path()).unwrap_err()
}
