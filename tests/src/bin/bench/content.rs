//! The content of the files that are made: nothing that means anything, but as much of it can be
//! saved as of programs and their data: gzip leaves three eighths of it, zstd a third.

use std::sync::OnceLock;

use super::random::Random;

/// The number of bytes that there are to repeat.
const VOCABULARY: usize = 12_288;
/// The number of bytes that are repeated at once: so many at least, and fewer than so many more.
const WORD: (usize, usize) = (6, 42);
/// The most bytes that are new between them.
const NEW: usize = 8;

/// Fills a buffer with words that come again and again, and with bytes between them that do not.
pub(super) fn fill(mut buffer: &mut [u8], random: &mut Random) {
    let vocabulary = vocabulary();
    while !buffer.is_empty() {
        let bits = random.next();
        let length = WORD.0 + (bits & 0xff) as usize % WORD.1;
        let start = (bits >> 8) as usize % (VOCABULARY - length);
        buffer = put(buffer, &vocabulary[start..start + length]);
        let new = (bits >> 32).to_le_bytes();
        buffer = put(buffer, &new[..(bits >> 20) as usize % (NEW + 1)]);
    }
}

/// Writes as many bytes as there is room for, and gives the rest of the room.
fn put<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> &'b mut [u8] {
    let (place, rest) = buffer.split_at_mut(bytes.len().min(buffer.len()));
    place.copy_from_slice(&bytes[..place.len()]);
    rest
}

fn vocabulary() -> &'static [u8] {
    static VOCABULARY_BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    VOCABULARY_BYTES.get_or_init(|| {
        let mut bytes = vec![0; VOCABULARY];
        Random::new(4).fill(&mut bytes);
        bytes
    })
}
