//! Programs that keep credentials: the protocol of docker-credential-helpers.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::answer::clean;
use super::asked::Asked;
use super::credentials::{CredentialsError, Secret, UserPassword};
use super::process::{self, Failed};
use super::{location, loose};

/// The time that a helper may take. Some of them ask the user for a password, or send a question to a
/// telephone: a minute is enough for an answer, and little enough for a run that nobody watches.
const TIME: Duration = Duration::from_secs(60);
/// The user whose password is an identity token.
const TOKEN_USER: &str = "<token>";
/// The message of helpers that have no credentials.
const NOT_FOUND: &str = "credentials not found";
/// The longest message of a helper in ours, in characters.
const MAX_SHOWN: usize = 200;

/// The credentials that a helper gets to store.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(rename = "ServerURL")]
    server: &'a str,
    #[serde(rename = "Username")]
    user: &'a str,
    #[serde(rename = "Secret")]
    secret: &'a str,
}

/// The helpers, and what they said.
#[derive(Debug)]
pub(super) struct Helpers {
    /// Their directory, if they are not where programs are.
    pub(super) directory: Option<PathBuf>,
    /// The time that one may take.
    pub(super) limit: Duration,
    /// By helper and server: a helper does not know repositories.
    said: Asked<Option<Secret>>,
}

impl Default for Helpers {
    fn default() -> Self {
        Self {
            directory: None,
            limit: TIME,
            said: Asked::default(),
        }
    }
}

impl Helpers {
    /// Returns what `docker-credential-NAME` has for a server. It is asked once.
    ///
    /// # Errors
    ///
    /// A helper that is not there, that fails, that takes too long, or whose answer is none.
    pub(super) fn get(&self, name: &str, server: &str) -> Result<Option<Secret>, CredentialsError> {
        self.said
            .get(&format!("{name}\n{server}"), || self.ask(name, server))
    }

    /// Gives `docker-credential-NAME` a login for a server to keep.
    pub(super) fn store(
        &self,
        name: &str,
        server: &str,
        login: &UserPassword,
    ) -> Result<(), CredentialsError> {
        let kept = Kept {
            server,
            user: &login.user,
            secret: &login.password,
        };
        // On stdin: whoever lists processes sees arguments.
        let input = serde_json::to_vec(&kept).unwrap_or_default();
        let quoted = serde_json::to_string(&login.password).unwrap_or_default();
        let secrets = [&*login.password, quoted.trim_matches('"')];
        self.call(name, "store", (server, &input), &secrets)
            .map(drop)
    }

    /// Lets `docker-credential-NAME` forget the login for a server.
    pub(super) fn erase(&self, name: &str, server: &str) -> Result<(), CredentialsError> {
        self.call(name, "erase", (server, server.as_bytes()), &[])
            .map(drop)
    }

    /// Returns the servers that `docker-credential-NAME` has logins for.
    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, CredentialsError> {
        let stdout = self.call(name, "list", ("", b""), &[])?.unwrap_or_default();
        // Some say nothing where they have nothing.
        if stdout.trim_ascii().is_empty() {
            return Ok(vec![]);
        }
        match loose::parse(&stdout) {
            Some(Value::Object(servers)) => {
                Ok(servers.into_iter().map(|(server, _)| server).collect())
            }
            Some(Value::Null) => Ok(vec![]),
            _ => Err(wrong(name)),
        }
    }

    fn ask(&self, name: &str, server: &str) -> Result<Option<Secret>, CredentialsError> {
        let Some(stdout) = self.call(name, "get", (server, server.as_bytes()), &[])? else {
            return Ok(None);
        };
        // Its answer is never shown: it holds the secret.
        let (user, password) = loose::parse(&stdout)
            .and_then(|answer| login(&answer))
            .ok_or_else(|| wrong(name))?;
        Ok(Some(match user.as_str() {
            TOKEN_USER => Secret::IdentityToken(password),
            _ => Secret::Password { user, password },
        }))
    }

    /// Runs a helper with an input for a server and returns what it says. None if it has no login for
    /// the server. An error shows none of the secrets.
    fn call(
        &self,
        name: &str,
        action: &str,
        (server, input): (&str, &[u8]),
        secrets: &[&str],
    ) -> Result<Option<Vec<u8>>, CredentialsError> {
        let program = program(name);
        let error = |why: String| CredentialsError::Helper {
            program: program.clone(),
            why,
        };
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        {
            return Err(error("a helper cannot have this name".to_owned()));
        }
        let path = self.directory.as_ref().map_or_else(
            || program.clone().into(),
            |directory| directory.join(&program),
        );
        let mut command = Command::new(path);
        command.arg(action);
        let output =
            process::run(&mut command, input, self.limit).map_err(|failed| match failed {
                Failed::Io(failed) if failed.kind() == io::ErrorKind::NotFound => {
                    error("the program does not exist".to_owned())
                }
                Failed::Time(_) | Failed::Terminal => CredentialsError::Waits {
                    program: program.clone(),
                    server: location::shown_server(server),
                    why: failed.why(),
                },
                Failed::Io(_) | Failed::Much => error(failed.why()),
            })?;
        if !output.status.success() {
            // What failed is said on stdout by the protocol.
            let said = [&output.stdout, &output.stderr];
            let shown = |bytes: &[u8]| clean(&String::from_utf8_lossy(bytes), MAX_SHOWN);
            if said.iter().any(|said| shown(said).contains(NOT_FOUND)) {
                return Ok(None);
            }
            let harmless = said.into_iter().filter(|said| !is_secret(said, secrets));
            let said = harmless
                .map(|said| shown(said))
                .find(|said| !said.is_empty());
            return Err(error(
                said.unwrap_or_else(|| format!("it ended with {}", output.status)),
            ));
        }
        Ok(Some(output.stdout))
    }
}

/// Returns the user and the secret of an answer.
fn login(answer: &Value) -> Option<(String, String)> {
    let text = |name: &str| loose::field(answer, name).as_str().map(str::to_owned);
    Some((text("Username")?, text("Secret")?))
}

/// Tells whether the words of a helper that failed may hold a secret: it may have printed its answer all
/// the same, or what it was given.
fn is_secret(said: &[u8], secrets: &[&str]) -> bool {
    let text = String::from_utf8_lossy(said);
    let lower = text.to_ascii_lowercase();
    let is_answer = ["\"secret\"", "\"password\"", "\"auth\"", "token\":"]
        .iter()
        .any(|field| lower.contains(field));
    let has_secret = |secret: &&str| !secret.is_empty() && text.contains(secret);
    is_answer || secrets.iter().any(has_secret)
}

/// An answer that is none.
fn wrong(name: &str) -> CredentialsError {
    CredentialsError::Helper {
        program: program(name),
        why: "its answer does not follow the protocol".to_owned(),
    }
}

/// Returns the name of the program of a helper.
fn program(name: &str) -> String {
    format!("docker-credential-{name}")
}
