//! Layers on top of each other: what is there in the end.

use std::collections::BTreeMap;
use std::ops::Bound;

/// An entry without its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    /// Whether an upper layer has put it in the place of another.
    pub(super) replaced: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeKind {
    Directory,
    /// With its size in bytes.
    File(u64),
    /// With its target.
    Symlink(Box<[u8]>),
    /// The same file as another of the image.
    HardLink(Box<[u8]>),
    /// A device or a fifo.
    Special,
}

impl Node {
    pub(super) fn new(kind: NodeKind) -> Self {
        Self { kind, replaced: false }
    }
}

/// What one layer says. Paths have no slash at either end.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) entries: Vec<(Vec<u8>, Node)>,
    /// What lower layers have at these paths is gone.
    pub(super) removed: Vec<Vec<u8>>,
    /// What lower layers have in these directories is gone.
    pub(super) opaque: Vec<Vec<u8>>,
}

impl Layer {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// What is there in the end. Keys sort a directory before what is in it.
#[derive(Debug, Default)]
pub(super) struct Merged(BTreeMap<Vec<u8>, Node>);

impl Merged {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The entry at a path.
    pub(super) fn get(&self, path: &[u8]) -> Option<&Node> {
        self.0.get(path)
    }

    /// Whether there is anything below a path.
    pub(super) fn has_below(&self, path: &[u8]) -> bool {
        self.below(path).next().is_some()
    }

    /// The entry at a path and those below it, by what follows the path.
    pub(super) fn tree<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a Node)> {
        let own = self.0.get(path).map(|node| (&path[path.len()..], node));
        own.into_iter().chain(self.below(path).map(move |(below, node)| (&below[path.len()..], node)))
    }

    /// The size of a file, hard links followed.
    pub(super) fn size(&self, node: &Node) -> Option<u64> {
        let mut kind = &node.kind;
        // A link to a link is one to the same file; more steps than these no tool writes.
        for _ in 0..8 {
            match kind {
                NodeKind::File(size) => return Some(*size),
                NodeKind::HardLink(target) => kind = &self.0.get(&**target)?.kind,
                _ => return None,
            }
        }
        None
    }

    /// Puts a layer on top. Its whiteouts are about what is below it, wherever they stand.
    pub(super) fn add(&mut self, layer: Layer) {
        for path in &layer.removed {
            self.0.remove(path);
            self.clear(path);
        }
        for path in &layer.opaque {
            self.clear(path);
        }
        for (path, mut node) in layer.entries {
            if node.kind != NodeKind::Directory {
                self.clear(&path);
            }
            let before = self.0.get(&path);
            // A directory over a directory changes nothing of what is in it.
            node.replaced = before.is_some_and(|before| {
                before.kind != NodeKind::Directory || node.kind != NodeKind::Directory || before.replaced
            });
            self.0.insert(path, node);
        }
    }

    /// Removes everything below a path.
    fn clear(&mut self, path: &[u8]) {
        if path.is_empty() {
            return self.0.clear();
        }
        let below: Vec<Vec<u8>> = self.below(path).map(|(path, _)| path.clone()).collect();
        for path in below {
            self.0.remove(&path);
        }
    }

    fn below<'a>(&'a self, path: &[u8]) -> impl Iterator<Item = (&'a Vec<u8>, &'a Node)> + use<'a> {
        let (start, end) = match path.is_empty() {
            true => (Bound::Unbounded, Bound::Unbounded),
            // What is below a path starts with it and a slash; `0` comes next to the slash.
            false => (Bound::Included([path, b"/"].concat()), Bound::Excluded([path, b"0"].concat())),
        };
        self.0.range((start, end))
    }
}
