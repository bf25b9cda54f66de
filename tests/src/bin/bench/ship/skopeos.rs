//! The skopeos that pushes are compared with: the one of the machine, and a second one that was given.

use std::path::{Path, PathBuf};
use std::process::Command;

use terrine_tests::{peer, skopeo, temporary};

use super::Result;

/// A skopeo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skopeo {
    /// The program.
    program: PathBuf,
    /// The version that it prints.
    pub(super) version: String,
}

/// Returns all skopeos, the newest last. The one of the machine may be missing, but not the one that was given.
pub(super) fn all(given: Option<&Path>) -> Result<Vec<Skopeo>> {
    let mut all = vec![];
    for program in peer::find("skopeo")
        .into_iter()
        .chain(given.map(Into::into))
    {
        all.push(Skopeo::of(program)?);
    }
    all.sort_by_key(|skopeo| numbers(&skopeo.version));
    Ok(all)
}

impl Skopeo {
    fn of(program: PathBuf) -> Result<Self> {
        let folder = temporary();
        let name = program.display();
        let output = skopeo::at(&program, folder.path())
            .arg("--version")
            .output()
            .map_err(|error| format!("`{name}`: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = version(&text).ok_or(format!("`{name}` prints no version of skopeo"))?;
        Ok(Self {
            version: version.to_owned(),
            program,
        })
    }

    /// A command that copies an archive to a destination.
    pub(super) fn copy(
        &self,
        archive: &Path,
        to: &str,
        compression: &str,
        folder: &Path,
    ) -> Command {
        let mut command = skopeo::at(&self.program, folder);
        command
            .args(["--insecure-policy", "copy", "--quiet"])
            .args([
                "--dest-tls-verify=false",
                "--dest-compress-format",
                compression,
            ])
            .arg(format!("docker-archive:{}", archive.display()))
            .arg(to);
        command
    }
}

/// The version in what `skopeo --version` prints: `skopeo version 1.22.2 commit: …`.
fn version(text: &str) -> Option<&str> {
    text.strip_prefix("skopeo version ")?
        .split_whitespace()
        .next()
}

/// The numbers of a version, to compare it with others. Those of a version that is not released are the ones of the
/// release that it becomes.
fn numbers(version: &str) -> Vec<u64> {
    let parts = version.split(['.', '-']);
    parts.map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_by_their_numbers() {
        for (text, expected) in [
            ("skopeo version 1.9.3\n", Some("1.9.3")),
            ("skopeo version 1.22.2 commit: abc\n", Some("1.22.2")),
            ("skopeo version 1.23.0-dev", Some("1.23.0-dev")),
            ("skopeo version \n", None),
            ("podman version 4.3.1", None),
        ] {
            assert_eq!(version(text), expected);
        }
        let sorted = ["1.9.3", "1.13.0", "1.22.2", "1.23.0-dev", "2.0.0"];
        assert!(sorted.is_sorted_by_key(|version| numbers(version)));
    }
}
