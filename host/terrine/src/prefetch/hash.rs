//! The hash of the archive that an image is pulled to.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;

use crate::copy::{self, Error, Named};
use crate::destination::Reporter;
use crate::source::Image;

/// Computes the digest of the docker-archive of an image with one name, which is not kept.
pub(super) fn archive(
    image: Image,
    name: String,
    reporter: &dyn Reporter,
) -> Result<Digest, Error> {
    let mut hasher = Hasher(Sha256::new());
    let names = vec![name];
    copy::write_archive(vec![Named { image, names }], &mut hasher, reporter)?;
    Ok(hasher.0.into())
}

/// Returns a digest as Nix writes it in the `hash` of a fetcher: as subresource integrity.
pub(super) fn sri(digest: &Digest) -> String {
    format!("sha256-{}", STANDARD.encode(digest.as_bytes()))
}

/// An output that hashes.
struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
