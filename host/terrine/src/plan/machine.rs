//! The platform of the image's programs, and the check that the image is for that platform.

use std::io;

use terrine_oci::Platform;
use terrine_planner_host::image;
use terrine_support::remark::Remark;

use super::Error;
use super::complete::Complete;
use super::context::Context;
use super::facts::ArchitectureSource;
use crate::base::Base;
use crate::layer::{Fetch, StorePath};
use crate::platform::{self, Bytes, Findings, HEAD, Scan};
use crate::rootfs::Data;
use crate::spec::ImageSpec;
use crate::startup::{Files, resolve};

/// The maximum number of interpreters that are reported by name.
const MAX_REMARKS: usize = 8;

/// The platform of the image and of its programs.
#[derive(Debug)]
pub(super) struct Machine {
    /// The platform that the image is for, in any notation that the planner knows.
    pub(super) platform: String,
    /// The source that states the platform.
    pub(super) source: ArchitectureSource,
    findings: Findings,
    /// The store paths in binary caches whose programs nobody has looked at.
    pub(super) unread: Vec<StorePath>,
    /// The architecture of the base image, where it says so.
    base: Option<String>,
}

/// Looks at the image's programs, and decides what it is for. With `may_fetch`, programs in binary caches are
/// fetched if nothing else tells that.
pub(super) fn find(
    context: &Context<'_, '_>,
    complete: &Complete,
    may_fetch: bool,
) -> Result<Machine, Error> {
    let Scan {
        mut findings,
        unread,
    } = scan(context, complete, may_fetch)?;
    for entry in complete
        .root
        .entries()
        .filter(|entry| entry.mode & 0o111 != 0)
    {
        match entry.data {
            Data::None => {}
            Data::Inline(bytes) => {
                findings.add(entry.path, &bytes[..bytes.len().min(HEAD)], &bytes);
            }
            Data::Source(file) => {
                let opened = file.open().map_err(io::Error::from);
                let read = opened.and_then(|file| Ok((file.read_at(0, HEAD)?, file)));
                let (head, file) = read.map_err(|source| Error::Io {
                    field: "copyToRoot".to_owned(),
                    path: file.place(),
                    source,
                })?;
                findings.add(entry.path, &head, &file);
            }
        }
    }
    let base = complete.base.as_ref().and_then(architecture_of);
    let (platform, source) = decide(context.spec, &findings, base.as_deref());
    findings.name_files(|path| complete.store.shown_file(path));
    Ok(Machine {
        platform,
        source,
        findings,
        unread,
        base,
    })
}

/// Looks at the programs in store paths.
fn scan(context: &Context<'_, '_>, complete: &Complete, may_fetch: bool) -> Result<Scan, Error> {
    let own: Vec<_> = complete.paths.own().cloned().collect();
    let scan = || platform::scan(&complete.store, &own, context.options.cache);
    let mut scanned = scan()?;
    let spec = context.spec;
    let is_given = spec.architecture.is_some() || spec.system.is_some();
    if !may_fetch || is_given {
        return Ok(scanned);
    }
    // The programs that the image is for are in the paths that it names.
    for &root in &complete.paths.roots {
        if scanned.unread.is_empty() || scanned.findings.architecture().is_some() {
            break;
        }
        let path = &complete.paths.paths[root];
        if scanned.unread.contains(path) {
            complete.store.fetch(path, Fetch::Whole)?;
            scanned = scan()?;
        }
    }
    Ok(scanned)
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
    let normal = Platform::new("linux", architecture, None).normalized();
    (!architecture.is_empty()).then_some(normal.architecture)
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
                    "the base image is for linux/{base}, but the image is for linux/{}: its programs would fail with exec format error",
                    resolved.architecture
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Warns of scripts and programs whose interpreters cannot be started in the image.
    pub(super) fn remarks(&self, files: &dyn Files) -> Vec<Remark> {
        let look = |path: &[u8]| resolve(files, path).unusable();
        let mut found = self.findings.unusable_interpreters(look);
        let more = found.len().saturating_sub(MAX_REMARKS);
        found.truncate(MAX_REMARKS);
        if more > 0 {
            let message = format!("{more} more interpreters of programs cannot be started");
            let hint = "`terrine export` shows the files of a built image";
            found.push(Remark::warning(message).hint(hint));
        }
        found
    }
}
