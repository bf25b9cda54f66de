//! Tar archives: headers in the dialects that terrine writes, and members of any archive.
//!
//! | part | module |
//! |---|---|
//! | headers as Python's `tarfile` writes them (PAX) | `pax` |
//! | headers as GNU tar writes them | [`gnu`] |
//! | headers of exported files (ustar and PAX, with extended attributes) | `writer` |
//! | a pass over the members of an archive | `members`, `extended`, `sparse` |
//! | the entries of a plain archive, as places in its file | `extents` |
//! | members by their names, for an archive that can be read anywhere | `archive` |
//! | what only some dialects have in a header, and numbers in all of their forms | `dialect`, `number` |
//! | names in the order that Python sorts them in | [`order`] |
//!
//! Archives come from elsewhere: every size is checked against the bytes that follow, and nothing
//! is unpacked.

mod archive;
mod content;
mod described;
mod dialect;
mod error;
mod extended;
mod extents;
pub mod gnu;
mod members;
mod number;
pub mod order;
mod owner;
mod pax;
mod sparse;
mod writer;

pub use tar::EntryType;

pub use archive::{Archive, Member, MemberKind, check_header, plain_name};
pub use content::FilePart;
pub use described::Described;
pub use error::{Error, Fault};
pub use extents::{Extent, extents};
pub use members::{Body, Input, read};
pub use owner::Owner;
pub use pax::Header;
pub use writer::Writer;

/// The size of a block, which archives are made of, in bytes.
pub const BLOCK: u64 = 512;
/// The size of the two empty blocks that end an archive, in bytes.
pub const END_OF_ARCHIVE: u64 = 2 * BLOCK;
/// Archives are filled up to a multiple of this size, in bytes.
pub const RECORD: u64 = 20 * BLOCK;
/// The most bytes that a compressed archive may unpack to: more than any image has, and less than
/// what fills every disk.
pub const MAX_UNPACKED: u64 = 64 << 30;

/// Returns the number of zero bytes after a content of so many bytes.
pub fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

/// The kind of an archive member, of those that layers are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file. Hard links are written as files of their own.
    File,
    /// A directory. Its name ends in a slash.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A fifo.
    Fifo,
}

impl Kind {
    /// The letter that headers have for it.
    fn typeflag(self) -> u8 {
        match self {
            Self::File => b'0',
            Self::Directory => b'5',
            Self::Symlink => b'2',
            Self::CharacterDevice => b'3',
            Self::BlockDevice => b'4',
            Self::Fifo => b'6',
        }
    }
}
