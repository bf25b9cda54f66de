//! Programs that keep credentials: the protocol of docker-credential-helpers.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::answer::clean;
use super::credentials::{CredentialsError, Secret};

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

/// Asks `docker-credential-NAME` for what it has for a server. It is looked for in `directory`
/// instead of where programs are, if that is given.
///
/// # Errors
///
/// A helper that is not there, that fails, or whose answer is none.
pub(super) fn get(
    name: &str,
    server: &str,
    directory: Option<&Path>,
) -> Result<Option<Secret>, CredentialsError> {
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
    let path = directory.map_or_else(
        || program.clone().into(),
        |directory| directory.join(&program),
    );
    let mut child = Command::new(path)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|failed| match failed.kind() {
            io::ErrorKind::NotFound => error("there is no such program".to_owned()),
            _ => error(failed.to_string()),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it says so by its status.
        let _ = stdin.write_all(server.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(|failed| error(failed.to_string()))?;
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
