//! Two packages that have the same file at a path: nothing is lost then, whichever is in the image.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;

use rustix::fs::OFlags;

use super::Root;
use super::entry::{Node, NodeContent};

/// The size of the pieces in which files are compared, in bytes.
const PIECE: usize = 1 << 16;

impl Root {
    /// Returns true for two files with the same content and the same permissions, or two links into the store to files
    /// that both or neither can be executed. One that cannot be read is the same as no other.
    pub(super) fn is_same(&self, one: &Node, other: &Node) -> bool {
        let is_like = one.metadata == other.metadata && one.xattrs == other.xattrs;
        is_like && self.is_same_file(one, other)
    }

    /// The same whatever the root says of their permissions.
    pub(super) fn is_same_file(&self, one: &Node, other: &Node) -> bool {
        let files = self.file(one).zip(self.file(other));
        files.is_some_and(|(one, other)| equal(&one, &other).unwrap_or(false))
    }

    /// Opens the file that a node is, or the one in the store that it leads to.
    fn file(&self, node: &Node) -> Option<File> {
        // Nobody waits for the other end of a fifo.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let opened = match &node.content {
            NodeContent::Source { at, below, .. } => at.open_at(below, flags),
            NodeContent::Symlink(target) => {
                let store = self.store.as_ref()?;
                store.path(std::str::from_utf8(target).ok()?).ok()?;
                store.open_at(target, flags)
            }
            _ => return None,
        };
        opened.ok().map(File::from)
    }
}

fn equal(one: &File, other: &File) -> io::Result<bool> {
    let [first, second] = [one.metadata()?, other.metadata()?];
    let is_executable = |mode: u32| mode & 0o111 != 0;
    let modes = [&first, &second].map(|found| is_executable(found.permissions().mode()));
    if !first.is_file() || !second.is_file() || first.len() != second.len() || modes[0] != modes[1]
    {
        return Ok(false);
    }
    let mut one = BufReader::with_capacity(PIECE, one);
    let mut other = BufReader::with_capacity(PIECE, other);
    loop {
        let (first, second) = (one.fill_buf()?, other.fill_buf()?);
        let length = first.len().min(second.len());
        if length == 0 {
            return Ok(first.is_empty() && second.is_empty());
        }
        if first[..length] != second[..length] {
            return Ok(false);
        }
        one.consume(length);
        other.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::path::Path;

    use super::*;
    use crate::layer::{Selection, Store};
    use crate::rootfs::Origin;

    /// Makes a package whose `f` has a content and permissions.
    fn package(store: &Path, name: &str, content: &[u8], mode: u32) {
        fs::create_dir(store.join(name)).unwrap();
        fs::write(store.join(name).join("f"), content).unwrap();
        fs::set_permissions(store.join(name).join("f"), Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_files_that_differ_are_told() {
        let machine = tempfile::tempdir().unwrap();
        let place = machine.path().join("nix/store");
        fs::create_dir_all(&place).unwrap();
        let store = Store::open("/nix/store", machine.path()).unwrap();
        let long = vec![7; PIECE + 1];
        let other = [&long[..PIECE], &[8]].concat();
        for (name, content, mode) in [
            ("a", &b"one"[..], 0o644),
            ("b", b"one", 0o644),
            ("c", b"two", 0o644),
            ("d", b"one", 0o755),
            ("long", &long, 0o644),
            ("same", &long, 0o644),
            ("other", &other, 0o644),
            ("none", b"", 0o644),
            ("nothing", b"", 0o644),
        ] {
            package(&place, name, content, mode);
        }
        for (first, second, told) in [
            ("a", "b", false),
            ("a", "c", true),
            ("a", "d", true),
            ("long", "same", false),
            ("long", "other", true),
            ("none", "nothing", false),
            ("none", "a", true),
        ] {
            let mut joined = Root::new().within(&store);
            let mut copied = Root::new().within(&store);
            for name in [first, second] {
                let at = format!("/nix/store/{name}");
                let origin = Origin::Contents(at.clone());
                joined.link(&at, &place.join(name), origin).unwrap();
                let origin = Origin::CopyToRoot(at);
                let selection = Selection::all();
                copied
                    .copy(&place.join(name), &store, &selection, origin)
                    .unwrap();
            }
            for root in [joined, copied] {
                assert_eq!(!root.remarks().is_empty(), told, "{first} {second}");
            }
        }
    }
}
