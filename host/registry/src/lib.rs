//! The client of registries: OCI distribution specification 1.1, and what registries of
//! Docker's time do besides. The only module that speaks HTTP.
//!
//! HTTP is `ureq`: blocking, a pool of connections. TLS is rustls with the system's certificates, proxies are ureq's where
//! they are tunnels. The five endpoints are ours, because the crate oci-client 0.18 reads manifests and the bodies of
//! errors without a bound, swallows failures to authenticate, asks for tokens of one repository
//! only (so that mounts are refused), hides status and `Retry-After`, and brings an
//! asynchronous runtime.
//!
//! The environment does not matter. Who has one gives it to `Proxies`, `CertificatePlaces` and `Credentials`.
//!
//! | what | module |
//! |---|---|
//! | endpoints | `documents`, `blob`, `upload` |
//! | servers that are no registries | `web`, `elsewhere` |
//! | a download that breaks off | `resume`, `body` |
//! | an upload that breaks off | `sending` |
//! | once more, and when | `retry` |
//! | who may | `session`, `greeting`, `authorization`, `challenge`, `offer`, `token`, `credentials`, `auth_file`, `asked` |
//! | logins that are kept and dropped | `logins` |
//! | programs that keep credentials | `helper`, `process`, `group` |
//! | one request and its answer | `transport`, `redirect`, `outgoing`, `answer`, `secrets`, `success`, `loose`, `location`, `failure` |
//! | whose certificates count | `tls` |
//! | proxies | `proxy` |
//! | limits of time and of speed | `pace` |

mod answer;
mod asked;
mod auth_file;
mod authorization;
mod blob;
mod body;
mod challenge;
mod client;
mod credentials;
mod documents;
mod elsewhere;
mod error;
mod failure;
#[doc(hidden)]
pub mod fuzz;
mod greeting;
mod group;
mod helper;
mod location;
mod logins;
mod loose;
mod offer;
mod outgoing;
mod pace;
mod process;
mod proxy;
mod redirect;
mod resolver;
mod resume;
mod retry;
mod secrets;
mod sending;
mod session;
mod success;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod transport;
mod upload;
mod web;

pub use blob::BlobReader;
pub use client::{Client, ClientOptions};
pub use credentials::{Credentials, CredentialsError, LoginSource, UserPassword};
pub use error::{Cause, Error};
pub use group::end_helpers;
pub use location::{is_scheme as is_url_scheme, shown as shown_url};
pub use logins::{Logins, ServerName, ServerNameError};
pub use proxy::Proxies;
pub use tls::{CertificatePlaces, CertificatesError};
pub use web::{Access, Resource, Web, WebReader};
