//! A folder with certificates for one registry, as Docker and Podman have them: `*.crt` are roots, `NAME.cert` and
//! `NAME.key` prove who we are (containers-certs.d(5)).

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use terrine_support::hint::Hint;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// A certificate of ours that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the client certificate `{}` cannot be used: {why}", file.display())]
pub struct CertificatesError {
    /// The certificate's file.
    pub file: PathBuf,
    /// The fault of the certificate or of its key.
    pub why: String,
}

impl Hint for CertificatesError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some("a client certificate is NAME.cert beside its key, NAME.key, both in PEM; the certificate of an authority is NAME.crt".into())
    }
}

/// The certificates in a folder.
#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) roots: Vec<CertificateDer<'static>>,
    pub(super) own: Vec<CertifiedKey>,
    /// The faults of roots. They do not matter to a server whose certificate is trusted anyway.
    pub(super) faults: Vec<String>,
}

/// Reads a folder. None if it is not there.
pub(super) fn read(
    folder: &Path,
    provider: &CryptoProvider,
) -> Result<Option<Folder>, CertificatesError> {
    let mut found = Folder::default();
    let entries = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()
    });
    let mut files = match entries {
        Ok(files) => files,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => {
            let folder = folder.display();
            found
                .faults
                .push(format!("`{folder}` cannot be read: {error}"));
            return Ok(Some(found));
        }
    };
    files.sort();
    for file in &files {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => match roots(file) {
                Ok(roots) => found.roots.extend(roots),
                Err(why) => found.faults.push(format!("`{}` {why}", file.display())),
            },
            Some("cert") => found.own.push(own(file, provider).map_err(|why| {
                let file = file.clone();
                CertificatesError { file, why }
            })?),
            Some("key") if !file.with_extension("cert").exists() => {
                let why = "its key exists, but the certificate does not".to_owned();
                let file = file.with_extension("cert");
                return Err(CertificatesError { file, why });
            }
            _ => {}
        }
    }
    Ok(Some(found))
}

fn roots(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = content(file).map_err(|error| format!("cannot be read: {error}"))?;
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match roots {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        _ => Err("contains no certificate in PEM format".to_owned()),
    }
}

fn own(file: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let key = file.with_extension("key");
    let key_name = format!("`{}`", key.display());
    let text = content(file).map_err(|error| error.to_string())?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or("it contains no certificate in PEM format")?;
    let text =
        content(&key).map_err(|error| format!("its key {key_name} cannot be read: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        format!("{key_name} contains no private key in PEM format, or one that is protected by a password")
    })?;
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|_| format!("{key_name} is of an unsupported kind"))?;
    let own = CertifiedKey::new(chain, key);
    // The library reads no certificate of version 1, which it takes a server to read.
    match own.keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(format!("{key_name} does not match the certificate"))
        }
        _ => Ok(own),
    }
}

/// Reads a file, but nothing that has no end.
fn content(file: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = vec![];
    File::open(file)?.take(MAX_FILE).read_to_end(&mut text)?;
    Ok(text)
}
