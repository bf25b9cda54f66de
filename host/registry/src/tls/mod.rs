//! TLS: whose certificates are trusted, and what proves who we are.
//!
//! | what | module |
//! |---|---|
//! | where certificates are, and whether they are checked | `places` |
//! | the system's roots | `roots` |
//! | a folder of a registry: roots, and certificates for us | `folder` |
//! | the check of a server's certificate | `verifier`, `authority` |
//! | which of our certificates is shown | `identity` |
//! | the configuration for one host | `trust` |
//! | connections | `connection` |

mod authority;
mod connection;
mod folder;
mod identity;
mod places;
mod roots;
#[cfg(test)]
mod tests;
mod trust;
mod verifier;

pub(super) use connection::{Audience, TlsConnector};
pub use folder::CertificatesError;
pub use places::CertificatePlaces;
pub(super) use trust::Trust;
