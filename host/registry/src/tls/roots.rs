//! The roots that the system trusts.

use rustls::pki_types::CertificateDer;

use super::places::CertificatePlaces;

/// Certificates, and what is wrong with the places that were asked for.
#[derive(Debug, Default)]
pub(super) struct Roots {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) faults: Vec<String>,
}

/// Reads the system's roots. As Go and OpenSSL do it, a file that is asked for takes the place of the system's file, and
/// folders take the place of its folders: on most systems either of them alone has all roots.
pub(super) fn system(places: &CertificatePlaces) -> Roots {
    if places.file.is_none() && places.folders.is_none() {
        let certificates = rustls_native_certs::load_native_certs().certs;
        return Roots {
            certificates,
            faults: vec![],
        };
    }
    let mut roots = Roots::default();
    let file = match &places.file {
        Some(file) => {
            if let Err(error) = std::fs::File::open(file) {
                let file = file.display();
                roots
                    .faults
                    .push(format!("`{file}` cannot be read: {error}"));
            }
            Some(file.clone())
        }
        None => openssl_probe::probe().cert_file,
    };
    let folders = match &places.folders {
        Some(folders) => folders.clone(),
        None => openssl_probe::candidate_cert_dirs()
            .map(Into::into)
            .collect(),
    };
    let read = |file: Option<&std::path::Path>, folder: Option<&std::path::Path>| {
        rustls_native_certs::load_certs_from_paths(file, folder).certs
    };
    let from_file = read(file.as_deref(), None);
    if from_file.is_empty()
        && roots.faults.is_empty()
        && let Some(file) = &places.file
    {
        let file = file.display();
        roots
            .faults
            .push(format!("`{file}` contains no certificate in PEM format"));
    }
    roots.certificates = from_file;
    for folder in &folders {
        roots.certificates.extend(read(None, Some(folder)));
    }
    roots
}
