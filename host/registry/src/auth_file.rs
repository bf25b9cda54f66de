//! One file with credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::credentials::{CredentialsError, Secret};
use super::helper::Helpers;
use super::{location, loose};

/// The largest file that is read, in bytes.
pub(super) const MAX_FILE: u64 = 1 << 20;
/// Docker Hub, as names of images have it.
const HUB: &str = "docker.io";
/// Docker Hub, as `docker login` writes it and helpers know it.
pub(super) const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// The fields that are read.
pub(super) const FIELDS: [&str; 3] = ["auths", "credHelpers", "credsStore"];

/// One file. A field that is null or of another type than usual is as good as none.
#[derive(Debug)]
pub(super) struct Config {
    auths: BTreeMap<String, AuthEntry>,
    pub(super) helpers: BTreeMap<String, String>,
    pub(super) store: Option<String>,
}

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
    parse(&text, file)
}

/// Reads the text of a file; none if it is empty.
pub(super) fn parse(text: &[u8], file: &Path) -> Result<Option<Config>, CredentialsError> {
    let broken = |why: String| CredentialsError::Broken {
        file: file.to_owned(),
        why,
    };
    if text.len() as u64 > MAX_FILE {
        return Err(broken(format!("it has more than {MAX_FILE} bytes")));
    }
    // `podman login` of old versions leaves empty files.
    let text = loose::without_mark(text);
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    // The parser's own message quotes what it finds.
    let config: Value = serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        broken(format!("not JSON at line {line}, column {column}"))
    })?;
    match config {
        Value::Null => Ok(None),
        Value::Object(_) => {
            Ok(loose::object(text, &FIELDS).map(|config| Config::of(&config.into())))
        }
        _ => Err(broken("it is not a JSON object".to_owned())),
    }
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
        helpers: BTreeMap::new(),
        store: None,
        ..config
    };
    config.find(registry, name, file, &Helpers::default())
}

impl Config {
    fn of(config: &Value) -> Self {
        let fields = |name: &str| config[name].as_object().into_iter().flatten();
        let owned = |value: &Value| loose::text(value).map(str::to_owned);
        Self {
            auths: fields("auths")
                .map(|(key, entry)| (key.clone(), AuthEntry::of(entry)))
                .collect(),
            helpers: fields("credHelpers")
                .filter_map(|(key, helper)| Some((key.clone(), owned(helper)?)))
                .collect(),
            store: owned(&config["credsStore"]),
        }
    }

    /// Returns the keys of its logins.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.auths.keys().map(String::as_str)
    }

    /// The helper of the registry, then what the file has itself, the most specific first, then
    /// the helper of everything. The first that fails is told if there is no other.
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
        let of_registry = self
            .helpers
            .iter()
            .filter(|(key, _)| normal(key) == registry)
            .map(|(_, helper)| helpers.get(helper, server));
        let path = format!("{registry}/{name}");
        let ends = path.char_indices().rev();
        let wanted = std::iter::once(path.as_str())
            .chain(ends.filter(|(_, c)| *c == '/').map(|(end, _)| &path[..end]));
        let in_file = wanted.flat_map(|wanted| {
            let entries = self.auths.iter();
            entries
                .filter(move |(key, _)| normal(key) == wanted)
                .map(|(key, entry)| entry.secret(key, file))
        });
        let of_all = self.store.iter().map(|store| helpers.get(store, server));
        first(of_registry.chain(in_file).chain(of_all))
    }
}

/// The first of several that is there, else the first failure.
pub(super) fn first<T>(
    found: impl Iterator<Item = Result<Option<T>, CredentialsError>>,
) -> Result<Option<T>, CredentialsError> {
    let mut failed = None;
    for found in found {
        match found {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(None), Err)
}

impl AuthEntry {
    fn of(entry: &Value) -> Self {
        let owned = |name: &str| loose::text(loose::field(entry, name)).map(str::to_owned);
        Self {
            auth: owned("auth"),
            username: owned("username"),
            password: owned("password"),
            identitytoken: owned("identitytoken"),
        }
    }

    fn secret(&self, key: &str, file: &Path) -> Result<Option<Secret>, CredentialsError> {
        let fields = || Some((self.username.clone()?, self.password.clone()?));
        let pair = self.auth.as_deref().and_then(decoded).or_else(fields);
        match (self.identitytoken.clone(), pair) {
            // Docker writes the user with no password beside a token.
            (Some(token), Some((user, password))) if !password.is_empty() => {
                Ok(Some(Secret::Either {
                    user,
                    password,
                    token,
                }))
            }
            (Some(token), _) => Ok(Some(Secret::IdentityToken(token))),
            (None, Some((user, password))) => Ok(Some(Secret::Password { user, password })),
            _ if self.auth.is_some() => Err(CredentialsError::Broken {
                file: file.to_owned(),
                why: format!(
                    "the `auth` of `{}` is not a user and a password in base64",
                    location::shown_server(key)
                ),
            }),
            _ => Ok(None),
        }
    }
}

/// The user and the password in an `auth`. As in Go, line breaks between digits do not count.
pub(super) fn decoded(auth: &str) -> Option<(String, String)> {
    let digits: String = auth.split_ascii_whitespace().collect();
    let text = String::from_utf8(STANDARD.decode(digits).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // As Docker: old versions wrote zeros.
    let password = password.trim_end_matches('\0');
    Some((user.to_owned(), password.to_owned()))
}

/// The key of `auths` without what only URLs have.
pub(super) fn normal(key: &str) -> String {
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
