//! The files of a cache, wherever it is.

use std::io::Read;

use percent_encoding::percent_decode_str;
use terrine_registry::{Access, Resource, Web};
use url::Url;

use super::CacheOptions;
use super::error::ClientError;
use super::files::Folder;
use crate::location::{Kind, Location};
use crate::s3::{S3Bucket, S3Credentials};

/// The place of a cache's files, and what proves that they may be read.
#[derive(Debug)]
pub(super) enum Place {
    /// A server.
    Web {
        /// Its URL, with a slash at the end.
        base: Url,
        access: Access,
    },
    /// A directory of this machine.
    Files(Folder),
    /// A bucket.
    S3 {
        bucket: Box<S3Bucket>,
        /// None if it is public.
        credentials: Option<S3Credentials>,
    },
}

/// The content of a file that is read as a stream.
pub(super) struct Body {
    pub(super) reader: Box<dyn Read + Send>,
    /// The `Content-Encoding` that the server gave.
    pub(super) encoding: Option<String>,
}

/// The place of a NAR, which a cache may name by a URL of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NarTarget {
    /// A file of the cache, by its name in a directory or bucket, or by its URL.
    Own(String),
    /// A URL of another server, which gets no credentials.
    Foreign(String),
}

impl Place {
    pub(super) fn new(location: &Location, options: &CacheOptions) -> Result<Self, ClientError> {
        Ok(match &location.kind {
            Kind::Web { base, login } => Self::Web {
                access: access(base, login.as_ref(), options),
                base: base.clone(),
            },
            Kind::Files(directory) => Self::Files(Folder::new(directory.clone())),
            Kind::S3(bucket) => {
                let chosen = options.s3.choose(bucket.profile.as_deref());
                let failed = |profile| ClientError::Profile {
                    cache: location.to_string(),
                    profile,
                };
                Self::S3 {
                    bucket: bucket.clone(),
                    credentials: chosen.map_err(failed)?.cloned(),
                }
            }
        })
    }

    /// Reads a file of at most `limit` bytes; none if it is missing.
    pub(super) fn get(
        &self,
        web: &Web,
        name: &str,
        limit: u64,
    ) -> Result<Option<Resource>, ClientError> {
        let found = match self {
            Self::Files(folder) => return Ok(folder.read(name, limit)?.map(plain)),
            Self::Web { base, access } => web.get(&format!("{base}{name}"), access, limit),
            Self::S3 {
                bucket,
                credentials,
            } => {
                let url = bucket.url(credentials.as_ref(), name);
                web.get(&url, &Access::default(), limit)
            }
        };
        Ok(found?)
    }

    /// Starts to read a file, which has that many bytes if the size is known; none if it is missing.
    pub(super) fn open(
        &self,
        web: &Web,
        name: &str,
        size: Option<u64>,
    ) -> Result<Option<Body>, ClientError> {
        let found = match self {
            Self::Files(folder) => return Ok(folder.open(name)?.map(|file| Body::of(file, None))),
            Self::Web { base, access } => web.open(&format!("{base}{name}"), access, size),
            Self::S3 {
                bucket,
                credentials,
            } => {
                let url = bucket.url(credentials.as_ref(), name);
                web.open(&url, &Access::default(), size)
            }
        };
        Ok(found?.map(|reader| {
            let encoding = reader.encoding().map(str::to_owned);
            Body::of(reader, encoding)
        }))
    }

    /// Starts to read the NAR at a URL of a narinfo; none if it is missing. `location` is the one of the cache.
    pub(super) fn open_nar(
        &self,
        web: &Web,
        location: &Location,
        url: &str,
        size: Option<u64>,
    ) -> Result<Option<Body>, ClientError> {
        let target = self.target(url).ok_or_else(|| ClientError::NarUrl {
            cache: location.to_string(),
            url: terrine_registry::shown_url(url),
        })?;
        match (target, self) {
            (NarTarget::Own(url), Self::Web { access, .. }) => {
                let found = web.open(&url, access, size)?;
                Ok(found.map(|reader| Body::of(reader, None)))
            }
            (NarTarget::Own(name), _) => self.open(web, &name, size),
            (NarTarget::Foreign(url), _) => {
                let found = web.open(&url, &Access::foreign(), size)?;
                Ok(found.map(|reader| Body::of(reader, None)))
            }
        }
    }

    /// Returns what the URL of a NAR leads to; none if it must not be followed.
    fn target(&self, text: &str) -> Option<NarTarget> {
        match self {
            Self::Web { base, .. } => {
                let url = base.join(text).ok()?;
                let is_safe = url.scheme() == base.scheme() || url.scheme() == "https";
                let is_plain = url.username().is_empty() && url.password().is_none();
                let target = if url.origin() == base.origin() {
                    NarTarget::Own
                } else {
                    NarTarget::Foreign
                };
                (is_safe && is_plain).then(|| target(url.into()))
            }
            // A copy of a cache does not reach for the network by itself.
            Self::Files(_) => Some(NarTarget::Own(name(text)?.to_owned())),
            Self::S3 { bucket, .. } if text.contains("://") => {
                let url = Url::parse(text).ok()?;
                let is_safe =
                    url.scheme() == "https" || url.scheme() == "http" && !bucket.is_encrypted();
                let is_plain = url.username().is_empty() && url.password().is_none();
                (is_safe && is_plain).then(|| NarTarget::Foreign(url.into()))
            }
            Self::S3 { .. } => {
                let decoded = percent_decode_str(name(text)?).decode_utf8().ok()?;
                Some(NarTarget::Own(name(&decoded)?.to_owned()))
            }
        }
    }
}

impl Body {
    fn of(reader: impl Read + Send + 'static, encoding: Option<String>) -> Self {
        Self {
            reader: Box::new(reader),
            encoding,
        }
    }
}

/// Returns the target of the URL of a NAR in a cache without credentials; none if it must not be followed.
pub(crate) fn nar_target(location: &Location, url: &str) -> Option<NarTarget> {
    let place = Place::new(location, &CacheOptions::default()).ok()?;
    place.target(url)
}

fn plain(bytes: Vec<u8>) -> Resource {
    let encoding = None;
    Resource { bytes, encoding }
}

/// Returns the path of a relative URL; none if it leads out of the cache.
fn name(url: &str) -> Option<&str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let is_inside = path
        .split('/')
        .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'));
    (is_inside && !path.contains("://")).then_some(path)
}

/// Returns what a server gets: the credentials of its URL, or else those of the netrc file.
fn access(base: &Url, login: Option<&(String, String)>, options: &CacheOptions) -> Access {
    if let Some((user, password)) = login {
        return Access::basic(user, password);
    }
    let host = base.host_str().unwrap_or_default();
    match options.netrc.login(host) {
        Some(found) => Access::basic(found.user, found.password),
        None => Access::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(location: &str, url: &str) -> Option<String> {
        let location = Location::parse(location).unwrap();
        let place = Place::new(&location, &CacheOptions::default()).unwrap();
        place.target(url).map(|target| match target {
            NarTarget::Own(url) => url,
            NarTarget::Foreign(url) => format!("foreign {url}"),
        })
    }

    #[test]
    fn urls_of_nars_are_resolved() {
        for (location, url, expected) in [
            ("https://a/b", "nar/x.nar.xz", "https://a/b/nar/x.nar.xz"),
            (
                "https://a/b/",
                "nar/x.nar?hash=y",
                "https://a/b/nar/x.nar?hash=y",
            ),
            ("https://a/b", "/x", "https://a/x"),
            ("https://a/b", "../x", "https://a/x"),
            ("https://a/b", "https://A:443/x?y", "https://a/x?y"),
            ("https://a", "https://other/x", "foreign https://other/x"),
            ("https://a", "//other/x", "foreign https://other/x"),
            ("https://a", "https://a:444/x", "foreign https://a:444/x"),
            ("http://a", "http://other/x", "foreign http://other/x"),
            ("http://a", "https://a/x", "foreign https://a/x"),
            ("file:///d", "nar/x.nar?hash=y", "nar/x.nar"),
            ("s3://b", "nar/%61.nar?y", "nar/a.nar"),
            ("s3://b", "https://other/x?y", "foreign https://other/x?y"),
            (
                "s3://b?scheme=http",
                "http://other/x",
                "foreign http://other/x",
            ),
        ] {
            assert_eq!(
                target(location, url).as_deref(),
                Some(expected),
                "{location} {url}"
            );
        }
        for (location, url) in [
            ("https://a", "http://a/x"),
            ("https://a", "file:///etc/passwd"),
            ("https://a", "https://user:s3cret@a/x"),
            ("http://a", "ftp://a/x"),
            ("file:///d", "../x"),
            ("file:///d", "nar/../../x"),
            ("file:///d", "/etc/passwd"),
            ("file:///d", "nar//x"),
            ("file:///d", "https://a/x"),
            ("file:///d", "file:///etc/passwd"),
            ("file:///d", "?x"),
            ("file:///d", "nar/\0"),
            ("s3://b", "%2e%2e/x"),
            ("s3://b", "nar/%2e%2e%2f%2e%2e/x"),
            ("s3://b", "http://other/x"),
            ("s3://b", ""),
        ] {
            assert_eq!(target(location, url), None, "{location} {url}");
        }
    }
}
