//! Errors of planners and of commands at the root.

use std::io::{self, ErrorKind};
use std::time::Duration;

use terrine::planner::{ComponentizeError, DescriptionFault, Imports, Limits, Runtime};
use terrine::{isolate, planner};

use super::{digest, name, path};

/// All but those that hold an error of the engine.
pub(super) fn componentize_errors() -> Vec<ComponentizeError> {
    vec![
        ComponentizeError::Component { module: name() },
        ComponentizeError::NoContract { module: name() },
    ]
}

pub(super) fn planner_errors() -> Vec<planner::Error> {
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

pub(super) fn not_a_component() -> planner::Error {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let broken = b"\0asm\x0d\0\x01\0\xff\xff";
    match runtime.load("name", broken, Imports::Nothing) {
        Err(error) => error,
        Ok(_) => panic!("it is broken"),
    }
}

pub(super) fn isolate_errors() -> Vec<isolate::Error> {
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
