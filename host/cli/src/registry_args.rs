//! How registries are spoken to.

use std::time::Duration;

use terrine::registry::{Client, ClientOptions, Credentials};

use super::environment;

/// The time for which a registry may be silent if nothing else is asked for, in seconds.
const TIMEOUT: u64 = 60;
/// The number of further tries if nothing else is asked for.
const RETRIES: u32 = 5;

/// How registries are spoken to.
#[derive(Debug, clap::Args)]
pub(super) struct RegistryArgs {
    /// Speak HTTP without TLS to registries
    ///
    /// On this machine (localhost) that is done anyway where a registry speaks nothing else.
    #[arg(long, help_heading = "Registries")]
    plain_http: bool,

    /// Check the certificates of registries
    ///
    /// With `false` they are spoken to as they answer, by TLS if they can. Whoever is on the way can read
    /// and change all of it then, credentials as well.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, help_heading = "Registries")]
    tls_verify: bool,

    /// How long a registry may be silent, in seconds
    ///
    /// A manifest, a configuration or a token must be there after twice as long, or two minutes if
    /// that is longer. In the same time at least 1 KiB of a layer must come or go for each second.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT, value_parser = seconds(), help_heading = "Registries")]
    timeout: u64,

    /// How often what a registry fails to do is tried again
    ///
    /// The wait before that doubles each time, and is what the registry asks for if that is
    /// longer. A transfer that goes on where it broke off counts anew after each mebibyte.
    #[arg(
        long,
        value_name = "N",
        default_value_t = RETRIES,
        help_heading = "Registries"
    )]
    retries: u32,
}

impl Default for RegistryArgs {
    fn default() -> Self {
        Self {
            plain_http: false,
            tls_verify: true,
            timeout: TIMEOUT,
            retries: RETRIES,
        }
    }
}

/// A time that is none is not long enough for anything.
fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=24 * 60 * 60)
}

impl RegistryArgs {
    /// A client with the credentials that `docker login` and `podman login` left.
    pub(super) fn client(&self) -> Client {
        let files = Credentials::default_files(environment::variable);
        let defaults = ClientOptions::default();
        let silence = Duration::from_secs(self.timeout);
        Client::new(ClientOptions {
            plain_http: self.plain_http,
            tls_verify: self.tls_verify,
            stall_timeout: silence,
            // Longer than silence, which is told as such.
            answer_timeout: defaults.answer_timeout.max(silence.saturating_mul(2)),
            retries: self.retries,
            credentials: Credentials::new(files),
            ..defaults
        })
    }
}
