//! The choice of the certificate that a server is shown, among several of ours.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// Our certificates for one host.
#[derive(Debug)]
pub(super) struct Identities {
    pub(super) own: Vec<Arc<CertifiedKey>>,
}

impl ResolvesClientCert for Identities {
    /// Takes the first that one of the authorities signed that the server names, or the first of all: it may know
    /// more than it names.
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let usable = |own: &&Arc<CertifiedKey>| own.key.choose_scheme(sigschemes).is_some();
        // A name is part of the certificate in the same bytes.
        let is_named = |own: &&Arc<CertifiedKey>| {
            root_hint_subjects.iter().any(|name| {
                !name.is_empty()
                    && own.cert.iter().any(|certificate| {
                        certificate.windows(name.len()).any(|part| part == *name)
                    })
            })
        };
        let mut candidates = self.own.iter().filter(usable);
        let first = candidates.clone().find(is_named);
        first.or_else(|| candidates.next()).cloned()
    }

    fn has_certs(&self) -> bool {
        !self.own.is_empty()
    }
}
