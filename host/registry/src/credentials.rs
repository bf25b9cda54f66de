//! Credentials, where Docker and Podman keep them (containers-auth.json(5), Docker's
//! `config.json`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use terrine_support::hint::Hint;

use super::helper;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Docker Hub, as names of images have it.
const HUB: &str = "docker.io";
/// Docker Hub, as `docker login` writes it and helpers know it.
const HUB_SERVER: &str = "https://index.docker.io/v1/";

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
}

impl Hint for CredentialsError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Helper { .. } => Some(
                "install it, or remove it from `credHelpers` and `credsStore` in the file that names it".into(),
            ),
            _ => None,
        }
    }
}

/// One file.
#[derive(Debug, Deserialize)]
struct Config {
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

/// Where credentials are looked for. Files are read, and helpers run, when a registry asks for
/// credentials, and once for each repository.
#[derive(Debug, Default)]
pub struct Credentials {
    files: Vec<PathBuf>,
    /// Where helpers are, if not where programs are.
    helpers: Option<PathBuf>,
    found: Mutex<BTreeMap<String, Option<Login>>>,
}

impl Credentials {
    /// In these files, the first that has some; those that are not there do not matter.
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            ..Self::default()
        }
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
        let key = format!("{registry}/{name}");
        // Held while helpers run: several threads must not ask the user several times.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(login) = found.get(&key) {
            return Ok(login.clone());
        }
        let mut login = None;
        for file in &self.files {
            let Some(config) = read(file)? else { continue };
            if let Some(secret) = config.find(registry, name, file, self.helpers.as_deref())? {
                login = Some(Login {
                    secret,
                    file: file.clone(),
                });
                break;
            }
        }
        found.insert(key, login.clone());
        Ok(login)
    }
}

fn read(file: &Path) -> Result<Option<Config>, CredentialsError> {
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

impl Config {
    /// The helper of the registry, then what the file has itself, the most specific first, then
    /// the helper of everything.
    fn find(
        &self,
        registry: &str,
        name: &str,
        file: &Path,
        helpers: Option<&Path>,
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
                && let Some(secret) = helper::get(helper, server, helpers)?
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
            Some(store) if !store.is_empty() => helper::get(store, server, helpers),
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// `user:secret-KEY` in base64.
    fn auth(key: &str) -> String {
        STANDARD.encode(format!("user:secret-{key}"))
    }

    fn find(text: &str, registry: &str, name: &str) -> Result<Option<Secret>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, text).unwrap();
        let credentials = Credentials {
            helpers: Some(folder.path().to_owned()),
            ..Credentials::new(vec![file])
        };
        for (name, script) in [
            (
                "good",
                r#"read -r server; [ "$1" = get ] && echo "{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"$server\"}""#,
            ),
            ("token", r#"echo '{"Username":"<token>","Secret":"t"}'"#),
            (
                "none",
                "echo 'credentials not found in native keychain'; exit 1",
            ),
            ("bad", "echo 'locked by secret-fox' >&2; exit 3"),
            ("silent", "exit 4"),
            ("odd", "echo '{\"Secret\":\"secret-x\"}'"),
        ] {
            let path = folder.path().join(format!("docker-credential-{name}"));
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let found = credentials.find(registry, name);
        let place = format!("{}/", folder.path().display());
        found
            .map(|login| login.map(|login| login.secret))
            .map_err(|error| error.to_string().replace(&place, ""))
    }

    fn password(user: &str, password: &str) -> Result<Option<Secret>, String> {
        Ok(Some(Secret::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        }))
    }

    #[test]
    fn the_most_specific_key_wins() {
        let keys = [
            "ghcr.io",
            "ghcr.io/acme",
            "ghcr.io/acme/web",
            "https://index.docker.io/v1/",
            "https://quay.io",
            "localhost:5000",
        ];
        let entries: Vec<String> = keys
            .iter()
            .map(|key| format!(r#""{key}":{{"auth":"{}"}}"#, auth(key)))
            .collect();
        let text = format!(
            r#"{{"auths":{{{}}},"credsStore":"none","HttpHeaders":{{}}}}"#,
            entries.join(",")
        );
        for (registry, name, expected) in [
            ("ghcr.io", "acme/web", Some("ghcr.io/acme/web")),
            ("ghcr.io", "acme/web/x", Some("ghcr.io/acme/web")),
            ("ghcr.io", "acme/webx", Some("ghcr.io/acme")),
            ("ghcr.io", "acmex", Some("ghcr.io")),
            (
                "docker.io",
                "library/debian",
                Some("https://index.docker.io/v1/"),
            ),
            ("quay.io", "a/b", Some("https://quay.io")),
            ("localhost:5000", "a", Some("localhost:5000")),
            ("localhost", "a", None),
            ("io", "a", None),
        ] {
            let expected = match expected {
                Some(key) => password("user", &format!("secret-{key}")),
                None => Ok(None),
            };
            assert_eq!(find(&text, registry, name), expected, "{registry}/{name}");
        }
    }

    #[test]
    fn entries_have_several_forms() {
        let one = |entry: &str| find(&format!(r#"{{"auths":{{"a.b":{entry}}}}}"#), "a.b", "x");
        assert_eq!(one(r#"{"auth":"dTpwOnEAAA=="}"#), password("u", "p:q"));
        assert_eq!(
            one(r#"{"username":"u","password":"p"}"#),
            password("u", "p")
        );
        assert_eq!(
            one(r#"{"auth":"dTo=","identitytoken":"t"}"#),
            Ok(Some(Secret::IdentityToken("t".to_owned())))
        );
        assert_eq!(one("{}"), Ok(None));
        assert_eq!(find("", "a.b", "x"), Ok(None));
        assert_eq!(find(r#"{"auths":null}"#, "a.b", "x"), Ok(None));
    }

    #[test]
    fn helpers_are_asked() {
        let of = |helper: &str| {
            find(
                &format!(r#"{{"credHelpers":{{"a.b":"{helper}"}}}}"#),
                "a.b",
                "x/y",
            )
        };
        assert_eq!(of("good"), password("u", "a.b"));
        assert_eq!(of("token"), Ok(Some(Secret::IdentityToken("t".to_owned()))));
        assert_eq!(of("none"), Ok(None));
        let store = r#"{"auths":{"https://index.docker.io/v1/":{}},"credsStore":"good"}"#;
        assert_eq!(
            find(store, "docker.io", "library/x"),
            password("u", HUB_SERVER)
        );
        for (helper, expected) in [
            (
                "missing",
                "`docker-credential-missing`, which keeps credentials, failed: there is no such program",
            ),
            (
                "bad",
                "`docker-credential-bad`, which keeps credentials, failed: locked by secret-fox",
            ),
            (
                "silent",
                "`docker-credential-silent`, which keeps credentials, failed: it ended with exit status: 4",
            ),
            (
                "odd",
                "`docker-credential-odd`, which keeps credentials, failed: its answer is not what the protocol says",
            ),
            (
                "../x",
                "`docker-credential-../x`, which keeps credentials, failed: that is not the name of a helper",
            ),
        ] {
            assert_eq!(of(helper), Err(expected.to_owned()), "{helper}");
        }
    }

    #[test]
    fn broken_files_are_named_and_not_quoted() {
        for (text, expected) in [
            ("{\n  \"auths\": {]}", "not JSON at line 2, column 13"),
            (
                r#"{"auths":"secret-word"}"#,
                "an unexpected value at line 1",
            ),
            (
                r#"{"auths":{"a.b":{"auth":"secret-word!"}}}"#,
                "the `auth` of `a.b` is not",
            ),
            (
                r#"{"auths":{"a.b":{"auth":"c2VjcmV0LXdvcmQ="}}}"#,
                "the `auth` of `a.b` is not",
            ),
        ] {
            let error = find(text, "a.b", "x").unwrap_err();
            assert!(
                error.contains(expected) && error.contains("`config.json`"),
                "{text}: {error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.json");
        std::fs::write(
            &file,
            format!(r#"{{"auths":{{"a.b":{{"auth":"{}"}}}}}}"#, auth("x")),
        )
        .unwrap();
        let credentials = Credentials::new(vec![folder.path().join("missing"), file]);
        let login = credentials.find("a.b", "x").unwrap();
        assert!(login.is_some());
        let shown = format!(
            "{login:?} {credentials:?} {:?}",
            Secret::IdentityToken("secret-y".to_owned())
        );
        assert!(
            !shown.contains("secret-") && !shown.contains(&auth("x")),
            "{shown}"
        );
    }

    #[test]
    fn files_are_where_docker_and_podman_have_them() {
        let files = |variables: &[(&str, &str)]| {
            Credentials::default_files(|name: &str| {
                variables
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            })
        };
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(files(&[]), paths(&[]));
        assert_eq!(
            files(&[
                ("HOME", "/h"),
                ("XDG_RUNTIME_DIR", "/r"),
                ("REGISTRY_AUTH_FILE", "")
            ]),
            paths(&[
                "/r/containers/auth.json",
                "/h/.config/containers/auth.json",
                "/h/.docker/config.json"
            ])
        );
        assert_eq!(
            files(&[
                ("HOME", "/h"),
                ("DOCKER_CONFIG", "/d"),
                ("XDG_CONFIG_HOME", "/c")
            ]),
            paths(&["/c/containers/auth.json", "/d/config.json"])
        );
        assert_eq!(
            files(&[("HOME", "/h"), ("REGISTRY_AUTH_FILE", "/a.json")]),
            paths(&["/a.json"])
        );
    }
}
