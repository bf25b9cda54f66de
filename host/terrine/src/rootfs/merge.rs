//! Directories in the places of links: what packages put where the link leads belongs there as well.

use std::sync::Arc;

use super::entry::{Node, NodeContent};
use super::tree::{Key, Twice};
use super::{Error, Origin, Root};

/// The largest number of passes. More than one is needed if one of the directories lies where
/// another's link leads. Two directories that do so of each other would need passes without end.
const MAX_PASSES: usize = 4;

impl Root {
    /// Links what packages have where links lead that became directories, once all of them are joined.
    ///
    /// # Errors
    ///
    /// More entries, or a longer path, than an image may have.
    pub fn merge_links(&mut self) -> Result<(), Error> {
        let merged = std::mem::take(&mut self.merged);
        for _ in 0..MAX_PASSES {
            let before = self.nodes.len();
            for (place, target) in &merged {
                self.merge(place, target)?;
            }
            if before == self.nodes.len() {
                break;
            }
        }
        Ok(())
    }

    fn merge(&mut self, place: &[u8], target: &[u8]) -> Result<(), Error> {
        if below(place, target).is_some() || below(target, place).is_some() {
            return Ok(());
        }
        let found = self.nodes.range(Key(target.to_vec())..).skip(1);
        let found = found.map_while(|(key, node)| Some((below(&key.0, target)?, key, node)));
        let found = found.filter(|(_, _, node)| matches!(*node.origin, Origin::Contents(_)));
        let found = found.map(|(below, key, node)| ([place, below].concat(), like(&key.0, node)));
        let found: Vec<(Vec<u8>, Node)> = found.collect();
        for (path, node) in found {
            let slash = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            let has_room = self.node(&path).is_none()
                && self
                    .node(&path[..slash])
                    .is_some_and(|above| matches!(above.content, NodeContent::Directory(_)));
            if has_room {
                self.place(path, node, Twice::Keep)?;
            }
        }
        Ok(())
    }
}

/// Returns the rest of a path that is a directory or lies below it.
fn below<'p>(path: &'p [u8], directory: &[u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(directory)?;
    matches!(rest.first(), None | Some(b'/')).then_some(rest)
}

/// A directory like another one, or a link that leads where another does.
fn like(path: &[u8], node: &Node) -> Node {
    let origin = Arc::clone(&node.origin);
    match &node.content {
        NodeContent::Directory(_) => Node::implied(&origin),
        NodeContent::Symlink(target) if target.starts_with(b"/") => Node::symlink(target, &origin),
        _ => Node::symlink(path, &origin),
    }
}
