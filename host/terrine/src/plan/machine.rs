//! The platform of the image's programs, and the check that the image is for that platform.

use std::io;

use terrine_oci::Platform;
use terrine_planner_host::image;
use terrine_support::remark::Remark;

use super::Error;
use super::claimed::Claimed;
use super::complete::Complete;
use super::context::Context;
use super::facts::ArchitectureSource;
use super::paths::Paths;
use super::programs::{Programs, Told};
use crate::base::Base;
use crate::layer::StorePath;
use crate::platform::{self, Bytes, Findings, HEAD};
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
    /// The first path in a binary cache that may tell another architecture, and must not be fetched.
    unseen: Option<String>,
}

/// Looks at the image's programs, and decides what it is for. With `may_fetch`, programs in binary caches are
/// fetched if nothing else tells that.
pub(super) fn find(
    context: &Context<'_, '_>,
    complete: &Complete,
    may_fetch: bool,
) -> Result<Machine, Error> {
    let base = complete.base.as_ref().and_then(architecture_of);
    let at_root = at_root(complete)?;
    let (own, paths): (Vec<usize>, Vec<&StorePath>) = complete.paths.own_indexed().unzip();
    let paths = paths.into_iter().cloned().collect();
    let mut programs = Programs::of(context, &complete.store, paths, may_fetch)?;
    let spec = context.spec;
    let told = if spec.architecture.is_some() || spec.system.is_some() {
        Told::default()
    } else {
        let otherwise = base.as_deref().unwrap_or(platform::this_machine());
        let Paths { named, graph, .. } = &complete.paths;
        let own_of = |indices: &[usize]| -> Vec<usize> {
            let own = |index| own.binary_search(index).ok();
            indices.iter().filter_map(own).collect()
        };
        let told = programs.named(&own_of(named), at_root.clone(), otherwise)?;
        let groups = graph.by_distance(named);
        let groups = groups.iter().map(|group| own_of(group));
        // Paths of a given closure may be reached by none of its tops: they refer to each other.
        programs.else_first(told, groups.chain([(0..own.len()).collect()]))?
    };
    let (platform, source) = decide(spec, &told.findings, told.claimed, base.as_deref());
    let (mut findings, unread) = programs.into_findings();
    findings.merge(at_root);
    findings.name_files(|path| complete.store.shown_file(path));
    Ok(Machine {
        platform,
        source,
        findings,
        unread,
        base,
        unseen: told.unseen,
    })
}

/// Looks at the programs at the root.
fn at_root(complete: &Complete) -> Result<Findings, Error> {
    let mut findings = Findings::default();
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
    Ok(findings)
}

fn decide(
    spec: &ImageSpec,
    findings: &Findings,
    claimed: Option<Claimed>,
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
    if let Some(claimed) = claimed {
        return (
            claimed.architecture,
            ArchitectureSource::Image(claimed.image),
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
        // A guess may be wrong.
        let is_known = self.unseen.is_none();
        if let Some(foreign) = self
            .findings
            .foreign(&resolved.architecture)
            .filter(|_| is_known)
        {
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

    /// Returns a note that the architecture is a guess, if it is one.
    pub(super) fn guess(&self) -> Option<Remark> {
        let path = self.unseen.as_ref()?;
        if self.source != ArchitectureSource::ThisMachine {
            return None;
        }
        let message = format!(
            "the architecture of this machine, `{}`, is assumed: the programs of `{path}` are in a binary cache and are not fetched for a plan",
            self.platform
        );
        let hint = "give `architecture`; `terrine build` looks at the programs";
        Some(Remark::note(message).hint(hint))
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
