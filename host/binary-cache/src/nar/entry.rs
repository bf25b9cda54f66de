//! The entries of NARs and of their listings.

/// An entry of a NAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NarEntry<'a> {
    /// The path relative to the top, of names with slashes between them; empty for the top itself.
    pub path: &'a [u8],
    /// The number of names in the path.
    pub depth: usize,
    /// The kind, with all that it has but a file's content.
    pub kind: NarKind<'a>,
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NarKind<'a> {
    /// A directory; its entries follow, in the order of the bytes of their names.
    Directory,
    /// A file.
    Regular {
        /// True if it is executable.
        executable: bool,
        /// The size of its content, in bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Its target, of 1 to 4095 bytes without NUL.
        target: &'a [u8],
    },
}

/// The greatest depth of an entry (`narMaxDepth` of Nix, which counts the top as well).
pub const DEEPEST: usize = 63;
/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 255;
/// The longest target of a link, in bytes.
pub const LONGEST_TARGET: usize = 4095;

/// Returns whether an entry of a directory can have this name.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && name.len() <= LONGEST_NAME
        && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

/// Returns whether a link can have this target.
pub(crate) fn is_target(target: &[u8]) -> bool {
    (1..=LONGEST_TARGET).contains(&target.len()) && !target.contains(&0)
}
