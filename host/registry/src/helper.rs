//! Programs that keep credentials: the protocol of docker-credential-helpers.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::answer::clean;
use super::asked::Asked;
use super::credentials::{CredentialsError, Secret};
use super::process::{self, Failed};

/// The time that a helper may take. Some of them ask the user for a password, or send a question to a
/// telephone: a minute is enough for an answer, and little enough for a run that nobody watches.
const TIME: Duration = Duration::from_secs(60);
/// The user whose password is an identity token.
const TOKEN_USER: &str = "<token>";
/// How helpers say that they have nothing.
const NOT_FOUND: &str = "credentials not found";
/// The longest message of a helper in ours, in characters.
const MAX_SHOWN: usize = 200;

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
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

    fn ask(&self, name: &str, server: &str) -> Result<Option<Secret>, CredentialsError> {
        let program = format!("docker-credential-{name}");
        let error = |why: String| CredentialsError::Helper {
            program: program.clone(),
            why,
        };
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        {
            return Err(error("that is not the name of a helper".to_owned()));
        }
        let path = self.directory.as_ref().map_or_else(
            || program.clone().into(),
            |directory| directory.join(&program),
        );
        let mut command = Command::new(path);
        command.arg("get");
        let output = process::run(&mut command, server.as_bytes(), self.limit).map_err(
            |failed| match failed {
                Failed::Io(failed) if failed.kind() == io::ErrorKind::NotFound => {
                    error("there is no such program".to_owned())
                }
                Failed::Time(_) | Failed::Terminal => CredentialsError::Waits {
                    program: program.clone(),
                    server: server.to_owned(),
                    why: failed.why(),
                },
                Failed::Io(_) | Failed::Much => error(failed.why()),
            },
        )?;
        if !output.status.success() {
            // What failed is said on stdout by the protocol.
            let said = [&output.stdout, &output.stderr]
                .map(|bytes| clean(&String::from_utf8_lossy(bytes), MAX_SHOWN));
            if said.iter().any(|said| said.contains(NOT_FOUND)) {
                return Ok(None);
            }
            let said = said.into_iter().find(|said| !said.is_empty());
            return Err(error(
                said.unwrap_or_else(|| format!("it ended with {}", output.status)),
            ));
        }
        // Its answer is never shown: it holds the secret.
        let answer: Answer = serde_json::from_slice(&output.stdout)
            .map_err(|_| error("its answer is not what the protocol says".to_owned()))?;
        Ok(Some(match answer.username.as_str() {
            TOKEN_USER => Secret::IdentityToken(answer.secret),
            _ => Secret::Password {
                user: answer.username,
                password: answer.secret,
            },
        }))
    }
}
