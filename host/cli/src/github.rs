//! Jobs of GitHub Actions: what a step leaves to those after it.
//!
//! Warnings and errors are shown beside a job by what `printer` writes.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use terrine::plan::DestinationFacts;

use super::environment;
use super::printer::Printer;

/// Outputs of a step that makes an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Outputs {
    /// The digest of the manifest, or the index, where there is one.
    digest: Option<String>,
    /// The name to use the image by, with its digest where it has one.
    image: String,
    /// All names with their tags.
    tags: Vec<String>,
}

/// Tells whether this process is a step of a job.
pub(super) fn is_job() -> bool {
    environment::variable("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Leaves outputs to later steps, if this process is a step of a job.
pub(super) fn leave(landed: &[DestinationFacts], printer: &Printer) {
    let (Some(file), Some(outputs)) = (output_file(), Outputs::of(landed)) else {
        return;
    };
    if let Err(error) = append(Path::new(&file), &outputs.lines()) {
        let file = file.display();
        printer.warning_with_hint(
            &format!("the outputs of this step cannot be written to `{file}`: {error}"),
            Some("`GITHUB_OUTPUT` names that file; later steps do not get the outputs"),
        );
    }
}

fn output_file() -> Option<OsString> {
    is_job()
        .then(|| environment::variable("GITHUB_OUTPUT"))
        .flatten()
}

/// Adds lines to a file, all at once.
fn append(file: &Path, lines: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)?
        .write_all(lines.as_bytes())
}

impl Outputs {
    /// Returns what is known of an image that is at some destinations: its digest at the first one
    /// that has manifests.
    fn of(landed: &[DestinationFacts]) -> Option<Self> {
        let pinned = landed.iter().find(|landed| landed.manifest.is_some());
        let first = pinned.or(landed.first())?;
        let in_registry = first.destination.starts_with("docker://");
        let image = match &first.reference {
            Some(reference) if in_registry => reference.clone(),
            _ => names(first).swap_remove(0),
        };
        Some(Self {
            digest: first
                .manifest
                .as_ref()
                .map(|manifest| manifest.digest.to_string()),
            image,
            tags: landed.iter().flat_map(names).collect(),
        })
    }

    /// Returns the lines of the file.
    fn lines(&self) -> String {
        let digest = self.digest.as_deref().unwrap_or_default();
        let tags = self.tags.join("\n");
        [("digest", digest), ("image", &self.image), ("tags", &tags)]
            .map(|(name, value)| line(name, value))
            .concat()
    }
}

/// Returns the names of an image at a destination, with its tags: at least one.
fn names(landed: &DestinationFacts) -> Vec<String> {
    // As `docker pull` takes it.
    let place = &landed.destination;
    let bare = place.strip_prefix("docker://").unwrap_or(place);
    let names = landed.tags.iter().map(|tag| match landed.manifest {
        Some(_) => format!("{bare}:{tag}"),
        None => tag.clone(),
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        vec![bare.to_owned()]
    } else {
        names
    }
}

/// A name and its value, which may have several lines.
fn line(name: &str, value: &str) -> String {
    if !value.contains(['\n', '\r']) {
        return format!("{name}={value}\n");
    }
    // No line of the value ends it.
    let mut end = "END".to_owned();
    while value.lines().any(|line| line.trim() == end) {
        end.push('_');
    }
    format!("{name}<<{end}\n{value}\n{end}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_lines_of_a_file() {
        let outputs = Outputs {
            digest: Some("sha256:ab".to_owned()),
            image: "ghcr.io/acme/web@sha256:ab".to_owned(),
            tags: vec!["ghcr.io/acme/web:1".to_owned()],
        };
        let expected =
            "digest=sha256:ab\nimage=ghcr.io/acme/web@sha256:ab\ntags=ghcr.io/acme/web:1\n";
        assert_eq!(outputs.lines(), expected);
        let several = Outputs {
            digest: None,
            tags: vec!["a:1".to_owned(), "END".to_owned()],
            ..outputs
        };
        let expected = "digest=\nimage=ghcr.io/acme/web@sha256:ab\ntags<<END_\na:1\nEND\nEND_\n";
        assert_eq!(several.lines(), expected);
    }

    #[test]
    fn what_other_steps_left_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("output");
        for line in ["a=1\n", "b=2\n"] {
            append(&file, line).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a=1\nb=2\n");
    }
}
