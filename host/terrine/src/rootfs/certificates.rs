//! Certificates of those who are trusted to vouch for others.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::list::failed;
use super::{Error, New};

/// The start of a certificate in its text form (RFC 7468).
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
/// The length of a line of base 64 in that form, in characters.
const LINE: usize = 64;
/// The number of bytes at the start of a file in which a certificate is looked for. Comments may
/// come first.
const LOOK: u64 = 1 << 20;

/// The source of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificates {
    /// Mozilla's, as they were when terrine was built.
    Mozilla,
    /// A bundle of this machine, which is copied.
    File(PathBuf),
    /// A bundle in a store path, which is linked to.
    Link {
        /// The path in the image.
        target: String,
        /// The path on this machine.
        place: PathBuf,
    },
}

impl Certificates {
    /// The entry for the bundle.
    pub(super) fn entry(&self) -> Result<New, Error> {
        match self {
            Self::Mozilla => Ok(New::file(mozilla())),
            Self::File(path) => check(path).map(|()| New::copy_of(path)),
            Self::Link { target, place } => check(place).map(|()| New::symlink(target.as_str())),
        }
    }
}

fn check(path: &Path) -> Result<(), Error> {
    let io = |error| failed("reading", path, error);
    let mut start = Vec::new();
    // A fifo would be waited for.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(Error::NoCertificate(path.to_owned()));
    }
    File::open(path)
        .and_then(|file| file.take(LOOK).read_to_end(&mut start))
        .map_err(io)?;
    if start
        .windows(BEGIN.len())
        .any(|window| window == BEGIN.as_bytes())
    {
        Ok(())
    } else {
        Err(Error::NoCertificate(path.to_owned()))
    }
}

/// Mozilla's certificates in their text form, in the order in which their library has them.
fn mozilla() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let encoded = STANDARD.encode(certificate);
        text.push_str(BEGIN);
        text.push('\n');
        for line in encoded.as_bytes().chunks(LINE) {
            // Base 64 is ASCII, and writing to a string does not fail.
            let _ = writeln!(text, "{}", String::from_utf8_lossy(line));
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bundle");
        std::fs::write(&file, "# nothing\n").unwrap();
        let error = Certificates::File(file.clone()).entry().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{}` contains no certificate", file.display())
        );
        std::fs::write(&file, format!("# one\n{BEGIN}\n")).unwrap();
        assert!(Certificates::File(file.clone()).entry().is_ok());
        let link = Certificates::Link {
            target: "/nix/store/x".to_owned(),
            place: folder.path().join("no"),
        };
        assert!(link.entry().is_err());
    }
}
