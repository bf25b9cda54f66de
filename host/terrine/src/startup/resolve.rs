//! Resolution of paths of an image.

use super::{Files, Look};
use crate::links::Walk;
use crate::platform::Unusable;

/// The result of following a path of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Nothing; if links lead there, this is the path that they lead to.
    Nothing(Option<Vec<u8>>),
    /// A place that is not known.
    Unknown,
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its path without links.
        path: Vec<u8>,
        /// True if any user may run it.
        executable: bool,
    },
}

impl Resolved {
    /// Tells why what is there cannot be started, if that is known.
    pub fn unusable(&self) -> Option<Unusable> {
        match self {
            Self::Nothing(_) => Some(Unusable::Missing),
            Self::Directory => Some(Unusable::Directory),
            Self::File { executable, .. } => (!executable).then_some(Unusable::NotExecutable),
            Self::Unknown => None,
        }
    }
}

/// Follows an absolute path, and the links on it, within an image.
pub fn resolve(files: &dyn Files, path: &[u8]) -> Resolved {
    let wants_directory = path.ends_with(b"/") || path.ends_with(b"/.");
    let mut walk = Walk::along(path);
    while let Some(at) = walk.step() {
        match files.look(at) {
            Look::Directory => {}
            Look::Link(target) => {
                if walk.follow(&target).is_none() {
                    return Resolved::Nothing(None);
                }
            }
            Look::File { executable } if walk.is_at_end() && !wants_directory => {
                return Resolved::File {
                    path: walk.end(),
                    executable,
                };
            }
            Look::Unknown => return Resolved::Unknown,
            Look::Nothing | Look::File { .. } => return nothing(walk, wants_directory),
        }
    }
    Resolved::Directory
}

/// Says where a way ends that leads nowhere, if links lead there.
fn nothing(walk: Walk, wants_directory: bool) -> Resolved {
    let slash: &[u8] = if wants_directory { b"/" } else { b"" };
    let led = walk.was_led();
    Resolved::Nothing(led.then(|| [&walk.end(), slash].concat()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    #[test]
    fn links_are_followed_within_the_image() {
        let tree = Tree::of(&[
            "/nix/store/x/bin/web*",
            "/bin -> usr/bin",
            "/usr/bin/web -> /nix/store/x/bin/web",
            "/usr/bin/up -> ../../etc/file",
            "/etc/file",
            "/usr/bin/gone -> /nix/store/y/bin/gone",
            "/loop -> loop",
            "/unknown?",
            "/usr/bin/unknown -> /unknown/a/../b",
        ]);
        let shown = |path: &str| match resolve(&tree, path.as_bytes()) {
            Resolved::Nothing(None) => "nothing".to_owned(),
            Resolved::Nothing(Some(path)) => {
                format!("nothing at {}", String::from_utf8_lossy(&path))
            }
            Resolved::Unknown => "unknown".to_owned(),
            Resolved::Directory => "directory".to_owned(),
            Resolved::File { path, executable } => {
                let kind = if executable { "program" } else { "file" };
                format!("{kind} {}", String::from_utf8_lossy(&path))
            }
        };
        for (path, expected) in [
            ("/", "directory"),
            ("/bin", "directory"),
            ("/bin/", "directory"),
            ("/bin/web", "program /nix/store/x/bin/web"),
            ("/usr/../bin/./web", "program /nix/store/x/bin/web"),
            ("/bin/web/", "nothing at /nix/store/x/bin/web/"),
            ("/bin/web/x", "nothing at /nix/store/x/bin/web/x"),
            ("/bin/up", "file /etc/file"),
            ("/bin/gone", "nothing at /nix/store/y/bin/gone"),
            ("/missing/../bin/web", "nothing"),
            ("/loop", "nothing"),
            ("/bin/unknown", "unknown"),
            ("/unknown", "unknown"),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }
}
