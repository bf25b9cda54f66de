//! The place of an image, in the transport notation of skopeo, podman and buildah
//! (containers-transports(5)).

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use terrine_support::hint::Hint;

use super::login::{self, without_login};
use super::{Digest, Repository, transport};

/// The place of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `docker://NAME[:TAG][@DIGEST]`: in a registry.
    Registry(Repository),
    /// `docker-archive:PATH[:NAME:TAG|:@NUMBER]`: in an archive that `docker load` takes.
    DockerArchive {
        /// The archive.
        path: PathBuf,
        /// The image in the archive.
        image: Selector,
    },
    /// `oci:PATH[:TAG|@DIGEST]`: in a directory that is an OCI layout.
    OciLayout {
        /// The directory.
        path: PathBuf,
        /// The image in the layout.
        image: Selector,
    },
    /// `oci-archive:PATH[:TAG|@DIGEST]`: in an archive of an OCI layout.
    OciArchive {
        /// The archive.
        path: PathBuf,
        /// The image in the archive.
        image: Selector,
    },
    /// `docker-daemon:NAME:TAG` or `docker-daemon:ID`: in Docker's own storage.
    DockerDaemon(String),
    /// `containers-storage:NAME:TAG`: in podman's own storage.
    ContainersStorage(String),
    /// A file or a directory, whatever it is.
    Path(PathBuf),
    /// `-`: a docker-archive on stdout, or any archive on stdin.
    Stdio,
}

/// The choice of one image among several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The only one.
    Only,
    /// The one of this name: a tag in OCI layouts, `NAME:TAG` in docker-archives.
    Name(String),
    /// The one of this number, counted from 0.
    Number(usize),
    /// The one with this digest.
    Digest(Digest),
}

/// Text that does not say where an image is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {why}")]
pub struct ParseReferenceError {
    text: String,
    why: String,
    /// A remedy for the user, if there is more to do than to look at the notation.
    hint: Option<String>,
}

impl ParseReferenceError {
    /// A reference that a user and a password are written in. They are not shown.
    fn with_login(transport: &str, rest: &str) -> Self {
        let rest = login::without_query(rest);
        Self {
            text: format!("{transport}…@{rest}"),
            why: "it contains a user or a password".to_owned(),
            hint: Some(login::remedy(transport, rest)),
        }
    }
}

impl Hint for ParseReferenceError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        if let Some(hint) = &self.hint {
            return Some(hint.into());
        }
        Some("write docker://NAME:TAG, oci:DIRECTORY:TAG, oci-archive:FILE, docker-archive:FILE, docker-daemon:NAME:TAG or containers-storage:NAME:TAG".into())
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why: &str| ParseReferenceError {
            text: without_login(text).into_owned(),
            why: why.to_owned(),
            hint: None,
        };
        let meant = |why: &str| {
            // A query is not repeated.
            let meant = transport::meant(text).filter(|_| !login::has_query(text));
            ParseReferenceError {
                hint: meant.map(|meant| format!("did you mean `{meant}`?")),
                ..error(why)
            }
        };
        let named = |rest: &str, what: &str| match rest {
            "" => Err(error(&format!("it has no {what}"))),
            rest => Ok(rest.to_owned()),
        };
        // No name of an image has a login.
        let without = |name| match login::parts(name) {
            Some((_, rest)) => {
                let start = &text[..text.len() - name.len()];
                Err(ParseReferenceError::with_login(start, rest))
            }
            None => Ok(name),
        };
        if text == "-" {
            return Ok(Self::Stdio);
        }
        let Some((transport, rest)) = text.split_once(':') else {
            return path(text, error);
        };
        // What other transports name may have an `@`.
        let written = login::parts(text);
        if let Some((start, rest)) = written.filter(|(start, _)| login::may_be_registry(start)) {
            return Err(ParseReferenceError::with_login(start, rest));
        }
        match transport {
            // A path may start with two slashes, but nobody writes one so.
            "oci" | "oci-archive" | "docker-archive" | "docker-daemon" | "containers-storage"
                if rest.starts_with("//") =>
            {
                Err(meant(&format!(
                    "`{transport}:` must not be followed by `//`"
                )))
            }
            "docker" => match rest.strip_prefix("//") {
                Some(rest) if rest.contains('?') => Err(error("it has a query")),
                Some(rest) => rest
                    .parse()
                    .map(Self::Registry)
                    .map_err(|why: String| error(&why)),
                None => Err(meant("`docker:` must be followed by `//`")),
            },
            "docker-archive" => {
                let (path, image) = archive(rest).map_err(|why| error(&why))?;
                if let Selector::Name(name) = &image {
                    without(name)?;
                }
                Ok(Self::DockerArchive {
                    path: named(&path, "file")?.into(),
                    image,
                })
            }
            "oci" => {
                let (path, image) = layout(rest).map_err(|why| error(&why))?;
                Ok(Self::OciLayout {
                    path: named(&path, "directory")?.into(),
                    image,
                })
            }
            "oci-archive" => {
                let (path, image) = layout(rest).map_err(|why| error(&why))?;
                Ok(Self::OciArchive {
                    path: named(&path, "file")?.into(),
                    image,
                })
            }
            "docker-daemon" => Ok(Self::DockerDaemon(named(without(rest)?, "image")?)),
            "containers-storage" => Ok(Self::ContainersStorage(named(without(rest)?, "image")?)),
            "http" | "https" => Err(meant("it is a URL")),
            "dir" => Err(ParseReferenceError {
                hint: written.is_none().then(|| {
                    format!(
                        "convert it to an OCI layout first: `skopeo copy {text} oci:{rest}-oci`"
                    )
                }),
                ..error("the transport `dir` is not supported")
            }),
            "ostree" | "sif" => Err(error(&format!(
                "the transport `{transport}` is not supported"
            ))),
            _ if transport::is_other(transport, rest) => Err(meant(&format!(
                "the transport `{transport}` is not supported"
            ))),
            _ => path(text, error),
        }
    }
}

fn path(
    text: &str,
    error: impl Fn(&str) -> ParseReferenceError,
) -> Result<Reference, ParseReferenceError> {
    match text {
        "" => Err(error("it is empty")),
        text => Ok(Reference::Path(text.into())),
    }
}

/// `PATH`, `PATH:NAME:TAG` or `PATH:@NUMBER`. A path has no colon in it.
fn archive(text: &str) -> Result<(String, Selector), String> {
    let Some((path, image)) = text.split_once(':') else {
        return Ok((text.to_owned(), Selector::Only));
    };
    let image = match image.strip_prefix('@') {
        Some(number) => Selector::Number(
            number
                .parse()
                .map_err(|_| format!("`{number}` is not the number of an image"))?,
        ),
        None if image.is_empty() => return Err("nothing follows its last colon".to_owned()),
        None => Selector::Name(image.to_owned()),
    };
    Ok((path.to_owned(), image))
}

/// `PATH`, `PATH:TAG`, `PATH:@NUMBER` or `PATH@DIGEST`. A path has no colon in it.
fn layout(text: &str) -> Result<(String, Selector), String> {
    if let Some((path, digest)) = text.split_once("@sha256:") {
        let digest = Digest::from_hex(digest).map_err(|error| error.to_string())?;
        let path = path.trim_end_matches(':');
        if path.contains(':') {
            return Err("it has a tag and a digest: leave out one of them".to_owned());
        }
        return Ok((path.to_owned(), Selector::Digest(digest)));
    }
    archive(text)
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => Ok(()),
            Self::Name(name) => write!(f, ":{name}"),
            Self::Number(number) => write!(f, ":@{number}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(repository) => write!(f, "docker://{repository}"),
            Self::DockerArchive { path, image } => {
                write!(f, "docker-archive:{}{image}", path.display())
            }
            Self::OciLayout { path, image } => write!(f, "oci:{}{image}", path.display()),
            Self::OciArchive { path, image } => write!(f, "oci-archive:{}{image}", path.display()),
            Self::DockerDaemon(name) => write!(f, "docker-daemon:{name}"),
            Self::ContainersStorage(name) => write!(f, "containers-storage:{name}"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Stdio => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(text: &str) -> Result<String, String> {
        text.parse::<Reference>()
            .map(|reference| reference.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn references_are_read_and_written() {
        let pinned = format!("docker://localhost:5000/a/b:1@{DIGEST}");
        let layout = format!("oci:dir@{DIGEST}");
        for (text, expected) in [
            ("docker://debian", "docker://docker.io/library/debian"),
            (
                "docker://index.docker.io/debian:12",
                "docker://docker.io/library/debian:12",
            ),
            ("docker://acme/web:1.2", "docker://docker.io/acme/web:1.2"),
            ("docker://localhost/web", "docker://localhost/web"),
            (
                "docker://127.0.0.1:5000/web:a",
                "docker://127.0.0.1:5000/web:a",
            ),
            (&pinned, &pinned),
            ("docker-archive:a.tar", "docker-archive:a.tar"),
            ("docker-archive:a.tar:web:1", "docker-archive:a.tar:web:1"),
            ("docker-archive:a.tar:@3", "docker-archive:a.tar:@3"),
            ("oci:./layout:web", "oci:./layout:web"),
            (&layout, &layout),
            ("oci-archive:/x/y.tar", "oci-archive:/x/y.tar"),
            ("docker-daemon:web:1", "docker-daemon:web:1"),
            (
                "containers-storage:localhost/web:1",
                "containers-storage:localhost/web:1",
            ),
            ("./some/file.tar", "./some/file.tar"),
            ("./a:b@c/d", "./a:b@c/d"),
            ("a@b.tar", "a@b.tar"),
            ("oci:dir:a@b", "oci:dir:a@b"),
            ("-", "-"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "docker:debian",
            "docker://",
            "docker://a/B:1",
            "docker://a//b",
            "docker://./a",
            "docker://../a/b",
            "docker://host:/a",
            "docker://web:-x",
            "docker://web@sha256:12",
            "docker://web@sha512:12",
            "docker-archive:",
            "docker-archive:a.tar:",
            "docker-archive:a.tar:@x",
            "oci:",
            "oci:dir@sha256:12",
            "docker-daemon:",
            "dir:/x",
            "https://ghcr.io/acme/web",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_may_be_secret_is_in_no_message() {
        for text in [
            "docker://host/x?token=secret",
            "https://host/x.tar?sig=secret",
            "dir:user:secret@host/x",
            "https://user:secret@host/x?sig=secret",
            "docker://user:secret@host/x?sig=secret",
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            let shown = format!("{error} {error:?} {:?}", error.hint());
            assert!(!shown.contains("secret"), "{text}: {shown}");
        }
    }

    #[test]
    fn logins_in_references_are_refused_and_not_repeated() {
        for (text, shown) in [
            ("docker://user:secret@host/x", "docker://…@host/x"),
            ("docker://secret@host:5000/x:1", "docker://…@host:5000/x:1"),
            ("docker://user:sec@ret@host/x", "docker://…@host/x"),
            ("docker://user:secret@host", "docker://…@host"),
            (
                "docker://user:secret@ghcr.io/x@sha256:1",
                "docker://…@ghcr.io/x@sha256:1",
            ),
            ("https://user:secret@host/x", "https://…@host/x"),
            ("DOCKER://user:secret@host/x", "DOCKER://…@host/x"),
            ("docker:user:secret@host/x", "docker:…@host/x"),
            ("user:secret@host/x", "…@host/x"),
            ("user:secret@host", "…@host"),
            ("docker-daemon:user:secret@host/x", "docker-daemon:…@host/x"),
            (
                "containers-storage:user:secret@host/x",
                "containers-storage:…@host/x",
            ),
            (
                "docker-archive:f.tar:user:secret@host/x",
                "docker-archive:f.tar:…@host/x",
            ),
            ("docker://:secret@host", "docker://…@host"),
            ("docker//user:secret@host/x", "docker//…@host/x"),
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            let expected =
                format!("`{shown}` is not an image reference: it contains a user or a password");
            assert_eq!(error.to_string(), expected);
            let hint = error.hint().unwrap();
            assert!(hint.contains("log in with `terrine login`"), "{hint}");
            assert!(!hint.contains("secret"), "{hint}");
        }
        for text in [
            "docker://host/x@sha512:a",
            "docker://ghcr.io/acme/web@md5:00",
        ] {
            let digest = text.parse::<Reference>().unwrap_err();
            assert!(!digest.to_string().contains("password"), "{digest}");
        }
    }
}
