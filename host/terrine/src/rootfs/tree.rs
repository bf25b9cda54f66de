//! The tree, and what happens where two sources have the same path.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use terrine_tar::Kind;

use super::entry::{Metadata, NewContent, Node, NodeContent, Strength};
use super::{Error, New, Origin, RootEntry};
use crate::beneath::Beneath;
use crate::layer;

/// The longest path, and the longest target of a link, that Linux takes.
pub(super) const MAX_PATH: usize = 4095;
/// More than any image holds outside of the store. Links to directories of links to
/// directories can make a small package that many.
const MAX_ENTRIES: usize = 1 << 22;

/// Everything that lies at the image's root and is not a store path.
#[derive(Debug)]
pub struct Root {
    nodes: BTreeMap<Key, Node>,
    limit: usize,
    /// The directory `/` of this machine, for files that the description names.
    top: Option<Arc<Beneath>>,
    /// What keeps files of the root where they are, for as long as the root is there.
    held: Held,
}

/// Something whose only use is to live as long as a root.
struct Held(#[expect(dead_code, reason = "it is held")] Option<Arc<dyn Any + Send + Sync>>);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

/// An absolute path without a slash at its end, so empty for the root.
#[derive(Debug, PartialEq, Eq)]
struct Key(Vec<u8>);

impl Ord for Key {
    /// By components, so that a directory's content follows it. No name holds a byte
    /// that comes before a slash then.
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        self.0.iter().map(rank).cmp(other.0.iter().map(rank))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What is done where sources of one kind have a path twice. Those of different kinds
/// never settle that between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twice {
    /// The first one stays, whatever it is.
    Keep,
    /// The last one replaces what is no directory.
    Replace,
    /// Neither is right.
    Refuse,
}

impl Default for Root {
    fn default() -> Self {
        Self::new()
    }
}

impl Root {
    /// A root with nothing in it.
    pub fn new() -> Self {
        // Nobody clashes with that, so nobody reads who made it.
        let node = Node::implied(&Arc::new(Origin::Files));
        Self {
            nodes: BTreeMap::from([(Key(Vec::new()), node)]),
            limit: MAX_ENTRIES,
            top: None,
            held: Held(None),
        }
    }

    /// Holds what keeps files of the root where they are for as long as the root is there.
    pub fn keep(&mut self, held: Arc<dyn Any + Send + Sync>) {
        self.held = Held(Some(held));
    }

    /// Adds an entry whose directory is there, at an absolute path that may be any bytes.
    ///
    /// # Errors
    ///
    /// As [`Root::add`].
    pub fn put(&mut self, path: &[u8], entry: New, origin: &Arc<Origin>) -> Result<(), Error> {
        let end = path
            .iter()
            .rposition(|&byte| byte != b'/')
            .map_or(0, |last| last + 1);
        let path = path[..end].to_vec();
        let node = self.prepare(&String::from_utf8_lossy(&path), entry, origin)?;
        self.place(path, node, Twice::Refuse).map(drop)
    }

    /// Adds an entry, and the directories that it lies in.
    ///
    /// # Errors
    ///
    /// A path that is not absolute, one that another source has as something else, and a
    /// file on this machine that is none.
    pub fn add(&mut self, path: &str, entry: New, origin: Origin) -> Result<(), Error> {
        let plain = normalise(path)?;
        let origin = Arc::new(origin);
        let node = self.prepare(&plain, entry, &origin)?;
        for (end, _) in plain.match_indices('/').skip(1) {
            self.place(plain[..end].into(), Node::implied(&origin), Twice::Refuse)?;
        }
        self.place(plain.into_bytes(), node, Twice::Refuse)
            .map(drop)
    }

    /// Gives a file that is there another content. Owner, permissions and attributes stay.
    pub fn replace_content(&mut self, path: &[u8], content: Vec<u8>) {
        if let Some(node) = self.nodes.get_mut(&Key(path.to_vec()))
            && node.kind() == Kind::File
        {
            node.content = NodeContent::Inline(content.into());
        }
    }

    /// Calls `visit` with each entry in archive order, up to the first error: a directory
    /// before its content, names in the order of their bytes.
    ///
    /// # Errors
    ///
    /// What `visit` returns.
    pub fn for_each<E>(
        &self,
        mut visit: impl FnMut(RootEntry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.entries().try_for_each(&mut visit)
    }

    /// All entries in archive order; the first one is the root itself.
    pub fn entries(&self) -> impl Iterator<Item = RootEntry<'_>> {
        self.nodes.iter().map(|(key, node)| node.entry(&key.0))
    }

    /// The entry at an absolute path, if it is here. No link is followed.
    pub fn get(&self, path: &[u8]) -> Option<RootEntry<'_>> {
        let end = path
            .iter()
            .rposition(|&byte| byte != b'/')
            .map_or(0, |last| last + 1);
        self.nodes
            .get_key_value(&Key(path[..end].into()))
            .map(|(key, node)| node.entry(&key.0))
    }

    /// What may mention store paths and is not in a file of this machine: targets of links
    /// and contents.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.nodes.values().filter_map(|node| match &node.content {
            NodeContent::Symlink(text) | NodeContent::Inline(text) => Some(&**text),
            _ => None,
        })
    }

    /// The directories below the root, each of which would hide a link of a base image.
    pub fn directories(&self) -> impl Iterator<Item = RootEntry<'_>> {
        self.entries()
            .skip(1)
            .filter(|entry| entry.kind == Kind::Directory)
    }

    /// Puts a node at a path whose directory is there. Says whether a node of that kind
    /// is there now, and not one that was first.
    pub(super) fn place(&mut self, path: Vec<u8>, node: Node, twice: Twice) -> Result<bool, Error> {
        if path.len() > MAX_PATH {
            let (start, length) = (shown(&path[..100]).into(), path.len());
            return Err(layer::Error::TooLong {
                path: start,
                length,
                limit: MAX_PATH,
            }
            .into());
        }
        if layer::is_whiteout(&path) && node.content != NodeContent::Whiteout {
            return Err(Error::Whiteout {
                path: shown(&path),
                origin: (*node.origin).clone(),
            });
        }
        let full = self.nodes.len() >= self.limit;
        match self.nodes.entry(Key(path)) {
            Slot::Vacant(_) if full => Err(Error::TooMany {
                origin: (*node.origin).clone(),
                limit: self.limit,
            }),
            Slot::Vacant(slot) => {
                slot.insert(node);
                Ok(true)
            }
            Slot::Occupied(mut slot) => {
                let path = slot.key().0.clone();
                meet(slot.get_mut(), node, twice, &path)
            }
        }
    }

    /// Checks what can be checked without looking at the tree.
    fn prepare(&mut self, path: &str, new: New, origin: &Arc<Origin>) -> Result<Node, Error> {
        let New {
            content,
            mode,
            uid,
            gid,
            xattrs,
        } = new;
        if path.is_empty() && !matches!(content, NewContent::Directory) {
            return Err(Error::NotRoot);
        }
        if mode > 0o7777 {
            return Err(Error::Mode {
                path: shown(path.as_bytes()),
                mode,
            });
        }
        let content = match content {
            NewContent::Directory => NodeContent::Directory(Strength::Given),
            NewContent::Symlink(target) => NodeContent::Symlink(check_target(path, target)?.into()),
            NewContent::Inline(bytes) => NodeContent::Inline(bytes.into()),
            NewContent::Source(source) => self.look(path, &source)?,
            NewContent::Beneath(at, below) => look_beneath(path, at, below)?,
            NewContent::Device {
                block,
                major,
                minor,
            } => NodeContent::Device {
                block,
                major,
                minor,
            },
            NewContent::Fifo => NodeContent::Fifo,
            NewContent::Whiteout => NodeContent::Whiteout,
        };
        Ok(Node {
            content,
            metadata: Metadata { mode, uid, gid },
            origin: Arc::clone(origin),
            xattrs,
        })
    }

    /// Looks at a file that the user names, which may be a link to it. What that leads to now is what is read.
    fn look(&mut self, path: &str, source: &Path) -> Result<NodeContent, Error> {
        let failed = |error| super::list::failed("looking at", source, error);
        if !fs::metadata(source).map_err(failed)?.is_file() {
            return Err(not_file(path, source));
        }
        let real = fs::canonicalize(source).map_err(failed)?;
        let top = match &self.top {
            Some(top) => Arc::clone(top),
            None => {
                let top = Beneath::open(Path::new("/")).map_err(failed)?;
                Arc::clone(self.top.insert(Arc::new(top)))
            }
        };
        let below = real.as_os_str().as_bytes()[1..].to_vec();
        look_beneath(path, top, below)
    }
}

/// What becomes of a node when another comes to its path.
fn meet(old: &mut Node, new: Node, twice: Twice, path: &[u8]) -> Result<bool, Error> {
    let alike = old.origin.is_like(&new.origin);
    match (&old.content, &new.content) {
        (NodeContent::Directory(was), NodeContent::Directory(is)) => {
            let same = was == is && old.metadata != new.metadata;
            if same && *is == Strength::Given {
                return Err(clash(path, old, &new));
            }
            if is > was || (same && *is == Strength::Copied) {
                *old = new;
            }
            Ok(true)
        }
        _ if alike && twice == Twice::Keep => Ok(false),
        (NodeContent::Directory(_), _) | (_, NodeContent::Directory(_)) => {
            Err(kinds(path, old, &new))
        }
        _ if old.content == new.content && old.metadata == new.metadata => Ok(true),
        _ if alike && twice == Twice::Replace => {
            *old = new;
            Ok(true)
        }
        _ => Err(clash(path, old, &new)),
    }
}

fn clash(path: &[u8], old: &Node, new: &Node) -> Error {
    let (path, first, second) = (shown(path), (*old.origin).clone(), (*new.origin).clone());
    if first == second {
        return Error::Twice {
            path,
            origin: first,
        };
    }
    Error::Clash {
        path,
        first,
        second,
    }
}

fn kinds(path: &[u8], old: &Node, new: &Node) -> Error {
    Error::Kinds {
        path: shown(path),
        first: (*old.origin).clone(),
        first_kind: old.kind(),
        second: (*new.origin).clone(),
        second_kind: new.kind(),
    }
}

/// A path as messages show it.
pub(super) fn shown(path: &[u8]) -> String {
    if path.is_empty() {
        "/".to_owned()
    } else {
        String::from_utf8_lossy(path).into_owned()
    }
}

/// An absolute path without repeated slashes, `.` and a slash at the end.
pub(super) fn normalise(path: &str) -> Result<String, Error> {
    let error = || Error::Path(path.to_owned());
    let mut plain = String::with_capacity(path.len());
    for component in path.strip_prefix('/').ok_or_else(error)?.split('/') {
        match component {
            "" | "." => {}
            ".." => return Err(error()),
            _ if component.contains('\0') => return Err(error()),
            _ => plain.extend(["/", component]),
        }
    }
    Ok(plain)
}

fn check_target(path: &str, target: Vec<u8>) -> Result<Vec<u8>, Error> {
    if target.is_empty() || target.len() > MAX_PATH || target.contains(&0) {
        let target = String::from_utf8_lossy(&target[..target.len().min(100)]).into_owned();
        return Err(Error::Target {
            path: path.to_owned(),
            target,
        });
    }
    Ok(target)
}

/// Looks at a file in a directory.
fn look_beneath(path: &str, at: Arc<Beneath>, below: Vec<u8>) -> Result<NodeContent, Error> {
    let failed = |errno: Errno| super::list::failed("looking at", &at.place(&below), errno.into());
    let size = at.size(&below).map_err(failed)?;
    let Some(size) = size else {
        return Err(not_file(path, &at.place(&below)));
    };
    Ok(NodeContent::Source {
        at,
        below: below.into(),
        size,
    })
}

fn not_file(path: &str, source: &Path) -> Error {
    Error::NotFile {
        path: path.to_owned(),
        source_path: source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: &Root) -> Vec<String> {
        root.entries().map(|entry| shown(entry.path)).collect()
    }

    #[test]
    fn entries_come_by_names_and_directories_before_their_content() {
        let mut root = Root::new();
        for path in [
            "/foo/a",
            "/foo-bar",
            "/foo.txt",
            "/Foo",
            "/foo0",
            "//foo/./a-b//c/",
            "/fo",
        ] {
            root.add(path, New::file(""), Origin::Files).unwrap();
        }
        let expected = [
            "/",
            "/Foo",
            "/fo",
            "/foo",
            "/foo/a",
            "/foo/a-b",
            "/foo/a-b/c",
            "/foo-bar",
            "/foo.txt",
            "/foo0",
        ];
        assert_eq!(paths(&root), expected);
        let directories: Vec<_> = root.directories().map(|entry| shown(entry.path)).collect();
        assert_eq!(directories, ["/foo", "/foo/a-b"]);
        assert_eq!(root.get(b"/foo/").unwrap().kind, Kind::Directory);
        assert_eq!(root.get(b"/").unwrap().path, b"/");
        assert!(root.get(b"/bar").is_none());
    }

    #[test]
    fn texts_are_targets_and_contents() {
        let mut root = Root::new();
        root.add("/a", New::file("inline"), Origin::Files).unwrap();
        root.add("/b", New::symlink("target"), Origin::Files)
            .unwrap();
        root.add(
            "/c",
            New::copy_of(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
            Origin::Files,
        )
        .unwrap();
        assert_eq!(
            root.texts().collect::<Vec<_>>(),
            [&b"inline"[..], b"target"]
        );
    }

    /// Adds both and says what is at `/x` then, or what is wrong.
    fn both(first: (&str, New, Origin), second: (&str, New, Origin)) -> String {
        let mut root = Root::new();
        for (path, new, origin) in [first, second] {
            if let Err(error) = root.add(path, new, origin) {
                return error.to_string();
            }
        }
        root.get(b"/x")
            .map(|entry| format!("{:?} {:o}", entry.kind, entry.mode))
            .unwrap()
    }

    #[test]
    fn what_two_sources_have_has_to_be_the_same() {
        let (nss, base) = (
            || Origin::Helper("fakeNss"),
            || Origin::Contents("/nix/store/x-base".into()),
        );
        let (file, link, directory) = (
            New::file,
            |target: &str| New::symlink(target),
            New::directory,
        );
        let clash = "`/x` comes from both contents `/nix/store/x-base` and `fakeNss`";
        for (path, first, other, second, expected) in [
            ("/x", file("a"), "/x", file("b"), clash),
            ("/x", file("a"), "/x", file("a"), "File 644"),
            ("/x", file("a"), "/x", file("a").mode(0o600), clash),
            ("/x", file("a"), "/x", file("a").owner(1, 0), clash),
            ("/x", link("a"), "/x", link("a"), "Symlink 777"),
            ("/x", link("a"), "/x", link("b"), clash),
            ("/x", link("a"), "/x", file("a"), clash),
            ("/x", directory(), "/x", directory(), "Directory 755"),
            (
                "/x",
                directory().mode(0o700),
                "/x",
                directory().mode(0o700),
                "Directory 700",
            ),
            ("/x", directory().mode(0o700), "/x", directory(), clash),
            (
                "/x/y",
                file("a"),
                "/x",
                directory().mode(0o700),
                "Directory 700",
            ),
            (
                "/x",
                directory().mode(0o700),
                "/x/y",
                file("a"),
                "Directory 700",
            ),
            (
                "/x",
                link("a"),
                "/x/y/z",
                file("a"),
                "`/x` is a symbolic link in contents `/nix/store/x-base` and a directory in `fakeNss`",
            ),
            (
                "/x/y",
                file("a"),
                "/x",
                file("a"),
                "`/x` is a directory in contents `/nix/store/x-base` and a file in `fakeNss`",
            ),
        ] {
            let found = both((path, first, base()), (other, second, nss()));
            assert_eq!(found, expected);
        }
        let twice = both(
            ("/x", file("a"), Origin::Files),
            ("/x", file("b"), Origin::Files),
        );
        assert_eq!(twice, "`/x` comes twice from `files`");
    }

    #[test]
    fn among_packages_the_first_stays_or_the_last_replaces() {
        let origin = |copied, name: &str| {
            Arc::new(if copied {
                Origin::CopyToRoot(name.into())
            } else {
                Origin::Contents(name.into())
            })
        };
        let link = |target: &str, origin: &_| Node::symlink(target.as_bytes(), origin);
        for (copied, twice, target) in [(false, Twice::Keep, "a"), (true, Twice::Replace, "b")] {
            let (one, two) = (origin(copied, "one"), origin(copied, "two"));
            let mut root = Root::new();
            root.place(b"/x".into(), link("a", &one), twice).unwrap();
            root.place(b"/x".into(), link("b", &two), twice).unwrap();
            assert_eq!(root.get(b"/x").unwrap().link, target.as_bytes());
            // Of another kind than what is there, it is nobody's to settle.
            let other = root.place(b"/x".into(), link("c", &origin(!copied, "three")), twice);
            assert!(matches!(other, Err(Error::Clash { .. })), "{other:?}");
            let directory = root.place(b"/x".into(), Node::implied(&two), twice);
            match twice {
                Twice::Keep => assert!(!directory.unwrap()),
                _ => assert!(matches!(directory, Err(Error::Kinds { .. }))),
            }
        }
    }

    #[test]
    fn of_directories_the_strongest_word_on_permissions_counts() {
        use Strength::{Copied, Given, Implied};
        let modes = |given: &[(Strength, u32)]| {
            let mut root = Root::new();
            for &(strength, mode) in given {
                let node = Node::root(
                    NodeContent::Directory(strength),
                    mode,
                    &Arc::new(Origin::Files),
                );
                root.place(b"/x".into(), node, Twice::Refuse).unwrap();
            }
            root.get(b"/x").unwrap().mode
        };
        for (given, expected) in [
            (&[(Implied, 0o755), (Copied, 0o555)][..], 0o555),
            (&[(Copied, 0o555), (Implied, 0o755)], 0o555),
            (&[(Copied, 0o555), (Copied, 0o550)], 0o550),
            (&[(Copied, 0o555), (Given, 0o1777)], 0o1777),
            (
                &[(Given, 0o1777), (Copied, 0o555), (Implied, 0o755)],
                0o1777,
            ),
        ] {
            assert_eq!(modes(given), expected, "{given:?}");
        }
    }

    #[test]
    fn what_can_not_be_in_an_image_is_refused() {
        let add = |path: &str, new: New| {
            Root::new()
                .add(path, new, Origin::Files)
                .map_err(|error| error.to_string())
        };
        let (file, directory) = (|| New::file("a"), New::directory);
        for (path, new, message) in [
            ("", file(), "`` is not an absolute path without `..`"),
            (
                "etc/x",
                file(),
                "`etc/x` is not an absolute path without `..`",
            ),
            (
                "/etc/../x",
                file(),
                "`/etc/../x` is not an absolute path without `..`",
            ),
            (
                "/x\0",
                file(),
                "`/x\0` is not an absolute path without `..`",
            ),
            ("//.", file(), "`/` can only be a directory"),
            (
                "/x",
                file().mode(0o10000),
                "the mode 10000 of `/x` is above 7777",
            ),
            ("/x", New::symlink(""), "`/x` can not be a link to ``"),
            ("/x", New::symlink("a\0"), "`/x` can not be a link to `a\0`"),
            (
                "/x",
                New::copy_of("/"),
                "`/` for `/x` is not a regular file",
            ),
            (
                "/x",
                New::copy_of("/no/such/file"),
                "`/no/such/file` does not exist",
            ),
        ] {
            assert_eq!(add(path, new), Err(message.to_owned()));
        }
        assert_eq!(add("/", directory().mode(0o700)), Ok(()));
        let path = |length: usize| "/d".repeat(length / 2) + &"x".repeat(length % 2);
        assert_eq!(add(&path(4095), file()), Ok(()));
        assert!(
            add(&path(4096), file())
                .unwrap_err()
                .ends_with("has 4096 bytes, and a path may have 4095")
        );
        assert!(add("/x", New::symlink("x".repeat(4096))).is_err());
    }

    #[test]
    fn there_are_not_more_entries_than_are_allowed() {
        let mut root = Root {
            limit: 3,
            ..Root::new()
        };
        root.add("/a/b", New::file(""), Origin::Files).unwrap();
        root.add("/a/b", New::file(""), Origin::Files).unwrap();
        let error = root.add("/a/c", New::file(""), Origin::Files).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`files` brings the root to more than 3 entries"
        );
    }
}
