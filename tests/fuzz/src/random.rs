//! Numbers that look random and are the same in each run.

/// A generator of numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts a sequence of numbers; the same seed gives the same sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `limit`, and 0 for a limit of 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        (self.number() % limit as u64) as usize
    }

    /// Returns true once in `times` on average.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Returns one of several items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// Returns a place and a length within so many bytes; the length is short more often than long.
    pub fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length);
        let longest = 1 << self.below(12);
        let count = 1 + self.below(longest);
        start..length.min(start + count)
    }

    /// Returns a number of the kind at which programs break: near zero, a power of two, or a limit.
    pub fn interesting(&mut self) -> u64 {
        let near = self.below(5) as u64;
        match self.below(6) {
            0 => near,
            1 => (1_u64 << self.below(64)).wrapping_add(near).wrapping_sub(2),
            2 => (i64::MAX as u64).wrapping_add(near).wrapping_sub(2),
            3 => u64::MAX - near,
            4 => 512 * self.below(9) as u64 + near,
            _ => self.number() >> self.below(64),
        }
    }
}
