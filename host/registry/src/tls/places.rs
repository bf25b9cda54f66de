//! The places where certificates are.

use std::ffi::OsString;
use std::path::PathBuf;

/// The places where certificates are looked for.
#[derive(Debug, Clone, Default)]
pub struct CertificatePlaces {
    /// A file with roots, in the place of the system's.
    pub file: Option<PathBuf>,
    /// Folders with roots, in the place of the system's.
    pub folders: Option<Vec<PathBuf>>,
    /// A folder with roots and our own certificates for every registry. The folders of registries are not
    /// looked at then.
    pub given: Option<PathBuf>,
    /// Folders in which a registry has one of its name, `HOST` or `HOST:PORT`. The first that is there counts.
    pub by_registry: Vec<PathBuf>,
}

impl CertificatePlaces {
    /// The places that Go's programs, Docker and Podman know, by an environment that is given as a function:
    /// the file `$SSL_CERT_FILE` and the folders `$SSL_CERT_DIR`, each in the place of the system's, and for registries
    /// `$HOME/.config/containers/certs.d`, `/etc/containers/certs.d` and `/etc/docker/certs.d`.
    pub fn of_environment(environment: impl Fn(&str) -> Option<OsString>) -> Self {
        let value = |name: &str| environment(name).filter(|value| !value.is_empty());
        let home = value("HOME").map(|home| PathBuf::from(home).join(".config/containers/certs.d"));
        let folders = value("SSL_CERT_DIR").map(|list| {
            std::env::split_paths(&list)
                .filter(|folder| !folder.as_os_str().is_empty())
                .collect()
        });
        let machine = ["/etc/containers/certs.d", "/etc/docker/certs.d"];
        Self {
            file: value("SSL_CERT_FILE").map(PathBuf::from),
            folders,
            given: None,
            by_registry: home.into_iter().chain(machine.map(PathBuf::from)).collect(),
        }
    }
}
