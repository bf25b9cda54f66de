//! Logins that are kept for later: in the files that Docker and Podman share, and by the programs that these name.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::net::Ipv6Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde_json::{Map, Value, json};
use terrine_support::hint::Hint;

use super::auth_file::{self, Config, HUB_SERVER, MAX_FILE};
use super::credentials::{CredentialsError, UserPassword};
use super::helper::Helpers;
use super::{location, loose};

/// Docker Hub, as names of images have it.
const HUB: &str = "docker.io";

/// The scope of a login: a registry, or some of its repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName {
    /// The registry, with its port where it has one.
    pub host: String,
    /// The start of the repositories' names. Empty for all.
    pub path: String,
}

/// Text that names no registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a registry")]
pub struct ServerNameError(String);

impl ServerNameError {
    /// Returns the text, without what may be secret in it.
    pub fn shown(&self) -> &str {
        &self.0
    }
}

impl Hint for ServerNameError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(
            "write HOST or HOST:PORT, such as ghcr.io; give the user and the password separately"
                .into(),
        )
    }
}

impl FromStr for ServerName {
    type Err = ServerNameError;

    /// Reads `HOST[:PORT][/PATH]`, and URLs as people paste them. Docker Hub has several names.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ServerNameError(location::shown_server(text));
        let key = auth_file::normal(text.strip_prefix("docker://").unwrap_or(text));
        let (host, path) = key.split_once('/').unwrap_or((&key, ""));
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        // A password is no port: it would be kept as a part of the name, and shown.
        let (name, port) = location::split_port(host);
        let address = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let is_name =
            name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_part);
        let is_host = (is_name || address.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok()))
            && port.is_none_or(location::is_port);
        let is_path = path.is_empty()
            || path
                .split('/')
                .all(|part| !part.is_empty() && part.chars().all(is_part));
        if text.contains('@') || !is_host || !is_path {
            return Err(error());
        }
        Ok(Self {
            host: host.to_owned(),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

impl ServerName {
    fn key(&self) -> String {
        match self.path.as_str() {
            "" => self.host.clone(),
            path => format!("{}/{path}", self.host),
        }
    }

    /// Returns what files call it: Docker knows its own registry by a URL.
    fn written(&self) -> String {
        let key = self.key();
        if key == HUB {
            HUB_SERVER.to_owned()
        } else {
            key
        }
    }
}

/// The files and programs that keep logins.
#[derive(Debug, Default)]
pub struct Logins {
    files: Vec<PathBuf>,
    helpers: Helpers,
}

impl Logins {
    /// Those of files in the order in which they are read. What is new is kept in the last one, unless another has a login
    /// for the registry already, which would be found first.
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }

    /// Looks for helpers in a directory, and not where programs are.
    #[cfg(test)]
    pub(super) fn with_helpers_in(mut self, directory: PathBuf) -> Self {
        self.helpers.directory = Some(directory);
        self
    }

    /// Keeps a login, and says where: in a file, or by the program that the file names.
    pub fn store(
        &self,
        server: &ServerName,
        login: &UserPassword,
    ) -> Result<String, CredentialsError> {
        let mut file = None;
        for earlier in &self.files {
            if auth_file::read(earlier)?.is_some_and(|config| config.names(server)) {
                file = Some(earlier);
                break;
            }
        }
        let Some(file) = file.or(self.files.last()) else {
            return Err(CredentialsError::Nowhere);
        };
        let config = auth_file::read(file)?;
        let helper = config.as_ref().and_then(|config| config.helper(server));
        if let Some(helper) = &helper {
            self.helpers.store(helper, &server.written(), login)?;
        }
        let entry = match &helper {
            // Docker looks here for whose logins the program has.
            Some(_) => json!({}),
            None => {
                let pair = format!("{}:{}", login.user, login.password);
                json!({ "auth": STANDARD.encode(pair) })
            }
        };
        edit(file, |auths| {
            auths.retain(|key, _| auth_file::normal(key) != server.key());
            auths.insert(server.written(), entry);
            true
        })?;
        Ok(match helper {
            Some(helper) => format!("docker-credential-{helper}"),
            None => file.display().to_string(),
        })
    }

    /// Drops the login for a registry wherever it is, and says where that was.
    pub fn erase(&self, server: &ServerName) -> Result<Vec<String>, CredentialsError> {
        let mut places = vec![];
        for file in &self.files {
            let Some(config) = auth_file::read(file)? else {
                continue;
            };
            if let Some(helper) = config.helper(server) {
                let written = server.written();
                if self.helpers.get(&helper, &written)?.is_some() {
                    self.helpers.erase(&helper, &written)?;
                    places.push(format!("docker-credential-{helper}"));
                }
            }
            let mut had_secret = false;
            let found = edit(file, |auths| {
                let before = auths.len();
                auths.retain(|key, entry| {
                    let is_it = auth_file::normal(key) == server.key();
                    had_secret |= is_it && *entry != json!({});
                    !is_it
                });
                auths.len() < before
            })?;
            if found && had_secret {
                places.push(file.display().to_string());
            }
        }
        Ok(places)
    }

    /// Returns the registries that the files name logins for, without what may be secret in their names.
    pub fn names(&self) -> Result<Vec<String>, CredentialsError> {
        let mut names = BTreeSet::new();
        for file in &self.files {
            if let Some(config) = auth_file::read(file)? {
                names.extend(config.keys().map(shown));
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Drops all logins, and says of which registries, as [`Self::names`] does. Those that a program keeps for all
    /// registries count as well, whether a file names them or not. What cannot be dropped does not keep the others.
    pub fn erase_all(&self) -> Result<Vec<String>, CredentialsError> {
        let mut dropped = BTreeSet::new();
        let mut failed = None;
        for file in &self.files {
            let Some(config) = auth_file::read(file)? else {
                continue;
            };
            for outcome in [self.erase_named(&config), self.erase_listed(&config)].concat() {
                match outcome {
                    Ok(name) => dropped.extend(name),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        failed.map_or_else(|| Ok(dropped.into_iter().collect()), Err)
    }

    /// Drops the logins for the registries that a file names, wherever they are.
    fn erase_named(&self, config: &Config) -> Vec<Erased> {
        let of_programs = config.helpers.keys().map(String::as_str);
        let names = config.keys().chain(of_programs).map(auth_file::normal);
        let names: BTreeSet<String> = names.collect();
        let erase = |name: String| {
            let (host, path) = name.split_once('/').unwrap_or((&name, ""));
            let server = ServerName {
                host: host.to_owned(),
                path: path.to_owned(),
            };
            let places = self.erase(&server)?;
            let is_dropped = config.names(&server) || !places.is_empty();
            Ok(is_dropped.then(|| location::shown_server(&name)))
        };
        names.into_iter().map(erase).collect()
    }

    /// Lets the program that keeps logins for all registries forget those that it still has, by its own names for them.
    fn erase_listed(&self, config: &Config) -> Vec<Erased> {
        let Some(store) = config.store.as_deref().filter(|store| !store.is_empty()) else {
            return vec![];
        };
        let servers = match self.helpers.list(store) {
            Ok(servers) => servers,
            Err(error) => return vec![Err(error)],
        };
        let erase = |server: String| {
            self.helpers.erase(store, &server)?;
            Ok(Some(shown(&server)))
        };
        servers.into_iter().map(erase).collect()
    }
}

/// Returns a key of a file for messages. People may have written a login or a token into it.
fn shown(key: &str) -> String {
    location::shown_server(&auth_file::normal(key))
}

/// The registry of a login that was dropped, or none if there was none.
type Erased = Result<Option<String>, CredentialsError>;

impl Config {
    /// Tells whether a file has an entry for a registry.
    fn names(&self, server: &ServerName) -> bool {
        self.keys()
            .any(|key| auth_file::normal(key) == server.key())
    }

    /// Returns the name of the program that keeps a registry's login. Programs know no repositories.
    fn helper(&self, server: &ServerName) -> Option<String> {
        if !server.path.is_empty() {
            return None;
        }
        let of_registry = self.helpers.iter().find_map(|(key, helper)| {
            (auth_file::normal(key) == server.host).then(|| helper.clone())
        });
        of_registry
            .filter(|helper| !helper.is_empty())
            .or_else(|| self.store.clone().filter(|store| !store.is_empty()))
    }
}

/// Changes the logins of a file, and leaves everything else in it as it is. The file is replaced as a whole where `change`
/// says that it changed something. Nobody else may read it.
fn edit(
    file: &Path,
    change: impl FnOnce(&mut Map<String, Value>) -> bool,
) -> Result<bool, CredentialsError> {
    // Where it is a link to somewhere else, it stays one.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let failed = |source: io::Error| CredentialsError::Write {
        file: file.clone(),
        source: Arc::new(source),
    };
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let lock = File::open(folder).map_err(failed)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    let mut content = content(&file)?;
    let auths = content.entry("auths").or_insert(Value::Null);
    if auths.is_null() {
        *auths = Value::Object(Map::new());
    }
    let Value::Object(auths) = auths else {
        return Err(CredentialsError::Broken {
            file,
            why: "`auths` is not an object".to_owned(),
        });
    };
    if !change(auths) {
        return Ok(false);
    }
    write(&file, folder, &content).map_err(failed)?;
    Ok(true)
}

/// Reads the object that a file is. None is an empty one.
fn content(file: &Path) -> Result<Map<String, Value>, CredentialsError> {
    // Says what is wrong with it.
    if auth_file::read(file)?.is_none() {
        return Ok(Map::new());
    }
    let read = |file: &Path| {
        let mut text = vec![];
        File::open(file)?.take(MAX_FILE).read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read(file).map_err(|source: io::Error| CredentialsError::Io {
        file: file.to_owned(),
        source: Arc::new(source),
    })?;
    loose::object(&text, &auth_file::FIELDS).ok_or_else(|| CredentialsError::Broken {
        file: file.to_owned(),
        why: "it is not a JSON object".to_owned(),
    })
}

fn write(file: &Path, folder: &Path, content: &Map<String, Value>) -> io::Result<()> {
    // As Docker and Podman write it.
    let layout = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut text = vec![];
    content.serialize(&mut serde_json::Serializer::with_formatter(
        &mut text, layout,
    ))?;
    text.push(b'\n');
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(&text)?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}
