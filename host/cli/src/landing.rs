//! Reports of the places where images are in the end: on stdout for programs, in a file of
//! digests, and in a summary.

use std::io::Write;
use std::path::{self, Path, PathBuf};

use serde::Serialize;
use terrine::oci::{Descriptor, Digest, Reference, to_json_text};
use terrine::plan::DestinationFacts;

use super::exit::Usage;
use super::failure::{Context, Result};
use super::github;
use super::headings;
use super::output::{self, Output};
use super::printer::Printer;
use super::target::{Place, is_stdout};

/// The version of the summaries of images that exist already.
const SCHEMA_VERSION: u32 = 1;

/// Reports of the destinations of an image.
#[derive(Debug, Default, clap::Args)]
pub(super) struct LandingArgs {
    /// Write the digest of the manifest to this file, one line for each destination
    ///
    /// Destinations that fail are left out, here and in `--summary`. If all fail, neither file is
    /// written. Docker-archives and the storage of docker and podman have no manifest: they get no
    /// line.
    #[arg(long, value_name = "FILE", help_heading = headings::OUTPUT)]
    digest_file: Option<PathBuf>,

    /// Write a summary of the image and its destinations to this file as JSON; `-` for stdout
    #[arg(long, value_name = "FILE", help_heading = headings::OUTPUT)]
    summary: Option<PathBuf>,
}

/// The files that are to be written in the end.
pub(super) struct Landings {
    digests: Option<Output>,
    summary: Option<Output>,
    /// True if stdout carries other data, so that the places are not printed there.
    silent: bool,
}

/// A summary of what is not made here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_id: Option<String>,
    destinations: &'a [DestinationFacts],
}

impl LandingArgs {
    /// Checks what cannot be meant where images go to these places. Returns whether stdout has
    /// something else than where they are.
    pub(super) fn check_places<'p>(&self, places: impl Iterator<Item = &'p Place>) -> Result<bool> {
        let places: Vec<&Place> = places.collect();
        let taken = places.iter().any(|place| is_stdout(&place.reference));
        self.check(taken)?;
        self.check_files(&places)?;
        if self.digest_file.is_some() && !places.iter().any(|place| place.has_manifest()) {
            return Err(Usage {
                message: "`--digest-file` needs a manifest, but no destination has one".to_owned(),
                hint: "choose a registry, an OCI layout or an archive of one as a destination: docker-archives and the storage of docker and podman have no manifest; `--summary` has the image id",
            }
            .into());
        }
        Ok(taken || self.to_stdout().is_some())
    }

    /// Opens the files, before anything is made.
    pub(super) fn open<'p>(&self, places: impl Iterator<Item = &'p Place>) -> Result<Landings> {
        let silent = self.check_places(places)?;
        let open = |path: &Option<PathBuf>| {
            let path = path.as_deref();
            path.map(|path| Output::open_text(Some(path))).transpose()
        };
        Ok(Landings {
            digests: open(&self.digest_file)?,
            summary: open(&self.summary)?,
            silent,
        })
    }

    /// Checks that no two things go to stdout, where `taken` says that an archive does.
    fn check(&self, taken: bool) -> Result<()> {
        let Some(flag) = self.to_stdout() else {
            return Ok(());
        };
        let both = [&self.digest_file, &self.summary];
        if taken
            || both
                .iter()
                .all(|path| path.as_deref() == Some(Path::new("-")))
        {
            return Err(Usage {
                message: match flag {
                    _ if !taken => "the digest and the summary cannot both go to stdout".to_owned(),
                    "--summary" => {
                        "the archive and the summary cannot both go to stdout".to_owned()
                    }
                    _ => "the archive and the digest cannot both go to stdout".to_owned(),
                },
                hint: "name a file for one of them",
            }
            .into());
        }
        Ok(())
    }

    /// Checks that no two things go to one file.
    fn check_files(&self, places: &[&Place]) -> Result<()> {
        let files = [
            ("the digest", &self.digest_file),
            ("the summary", &self.summary),
        ];
        let files = files
            .iter()
            .filter_map(|(what, path)| Some((*what, path.as_deref()?)));
        let archives = places.iter().filter_map(|place| match &place.reference {
            Reference::DockerArchive { path, .. }
            | Reference::OciArchive { path, .. }
            | Reference::Path(path) => Some(("the archive", path.as_path())),
            _ => None,
        });
        let all: Vec<(&str, PathBuf)> = archives
            .chain(files)
            .filter(|(_, path)| *path != Path::new("-"))
            .map(|(what, path)| {
                (
                    what,
                    path::absolute(path).unwrap_or_else(|_| path.to_owned()),
                )
            })
            .collect();
        for (number, (what, path)) in all.iter().enumerate() {
            let other = all[..number].iter().find(|(_, other)| other == path);
            // Archives are compared among each other elsewhere.
            if let Some((other, _)) = other.filter(|_| *what != "the archive") {
                return Err(Usage {
                    message: format!("{other} and {what} cannot both go to `{}`", path.display()),
                    hint: "name another file for one of them",
                }
                .into());
            }
        }
        Ok(())
    }

    /// Returns the flag whose file is stdout.
    fn to_stdout(&self) -> Option<&'static str> {
        let is_dash = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
        if is_dash(&self.summary) {
            return Some("--summary");
        }
        is_dash(&self.digest_file).then_some("--digest-file")
    }
}

impl Place {
    /// Tells whether images have manifests there.
    fn has_manifest(&self) -> bool {
        matches!(
            self.reference,
            Reference::Registry(_) | Reference::OciLayout { .. } | Reference::OciArchive { .. }
        )
    }

    /// Returns what there is to say of an image that is there now, by its manifest where it has
    /// one.
    pub(super) fn landed(&self, manifest: Option<&Descriptor>, own: &[String]) -> DestinationFacts {
        let manifest = manifest.filter(|_| self.has_manifest());
        DestinationFacts {
            destination: self.bare(),
            tags: if self.names.is_empty() && !self.has_manifest() {
                own.to_vec()
            } else {
                self.names.clone()
            },
            reference: manifest.map(|manifest| self.pinned(manifest.digest)),
            manifest: manifest.cloned(),
        }
    }
}

impl Landings {
    /// Prints where images are, a line for each that has a manifest, and leaves it to later steps
    /// of a job.
    pub(super) fn tell(&self, landed: &[DestinationFacts], printer: &Printer) -> Result<()> {
        github::leave(landed, printer);
        if self.silent {
            return Ok(());
        }
        let lines: String = landed
            .iter()
            .filter_map(|landed| landed.reference.as_ref())
            .map(|reference| format!("{reference}\n"))
            .collect();
        if lines.is_empty() {
            return Ok(());
        }
        output::print(&lines)
    }

    /// Writes the files. The summary is that of an image with this id, if none is given.
    pub(super) fn write(
        self,
        landed: &[DestinationFacts],
        id: Option<Digest>,
        summary: Option<String>,
    ) -> Result<()> {
        if let Some(file) = self.digests {
            let manifests = landed.iter().filter_map(|landed| landed.manifest.as_ref());
            let lines: String = manifests
                .map(|manifest| format!("{}\n", manifest.digest))
                .collect();
            put(file, &lines, "writing the digest")?;
        }
        if let Some(file) = self.summary {
            let summary = summary.unwrap_or_else(|| {
                to_json_text(&Summary {
                    schema_version: SCHEMA_VERSION,
                    image_id: id.map(|id| id.to_string()),
                    destinations: landed,
                })
            });
            put(file, &summary, "writing the summary")?;
        }
        Ok(())
    }
}

fn put(file: Output, text: &str, what: &'static str) -> Result<()> {
    (&file).write_all(text.as_bytes()).context(what)?;
    file.commit()
}
