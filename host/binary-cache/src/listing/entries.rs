//! The entries of a listing, in little memory.

use std::ops::Range;

use crate::nar::NarKind;

/// Entries, each directory before its own ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entries {
    list: Vec<Entry>,
    /// All names and targets.
    bytes: Vec<u8>,
}

/// An entry. Its texts are in [`Entries::bytes`], which has fewer than 2³² bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    depth: u8,
    name: Text,
    kind: Kind,
}

/// A place in the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Text {
    start: u32,
    length: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    Regular { executable: bool, size: u64 },
    Symlink { target: Text },
}

/// An entry with its texts.
pub(super) struct Listed<'a> {
    pub(super) depth: usize,
    pub(super) name: &'a [u8],
    pub(super) kind: NarKind<'a>,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Listed<'_>> {
        self.list.iter().map(|entry| Listed {
            depth: usize::from(entry.depth),
            name: self.text(entry.name),
            kind: match entry.kind {
                Kind::Directory => NarKind::Directory,
                Kind::Regular { executable, size } => NarKind::Regular { executable, size },
                Kind::Symlink { target } => NarKind::Symlink {
                    target: self.text(target),
                },
            },
        })
    }

    /// Adds an entry whose kind is set later. Returns its place; nothing if it is too deep, its name too
    /// long, or the texts too many.
    pub(super) fn push(&mut self, depth: usize, name: &[u8]) -> Option<usize> {
        let name = self.add(name)?;
        self.list.push(Entry {
            depth: u8::try_from(depth).ok()?,
            name,
            kind: Kind::Directory,
        });
        Some(self.list.len() - 1)
    }

    /// Sets the kind of an entry. Returns nothing if the target is too long, or the texts too many.
    pub(super) fn set(&mut self, place: usize, kind: NarKind<'_>) -> Option<()> {
        let kind = match kind {
            NarKind::Directory => Kind::Directory,
            NarKind::Regular { executable, size } => Kind::Regular { executable, size },
            NarKind::Symlink { target } => Kind::Symlink {
                target: self.add(target)?,
            },
        };
        self.list.get_mut(place)?.kind = kind;
        Some(())
    }

    /// Sorts the entries of a directory by name, where `places` are those of its own entries, each with all below
    /// it. Returns a name that appears twice.
    pub(super) fn sort(&mut self, places: &[usize]) -> Result<(), Vec<u8>> {
        let name = |place: &usize| self.text(self.list[*place].name);
        if places.is_sorted_by(|one, other| name(one) < name(other)) {
            return Ok(());
        }
        let ends = places.iter().skip(1).copied().chain([self.list.len()]);
        let mut ranges: Vec<Range<usize>> = places
            .iter()
            .zip(ends)
            .map(|(&start, end)| start..end)
            .collect();
        ranges.sort_by(|one, other| name(&one.start).cmp(name(&other.start)));
        let twice = ranges
            .windows(2)
            .find(|pair| name(&pair[0].start) == name(&pair[1].start));
        if let Some(pair) = twice {
            return Err(name(&pair[0].start).to_vec());
        }
        if let Some(&start) = places.first() {
            let sorted: Vec<Entry> = ranges
                .into_iter()
                .flat_map(|range| self.list[range].iter().cloned())
                .collect();
            self.list.splice(start.., sorted);
        }
        Ok(())
    }

    fn add(&mut self, bytes: &[u8]) -> Option<Text> {
        let text = Text {
            start: u32::try_from(self.bytes.len()).ok()?,
            length: u16::try_from(bytes.len()).ok()?,
        };
        self.bytes.extend(bytes);
        Some(text)
    }

    fn text(&self, text: Text) -> &[u8] {
        let start = text.start as usize;
        &self.bytes[start..start + usize::from(text.length)]
    }
}
