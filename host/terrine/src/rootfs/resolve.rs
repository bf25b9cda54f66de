//! Where a path of the image leads, as far as the root tells.

use terrine_tar::Kind;

use super::{Root, RootEntry};

/// How many links a path may lead through, as Linux has it.
pub(super) const MAX_LINKS: usize = 40;

/// Where a path of the image leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// To an entry of the root, which is no link.
    Here(RootEntry<'a>),
    /// To this absolute path, which the root does not have: into the store, or to what the
    /// base image has.
    Elsewhere(Vec<u8>),
    /// Nowhere: links that lead to each other, or a file where a directory is needed.
    Nowhere,
}

impl Root {
    /// Follows an absolute path and the links on it. Where it leaves the root, `..` takes
    /// the last name away, whatever that may be there.
    pub fn resolve(&self, path: &[u8]) -> Resolved<'_> {
        let mut rest = reversed(path);
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == b".." {
                at.truncate(at.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
                continue;
            }
            let parent = at.len();
            at.push(b'/');
            at.extend_from_slice(&name);
            let Some(entry) = self.get(&at) else {
                if let Some(target) = self.base_links().get(&at) {
                    links += 1;
                    if links > MAX_LINKS {
                        return Resolved::Nowhere;
                    }
                    rest.extend(reversed(target.as_bytes()));
                    at.truncate(if target.starts_with('/') { 0 } else { parent });
                }
                continue;
            };
            match entry.kind {
                Kind::Directory => {}
                Kind::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Resolved::Nowhere;
                    }
                    let target = entry.link;
                    rest.extend(reversed(target));
                    at.truncate(if target.starts_with(b"/") { 0 } else { parent });
                }
                _ if rest.is_empty() => {}
                _ => return Resolved::Nowhere,
            }
        }
        self.get(&at)
            .map_or(Resolved::Elsewhere(at), Resolved::Here)
    }
}

/// A path's components, the last one first.
pub(super) fn reversed(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .map(<[u8]>::to_vec)
        .rev()
        .collect()
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
