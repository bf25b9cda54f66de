//! Several destinations of one run: those of one place are one, with all names that the image
//! gets there.

use std::path::{Path, absolute};

use terrine::oci::{Reference, Repository, Selector};

use crate::exit::Usage;
use crate::failure::Result;

/// A place, and the names that an image gets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The first reference to it.
    pub(crate) reference: Reference,
    /// Tags in a registry, a layout or an archive of one; names with tags in a docker-archive and
    /// in the storage of docker or podman. None where the image keeps its own.
    pub(crate) names: Vec<String>,
}

/// Returns the names that an image gets at a destination: the one that the reference has, or else
/// those of `tags`, which is asked with true for an archive.
pub(crate) fn names(reference: &Reference, tags: impl FnOnce(bool) -> Vec<String>) -> Vec<String> {
    let tagged = |name: &str, tags: Vec<String>| match has_tag(name) {
        true => vec![name.to_owned()],
        false if tags.is_empty() => vec![format!("{name}:latest")],
        false => tags.iter().map(|tag| format!("{name}:{tag}")).collect(),
    };
    match reference {
        Reference::Registry(repository) => match (&repository.tag, repository.digest) {
            (Some(tag), _) => vec![tag.clone()],
            (None, Some(_)) => vec![],
            (None, None) => tags(false),
        },
        Reference::OciLayout { image, .. } | Reference::OciArchive { image, .. } => match image {
            Selector::Name(name) => vec![name.clone()],
            Selector::Only => tags(matches!(reference, Reference::OciArchive { .. })),
            Selector::Number(_) | Selector::Digest(_) => vec![],
        },
        Reference::DockerArchive {
            image: Selector::Name(name),
            ..
        } => tagged(name, tags(true)),
        Reference::DockerDaemon(name) | Reference::ContainersStorage(name) => {
            tagged(name, tags(false))
        }
        Reference::DockerArchive { .. } | Reference::Path(_) | Reference::Stdio => vec![],
    }
}

fn has_tag(name: &str) -> bool {
    name.rsplit_once(':')
        .is_some_and(|(_, tag)| !tag.contains('/'))
}

/// Puts destinations together that are one place, in the order in which they are named first.
///
/// # Errors
///
/// Two kinds of image in one file.
pub(crate) fn places(named: Vec<Place>) -> Result<Vec<Place>> {
    let mut places: Vec<Place> = vec![];
    for Place { reference, names } in named {
        let (kind, key) = key(&reference);
        let same = |place: &&mut Place| self::key(&place.reference).1 == key;
        let Some(place) = places.iter_mut().find(same) else {
            places.push(Place { reference, names });
            continue;
        };
        if self::key(&place.reference).0 != kind {
            return Err(Usage {
                message: format!("`{}` and `{reference}` are the same file", place.reference),
                hint: "name another file for one of them",
            }
            .into());
        }
        for name in names {
            if !place.names.contains(&name) {
                place.names.push(name);
            }
        }
    }
    Ok(places)
}

/// Returns the kind of a place, and what it is known by: a file by its path, whatever is in it.
fn key(reference: &Reference) -> (&'static str, String) {
    let file = |path: &Path| {
        let path = if path == Path::new("-") {
            path.to_owned()
        } else {
            let whole = path.canonicalize().or_else(|_| absolute(path));
            whole.unwrap_or_else(|_| path.to_owned())
        };
        path.display().to_string()
    };
    match reference {
        Reference::Registry(repository) => ("registry", repository.full_name()),
        Reference::OciLayout { path, .. } => ("oci", file(path)),
        Reference::OciArchive { path, .. } => ("oci-archive", file(path)),
        Reference::DockerArchive { path, .. } | Reference::Path(path) => {
            ("docker-archive", file(path))
        }
        Reference::Stdio => ("docker-archive", "-".to_owned()),
        Reference::DockerDaemon(_) => ("docker-daemon", "docker-daemon:".to_owned()),
        Reference::ContainersStorage(_) => ("containers-storage", "containers-storage:".to_owned()),
    }
}

impl Place {
    /// Returns the reference to the place, without a name that the image has there.
    pub(crate) fn bare(&self) -> String {
        match &self.reference {
            Reference::Registry(repository) => format!("docker://{}", repository.full_name()),
            Reference::OciLayout { path, .. } => format!("oci:{}", path.display()),
            Reference::OciArchive { path, .. } => format!("oci-archive:{}", path.display()),
            Reference::DockerArchive { path, .. } | Reference::Path(path) => {
                format!("docker-archive:{}", path.display())
            }
            Reference::Stdio => "-".to_owned(),
            Reference::DockerDaemon(_) => "docker-daemon:".to_owned(),
            Reference::ContainersStorage(_) => "containers-storage:".to_owned(),
        }
    }

    /// Returns how people call it: with all names.
    pub(crate) fn title(&self) -> String {
        let names = self.names.join(", ");
        match &self.reference {
            Reference::DockerDaemon(_) | Reference::ContainersStorage(_) => {
                format!("{}{names}", self.bare())
            }
            Reference::Path(path) if names.is_empty() => path.display().to_string(),
            _ if names.is_empty() => self.bare(),
            _ => format!("{}:{names}", self.bare()),
        }
    }

    /// Returns the image in it by the digest of its manifest, as commands take it: for a registry
    /// without the transport, as `docker pull` takes it.
    pub(crate) fn pinned(&self, digest: terrine::oci::Digest) -> String {
        let bare = self.bare();
        format!(
            "{}@{digest}",
            bare.strip_prefix("docker://").unwrap_or(&bare)
        )
    }

    /// Returns the repository with its first tag, and the other tags.
    pub(crate) fn tagged(&self, repository: &Repository) -> (Repository, Vec<String>) {
        let first = Repository {
            tag: self.names.first().cloned(),
            ..repository.clone()
        };
        (
            first.or_latest(),
            self.names.iter().skip(1).cloned().collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that cannot be set up has failed"
    )]

    use super::*;

    #[test]
    fn a_destination_without_a_tag_gets_those_of_the_image() {
        for (reference, expected) in [
            ("docker://h/web", &["1", "2"][..]),
            ("docker://h/web:x", &["x"]),
            ("oci:dir", &["1", "2"]),
            ("oci:dir:x", &["x"]),
            ("oci-archive:a.tar", &["archive"]),
            ("docker-archive:a.tar", &[]),
            ("docker-archive:a.tar:web", &["web:archive"]),
            ("docker-archive:a.tar:h:5000/web", &["h:5000/web:archive"]),
            ("docker-archive:a.tar:web:x", &["web:x"]),
            ("docker-daemon:web", &["web:1", "web:2"]),
            ("containers-storage:web:x", &["web:x"]),
            ("a.tar", &[]),
            ("-", &[]),
        ] {
            let tags = |is_archive| {
                let tags: &[&str] = if is_archive {
                    &["archive"]
                } else {
                    &["1", "2"]
                };
                tags.iter().map(ToString::to_string).collect()
            };
            assert_eq!(
                names(&reference.parse().unwrap(), tags),
                expected,
                "{reference}"
            );
        }
    }

    #[test]
    fn one_place_is_one_destination() {
        let all = |references: &[&str]| {
            let named = references.iter().map(|text| {
                let reference: Reference = text.parse().unwrap();
                let names = names(&reference, |_| vec!["own".to_owned()]);
                Place { reference, names }
            });
            let places = places(named.collect()).map_err(|error| error.to_string())?;
            Ok::<_, String>(places.iter().map(Place::title).collect::<Vec<_>>())
        };
        assert_eq!(
            all(&[
                "docker://h.io/web:1",
                "oci:x:a",
                "docker://h.io/web:2",
                "oci:./x:b",
                "docker://h.io/web:1"
            ]),
            Ok(vec![
                "docker://h.io/web:1, 2".to_owned(),
                "oci:x:a, b".to_owned()
            ])
        );
        assert_eq!(
            all(&[
                "docker-archive:a.tar",
                "./a.tar",
                "docker-daemon:a:1",
                "docker-daemon:b:1"
            ]),
            Ok(vec![
                "docker-archive:a.tar".to_owned(),
                "docker-daemon:a:1, b:1".to_owned()
            ])
        );
        assert!(all(&["docker-archive:a.tar", "oci-archive:a.tar"]).is_err());
        assert!(all(&["-", "oci-archive:-"]).is_err());
    }
}
