//! What the image's programs run on, and whether that is what the image is for.

use terrine_planner_host::image;

use super::Error;
use super::facts::ArchitectureSource;
use super::paths::{self, Paths};
use crate::base::{Base, Listing};
use crate::cache::Cache;
use crate::layer::Store;
use crate::platform::{self, Findings};
use crate::rootfs::{Data, Resolved, Root};
use crate::spec::ImageSpec;

/// How many interpreters are told of by name.
const MAX_REMARKS: usize = 8;

/// Where the files of an image are.
pub(super) struct View<'a> {
    pub(super) store: &'a Store,
    pub(super) root: &'a Root,
    pub(super) listing: Option<&'a Listing>,
    pub(super) paths: &'a Paths,
}

/// What the image's programs run on.
#[derive(Debug)]
pub(super) struct Machine {
    /// The platform that the image is for, in any notation that the planner knows.
    pub(super) platform: String,
    /// Who says so.
    pub(super) source: ArchitectureSource,
    findings: Findings,
    /// The architecture of the base image, where it says so.
    base: Option<String>,
}

/// Looks at the image's programs, and decides what it is for.
pub(super) fn find(
    spec: &ImageSpec,
    view: &View<'_>,
    base: Option<&Base>,
    cache: &Cache,
) -> Result<Machine, Error> {
    let own: Vec<_> = view.paths.own().cloned().collect();
    let mut findings = platform::scan(view.store, &own, cache)?;
    for entry in view.root.entries().filter(|entry| entry.mode & 0o111 != 0) {
        let Data::Source(place) = entry.data else {
            continue;
        };
        let failed = |source| Error::Io {
            field: "copyToRoot",
            path: place.to_owned(),
            source,
        };
        findings.add(entry.path, &platform::head(place).map_err(failed)?);
    }
    let base = base.and_then(architecture_of);
    let (platform, source) = decide(spec, &findings, base.as_deref());
    Ok(Machine {
        platform,
        source,
        findings,
        base,
    })
}

fn decide(
    spec: &ImageSpec,
    findings: &Findings,
    base: Option<&str>,
) -> (String, ArchitectureSource) {
    if let Some(architecture) = &spec.architecture {
        return (architecture.clone(), ArchitectureSource::Architecture);
    }
    if let Some(system) = &spec.system {
        return (system.clone(), ArchitectureSource::System);
    }
    if let Some((architecture, example)) = findings.architecture() {
        return (
            architecture,
            ArchitectureSource::Program(example.path_text()),
        );
    }
    match base {
        Some(base) => (base.to_owned(), ArchitectureSource::Base),
        None => (
            platform::this_machine().to_owned(),
            ArchitectureSource::ThisMachine,
        ),
    }
}

/// The architecture that a base image says it is for.
fn architecture_of(base: &Base) -> Option<String> {
    let configuration: serde_json::Value = serde_json::from_str(base.configuration()).ok()?;
    let architecture = configuration.get("architecture")?.as_str()?;
    (!architecture.is_empty()).then(|| architecture.to_owned())
}

impl Machine {
    /// Checks that the image's platform runs all that is in it.
    pub(super) fn check(
        &self,
        resolved: &image::Resolved,
        allow_foreign: bool,
    ) -> Result<(), Error> {
        if allow_foreign {
            return Ok(());
        }
        if let Some(foreign) = self.findings.foreign(&resolved.architecture) {
            return Err(Error::Foreign {
                message: foreign.to_string(),
            });
        }
        match &self.base {
            Some(base) if *base != resolved.architecture => Err(Error::Foreign {
                message: format!(
                    "the base image is for linux/{base}, and the image is for linux/{}: its programs would fail with exec format error",
                    resolved.architecture
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Scripts whose interpreters are not in the image.
    pub(super) fn remarks(&self, view: &View<'_>) -> Vec<String> {
        let missing = self.findings.missing_interpreters(|path| view.has(path));
        let more = missing.len().saturating_sub(MAX_REMARKS);
        let mut remarks: Vec<String> = missing
            .iter()
            .take(MAX_REMARKS)
            .map(ToString::to_string)
            .collect();
        if more > 0 {
            remarks.push(format!(
                "{more} more interpreters of scripts are not in the image"
            ));
        }
        remarks
    }
}

impl View<'_> {
    /// Whether an absolute path leads to anything in the image.
    fn has(&self, path: &[u8]) -> bool {
        // A store that is mounted when the image runs has whatever this one has.
        if paths::exists(self.store, path) {
            return self.holds(path);
        }
        match self.root.resolve(path) {
            Resolved::Here(_) => true,
            Resolved::Elsewhere(target) => {
                paths::exists(self.store, &target) && self.holds(&target) || self.in_base(&target)
            }
            Resolved::Nowhere => self.in_base(path),
        }
    }

    /// Whether a path of the store is in the image.
    fn holds(&self, path: &[u8]) -> bool {
        let text = String::from_utf8_lossy(path);
        let Ok(path) = self.store.path(&text) else {
            return false;
        };
        let top = self.store.top(&path);
        !self.paths.included
            || self.paths.graph.find(top.as_str()).is_some()
            || self.in_base(text.as_bytes())
    }

    fn in_base(&self, path: &[u8]) -> bool {
        self.listing.is_some_and(|base| base.exists(path))
    }
}
