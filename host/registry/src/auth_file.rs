//! One file with credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::credentials::{CredentialsError, Secret};
use super::helper::Helpers;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Docker Hub, as names of images have it.
const HUB: &str = "docker.io";
/// Docker Hub, as `docker login` writes it and helpers know it.
pub(super) const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// One file.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    auths: Option<BTreeMap<String, AuthEntry>>,
    #[serde(default, rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
struct AuthEntry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl fmt::Debug for AuthEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthEntry")
    }
}

/// Reads a file; none if it is not there, or is empty.
pub(super) fn read(file: &Path) -> Result<Option<Config>, CredentialsError> {
    let failed = |source: io::Error| CredentialsError::Io {
        file: file.to_owned(),
        source: Arc::new(source),
    };
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut text = vec![];
    opened
        .take(MAX_FILE + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    let broken = |why: String| CredentialsError::Broken {
        file: file.to_owned(),
        why,
    };
    if text.len() as u64 > MAX_FILE {
        return Err(broken(format!("it has more than {MAX_FILE} bytes")));
    }
    // `podman login` of old versions leaves empty files.
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    // The parser's own message quotes what it finds.
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        let what = if error.is_data() {
            "an unexpected value"
        } else {
            "not JSON"
        };
        broken(format!(
            "{what} at line {}, column {}",
            error.line(),
            error.column()
        ))
    })
}

/// Finds what a file itself has for a repository of a registry. No helper is run.
pub(super) fn in_file(
    file: &Path,
    registry: &str,
    name: &str,
) -> Result<Option<Secret>, CredentialsError> {
    let Some(config) = read(file)? else {
        return Ok(None);
    };
    let config = Config {
        helpers: None,
        store: None,
        ..config
    };
    config.find(registry, name, file, &Helpers::default())
}

impl Config {
    /// The helper of the registry, then what the file has itself, the most specific first, then
    /// the helper of everything.
    pub(super) fn find(
        &self,
        registry: &str,
        name: &str,
        file: &Path,
        helpers: &Helpers,
    ) -> Result<Option<Secret>, CredentialsError> {
        let registry = host(registry);
        let server = if registry == HUB {
            HUB_SERVER
        } else {
            registry
        };
        let mut wanted = format!("{registry}/{name}");
        for (key, helper) in self.helpers.iter().flatten() {
            if normal(key) == registry
                && !helper.is_empty()
                && let Some(secret) = helpers.get(helper, server)?
            {
                return Ok(Some(secret));
            }
        }
        loop {
            for (key, entry) in self.auths.iter().flatten() {
                if normal(key) == wanted
                    && let Some(secret) = entry.secret(key, file)?
                {
                    return Ok(Some(secret));
                }
            }
            match wanted.rfind('/') {
                Some(slash) => wanted.truncate(slash),
                None => break,
            }
        }
        match self.store.as_deref() {
            Some(store) if !store.is_empty() => helpers.get(store, server),
            _ => Ok(None),
        }
    }
}

impl AuthEntry {
    fn secret(&self, key: &str, file: &Path) -> Result<Option<Secret>, CredentialsError> {
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = some(&self.identitytoken) {
            return Ok(Some(Secret::IdentityToken(token)));
        }
        if let Some(auth) = some(&self.auth) {
            let broken = || CredentialsError::Broken {
                file: file.to_owned(),
                why: format!("the `auth` of `{key}` is not a user and a password in base64"),
            };
            let bytes = STANDARD.decode(auth.trim()).map_err(|_| broken())?;
            let text = String::from_utf8(bytes).map_err(|_| broken())?;
            let (user, password) = text.split_once(':').ok_or_else(broken)?;
            // As Docker: old versions wrote zeros.
            let password = password.trim_end_matches('\0').to_owned();
            return Ok(Some(Secret::Password {
                user: user.to_owned(),
                password,
            }));
        }
        let (user, password) = (some(&self.username), some(&self.password));
        Ok(user
            .zip(password)
            .map(|(user, password)| Secret::Password { user, password }))
    }
}

/// The key of `auths` without what only URLs have.
fn normal(key: &str) -> String {
    let rest = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    let key = match rest {
        // Docker looks at the host of a URL alone.
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None => key.trim_end_matches('/'),
    };
    let (registry, path) = key.split_once('/').unwrap_or((key, ""));
    match (host(registry), path) {
        (registry, "" | "v1" | "v2") => registry.to_owned(),
        (registry, path) => format!("{registry}/{path}"),
    }
}

/// Docker Hub has several names.
fn host(registry: &str) -> &str {
    match registry {
        "index.docker.io" | "registry-1.docker.io" => HUB,
        other => other,
    }
}
