//! A server's certificate that is an authority's by its own words.
//!
//! Many who make their own certificates leave `CA:TRUE` in those of servers. Go and OpenSSL take them; the library takes
//! such a one in the middle of a chain and not at its start. So a certificate is made up that it might have signed, and
//! the library checks the chain of that: validity, purposes, constraints and signatures of everything above it.

use std::fmt;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, UnixTime,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// The kind of signature of what is made up: 2.999, which is for examples.
const EXAMPLE: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[0x06, 0x02, 0x88, 0x37]);

const SEQUENCE: u8 = 0x30;

/// Checks that a certificate that is an authority's has a chain to a root, as authorities of servers have one.
///
/// # Errors
///
/// What is wrong with the chain, by the library.
pub(super) fn check_chain(
    certificate: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    provider: &CryptoProvider,
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let authority = EndEntityCert::try_from(certificate)?;
    let body = body(authority.subject());
    let made_up = CertificateDer::from(tlv(
        SEQUENCE,
        &[&body[..], &algorithm(), &tlv(0x03, &[0])].concat(),
    ));
    let known = provider.signature_verification_algorithms.all;
    let made_up_kinds: Vec<MadeUp<'_>> = known
        .iter()
        .map(|known| MadeUp {
            body: &body,
            key: known.public_key_alg_id(),
        })
        .collect();
    let mut kinds: Vec<&dyn SignatureVerificationAlgorithm> = vec![];
    kinds.extend(
        known
            .iter()
            .map(|kind| *kind as &dyn SignatureVerificationAlgorithm),
    );
    kinds.extend(
        made_up_kinds
            .iter()
            .map(|kind| kind as &dyn SignatureVerificationAlgorithm),
    );
    let anchors: Vec<_> = roots
        .iter()
        .filter_map(|root| anchor_from_trusted_cert(root).ok())
        .collect();
    let between: Vec<_> = [certificate].into_iter().chain(others).cloned().collect();
    let end = EndEntityCert::try_from(&made_up)?;
    // The certificate itself may be a root, and then its own validity counts for nothing.
    let goes_by_it = |path: &webpki::VerifiedPath<'_>| {
        let mut above = path.intermediate_certificates();
        match above.next() {
            Some(first) if first.der() == *certificate => Ok(()),
            _ => Err(webpki::Error::UnknownIssuer),
        }
    };
    let usage = KeyUsage::server_auth();
    let path = end.verify_for_usage(
        &kinds,
        &anchors,
        &between,
        now,
        usage,
        None,
        Some(&goes_by_it),
    );
    path.map(drop)
}

/// Encodes the body of a certificate that an authority of this name would have signed.
fn body(issuer: &[u8]) -> Vec<u8> {
    let version = tlv(0xa0, &[0x02, 0x01, 0x02]);
    let serial = tlv(0x02, &[1]);
    let validity = [tlv(0x17, b"700101000000Z"), tlv(0x18, b"99991231235959Z")].concat();
    let parts = [
        version,
        serial,
        algorithm(),
        tlv(SEQUENCE, issuer),
        tlv(SEQUENCE, &validity),
        // No subject, and no key.
        tlv(SEQUENCE, &[]),
        tlv(SEQUENCE, &[]),
    ];
    tlv(SEQUENCE, &parts.concat())
}

fn algorithm() -> Vec<u8> {
    tlv(SEQUENCE, EXAMPLE.as_ref())
}

/// Encodes a value by the distinguished encoding rules.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut encoded = vec![tag];
    match &length[..] {
        [] => encoded.push(0),
        [short] if *short < 0x80 => encoded.push(*short),
        long => {
            encoded.push(0x80 | long.len() as u8);
            encoded.extend(long);
        }
    }
    encoded.extend(content);
    encoded
}

/// The signature of what is made up, by a kind of key. It is good for that and nothing else.
struct MadeUp<'a> {
    body: &'a [u8],
    key: AlgorithmIdentifier,
}

impl fmt::Debug for MadeUp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MadeUp")
    }
}

impl SignatureVerificationAlgorithm for MadeUp<'_> {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        EXAMPLE
    }

    fn verify_signature(
        &self,
        _public_key: &[u8],
        message: &[u8],
        _signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if message == self.body {
            Ok(())
        } else {
            Err(InvalidSignature)
        }
    }
}
