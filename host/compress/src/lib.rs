//! Compression of layers and archives: told by its first bytes, undone, and done.
//!
//! Input for gzip is cut into blocks of one size, and each becomes a member of its own. Input for zstd becomes one frame, whose
//! jobs have one size. Several threads compress them. The bytes that come out depend on the input and the [`Setting`]
//! alone.

mod budget;
mod codec;
mod decode;
mod encoder;
mod foreign;
mod frame;
mod media_type;
mod pool;
mod setting;
#[cfg(test)]
mod tests;
mod window;
mod workers;

pub use decode::is_bomb;
pub use encoder::Encoder;
pub use foreign::Foreign;
pub use pool::Pool;
pub use setting::{ParseSettingError, Setting};

/// The number of bytes that [`Compression::detect`] wants to see.
pub const MAGIC: usize = 6;

/// A compression that the container tools use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// Tells a compression by its magic number, not by anything's name.
    pub fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // The size of its blocks, and the start of one or of the end: a tar may begin with a file `BZh`.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, 0x41 | 0x72, ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // A frame, or a skippable one before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}
