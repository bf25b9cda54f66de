//! Names of images, as `nix-prefetch-docker` and `pullImage` take them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use terrine_oci::{Reference, Repository, without_login};
use terrine_support::hint::Hint;

/// The tag of an image whose name has none.
const DEFAULT_TAG: &str = "latest";

/// An image in a registry: `[docker://]NAME[:TAG][@DIGEST]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    name: String,
    repository: Repository,
}

impl ImageName {
    /// Returns the name as it was given, without transport, tag and digest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the tag, `latest` if none was given.
    pub fn tag(&self) -> &str {
        self.repository.tag.as_deref().unwrap_or(DEFAULT_TAG)
    }

    /// Returns the same as a reference.
    pub fn reference(&self) -> Reference {
        Reference::Registry(self.repository.clone())
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)
    }
}

impl FromStr for ImageName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why: String| ParseNameError::Image {
            text: without_login(text).into_owned(),
            why,
        };
        if has_other_transport(text) {
            return Err(error("it is not in a registry".to_owned()));
        }
        let plain = text.strip_prefix("docker://").unwrap_or(text);
        let repository: Repository = plain.parse().map_err(error)?;
        let name = plain.split_once('@').map_or(plain, |(name, _)| name);
        let tag = repository.tag.iter().map(|tag| format!(":{tag}"));
        let name = tag.fold(name, |name, tag| name.strip_suffix(&tag).unwrap_or(name));
        Ok(Self {
            name: name.to_owned(),
            repository,
        })
    }
}

/// Tells whether a text starts with a transport other than `docker://`. `docker:27` does not: it
/// names an image of Docker Hub.
fn has_other_transport(text: &str) -> bool {
    !text.starts_with("docker:")
        && !matches!(text.parse::<Reference>(), Ok(Reference::Path(_)))
        && !text.is_empty()
}

/// The name that a pulled image has in its archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalName(pub(super) String);

impl FromStr for FinalName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why: String| ParseNameError::FinalName {
            text: without_login(text).into_owned(),
            why,
        };
        let repository: Repository = text.parse().map_err(error)?;
        match repository {
            Repository {
                tag: None,
                digest: None,
                ..
            } => Ok(Self(text.to_owned())),
            _ => Err(error("it has a tag or a digest".to_owned())),
        }
    }
}

/// The tag that a pulled image has in its archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalTag(pub(super) String);

impl FromStr for FinalTag {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match format!("image:{text}").parse::<Repository>() {
            Ok(Repository { tag: Some(tag), .. }) if tag == text => Ok(Self(tag)),
            _ => Err(ParseNameError::FinalTag(without_login(text).into_owned())),
        }
    }
}

/// Text that is not a name of an image, or not a part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// Not the name of an image in a registry.
    #[error("`{text}` does not name an image in a registry: {why}")]
    Image {
        /// The text.
        text: String,
        /// The reason.
        why: String,
    },
    /// Not a name without tag and digest.
    #[error("`{text}` cannot be the name of an image: {why}")]
    FinalName {
        /// The text.
        text: String,
        /// The reason.
        why: String,
    },
    /// Not a tag.
    #[error("`{0}` is not a tag")]
    FinalTag(String),
}

impl Hint for ParseNameError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Image { .. } => {
                Some("write NAME, NAME:TAG or NAME@DIGEST, such as `debian:12` or `ghcr.io/acme/web:1.2`".into())
            }
            Self::FinalName { .. } => {
                Some("write a name such as `web` or `ghcr.io/acme/web`, and the tag after `--final-tag`".into())
            }
            Self::FinalTag(_) => Some(
                "a tag has up to 128 letters, digits, `_`, `.` and `-`, and does not start with `.` or `-`"
                    .into(),
            ),
        }
    }
}
