//! Credentials, where Docker and Podman keep them (containers-auth.json(5), Docker's
//! `config.json`).

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use terrine_support::hint::Hint;

use super::asked::Asked;
use super::auth_file;
use super::helper::Helpers;

/// What proves who we are. Its text is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password, or a token that is used as one.
        password: String,
    },
    /// What an OAuth 2 service changes into tokens.
    IdentityToken(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::IdentityToken(_) => "IdentityToken",
        })
    }
}

/// A secret, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) secret: Secret,
    pub(super) file: PathBuf,
}

/// Credentials that can not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A file that is there and can not be read.
    #[error("reading the credentials in `{}`", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file that is not what it should be. What it holds is not shown.
    #[error("the credentials in `{}` can not be read: {why}", file.display())]
    Broken {
        /// The file.
        file: PathBuf,
        /// Where and why.
        why: String,
    },
    /// A program that keeps credentials failed.
    #[error("`{program}`, which keeps credentials, failed: {why}")]
    Helper {
        /// The program.
        program: String,
        /// What it says.
        why: String,
    },
    /// A program that keeps credentials waits for something, and was ended.
    #[error("`{program}`, which keeps credentials, gave none: {why}")]
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
            Self::Helper { .. } => Some(
                "install it, or remove it from `credHelpers` and `credsStore` in the file that names it".into(),
            ),
            Self::Waits {
                program, server, ..
            } => Some(
                format!(
                    "see what it waits for with `echo {server} | {program} get`, which prints the password"
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
    /// `$XDG_RUNTIME_DIR/containers/auth.json`,
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
            variable("XDG_RUNTIME_DIR").map(|folder| folder.join(podman)),
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
        self.found.get(&format!("{registry}/{name}"), || {
            auth_file::first(self.files.iter().map(|file| {
                let Some(config) = auth_file::read(file)? else {
                    return Ok(None);
                };
                let secret = config.find(registry, name, file, &self.helpers)?;
                let file = file.clone();
                Ok(secret.map(|secret| Login { secret, file }))
            }))
        })
    }
}
