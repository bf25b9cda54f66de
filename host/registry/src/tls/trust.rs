//! The configuration of TLS for each host.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ALL_VERSIONS, ClientConfig};

use super::folder::{self, CertificatesError, Folder};
use super::identity::Identities;
use super::places::CertificatePlaces;
use super::roots::{self, Roots};
use super::verifier::Verifier;

/// The certificates that are trusted, and those that we show.
#[derive(Debug)]
pub(in super::super) struct Trust {
    places: CertificatePlaces,
    /// True if certificates are checked at all.
    is_on: bool,
    provider: Arc<CryptoProvider>,
    /// Read with the first connection that is encrypted.
    system: OnceLock<Roots>,
    configurations: Mutex<BTreeMap<(Option<String>, String), Configuration>>,
}

/// The TLS configuration for one host.
#[derive(Debug, Clone)]
pub(in super::super) struct Configuration {
    pub(in super::super) client: Arc<ClientConfig>,
    /// The faults of roots that might have been the right ones.
    pub(in super::super) faults: Arc<Vec<String>>,
}

impl Trust {
    pub(in super::super) fn new(places: CertificatePlaces, is_on: bool) -> Self {
        Self {
            places,
            is_on,
            provider: Arc::new(ring::default_provider()),
            system: OnceLock::new(),
            configurations: Mutex::default(),
        }
    }

    /// Returns what counts for `host` in requests for a registry: what is said of either of them. So a service of tokens and a
    /// storage need no folder of their own, as with Docker and Podman. Requests that are for no registry get no
    /// certificate of ours.
    pub(in super::super) fn configuration(
        &self,
        registry: Option<&str>,
        host: &str,
    ) -> Result<Configuration, CertificatesError> {
        let mut configurations = self
            .configurations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let key = (registry.map(str::to_owned), host.to_owned());
        if let Some(configuration) = configurations.get(&key) {
            return Ok(configuration.clone());
        }
        let configuration = self.read(registry, host)?;
        configurations.insert(key, configuration.clone());
        Ok(configuration)
    }

    fn read(&self, registry: Option<&str>, host: &str) -> Result<Configuration, CertificatesError> {
        let mut folders = vec![];
        match &self.places.given {
            Some(given) => folders.push(match folder::read(given, &self.provider)? {
                Some(folder) => folder,
                None => Folder {
                    faults: vec![format!(
                        "the directory `{}` does not exist",
                        given.display()
                    )],
                    ..Folder::default()
                },
            }),
            None => {
                folders.extend(self.folder(host)?);
                if let Some(registry) = registry.filter(|registry| *registry != host) {
                    folders.extend(self.folder(registry)?);
                }
            }
        }
        let own = folders.iter_mut().flat_map(|folder| folder.own.drain(..));
        let own = own.filter(|_| registry.is_some());
        let identities = Identities {
            own: own.map(Arc::new).collect(),
        };
        let (verifier, faults) = if self.is_on {
            let system = self.system.get_or_init(|| roots::system(&self.places));
            let mut roots = system.certificates.clone();
            let mut faults = system.faults.clone();
            for folder in folders {
                roots.extend(folder.roots);
                faults.extend(folder.faults);
            }
            (Verifier::new(roots, Arc::clone(&self.provider)), faults)
        } else {
            (Verifier::off(Arc::clone(&self.provider)), vec![])
        };
        let client = self.client(verifier, Arc::new(identities));
        Ok(Configuration {
            client: Arc::new(client),
            faults: Arc::new(faults),
        })
    }

    /// The first of the folders of a registry that is there.
    fn folder(&self, name: &str) -> Result<Option<Folder>, CertificatesError> {
        // A name that is a path is none of a registry.
        if name.is_empty() || Path::new(name).components().count() != 1 || name.starts_with('.') {
            return Ok(None);
        }
        for folder in &self.places.by_registry {
            if let Some(found) = folder::read(&folder.join(name), &self.provider)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn client(&self, verifier: Verifier, own: Arc<dyn ResolvesClientCert>) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(ALL_VERSIONS)
            .expect("the provider has ciphers for all versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(own)
    }
}
