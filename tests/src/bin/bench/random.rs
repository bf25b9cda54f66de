//! Numbers that look random and are the same at each run, on every machine.

/// Marsaglia's xorshift64.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A sequence of its own for each seed but zero.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Self(seed);
        // Small seeds begin with small numbers.
        for _ in 0..16 {
            random.next();
        }
        random
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below this one.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        // What the remainder favours is nothing to a benchmark.
        (self.next() % limit as u64) as usize
    }

    /// One of some things.
    pub(super) fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }

    /// Puts things into some order.
    pub(super) fn shuffle<T>(&mut self, things: &mut [T]) {
        for i in (1..things.len()).rev() {
            things.swap(i, self.below(i + 1));
        }
    }

    /// Fills a buffer, eight bytes at a time.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}
