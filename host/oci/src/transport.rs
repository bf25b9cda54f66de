//! References without a transport, or with one of another tool: what was probably meant.

use std::borrow::Cow;
use std::path::Path;

use terrine_support::hint::Hint;

use super::{Reference, Repository};

/// How names of archives end. No such name is taken for that of an image.
const ARCHIVES: [&str; 8] = [
    ".tar", ".tgz", ".gz", ".zst", ".xz", ".bz2", ".json", ".oci",
];

/// Transports of other tools, and the one that has the same images here.
const OTHERS: &[(&str, &str)] = &[
    ("oci-layout", "oci"),
    ("oci-dir", "oci"),
    ("docker-tar", "docker-archive"),
    ("docker-tarball", "docker-archive"),
    ("tarball", "docker-archive"),
    ("docker-image", "docker-daemon"),
    ("podman", "containers-storage"),
    ("containers", "containers-storage"),
];

/// Transports whose images are files.
const FILES: [&str; 4] = ["oci", "oci-archive", "docker-archive", "dir"];

/// A path where nothing is, and that looks like the name of an image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no file `{text}`, and the name of an image in a registry starts with `docker://`"
)]
pub struct MissingTransport {
    text: String,
    meant: String,
}

impl Hint for MissingTransport {
    fn hint(&self) -> Option<Cow<'_, str>> {
        let Self { text, meant } = self;
        Some(format!("did you mean `{meant}`? a file of this name is `./{text}`").into())
    }
}

impl Reference {
    /// Checks that a path of an image that exists is not the name of an image in a registry. A
    /// file or a directory that is there is what is meant.
    ///
    /// # Errors
    ///
    /// A path where nothing is, and that may be such a name.
    pub fn check_source(&self) -> Result<(), MissingTransport> {
        match self {
            Self::Path(path) if !path.exists() => missing(path),
            _ => Ok(()),
        }
    }

    /// Checks the same of a path that is to be written. A name without a tag is that of a file
    /// where its directory is there.
    ///
    /// # Errors
    ///
    /// A path where nothing is, and that is such a name.
    pub fn check_target(&self) -> Result<(), MissingTransport> {
        let Self::Path(path) = self else {
            return Ok(());
        };
        let text = path.to_string_lossy();
        let last = text.rsplit('/').next().unwrap_or_default();
        let writable = path
            .parent()
            .is_none_or(|parent| parent.as_os_str().is_empty() || parent.is_dir());
        if path.exists() || writable && !last.contains([':', '@']) {
            return Ok(());
        }
        missing(path)
    }
}

fn missing(path: &Path) -> Result<(), MissingTransport> {
    let text = path.to_string_lossy();
    match in_registry(&text) {
        Some(meant) => Err(MissingTransport {
            text: text.into_owned(),
            meant,
        }),
        None => Ok(()),
    }
}

/// Returns the reference to the image in a registry whose name a text looks like.
fn in_registry(text: &str) -> Option<String> {
    // Paths start so, and names do not.
    if text.starts_with(['.', '/', '~']) || ARCHIVES.iter().any(|end| text.ends_with(end)) {
        return None;
    }
    // Repositories have no upper-case letters, and people write them all the same.
    [text.to_owned(), text.to_lowercase()]
        .into_iter()
        .find(|text| text.parse::<Repository>().is_ok())
        .map(|text| format!("docker://{text}"))
}

/// Returns what was meant by a text that starts with a URL's scheme, or with a transport of
/// another tool or in another form.
pub(super) fn meant(text: &str) -> Option<String> {
    let (transport, rest) = text.split_once(':')?;
    let bare = rest.trim_start_matches('/');
    if bare.is_empty() {
        return None;
    }
    match transport {
        "docker" | "http" | "https" | "registry" | "docker-registry" => {
            in_registry(bare.trim_end_matches('/'))
        }
        "file" => Some(format!(
            "{}{bare}",
            if rest.starts_with("///") { "/" } else { "" }
        )),
        _ => {
            let own = OTHERS.iter().find(|(other, _)| *other == transport);
            let own = own.map_or(transport, |(_, own)| own);
            // Others write `oci://` before names in registries.
            let host = bare.split('/').next().unwrap_or_default();
            let is_host = bare.contains('/') && (host.contains(['.', ':']) || host == "localhost");
            if transport == "oci" && rest.starts_with("//") && is_host {
                return in_registry(bare);
            }
            let absolute = FILES.contains(&own) && rest.starts_with("///");
            Some(format!("{own}:{}{bare}", if absolute { "/" } else { "" }))
        }
    }
}

/// Tells whether a reference starts with a transport that is another tool's.
pub(super) fn is_other(transport: &str, rest: &str) -> bool {
    let known = OTHERS.iter().any(|(other, _)| *other == transport);
    // A name with a port may start with any word: `registry:5000/web`.
    let scheme = matches!(transport, "file" | "registry" | "docker-registry");
    known || scheme && rest.starts_with("//")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_was_meant_is_found() {
        for (text, expected) in [
            ("docker:debian:12", Some("docker://debian:12")),
            ("docker:/debian", Some("docker://debian")),
            ("docker://", None),
            (
                "https://ghcr.io/acme/web:1",
                Some("docker://ghcr.io/acme/web:1"),
            ),
            (
                "http://localhost:5000/web/",
                Some("docker://localhost:5000/web"),
            ),
            ("oci://layout:web", Some("oci:layout:web")),
            ("oci:///var/layout", Some("oci:/var/layout")),
            (
                "oci://ghcr.io/acme/web:1",
                Some("docker://ghcr.io/acme/web:1"),
            ),
            ("oci-layout:layout:web", Some("oci:layout:web")),
            ("oci-layout:///var/x", Some("oci:/var/x")),
            ("oci-archive://x.tar", Some("oci-archive:x.tar")),
            ("docker-archive:///x.tar", Some("docker-archive:/x.tar")),
            ("docker-daemon://web:1", Some("docker-daemon:web:1")),
            ("podman:web:1", Some("containers-storage:web:1")),
            ("file:///x/y.tar", Some("/x/y.tar")),
            ("file://y.tar", Some("y.tar")),
            ("web", None),
        ] {
            assert_eq!(meant(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_not_a_path() {
        for (text, expected) in [
            ("debian", Some("docker://debian")),
            ("debian:12", Some("docker://debian:12")),
            ("localhost/x", Some("docker://localhost/x")),
            ("localhost:5000/x", Some("docker://localhost:5000/x")),
            ("ghcr.io/Acme/Web:1", Some("docker://ghcr.io/acme/web:1")),
            ("./web:1", None),
            ("/tmp/web", None),
            ("../web", None),
            ("~/web", None),
            ("web.tar", None),
            ("out/web.tar.gz", None),
            ("a b", None),
        ] {
            assert_eq!(in_registry(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_file_that_is_there_or_can_be_is_one() {
        let path = |text: &str| Reference::Path(PathBuf::from(text));
        // Tests run in the directory of their crate.
        for (text, source, target) in [
            ("src", true, true),
            ("debian:12", false, false),
            ("web", false, true),
            ("src/web", false, true),
            ("src/web:1", false, false),
            ("localhost/web", false, false),
            ("web.tar", true, true),
            ("nowhere/web.tar", true, true),
        ] {
            assert_eq!(path(text).check_source().is_ok(), source, "{text}");
            assert_eq!(path(text).check_target().is_ok(), target, "{text}");
        }
    }
}
