//! How registries are spoken to.

use terrine::registry::{Client, Credentials, Options};

use super::environment;

/// How registries are spoken to.
#[derive(Debug, clap::Args)]
pub(super) struct RegistryArgs {
    /// Speak HTTP without TLS to registries
    ///
    /// On this machine (localhost) that is done anyway where a registry speaks nothing else.
    #[arg(long, help_heading = "Registries")]
    plain_http: bool,
}

impl RegistryArgs {
    /// A client with the credentials that `docker login` and `podman login` left.
    pub(super) fn client(&self) -> Client {
        let files = Credentials::default_files(environment::variable);
        Client::new(Options {
            plain_http: self.plain_http,
            credentials: Credentials::new(files),
            ..Options::default()
        })
    }
}
