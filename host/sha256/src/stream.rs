//! A message in blocks: bytes that wait until a block is whole, the length, and the padding.

use std::slice;

use crate::kernel::{BLOCK, Block, Kernel, State};

/// The first 32 bits of the fractions of the square roots of the first eight primes (FIPS 180-4,
/// section 5.3.3).
const INITIAL: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The bytes of the length at the end of the padding (FIPS 180-4, section 5.1.1).
const LENGTH: usize = 8;

/// A message that a kernel hashes.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    kernel: Kernel,
    state: State,
    /// The bytes of the message, modulo 2^64.
    length: u64,
    /// The beginning of a block: as many bytes as the message has behind its last whole block.
    waiting: Block,
}

impl Stream {
    pub(crate) fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            state: INITIAL,
            length: 0,
            waiting: [0; BLOCK],
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = self.begin(bytes);
        self.compress(blocks);
        self.keep(rest);
    }

    pub(crate) fn finish(mut self) -> [u8; 32] {
        let bits = self.length.wrapping_mul(8);
        let (_, padding) = self.waiting.split_at_mut(waiting(self.length));
        let room = padding.len();
        padding.fill(0);
        padding[0] = 0x80;
        if room < 1 + LENGTH {
            self.compress_waiting();
            self.waiting = [0; BLOCK];
        }
        self.waiting[BLOCK - LENGTH..].copy_from_slice(&bits.to_be_bytes());
        self.compress_waiting();

        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }

    /// Counts bytes, and completes the block that waits. Returns what is left: whole blocks, which
    /// are next to be compressed, and a rest, which is next to be kept.
    fn begin<'a>(&mut self, bytes: &'a [u8]) -> (&'a [Block], &'a [u8]) {
        let waiting = waiting(self.length);
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if waiting == 0 {
            return bytes.as_chunks();
        }
        let missing = BLOCK - waiting;
        let (head, rest) = bytes.split_at(missing.min(bytes.len()));
        self.waiting[waiting..][..head.len()].copy_from_slice(head);
        if head.len() == missing {
            self.compress_waiting();
        }
        rest.as_chunks()
    }

    fn compress(&mut self, blocks: &[Block]) {
        compress(self.kernel, &mut self.state, blocks);
    }

    /// Compresses the block that waits, which is whole.
    fn compress_waiting(&mut self) {
        compress(self.kernel, &mut self.state, slice::from_ref(&self.waiting));
    }

    /// Keeps the rest of what [`Self::begin`] returned.
    fn keep(&mut self, rest: &[u8]) {
        self.waiting[..rest.len()].copy_from_slice(rest);
    }
}

/// Returns the number of bytes behind the last whole block of a message of a length.
fn waiting(length: u64) -> usize {
    (length % BLOCK as u64) as usize
}

fn compress(kernel: Kernel, state: &mut State, blocks: &[Block]) {
    kernel.compress([state], blocks.iter().map(|block| [block]));
}

/// Updates two messages: by pairs of blocks as long as both have one, then the longer one alone.
pub(crate) fn update_two((a, left): (&mut Stream, &[u8]), (b, right): (&mut Stream, &[u8])) {
    let (a_blocks, a_rest) = a.begin(left);
    let (b_blocks, b_rest) = b.begin(right);
    let pairs = a_blocks.len().min(b_blocks.len());
    let (a_paired, a_alone) = a_blocks.split_at(pairs);
    let (b_paired, b_alone) = b_blocks.split_at(pairs);
    let states = [&mut a.state, &mut b.state];
    let blocks = a_paired.iter().zip(b_paired).map(|(a, b)| [a, b]);
    a.kernel.compress(states, blocks);
    a.compress(a_alone);
    b.compress(b_alone);
    a.keep(a_rest);
    b.keep(b_rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a message of which only the length is known: that of the given number of bytes, a
    /// multiple of a block's.
    fn long(kernel: Kernel, length: u64) -> Stream {
        Stream {
            length,
            ..Stream::new(kernel)
        }
    }

    #[test]
    fn bits_are_counted_modulo_2_to_the_64() {
        let Some(kernel) = Kernel::detect() else {
            return;
        };
        let digest = |length: u64, bytes: &[u8]| {
            let mut stream = long(kernel, length);
            stream.update(bytes);
            stream.finish()
        };
        let bytes = [7; 100];
        assert_eq!(digest(1 << 61, &bytes), digest(0, &bytes));
        assert_eq!(digest(7 << 61, &bytes), digest(0, &bytes));
        assert_eq!(digest(u64::MAX - 63, &[0; 64]), {
            let mut stream = Stream::new(kernel);
            stream.compress(&[[0; 64]]);
            stream.finish()
        });
        assert_ne!(digest(1 << 60, &bytes), digest(0, &bytes));
    }
}
