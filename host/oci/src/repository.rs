//! Names of images in registries.

use std::fmt;
use std::str::FromStr;

use super::{Digest, login};

/// The registry that names without one are of.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The tag of names without one.
const DEFAULT_TAG: &str = "latest";
/// The longest repository name that registries take, in bytes.
const MAX_REPOSITORY: usize = 255;
/// The longest tag, in bytes.
const MAX_TAG: usize = 128;

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// The registry's name, with its port where it has one.
    pub registry: String,
    /// The repository's name within the registry.
    pub name: String,
    /// The tag, where it is given.
    pub tag: Option<String>,
    /// The digest of the manifest.
    pub digest: Option<Digest>,
}

impl FromStr for Repository {
    type Err = String;

    /// Reads `[REGISTRY/]NAME[:TAG][@DIGEST]`. As everywhere, a name without a registry is one
    /// of Docker Hub. One without a tag and a digest means the tag `latest` where it is read.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if login::parts(text).is_some() {
            return Err("it contains a user or a password".to_owned());
        }
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => {
                let digest = digest
                    .parse::<Digest>()
                    .map_err(|error| error.to_string())?;
                (rest, Some(digest))
            }
        };
        // A colon before a slash is that of a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if name.is_empty() {
            return Err("it has no repository".to_owned());
        }
        let (registry, name) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first.to_owned(), rest.to_owned()),
            _ => (DEFAULT_REGISTRY.to_owned(), name.to_owned()),
        };
        let (registry, name) = match registry.as_str() {
            "index.docker.io" | DEFAULT_REGISTRY if !name.contains('/') => {
                check_name(&name)?;
                (DEFAULT_REGISTRY.to_owned(), format!("library/{name}"))
            }
            "index.docker.io" => (DEFAULT_REGISTRY.to_owned(), name),
            _ => (registry, name),
        };
        check_name(&name)?;
        check_registry(&registry)?;
        let tag = tag.map(check_tag).transpose()?;
        Ok(Self {
            registry,
            name,
            tag,
            digest,
        })
    }
}

/// Reports whether the first component of a name is a registry, and not part of the name.
fn is_registry(component: &str) -> bool {
    component.contains(['.', ':']) || component == "localhost"
}

/// Refuses what cannot be a host with its port: `./x` and `../x` are paths.
fn check_registry(registry: &str) -> Result<(), String> {
    let starts = registry.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    if starts && !registry.ends_with(':') {
        Ok(())
    } else {
        Err(format!("`{registry}` is not the name of a registry"))
    }
}

/// Components of lower-case letters and digits, with single separators between them (OCI
/// distribution specification, "Pulling manifests").
fn check_name(name: &str) -> Result<(), String> {
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(format!("the repository `{name}` has upper-case letters"));
    }
    if !name.split('/').all(is_component) || name.len() > MAX_REPOSITORY {
        return Err(format!("`{name}` is not the name of a repository"));
    }
    Ok(())
}

/// Says whether a text may stand between the slashes of a repository's name.
fn is_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text
            .chars()
            .all(|c| alphanumeric(c) || matches!(c, '.' | '_' | '-'))
}

fn check_tag(tag: &str) -> Result<String, String> {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if tag.starts_with(first)
        && tag.chars().all(|c| first(c) || matches!(c, '.' | '-'))
        && tag.len() <= MAX_TAG
    {
        Ok(tag.to_owned())
    } else {
        Err(format!("`{tag}` is not a tag"))
    }
}

impl Repository {
    /// The same repository's image with a digest.
    pub fn at(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// The same with the tag that counts where none is given: `latest`, unless a digest says more.
    pub fn or_latest(&self) -> Self {
        match (&self.tag, &self.digest) {
            (None, None) => Self {
                tag: Some(DEFAULT_TAG.to_owned()),
                ..self.clone()
            },
            _ => self.clone(),
        }
    }

    /// Returns the text after `manifests/` in a URL: the digest if there is one, else the tag,
    /// which is `latest` if none is given.
    pub fn identifier(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => DEFAULT_TAG.to_owned(),
        }
    }

    /// The name with its registry, as `docker pull` takes it, without tag and digest.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.registry, self.name)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_name())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}
