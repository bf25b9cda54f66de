//! References without a transport, or with one of another tool: what was probably meant.

use std::borrow::Cow;
use std::path::Path;

use terrine_support::hint::Hint;

use super::{Reference, Repository};

/// File name extensions of archives. No name with one of them is taken for the name of an image.
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

/// Transports that there are here.
const OWN: [&str; 6] = [
    "docker",
    "docker-archive",
    "docker-daemon",
    "oci",
    "oci-archive",
    "containers-storage",
];

/// A path where nothing is, and that looks like something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingTransport {
    /// It looks like the name of an image in a registry.
    #[error(
        "the file `{text}` does not exist, and the name of an image in a registry starts with `docker://`"
    )]
    Name {
        /// The path.
        text: String,
        /// The reference that was probably meant.
        meant: String,
    },
    /// It starts like a reference with a transport, which is none.
    #[error("`{text}` is not an image reference: unknown transport `{transport}`")]
    Unknown {
        /// The path.
        text: String,
        /// The prefix of the text, which is no transport.
        transport: String,
        /// The reference that was probably meant, if that can be determined.
        meant: Option<String>,
    },
}

impl Hint for MissingTransport {
    fn hint(&self) -> Option<Cow<'_, str>> {
        let (text, meant) = match self {
            Self::Name { text, meant } => (text, Some(meant)),
            Self::Unknown { text, meant, .. } => (text, meant.as_ref()),
        };
        let meant = meant.map_or_else(
            || "write docker://NAME:TAG, oci:DIRECTORY:TAG, oci-archive:FILE, docker-archive:FILE, docker-daemon:NAME:TAG or containers-storage:NAME:TAG;".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        Some(format!("{meant} a file of this name is `./{text}`").into())
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

    /// Checks the same of a path that is to be written, and that it does not start with an unknown transport. A name
    /// without a tag is that of a file where its directory is there.
    ///
    /// # Errors
    ///
    /// A path where nothing is, and that is such a name, or has a colon and does not start as paths do.
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
        missing(path)?;
        match text.split_once(':') {
            Some((transport, _)) if !is_path(&text) => Err(MissingTransport::Unknown {
                text: text.clone().into_owned(),
                transport: transport.to_owned(),
                meant: None,
            }),
            _ => Ok(()),
        }
    }
}

/// Tells whether a text starts as paths do, and as no reference does.
fn is_path(text: &str) -> bool {
    text.starts_with("./") || text.starts_with("../") || text.starts_with(['/', '~'])
}

fn missing(path: &Path) -> Result<(), MissingTransport> {
    let text = path.to_string_lossy();
    if let Some((transport, meant)) = mistyped(&text) {
        return Err(MissingTransport::Unknown {
            transport: transport.to_owned(),
            meant: Some(meant),
            text: text.into_owned(),
        });
    }
    match in_registry(&text) {
        Some(meant) => Err(MissingTransport::Name {
            text: text.into_owned(),
            meant,
        }),
        None => Ok(()),
    }
}

/// Returns the transport of a text that is nearly one of those that there are, and what was meant.
fn mistyped(text: &str) -> Option<(&str, String)> {
    let (transport, rest) = text.split_once(':')?;
    let lower = transport.to_lowercase();
    let others = OTHERS.iter().copied().chain([("tar", "docker-archive")]);
    let mut known = OWN.map(|own| (own, own)).into_iter().chain(others);
    let near = || {
        // Names of images may be like short transports.
        let allowed = |own: &str| match own {
            "docker" if !rest.starts_with("//") => 0,
            own => own.len() / 5,
        };
        OWN.into_iter()
            .map(|own| (distance(&lower, own), own))
            .filter(|(distance, own)| *distance <= allowed(own))
            .min()
            .map(|(_, own)| own)
    };
    let exact = known.find(|(name, _)| *name == lower).map(|(_, own)| own);
    // `tar:1` may be an image as well as `web:1`.
    let is_name = lower == "tar" && in_registry(text).is_some();
    let own = exact.filter(|_| !is_name).or_else(near)?;
    let text = format!("{own}:{rest}");
    Some((transport, meant(&text)?))
}

/// Returns how many letters have to be added, taken away or exchanged to make one text of another.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (number, letter) in from.chars().enumerate() {
        let mut diagonal = number;
        row[0] = number + 1;
        for (column, other) in to.iter().enumerate() {
            let exchanged = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = exchanged.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
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
    fn a_mistyped_transport_is_no_path() {
        for (text, expected) in [
            ("docker-deamon:web:1", Some("docker-daemon:web:1")),
            ("docker-demon:x:1", Some("docker-daemon:x:1")),
            ("oci-archve:x.tar:1", Some("oci-archive:x.tar:1")),
            ("OCI:layout:1", Some("oci:layout:1")),
            ("container-storage:x:1", Some("containers-storage:x:1")),
            ("Podman:x:1", Some("containers-storage:x:1")),
            ("tar:x.tar", Some("docker-archive:x.tar")),
            ("Docker://ghcr.io/a", Some("docker://ghcr.io/a")),
            ("dcoker://ghcr.io/a", None),
            ("doker://ghcr.io/a", Some("docker://ghcr.io/a")),
            ("x:y.tar", None),
        ] {
            let refused = Reference::Path(PathBuf::from(text)).check_target();
            let Err(MissingTransport::Unknown { meant, .. }) = refused else {
                panic!("{text}: {refused:?}");
            };
            assert_eq!(meant.as_deref(), expected, "{text}");
        }
        for text in ["./docker-deamon:web:1", "/tmp/oci-archve:x", "src/../out"] {
            let target = Reference::Path(PathBuf::from(text));
            assert_eq!(target.check_target(), Ok(()), "{text}");
        }
        for text in ["tar:1", "locker:1", "ocp:1"] {
            let source = Reference::Path(PathBuf::from(text)).check_source();
            assert!(
                matches!(source, Err(MissingTransport::Name { .. })),
                "{text}"
            );
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
