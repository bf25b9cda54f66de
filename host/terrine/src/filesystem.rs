//! The files that the layers of an image make together, by the headers of their archives.
//!
//! Unlike the listing of a base image, which only has to know where tools agree, this does
//! what they do: members are applied one by one, on whatever is there. Like containerd and
//! Docker, links above a member are followed within the image; like umoci and as the
//! specification has it, a whiteout takes nothing away that its own layer put there.

use std::collections::BTreeMap;

use terrine_tar::{Described, EntryType};

use crate::links::MAX_LINKS;
use crate::source::Fault;
use crate::source::changes::{
    Budget, Change, MAX_PATH, bad_name, clean, components, is_mark, parent,
};

/// The number of directories and links that all names together may lead through. Links can make
/// short names of long ways.
const MAX_STEPS: u64 = 200_000_000;

/// The number of a node.
pub(crate) type Id = u32;
/// A path without links, as its names.
type Names = Vec<Box<[u8]>>;
/// The directory that everything is in.
pub(crate) const ROOT: Id = 0;

/// The files of an image.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    inodes: Vec<Inode>,
    budget: Budget,
    steps: u64,
}

/// Something at a path.
#[derive(Debug)]
struct Node {
    /// The last layer that put it there, or something below it.
    layer: u32,
    what: What,
}

#[derive(Debug)]
enum What {
    Directory(Directory),
    /// Anything else: the number of its inode, which hard links share.
    Leaf(u32),
}

/// A directory.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// The number of its inode; none where no layer speaks of it.
    inode: Option<u32>,
    children: BTreeMap<Box<[u8]>, Id>,
}

/// The entry that one member of a layer put there.
#[derive(Debug)]
pub(crate) struct Inode {
    /// The layer, counted from the bottom.
    pub(crate) layer: u32,
    /// The member, counted from the first one.
    pub(crate) member: u32,
    /// The description in its headers; without its name.
    pub(crate) described: Described,
}

/// A path with something at it that is no directory.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) path: Box<[u8]>,
    pub(crate) inode: u32,
}

/// A directory and its path.
pub(crate) type NamedDirectory = (Id, Box<[u8]>);

impl Default for Tree {
    fn default() -> Self {
        let root = Node {
            layer: 0,
            what: What::Directory(Directory::default()),
        };
        Self {
            nodes: vec![root],
            inodes: vec![],
            budget: Budget::default(),
            steps: 0,
        }
    }
}

impl Tree {
    /// Does what a member of a layer's archive says. Both are counted from 0, and come in
    /// order.
    ///
    /// # Errors
    ///
    /// A name or a link that leads nowhere, what is below something that is no directory, and
    /// more of everything than any image has.
    pub(crate) fn apply(
        &mut self,
        layer: u32,
        member: u32,
        described: Described,
    ) -> Result<(), Fault> {
        match Change::of(&described.name)? {
            Change::Nothing => Ok(()),
            Change::Remove(path) => {
                let Some((directory, name)) = self.place(&path)? else {
                    return Ok(());
                };
                let Some(id) = self.child(directory, &name) else {
                    return Ok(());
                };
                if self.nodes[id as usize].layer == layer {
                    self.prune(id, layer)
                } else {
                    self.take(directory, &name);
                    Ok(())
                }
            }
            Change::Empty(path) => {
                let directory = self.resolved(&path)?;
                self.find(&directory)
                    .map_or(Ok(()), |id| self.prune(id, layer))
            }
            Change::Put(path) => self.put(&path, layer, member, described),
        }
    }

    fn put(
        &mut self,
        path: &[u8],
        layer: u32,
        member: u32,
        mut described: Described,
    ) -> Result<(), Fault> {
        described.name = Vec::new();
        let is_directory = described.kind == EntryType::Directory;
        let (directory, name) = match path {
            b"" if is_directory => return self.set_root(layer, member, described),
            b"" => return Err(Fault::NotADirectory("/".to_owned())),
            path => {
                let name = path[parent(path).map_or(0, |parent| parent.len() + 1)..].to_vec();
                (self.resolved(parent(path).unwrap_or_default())?, name)
            }
        };
        // A link may lead to a directory of a name that no member has.
        let is_bad = |name: &[u8]| is_mark(name) || name.contains(&0);
        if directory.iter().any(|name| is_bad(name)) || described.link.contains(&0) {
            return Err(bad_name(path).into());
        }
        let length = directory.iter().map(|name| name.len() + 1).sum::<usize>() + name.len();
        let text: usize = described
            .xattrs
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.budget.take(length + text + described.link.len())?;
        if length > MAX_PATH || described.link.len() > MAX_PATH {
            return Err(bad_name(path).into());
        }
        // Before anything is replaced: a link to what its own layer replaces is to what was
        // there.
        let inode = match described.kind {
            EntryType::Link => self.target(path, &described.link)?,
            _ => self.inode(path, layer, member, described)?,
        };
        let directory = self.make(&directory, path, layer)?;
        let what = match self.child(directory, &name) {
            Some(id) if is_directory => {
                match std::mem::replace(&mut self.nodes[id as usize].what, What::Leaf(inode)) {
                    // The content of two directories becomes one.
                    What::Directory(old) => What::Directory(Directory {
                        inode: Some(inode),
                        ..old
                    }),
                    What::Leaf(_) => What::Directory(Directory {
                        inode: Some(inode),
                        ..Directory::default()
                    }),
                }
            }
            None if is_directory => What::Directory(Directory {
                inode: Some(inode),
                ..Directory::default()
            }),
            _ => What::Leaf(inode),
        };
        self.set(directory, name, Node { layer, what });
        Ok(())
    }

    fn set_root(&mut self, layer: u32, member: u32, described: Described) -> Result<(), Fault> {
        self.budget.take(
            described
                .xattrs
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum(),
        )?;
        let number = self.inode(b"/", layer, member, described)?;
        if let What::Directory(root) = &mut self.nodes[ROOT as usize].what {
            root.inode = Some(number);
        }
        Ok(())
    }

    /// The inode that a hard link leads to.
    fn target(&mut self, path: &[u8], link: &[u8]) -> Result<u32, Fault> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let none = || Fault::NoTarget {
            link: text(path),
            target: text(link),
        };
        let target = clean(link)?;
        let mut directory = self.resolved(parent(&target).unwrap_or_default())?;
        directory.push(target[parent(&target).map_or(0, |parent| parent.len() + 1)..].into());
        let id = self.find(&directory).ok_or_else(none)?;
        match self.nodes[id as usize].what {
            What::Leaf(inode) => Ok(inode),
            What::Directory(_) => Err(none()),
        }
    }

    fn inode(
        &mut self,
        path: &[u8],
        layer: u32,
        member: u32,
        mut described: Described,
    ) -> Result<u32, Fault> {
        described.kind = match described.kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => EntryType::Regular,
            kind @ (EntryType::Directory
            | EntryType::Symlink
            | EntryType::Fifo
            | EntryType::Char
            | EntryType::Block) => kind,
            kind => {
                let name = String::from_utf8_lossy(path).into_owned();
                return Err(Fault::UnknownKind {
                    name,
                    kind: kind.as_byte().into(),
                });
            }
        };
        // As many as there may be entries, which is less.
        let number = self.inodes.len() as u32;
        self.inodes.push(Inode {
            layer,
            member,
            described,
        });
        Ok(number)
    }

    /// Puts a node into a directory, in place of one that may be there.
    fn set(&mut self, directory: Id, name: Vec<u8>, node: Node) {
        if let Some(id) = self.child(directory, &name) {
            self.nodes[id as usize] = node;
            return;
        }
        let id = self.nodes.len() as Id;
        self.nodes.push(node);
        if let What::Directory(directory) = &mut self.nodes[directory as usize].what {
            directory.children.insert(name.into(), id);
        }
    }

    fn take(&mut self, directory: Id, name: &[u8]) {
        if let What::Directory(directory) = &mut self.nodes[directory as usize].what {
            directory.children.remove(name);
        }
    }

    /// Takes away what lower layers have in a directory.
    fn prune(&mut self, directory: Id, layer: u32) -> Result<(), Fault> {
        let mut open = vec![directory];
        while let Some(id) = open.pop() {
            let What::Directory(directory) = &mut self.nodes[id as usize].what else {
                continue;
            };
            let mut children = std::mem::take(&mut directory.children);
            self.steps += children.len() as u64;
            children.retain(|_, child| self.nodes[*child as usize].layer == layer);
            open.extend(children.values());
            if let What::Directory(directory) = &mut self.nodes[id as usize].what {
                directory.children = children;
            }
        }
        self.check_steps()
    }

    fn check_steps(&self) -> Result<(), Fault> {
        if self.steps > MAX_STEPS {
            Err(Fault::TooManyLinks(MAX_STEPS))
        } else {
            Ok(())
        }
    }

    /// The directory that a path is in, if it is there, and the path's last name.
    fn place(&mut self, path: &[u8]) -> Result<Option<(Id, Vec<u8>)>, Fault> {
        let directory = self.resolved(parent(path).unwrap_or_default())?;
        let name = path[parent(path).map_or(0, |parent| parent.len() + 1)..].to_vec();
        Ok(self.find(&directory).map(|id| (id, name)))
    }

    /// As [`Tree::resolve`], counted.
    fn resolved(&mut self, path: &[u8]) -> Result<Names, Fault> {
        let (resolved, steps) = self.resolve(path)?;
        self.steps += steps;
        self.check_steps()?;
        Ok(resolved)
    }

    /// Returns where a path leads when all links are followed, within the image. From something
    /// missing on, nothing is followed.
    fn resolve(&self, path: &[u8]) -> Result<(Names, u64), Fault> {
        let mut names = Names::new();
        let mut nodes: Vec<Option<Id>> = vec![Some(ROOT)];
        let mut rest: Vec<&[u8]> = components(path).rev().collect();
        let (mut links, mut steps) = (0, 0);
        while let Some(name) = rest.pop() {
            steps += 1;
            if name == b".." {
                if names.pop().is_some() {
                    nodes.pop();
                }
                continue;
            }
            let node = nodes
                .last()
                .copied()
                .flatten()
                .and_then(|id| self.child(id, name));
            let Some(target) = node.and_then(|id| self.link(id)) else {
                names.push(name.into());
                nodes.push(node);
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(terrine_tar::Fault::LinkLoop(
                    String::from_utf8_lossy(path).into_owned(),
                )
                .into());
            }
            if target.starts_with(b"/") {
                names.clear();
                nodes.truncate(1);
            }
            rest.extend(components(target).rev());
        }
        Ok((names, steps))
    }

    fn link(&self, id: Id) -> Option<&[u8]> {
        let What::Leaf(inode) = self.nodes[id as usize].what else {
            return None;
        };
        let described = &self.inodes[inode as usize].described;
        (described.kind == EntryType::Symlink).then_some(&*described.link)
    }

    fn child(&self, directory: Id, name: &[u8]) -> Option<Id> {
        match &self.nodes[directory as usize].what {
            What::Directory(directory) => directory.children.get(name).copied(),
            What::Leaf(_) => None,
        }
    }

    /// Returns what is at a path. No link is followed.
    fn find(&self, path: &[Box<[u8]>]) -> Option<Id> {
        path.iter().try_fold(ROOT, |id, name| self.child(id, name))
    }

    /// The directory at a path without links, made with those above it where it is missing.
    fn make(&mut self, names: &[Box<[u8]>], path: &[u8], layer: u32) -> Result<Id, Fault> {
        let (mut id, mut length) = (ROOT, 0);
        for name in names {
            length += name.len() + 1;
            let node = self.child(id, name);
            if node.is_none() {
                self.budget.take(length)?;
                let what = What::Directory(Directory::default());
                self.set(id, name.to_vec(), Node { layer, what });
            }
            id = self.child(id, name).unwrap_or(ROOT);
            let node = &mut self.nodes[id as usize];
            if let What::Leaf(_) = node.what {
                return Err(Fault::NotADirectory(
                    String::from_utf8_lossy(path).into_owned(),
                ));
            }
            node.layer = layer;
        }
        Ok(id)
    }

    /// An inode by its number.
    pub(crate) fn inode_of(&self, number: u32) -> &Inode {
        &self.inodes[number as usize]
    }

    /// Returns what is said of a directory; nothing where no layer speaks of it.
    pub(crate) fn directory(&self, id: Id) -> Option<&Described> {
        match &self.nodes[id as usize].what {
            What::Directory(Directory {
                inode: Some(inode), ..
            }) => Some(&self.inodes[*inode as usize].described),
            _ => None,
        }
    }

    /// The directories above a path, with theirs, from the top.
    pub(crate) fn above<'a>(&self, path: &'a [u8]) -> Vec<(Id, &'a [u8])> {
        let slashes = path
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(i, _)| i);
        let (mut id, mut start, mut above) = (ROOT, 0, vec![]);
        for slash in slashes {
            let Some(next) = self.child(id, &path[start..slash]) else {
                break;
            };
            above.push((next, &path[..slash]));
            (id, start) = (next, slash + 1);
        }
        above
    }

    /// All paths with something at them that is no directory, and all directories, each in
    /// the order of names, directories before what is in them.
    pub(crate) fn list(&self) -> (Vec<Leaf>, Vec<NamedDirectory>) {
        let (mut leaves, mut directories) = (vec![], vec![]);
        let mut open: Vec<(Id, Box<[u8]>)> = vec![(ROOT, Box::default())];
        while let Some((id, path)) = open.pop() {
            match &self.nodes[id as usize].what {
                What::Leaf(inode) => leaves.push(Leaf {
                    path,
                    inode: *inode,
                }),
                What::Directory(directory) => {
                    let join = |name: &[u8]| match &*path {
                        b"" => name.into(),
                        path => [path, b"/", name].concat().into(),
                    };
                    let children = directory.children.iter().rev();
                    open.extend(children.map(|(name, id)| (*id, join(name))));
                    directories.push((id, path));
                }
            }
        }
        (leaves, directories)
    }

    /// Returns the number of nodes; the number of each is smaller.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
}
