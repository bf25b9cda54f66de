//! Credentials, where Docker and Podman keep them (containers-auth.json(5), Docker's
//! `config.json`).

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use terrine_support::hint::Hint;

use super::asked::Asked;
use super::auth_file;
use super::helper::Helpers;

/// A secret that proves our identity. Its text is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password, or a token that is used as one.
        password: String,
    },
    /// A token that an OAuth 2 service exchanges for other tokens.
    IdentityToken(String),
    /// Both: the registry's challenge says which of them is wanted.
    Either {
        /// The user.
        user: String,
        /// The password.
        password: String,
        /// The identity token.
        token: String,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::IdentityToken(_) => "IdentityToken",
            Self::Either { .. } => "Either",
        })
    }
}

/// A user and a password that are given for a registry. They are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct UserPassword {
    /// The user.
    pub user: String,
    /// The password, or a token that is used as one.
    pub password: String,
}

impl fmt::Debug for UserPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserPassword")
    }
}

impl From<UserPassword> for Secret {
    fn from(UserPassword { user, password }: UserPassword) -> Self {
        Self::Password { user, password }
    }
}

/// The place that a login is from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginSource {
    /// A file, or a program that it names.
    File(PathBuf),
    /// A variable of the environment.
    Variable(&'static str),
    /// The caller.
    Given,
}

/// A secret, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) secret: Secret,
    pub(super) source: LoginSource,
}

/// Credentials that cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A file that is there and cannot be read.
    #[error("reading the credentials in `{}`", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file that is not what it should be. What it holds is not shown.
    #[error("the credentials in `{}` cannot be read: {why}", file.display())]
    Broken {
        /// The file.
        file: PathBuf,
        /// The place of the fault and its cause.
        why: String,
    },
    /// A file that cannot be written.
    #[error("writing the credentials to `{}`", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        #[source]
        source: Arc<io::Error>,
    },
    /// No file to write to: there is no home.
    #[error("there is no file to store credentials in")]
    Nowhere,
    /// A program that keeps credentials failed.
    #[error("the credential helper `{program}` failed: {why}")]
    Helper {
        /// The program.
        program: String,
        /// The reason that the program gives.
        why: String,
    },
    /// A program that keeps credentials waits for something, and was ended.
    #[error("the credential helper `{program}` returned no credentials: {why}")]
    Waits {
        /// The program.
        program: String,
        /// The server that it was asked about.
        server: String,
        /// For how long, or for what.
        why: String,
    },
}

impl Hint for CredentialsError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Nowhere => Some("set `HOME`, or name a file with `--authfile`".into()),
            Self::Helper { .. } => Some(
                "install or correct it, or remove it from `credHelpers` and `credsStore` in the file that names it".into(),
            ),
            Self::Waits {
                program, server, ..
            } => Some(
                format!(
                    "run `echo {server} | {program} get` to see what it waits for; it prints the password"
                )
                .into(),
            ),
            _ => None,
        }
    }
}

/// The places where credentials are looked for. Files are read when a registry asks for credentials, and once
/// for each repository; helpers run once for each registry.
///
/// A helper that takes long holds up only those who want the same login. It runs in a group of
/// processes of its own, which ends with it.
#[derive(Debug, Default)]
pub struct Credentials {
    /// By registry, and by repository where there is one.
    given: Vec<(String, Option<String>, UserPassword)>,
    /// The name of a variable, and what it holds.
    variable: Option<(&'static str, Text)>,
    files: Vec<PathBuf>,
    helpers: Helpers,
    /// By repository.
    found: Asked<Option<Login>>,
}

impl Credentials {
    /// In these files, the first that has some; those that are not there do not matter.
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }

    /// Takes a login for a registry, or for one repository there, before all others.
    #[must_use]
    pub fn with_login(mut self, registry: &str, name: Option<&str>, login: UserPassword) -> Self {
        self.given
            .push((registry.to_owned(), name.map(ToOwned::to_owned), login));
        self
    }

    /// Looks into a text before the files: the content of one, as `DOCKER_AUTH_CONFIG` has it.
    #[must_use]
    pub fn with_text(mut self, variable: &'static str, text: Vec<u8>) -> Self {
        self.variable = Some((variable, Text(text)));
        self
    }

    /// Sets how long a helper may take, in the place of a minute.
    #[must_use]
    pub fn with_helper_limit(mut self, limit: Duration) -> Self {
        self.helpers.limit = limit;
        self
    }

    /// Looks for helpers in a directory, and not where programs are.
    #[cfg(test)]
    pub(super) fn with_helpers_in(mut self, directory: PathBuf) -> Self {
        self.helpers.directory = Some(directory);
        self
    }

    /// The files in which Docker and Podman look, by an environment that is given as a
    /// function: `$REGISTRY_AUTH_FILE` alone if it is set, else
    /// `$XDG_RUNTIME_DIR/containers/auth.json` (without that variable `/run/containers/UID/auth.json`),
    /// `${XDG_CONFIG_HOME:-$HOME/.config}/containers/auth.json` and
    /// `${DOCKER_CONFIG:-$HOME/.docker}/config.json`.
    pub fn default_files(environment: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
        let variable = |name: &str| {
            environment(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        if let Some(file) = variable("REGISTRY_AUTH_FILE") {
            return vec![file];
        }
        let home = variable("HOME");
        let in_home = |folder: &str| home.as_ref().map(|home| home.join(folder));
        let podman = "containers/auth.json";
        let files = [
            Some(variable("XDG_RUNTIME_DIR").map_or_else(
                || {
                    format!(
                        "/run/containers/{}/auth.json",
                        rustix::process::getuid().as_raw()
                    )
                    .into()
                },
                |folder| folder.join(podman),
            )),
            variable("XDG_CONFIG_HOME")
                .or_else(|| in_home(".config"))
                .map(|folder| folder.join(podman)),
            variable("DOCKER_CONFIG")
                .or_else(|| in_home(".docker"))
                .map(|folder| folder.join("config.json")),
        ];
        files.into_iter().flatten().collect()
    }

    /// The login for a repository of a registry.
    pub(super) fn find(
        &self,
        registry: &str,
        name: &str,
    ) -> Result<Option<Login>, CredentialsError> {
        self.found
            .get(&format!("{registry}/{name}"), || self.look(registry, name))
    }

    fn look(&self, registry: &str, name: &str) -> Result<Option<Login>, CredentialsError> {
        // That of a repository counts more than that of its registry.
        let of = |wanted: Option<&str>| {
            let mut given = self.given.iter();
            given.find(|(host, repository, _)| host == registry && repository.as_deref() == wanted)
        };
        if let Some((_, _, login)) = of(Some(name)).or_else(|| of(None)) {
            return Ok(Some(Login {
                secret: login.clone().into(),
                source: LoginSource::Given,
            }));
        }
        let variable = self.variable.iter().map(|(variable, text)| {
            let file = Path::new(variable);
            let config = auth_file::parse(&text.0, file)?;
            let source = LoginSource::Variable(variable);
            self.look_in(config, registry, name, file, source)
        });
        let files = self.files.iter().map(|file| {
            let source = LoginSource::File(file.clone());
            self.look_in(auth_file::read(file)?, registry, name, file, source)
        });
        auth_file::first(variable.chain(files))
    }

    fn look_in(
        &self,
        config: Option<auth_file::Config>,
        registry: &str,
        name: &str,
        file: &Path,
        source: LoginSource,
    ) -> Result<Option<Login>, CredentialsError> {
        let Some(config) = config else {
            return Ok(None);
        };
        let secret = config.find(registry, name, file, &self.helpers)?;
        Ok(secret.map(|secret| Login { secret, source }))
    }

    /// Returns the user that a registry, or a repository there, is told. An identity token has none.
    pub fn user(&self, registry: &str, name: &str) -> Result<Option<String>, CredentialsError> {
        Ok(self.find(registry, name)?.map(|login| match login.secret {
            Secret::Password { user, .. } | Secret::Either { user, .. } => user,
            Secret::IdentityToken(_) => "<token>".to_owned(),
        }))
    }
}

/// A text that holds secrets.
#[derive(Default)]
struct Text(Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}
