//! The platform of the image's programs, and the check that the image is for that platform.

use std::io;

use terrine_oci::Platform;
use terrine_planner_host::image;
use terrine_support::remark::Remark;

use super::Error;
use super::claimed::{self, Claimed};
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
    /// A path that the specification names, if the architecture depends on its programs and they
    /// are not fetched.
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
    let Looked {
        scan: Scan {
            mut findings,
            unread,
        },
        claimed,
        unseen,
    } = look(context, complete, base.as_deref(), may_fetch)?;
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
    let (platform, source) = decide(context.spec, &findings, claimed, base.as_deref());
    let unseen = unseen.filter(|_| source == ArchitectureSource::ThisMachine);
    findings.name_files(|path| complete.store.shown_file(path));
    Ok(Machine {
        platform,
        source,
        findings,
        unread,
        base,
        unseen,
    })
}

/// The programs in store paths, and what else tells the architecture.
struct Looked {
    scan: Scan,
    claimed: Option<Claimed>,
    unseen: Option<String>,
}

/// Looks at the programs in store paths.
fn look(
    context: &Context<'_, '_>,
    complete: &Complete,
    base: Option<&str>,
    may_fetch: bool,
) -> Result<Looked, Error> {
    let own: Vec<_> = complete.paths.own().cloned().collect();
    let scan = || platform::scan(&complete.store, &own, context.options.cache);
    let mut scanned = scan()?;
    let spec = context.spec;
    let is_given = spec.architecture.is_some() || spec.system.is_some();
    // The programs that the image is for are in the paths that it names.
    let roots = complete.paths.roots.iter();
    let named: Vec<&StorePath> = roots
        .map(|&root| &complete.paths.paths[root])
        .filter(|path| scanned.unread.contains(path))
        .collect();
    if is_given || named.is_empty() || scanned.findings.architecture().is_some() {
        return Ok(Looked::of(scanned));
    }
    if !may_fetch {
        let unseen = named.first().map(|path| path.as_str().to_owned());
        return Ok(Looked {
            unseen,
            ..Looked::of(scanned)
        });
    }
    // An image without programs is for what the base image or this machine is for, which may not be
    // those of the existing image. Only where they are the same, programs need not be looked at.
    let otherwise = base.unwrap_or(platform::this_machine());
    let claimed = claimed::architecture(context, &named);
    if let Some(claimed) = claimed.filter(|claimed| claimed.architecture == otherwise) {
        return Ok(Looked {
            claimed: Some(claimed),
            ..Looked::of(scanned)
        });
    }
    for path in named {
        if scanned.findings.architecture().is_some() {
            break;
        }
        complete.store.fetch(path, Fetch::Whole)?;
        scanned = scan()?;
    }
    Ok(Looked::of(scanned))
}

impl Looked {
    /// Programs that tell the architecture, or need not tell it.
    fn of(scan: Scan) -> Self {
        Self {
            scan,
            claimed: None,
            unseen: None,
        }
    }
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

    /// Returns a note that the architecture is a guess, if it is one.
    pub(super) fn guess(&self) -> Option<Remark> {
        let path = self.unseen.as_ref()?;
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
