//! Arguments for connections to registries, and for the logins there.

use std::convert::Infallible;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use terrine::oci::Reference;
use terrine::registry::{
    CertificatePlaces, Client, ClientOptions, Credentials, Proxies, ServerName, UserPassword,
};

use super::exit::Usage;
use super::failure::{Context, Result};
use super::{environment, headings, prompt};

/// The variable with the text of a file of logins, as Docker and GitLab have it.
const AUTH_CONFIG: &str = "DOCKER_AUTH_CONFIG";

/// The time for which a registry may be silent if nothing else is asked for, in seconds.
const TIMEOUT: u64 = 60;
/// The number of further tries if nothing else is asked for.
const RETRIES: u32 = 5;

/// Options for connections to registries.
#[derive(Debug, clap::Args)]
pub(super) struct ConnectionArgs {
    /// Access registries over HTTP without TLS
    ///
    /// This option is not needed for a registry on this machine (localhost): terrine falls back to
    /// HTTP there.
    #[arg(long, help_heading = headings::REGISTRY, hide_short_help = true)]
    plain_http: bool,

    /// Verify the certificates of registries
    ///
    /// With `false`, anyone on the network can read and change everything that is transferred,
    /// credentials included. TLS is still used if the registry supports it.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, help_heading = headings::REGISTRY, hide_short_help = true)]
    tls_verify: bool,

    /// Directory of certificates for registries
    ///
    /// `*.crt` are trusted authorities, `NAME.cert` and `NAME.key` are the client certificate and
    /// its key. By default, terrine uses the first existing directory of
    /// `~/.config/containers/certs.d/HOST[:PORT]`, `/etc/containers/certs.d/HOST[:PORT]` and
    /// `/etc/docker/certs.d/HOST[:PORT]`. The system's authorities, or those of SSL_CERT_FILE and
    /// SSL_CERT_DIR, are trusted as well.
    #[arg(long, value_name = "DIR", help_heading = headings::REGISTRY, hide_short_help = true)]
    cert_dir: Option<PathBuf>,

    /// Time without any data from a registry before a request fails, in seconds
    ///
    /// A manifest, a configuration or a token must arrive within twice this time, or within two
    /// minutes if that is longer. The transfer of a layer fails if it is slower than 1 KiB per
    /// second, on average over this time.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT, value_parser = seconds(), help_heading = headings::REGISTRY, hide_short_help = true)]
    timeout: u64,

    /// Retries for each registry request
    ///
    /// The wait between retries doubles each time, and is longer if the registry asks for that.
    /// When a transfer resumes, the count of retries starts again after each MiB.
    #[arg(
        long,
        value_name = "N",
        default_value_t = RETRIES,
        help_heading = headings::REGISTRY, hide_short_help = true
    )]
    retries: u32,
}

impl Default for ConnectionArgs {
    fn default() -> Self {
        Self {
            plain_http: false,
            tls_verify: true,
            cert_dir: None,
            timeout: TIMEOUT,
            retries: RETRIES,
        }
    }
}

/// Options for connections to registries, and credentials.
#[derive(Debug, Default, clap::Args)]
pub(super) struct RegistryArgs {
    #[command(flatten)]
    connection: ConnectionArgs,

    #[command(flatten)]
    authfile: AuthfileArgs,

    /// Credentials for the registry
    ///
    /// The arguments must name only one registry. Without a password, terrine asks for it on the
    /// terminal. Other users of this machine can see the arguments of a process: use `terrine
    /// login` to store credentials instead.
    #[arg(long, value_name = "USER[:PASSWORD]", value_parser = Creds::read, help_heading = headings::REGISTRY, hide_short_help = true)]
    creds: Option<Creds>,
}

/// The file of credentials.
#[derive(Debug, Default, clap::Args)]
pub(super) struct AuthfileArgs {
    /// File of credentials
    ///
    /// By default, terrine reads DOCKER_AUTH_CONFIG, which holds the text of such a file, and then
    /// the file that REGISTRY_AUTH_FILE names. Without REGISTRY_AUTH_FILE, it reads podman's
    /// `containers/auth.json` in XDG_RUNTIME_DIR or `~/.config`, and then Docker's
    /// `~/.docker/config.json`. It uses the first credentials that it finds for the registry.
    #[arg(long, value_name = "FILE", help_heading = headings::REGISTRY, hide_short_help = true)]
    authfile: Option<PathBuf>,
}

/// A time that is none is not long enough for anything.
fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=24 * 60 * 60)
}

impl RegistryArgs {
    /// A client for the images that the arguments name.
    pub(super) fn client(&self, named: &[&Reference]) -> Result<Client> {
        self.client_with(named, &[])
    }

    /// Checks that `--creds` is for one registry.
    pub(super) fn check(&self, named: &[&Reference]) -> Result<()> {
        match self.creds {
            Some(_) => only_registry(named).map(drop),
            None => Ok(()),
        }
    }

    /// A client for one of several images that the arguments name, and that were checked together.
    pub(super) fn client_for(&self, reference: &Reference) -> Result<Client> {
        match reference {
            Reference::Registry(_) => self.client(&[reference]),
            _ => Ok(self.connection.client(self.authfile.credentials()?)),
        }
    }

    /// A client for the images that the arguments name, with logins that are for one image each.
    pub(super) fn client_with(
        &self,
        named: &[&Reference],
        own: &[(&Reference, &Creds)],
    ) -> Result<Client> {
        let mut credentials = self.authfile.credentials()?;
        for (reference, creds) in own {
            let Reference::Registry(of) = reference else {
                return Err(Usage {
                    message: format!(
                        "credentials are given for `{reference}`, which is not in a registry"
                    ),
                    hint: "leave it out, or name an image in a registry: `docker://NAME`",
                }
                .into());
            };
            let (registry, name) = (&of.registry, Some(of.name.as_str()));
            credentials = credentials.with_login(registry, name, creds.login()?);
        }
        if let Some(creds) = &self.creds {
            let registry = only_registry(named)?;
            credentials = credentials.with_login(registry, None, creds.login()?);
        }
        Ok(self.connection.client(credentials))
    }
}

/// The one registry that references name.
fn only_registry<'a>(named: &[&'a Reference]) -> Result<&'a str> {
    let mut registries: Vec<&str> = named
        .iter()
        .filter_map(|reference| match reference {
            Reference::Registry(of) => Some(of.registry.as_str()),
            _ => None,
        })
        .collect();
    registries.sort_unstable();
    registries.dedup();
    match registries[..] {
        [] => Err(Usage {
            message: "`--creds` needs a registry, but the arguments name none".to_owned(),
            hint: "leave it out, or name an image in a registry: `docker://NAME`; for the images that a specification names, store credentials with `terrine login`",
        }
        .into()),
        [one] => Ok(one),
        [one, other, ..] => Err(Usage {
            message: format!("`--creds` is for one registry, and `{one}` and `{other}` are named"),
            hint: "store credentials with `terrine login`, or give `copy` `--src-creds` and `--dest-creds`",
        }
        .into()),
    }
}

impl ConnectionArgs {
    /// A client that has these logins.
    pub(super) fn client(&self, credentials: Credentials) -> Client {
        let defaults = ClientOptions::default();
        let mut certificates = CertificatePlaces::of_environment(environment::variable);
        certificates.given = self.cert_dir.clone();
        let silence = Duration::from_secs(self.timeout);
        Client::new(ClientOptions {
            plain_http: self.plain_http,
            tls_verify: self.tls_verify,
            stall_timeout: silence,
            // Longer than silence, which is told as such.
            answer_timeout: defaults.answer_timeout.max(silence.saturating_mul(2)),
            retries: self.retries,
            credentials,
            certificates,
            proxies: Proxies::of_environment(environment::variable),
            ..defaults
        })
    }
}

impl AuthfileArgs {
    /// The files that `terrine login`, `docker login` and `podman login` write.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match &self.authfile {
            Some(file) => vec![file.clone()],
            None => Credentials::default_files(environment::variable),
        }
    }

    /// Returns the variable that holds logins, where it counts.
    pub(super) fn variable(&self) -> Option<&'static str> {
        let counts = self.authfile.is_none() && environment::variable(AUTH_CONFIG).is_some();
        counts.then_some(AUTH_CONFIG)
    }

    /// Returns the variable if it has a login for a registry, which counts more than those of files.
    pub(super) fn variable_with(&self, server: &ServerName) -> Option<&'static str> {
        let name = self.variable()?;
        let text = environment::variable(name)?.into_vec();
        let credentials = Credentials::default().with_text(name, text);
        // One that cannot be read hides none of the others.
        let user = credentials.user(&server.host, &server.path).ok()?;
        user.map(|_| name)
    }

    /// The logins that there are.
    pub(super) fn credentials(&self) -> Result<Credentials> {
        let credentials = Credentials::new(self.files());
        if let Some(file) = &self.authfile {
            std::fs::metadata(file)
                .with_context(|| format!("reading the credentials in `{}`", file.display()))?;
            return Ok(credentials);
        }
        Ok(match environment::variable(AUTH_CONFIG) {
            Some(text) => credentials.with_text(AUTH_CONFIG, text.into_vec()),
            None => credentials,
        })
    }
}

/// A user and a password as an argument. They are read late: the parser of arguments shows what it cannot read.
#[derive(Clone)]
pub(super) struct Creds(String);

impl std::fmt::Debug for Creds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Creds")
    }
}

impl Creds {
    /// Takes any text.
    pub(super) fn read(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }

    fn login(&self) -> Result<UserPassword> {
        let (user, password) = match self.0.split_once(':') {
            Some((user, password)) => (user, Some(password.to_owned())),
            None => (self.0.as_str(), None),
        };
        if user.is_empty() {
            return Err(Usage {
                message: "the user name before the password is missing".to_owned(),
                hint: "write USER:PASSWORD",
            }
            .into());
        }
        let password = match password {
            Some(password) => password,
            None => prompt::password("Password: ")?.ok_or(Usage {
                message: "there is no terminal to ask for the password".to_owned(),
                hint: "write USER:PASSWORD, or store credentials with `terrine login --password-stdin`",
            })?,
        };
        let user = user.to_owned();
        Ok(UserPassword { user, password })
    }
}
