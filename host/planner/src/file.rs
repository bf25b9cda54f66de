//! A component in a file, and the digest that it has to have.

use std::path::{Path, PathBuf};

use terrine_oci::{Digest, ParseDigestError};
use terrine_support::file::{self, FileError};

use super::Error;

/// The largest file that is read, in bytes. Components that bring the runtime of Python or
/// JavaScript along have some tens of megabytes.
pub(crate) const MAX_SIZE: u64 = 128 << 20;

/// The beginning of a pin. Anything else after an `@` belongs to the file's name.
const PIN: &str = "@sha256:";

/// A component in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The digest of the whole file that it has to have; none where any will do.
    pub digest: Option<Digest>,
}

impl ComponentFile {
    /// Reads `FILE` or `FILE@sha256:HEX`. The last `@sha256:` counts, so that a file whose name
    /// has one can be named with a pin.
    ///
    /// # Errors
    ///
    /// A pin that is not a digest.
    pub fn parse(text: &str) -> Result<Self, ParseDigestError> {
        let Some(at) = text.rfind(PIN) else {
            return Ok(Self {
                path: text.into(),
                digest: None,
            });
        };
        Ok(Self {
            path: text[..at].into(),
            digest: Some(text[at + 1..].parse()?),
        })
    }

    /// Reads the file, and checks it against its digest.
    pub(super) fn read(&self) -> Result<Vec<u8>, Error> {
        let bytes = read(&self.path)?;
        match (self.digest, Digest::of(&bytes)) {
            (Some(expected), found) if expected != found => Err(Error::Pin {
                component: self.name(),
                expected,
                found,
            }),
            _ => Ok(bytes),
        }
    }

    /// Returns its name in errors.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// Errors say what the file is.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    file::read(path, MAX_SIZE).map_err(|error| match error {
        FileError::Io { path, source } => Error::Read { path, source },
        FileError::TooLarge { path, limit } => Error::TooLarge { path, limit },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_what_follows_the_last_one_of_its_kind() {
        let digest = Digest::of(b"");
        let file = |path: &str, digest| {
            Ok(ComponentFile {
                path: path.into(),
                digest,
            })
        };
        assert_eq!(ComponentFile::parse("a.wasm"), file("a.wasm", None));
        assert_eq!(
            ComponentFile::parse(&format!("a.wasm@{digest}")),
            file("a.wasm", Some(digest))
        );
        assert_eq!(
            ComponentFile::parse("me@home/a@1.wasm"),
            file("me@home/a@1.wasm", None)
        );
        assert_eq!(
            ComponentFile::parse("a@sha512:00"),
            file("a@sha512:00", None)
        );
        let twice = format!("a@sha256:b.wasm@{digest}");
        assert_eq!(
            ComponentFile::parse(&twice),
            file("a@sha256:b.wasm", Some(digest))
        );
        for text in ["a@sha256:", "a@sha256:00", &format!("a@{digest}0")] {
            assert!(ComponentFile::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::File::create(&path)
            .unwrap()
            .set_len(MAX_SIZE + 1)
            .unwrap();
        let error = ComponentFile { path, digest: None }.read().unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}
