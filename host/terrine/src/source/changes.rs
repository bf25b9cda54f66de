//! Effects of the name of a layer's member on the layers below, and limits on how much of what
//! names say may be held in memory.

use terrine_tar::Fault;

/// The longest path that Linux takes, without the NUL that ends it.
pub(crate) const MAX_PATH: usize = 4095;
/// The start of a name that takes another one away from the layers below.
const WHITEOUT: &[u8] = b".wh.";
/// The start of a name that is about the file system on which the layer was made.
const META: &[u8] = b".wh..wh.";
/// The name that takes away what the layers below have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The largest number of entries in all layers of an image together.
const MAX_ENTRIES: usize = 3_000_000;
/// The largest length of their names and link targets together, in bytes.
const MAX_TEXT: u64 = 512 << 20;

/// The effect of a member of a layer's archive (OCI image specification, "Image Layer Filesystem
/// Changeset"). Paths have no slash at either end; that of the root is empty.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It puts something at a path.
    Put(Vec<u8>),
    /// It takes a path away from the layers below.
    Remove(Vec<u8>),
    /// It takes away what the layers below have in a directory.
    Empty(Vec<u8>),
    /// Nothing.
    Nothing,
}

impl Change {
    /// Returns the effect of a member of that name.
    ///
    /// # Errors
    ///
    /// A name that leads out of the image, one that no system has, and a whiteout of its own
    /// directory.
    pub(crate) fn of(written: &[u8]) -> Result<Self, Fault> {
        let path = clean(written)?;
        let directory = parent(&path);
        if directory.is_some_and(|directory| components(directory).any(is_mark)) {
            return Err(bad_name(written));
        }
        let name = &path[directory.map_or(0, |directory| directory.len() + 1)..];
        if name == OPAQUE {
            return Ok(Self::Empty(directory.unwrap_or_default().to_vec()));
        }
        if name.starts_with(META) {
            return Ok(Self::Nothing);
        }
        let Some(removed) = name.strip_prefix(WHITEOUT) else {
            return Ok(Self::Put(path));
        };
        // What tools make of these is the directory, or the one above it.
        if matches!(removed, b"" | b"." | b"..") {
            return Err(bad_name(written));
        }
        Ok(Self::Remove(directory.map_or(removed.to_vec(), |dir| {
            [dir, b"/", removed].concat()
        })))
    }
}

/// Returns whether a name is that of a mark. Nothing can lie in a directory of such a name: whoever reads a layer takes
/// the directory itself for a mark.
pub(crate) fn is_mark(name: &[u8]) -> bool {
    name.starts_with(WHITEOUT) && !name.starts_with(META)
}

/// The path of the mark that takes a path away from the layers below.
pub(crate) fn whiteout(path: &[u8]) -> Vec<u8> {
    let start = parent(path).map_or(0, |parent| parent.len() + 1);
    [&path[..start], WHITEOUT, &path[start..]].concat()
}

/// The path of the mark that takes away what the layers below have in a directory.
pub(crate) fn opaque(directory: &[u8]) -> Vec<u8> {
    match directory {
        b"" => OPAQUE.to_vec(),
        _ => [directory, b"/", OPAQUE].concat(),
    }
}

/// A name without slashes at its ends, repeated ones and `.`; empty for the root.
///
/// # Errors
///
/// As [`Change::of`].
pub(crate) fn clean(name: &[u8]) -> Result<Vec<u8>, Fault> {
    if name.len() > MAX_PATH || name.contains(&0) {
        return Err(bad_name(name));
    }
    let components: Vec<&[u8]> = components(name).collect();
    if components.contains(&&b".."[..]) {
        return Err(Fault::Escapes(String::from_utf8_lossy(name).into_owned()));
    }
    Ok(components.join(&b'/'))
}

/// The names that a path is made of, `..` among them.
pub(crate) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
}

/// The path of a directory that something is in; none for what is in the root.
pub(crate) fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter()
        .rposition(|&byte| byte == b'/')
        .map(|slash| &path[..slash])
}

/// A name that cannot be used.
pub(crate) fn bad_name(name: &[u8]) -> Fault {
    Fault::BadName(String::from_utf8_lossy(name).chars().take(100).collect())
}

/// The number of entries, and the bytes of text, that may still be held in memory.
#[derive(Debug)]
pub(crate) struct Budget {
    entries: usize,
    text: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            entries: MAX_ENTRIES,
            text: MAX_TEXT,
        }
    }
}

impl Budget {
    /// Takes what an entry needs that has so much text.
    pub(crate) fn take(&mut self, text: usize) -> Result<(), Fault> {
        self.entries = self
            .entries
            .checked_sub(1)
            .ok_or(Fault::TooManyMembers(MAX_ENTRIES))?;
        self.text = self
            .text
            .checked_sub(text as u64)
            .ok_or_else(|| Fault::TooLarge {
                what: "the text of all names and links".to_owned(),
                size: MAX_TEXT.saturating_add(text as u64 - self.text),
                limit: MAX_TEXT,
            })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_they_do() {
        let of = |name: &str| Change::of(name.as_bytes());
        assert_eq!(of("./a//b/"), Ok(Change::Put(b"a/b".to_vec())));
        assert_eq!(of("./"), Ok(Change::Put(vec![])));
        assert_eq!(of("a/.wh.b"), Ok(Change::Remove(b"a/b".to_vec())));
        assert_eq!(of(".wh.b"), Ok(Change::Remove(b"b".to_vec())));
        assert_eq!(of("a/.wh..wh..opq"), Ok(Change::Empty(b"a".to_vec())));
        assert_eq!(of(".wh..wh..opq"), Ok(Change::Empty(vec![])));
        assert_eq!(of(".wh..wh.plnk"), Ok(Change::Nothing));
        for name in [
            ".wh.",
            "a/.wh..",
            "a/.wh...",
            "a\0b",
            "a/../b",
            "..",
            ".wh.a/b",
            "a/.wh.b/c/d",
        ] {
            assert!(of(name).is_err(), "{name:?}");
        }
        assert!(of(&"x/".repeat(MAX_PATH)).is_err());
    }

    #[test]
    fn a_budget_ends() {
        let mut budget = Budget {
            entries: 2,
            text: 10,
        };
        assert_eq!(budget.take(8), Ok(()));
        assert!(matches!(budget.take(3), Err(Fault::TooLarge { .. })));
        let mut budget = Budget {
            entries: 1,
            text: 10,
        };
        assert_eq!(budget.take(1), Ok(()));
        assert!(matches!(budget.take(1), Err(Fault::TooManyMembers(_))));
    }
}
