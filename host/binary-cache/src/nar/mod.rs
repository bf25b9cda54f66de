//! NARs as streams: their entries, checked against the narinfo that describes them.
//!
//! | part | module |
//! |---|---|
//! | numbers, texts and padding | `framing` |
//! | entries, in order | `reader` |
//! | file hash, decompression, NAR hash, content address | `verified`, `file`, `decoded`, `content` |

mod content;
mod decoded;
mod entry;
mod error;
mod file;
mod framing;
mod reader;
mod verified;

pub use entry::{DEEPEST, LONGEST_NAME, LONGEST_TARGET, NarEntry, NarKind};
pub(crate) use entry::{is_name, is_target};
pub use error::{Hashed, NarError, NarFault};
pub use reader::{NarContent, NarReader};
pub use verified::{NarStream, NarStreamContent};
