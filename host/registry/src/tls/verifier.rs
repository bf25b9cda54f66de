//! The check of a server's certificate.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::authority;

/// A time after the end of every certificate: the year 9999 is the last that one can name.
const AFTER_ALL: u64 = 1 << 40;

/// Checks chains up to the roots, and takes a server's certificate that is a root itself.
///
/// The certificate that `openssl req -x509` makes is an authority's by its own words, as registries' documentation
/// has it for servers. The library takes such a one as the end of a chain and not as its start (see `authority`). Nor
/// does it take one that is trusted itself and signed by somebody who is not. Go and OpenSSL take all of them.
#[derive(Debug)]
pub(super) struct Verifier {
    /// None without any root.
    chains: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    is_on: bool,
}

impl Verifier {
    pub(super) fn new(roots: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let chains =
            WebPkiServerVerifier::builder_with_provider(store.into(), Arc::clone(&provider));
        Self {
            // The one error is that there are no roots.
            chains: chains.build().ok(),
            roots,
            provider,
            is_on: true,
        }
    }

    /// One that takes every certificate.
    pub(super) fn off(provider: Arc<CryptoProvider>) -> Self {
        Self {
            chains: None,
            roots: vec![],
            provider,
            is_on: false,
        }
    }

    fn chain(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.chains {
            Some(chains) => chains.verify_server_cert(certificate, others, name, &[], now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    /// Tells whether a certificate that no chain leads to is trusted itself, and is valid now.
    fn is_trusted(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        fault: &Error,
    ) -> bool {
        let is_about_issuer = matches!(
            fault,
            Error::InvalidCertificate(CertificateError::UnknownIssuer)
        ) || is_authority(fault);
        // The library looks at the time before it looks at the issuer. Should it not, the fault would be the same at
        // all times, and nothing is known of this time.
        let looks_at_time = || {
            let later = UnixTime::since_unix_epoch(std::time::Duration::from_secs(AFTER_ALL));
            matches!(
                self.chain(certificate, &[], name, later),
                Err(Error::InvalidCertificate(
                    CertificateError::Expired | CertificateError::ExpiredContext { .. }
                ))
            )
        };
        is_about_issuer && self.roots.iter().any(|root| root == certificate) && looks_at_time()
    }
}

/// The check of a signature of the handshake, in one version of the protocol.
type VerifySignature = fn(
    &[u8],
    &CertificateDer<'_>,
    &DigitallySignedStruct,
    &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error>;

impl Verifier {
    /// Checks a signature of the handshake, unless nothing is checked.
    fn signature(
        &self,
        verify: VerifySignature,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.is_on {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify(message, certificate, signature, algorithms)
    }
}

impl Verifier {
    /// Checks the chain of a certificate whose only fault is that it is an authority's.
    fn check_authority(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        fault: Error,
    ) -> Result<(), Error> {
        if !is_authority(&fault) {
            return Err(fault);
        }
        let chain = authority::check_chain(certificate, others, &self.roots, &self.provider, now);
        chain.map_err(|fault| {
            let fault = match fault {
                webpki::Error::CertExpired { .. } => CertificateError::Expired,
                webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
                webpki::Error::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
                _ => CertificateError::UnknownIssuer,
            };
            fault.into()
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.is_on {
            return Ok(ServerCertVerified::assertion());
        }
        let fault = match self.chain(end_entity, intermediates, server_name, now) {
            Ok(verified) => return Ok(verified),
            Err(fault) => fault,
        };
        if !self.is_trusted(end_entity, server_name, &fault) {
            self.check_authority(end_entity, intermediates, now, fault)?;
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(verify_tls12_signature, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(verify_tls13_signature, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self
            .provider
            .signature_verification_algorithms
            .supported_schemes();
        if !self.is_on {
            // A signature that is not checked may be of any kind.
            schemes.extend([
                SignatureScheme::ECDSA_NISTP521_SHA512,
                SignatureScheme::ED448,
                SignatureScheme::RSA_PKCS1_SHA1,
            ]);
        }
        schemes
    }
}

/// Tells whether the fault of a certificate is that it is an authority's.
fn is_authority(fault: &Error) -> bool {
    match fault {
        Error::InvalidCertificate(CertificateError::Other(OtherError(fault))) => {
            matches!(fault.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}
