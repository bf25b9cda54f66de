//! The forms of inputs: mutations that keep enough of a form for a parser to get past its first check.

mod bytes;
pub mod chunks;
mod json;
mod sqlite;
pub mod tar;
mod text;
mod wasm;

use crate::random::Random;

/// The form of an input.
#[derive(Debug, Clone, Copy)]
pub enum Format {
    /// Bytes without a form.
    Bytes,
    /// Text with words of its own.
    Text(&'static [&'static str]),
    /// A JSON value with words that its keys and strings are made of.
    Json(&'static [&'static str]),
    /// Tar archives, whose headers get their checksums after each mutation.
    Tar,
    /// An SQLite database.
    Sqlite,
    /// A WebAssembly module or component.
    Wasm,
    /// Parts with their lengths before them, each in a form of its own; the last form is that of all others.
    Chunks(&'static [Format]),
}

impl Format {
    /// Changes an input in some place.
    pub fn mutate(self, data: &mut Vec<u8>, random: &mut Random) {
        if random.once_in(8) {
            return bytes::mutate(data, random);
        }
        match self {
            Self::Bytes => bytes::mutate(data, random),
            Self::Text(words) => text::mutate(data, words, random),
            Self::Json(words) => json::mutate(data, words, random),
            Self::Tar => tar::mutate(data, random),
            Self::Sqlite => sqlite::mutate(data, random),
            Self::Wasm => wasm::mutate(data, random),
            Self::Chunks(forms) => chunks::mutate(data, forms, random),
        }
    }

    /// Repairs what a mutation that does not know the form has broken: the checksums of headers.
    pub fn mend(self, data: &mut [u8]) {
        match self {
            Self::Tar => tar::mend(data),
            Self::Chunks(forms) => chunks::mend(data, forms),
            _ => {}
        }
    }
}
