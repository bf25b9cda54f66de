//! Where a path of an image leads.

use super::{Files, Look};

/// How many links a path may lead through, as Linux has it.
const MAX_LINKS: usize = 40;

/// Where a path of an image leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Nowhere: to this path where links do.
    Nothing(Option<Vec<u8>>),
    /// That is not known.
    Unknown,
    /// To a directory.
    Directory,
    /// To a regular file.
    File {
        /// Its path without links.
        path: Vec<u8>,
        /// Whether anybody may run it.
        executable: bool,
    },
}

/// Follows an absolute path, and the links on it, within an image.
pub fn resolve(files: &dyn Files, path: &[u8]) -> Resolved {
    let mut rest = reversed(path);
    let wants_directory = path.ends_with(b"/") || path.ends_with(b"/.");
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
        match files.look(&at) {
            Look::Directory => {}
            Look::Link(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return Resolved::Nothing(None);
                }
                at.truncate(if target.starts_with(b"/") { 0 } else { parent });
                rest.extend(reversed(&target));
            }
            Look::File { executable } if rest.is_empty() && !wants_directory => {
                return Resolved::File {
                    path: at,
                    executable,
                };
            }
            Look::Unknown => return Resolved::Unknown,
            Look::Nothing | Look::File { .. } => {
                for name in rest.iter().rev() {
                    at.push(b'/');
                    at.extend_from_slice(name);
                }
                return Resolved::Nothing((links > 0).then_some(at));
            }
        }
    }
    Resolved::Directory
}

/// A path's components, the last one first.
fn reversed(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .map(<[u8]>::to_vec)
        .rev()
        .collect()
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
            ("/bin/web/", "nothing at /nix/store/x/bin/web"),
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
