//! The check that a component is one of the contract, by its bytes and its types: nothing of it
//! has run yet.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::{Error, Imports, sealed};

/// The contract that this host speaks.
pub const CONTRACT: &str = "terrine:planner@0.1.0";

/// The interface that a policy has to export, without its version.
const LAYERING: &str = "terrine:planner/layering";
/// The version of the contract.
const VERSION: &str = "0.1.0";

/// The first bytes of WebAssembly of any kind.
const MAGIC: &[u8] = b"\0asm";
/// The bytes that follow in a core module: version 1 of layer 0.
const MODULE: &[u8] = &[1, 0, 0, 0];

/// Tells apart what people take for a component.
pub(super) fn check_kind(name: &str, bytes: &[u8]) -> Result<(), Error> {
    let component = || name.to_owned();
    match bytes.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(MODULE) => Err(Error::Module {
            component: component(),
        }),
        Some(_) => Ok(()),
        None if is_text(bytes) => Err(Error::Text {
            component: component(),
        }),
        None => Err(Error::NotWasm {
            component: component(),
        }),
    }
}

/// Returns true for the text format: `(module` or `(component`, after comments and white space.
fn is_text(bytes: &[u8]) -> bool {
    let mut rest = bytes.trim_ascii_start();
    while rest.starts_with(b";;") {
        let end = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap_or(rest.len());
        rest = rest[end..].trim_ascii_start();
    }
    let Some(rest) = rest.strip_prefix(b"(") else {
        return false;
    };
    let rest = rest.trim_ascii_start();
    rest.starts_with(b";") || rest.starts_with(b"module") || rest.starts_with(b"component")
}

/// Returns the imports of a component, in its own order.
pub(super) fn imports(engine: &Engine, compiled: &Component) -> Vec<String> {
    compiled
        .component_type()
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Checks that it imports no more than it is given.
pub(super) fn check_imports(name: &str, imported: &[String], given: Imports) -> Result<(), Error> {
    let refused: Vec<&String> = imported
        .iter()
        .filter(|import| given == Imports::Nothing || !sealed::has(import))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::Imports {
        component: name.to_owned(),
        sealed: given == Imports::SealedWasi,
        sealable: imported.iter().all(|import| sealed::has(import)),
        imports: refused.into_iter().cloned().collect(),
    })
}

/// Checks that it exports the interface of policies, in the version of this host.
pub(super) fn check_exports(
    engine: &Engine,
    name: &str,
    compiled: &Component,
) -> Result<(), Error> {
    let component = || name.to_owned();
    let ty = compiled.component_type();
    let (mut exports, mut versions) = (vec![], vec![]);
    for (export, item) in ty.exports(engine) {
        exports.push(export.to_owned());
        let (interface, version) = export.split_once('@').unwrap_or((export, ""));
        if interface != LAYERING {
            continue;
        }
        match (version == VERSION, &item.ty) {
            (false, _) => versions.push(export.to_owned()),
            (true, ComponentItem::ComponentInstance(_)) => return Ok(()),
            (true, _) => {
                return Err(Error::NotAnInterface {
                    component: component(),
                });
            }
        }
    }
    if versions.is_empty() {
        Err(Error::World {
            component: component(),
            exports,
        })
    } else {
        Err(Error::Version {
            component: component(),
            newer: versions.iter().all(|export| is_newer(export)),
            versions,
        })
    }
}

/// Returns true if an exported interface is of a version after that of this host. One without a
/// version is older than all.
fn is_newer(export: &str) -> bool {
    let triple = |version: &str| {
        let core = version.split(['-', '+']).next().unwrap_or_default();
        let mut parts = core.split('.').map(|text| text.parse::<u64>().unwrap_or(0));
        [(); 3].map(|()| parts.next().unwrap_or(0))
    };
    triple(export.split_once('@').map_or("", |(_, version)| version)) > triple(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_is_known_by_its_first_word() {
        for text in [
            "(module)",
            " \n(component",
            ";; a comment\n;;\n ( module",
            "(;; x\n module",
            "(; x ;) (module)",
        ] {
            assert!(is_text(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "(",
            "()",
            ";; alone",
            "(modul",
            "{}",
            "#!/bin/sh\n(module)",
        ] {
            assert!(!is_text(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let newer = |version: &str| is_newer(&format!("terrine:planner/layering{version}"));
        assert!(newer("@0.2.0") && newer("@0.10.0") && newer("@1.0.0") && newer("@0.1.1-rc.1"));
        assert!(!newer("@0.0.9") && !newer("@0.1.0-draft") && !newer("") && !newer("@x"));
    }

    #[test]
    fn the_contract_is_that_version() {
        assert_eq!(CONTRACT, format!("terrine:planner@{VERSION}"));
    }
}
