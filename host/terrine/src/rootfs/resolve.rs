//! Resolution of paths of the image, as far as the root tells.

use terrine_tar::Kind;

use super::{Root, RootEntry};
use crate::links::Walk;

/// The result of following a path of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// An entry of the root, which is not a link.
    Here(RootEntry<'a>),
    /// This absolute path, which the root does not have: one in the store, or one that the base
    /// image has.
    Elsewhere(Vec<u8>),
    /// No place: links that lead to each other, or a file where a directory is needed.
    Nowhere,
}

impl Root {
    /// Follows an absolute path and the links on it. Where it leaves the root, `..` takes
    /// the last name away, whatever that may be there.
    pub fn resolve(&self, path: &[u8]) -> Resolved<'_> {
        let mut walk = Walk::along(path);
        while let Some(at) = walk.step() {
            let target = match self.get(at) {
                None => self.base_links().get(at).map(str::as_bytes),
                Some(entry) => match entry.kind {
                    Kind::Symlink => Some(entry.link),
                    Kind::Directory => None,
                    _ if walk.is_at_end() => None,
                    _ => return Resolved::Nowhere,
                },
            };
            if target.is_some_and(|target| walk.follow(target).is_none()) {
                return Resolved::Nowhere;
            }
        }
        let at = walk.end();
        self.get(&at)
            .map_or(Resolved::Elsewhere(at), Resolved::Here)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{New, Origin};
    use super::*;

    #[test]
    fn links_are_followed_until_they_leave_the_root() {
        let mut root = Root::new();
        for (path, new) in [
            ("/bin/sh", New::symlink("/nix/store/x/bin/sh")),
            ("/usr/bin", New::symlink("../bin")),
            ("/etc/file", New::file("x")),
            ("/etc/link", New::symlink("file")),
            ("/loop", New::symlink("loop")),
            ("/out", New::symlink("/nix/store/x/../y")),
            ("/back", New::symlink("/nix/store/../../etc/file")),
        ] {
            root.add(path, new, Origin::Files).unwrap();
        }
        let shown = |path: &str| match root.resolve(path.as_bytes()) {
            Resolved::Here(entry) => format!("here {}", String::from_utf8_lossy(entry.path)),
            Resolved::Elsewhere(path) => format!("elsewhere {}", String::from_utf8_lossy(&path)),
            Resolved::Nowhere => "nowhere".to_owned(),
        };
        for (path, expected) in [
            ("/", "here /"),
            ("/etc/link", "here /etc/file"),
            ("/etc/../etc/./file", "here /etc/file"),
            ("/bin/sh", "elsewhere /nix/store/x/bin/sh"),
            ("/usr/bin/sh", "elsewhere /nix/store/x/bin/sh"),
            ("/usr/bin/env", "elsewhere /bin/env"),
            ("/nix/store/x", "elsewhere /nix/store/x"),
            ("/etc/file/x", "nowhere"),
            ("/loop", "nowhere"),
            ("/out/z", "elsewhere /nix/store/y/z"),
            ("/back", "here /etc/file"),
            ("/missing/../etc", "here /etc"),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }
}
