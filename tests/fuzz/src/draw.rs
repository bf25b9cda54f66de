//! Values drawn from the bytes of an input, for targets whose inputs are values and not text.

/// Bytes that values are drawn from. After the last one all are zero.
#[derive(Debug, Clone)]
pub struct Draw<'a>(pub &'a [u8]);

impl<'a> Draw<'a> {
    /// Draws a byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// Draws a number, small ones by one byte.
    pub fn number(&mut self) -> u64 {
        let width = usize::from(self.byte() % 9);
        (0..width).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// Draws a number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// Draws bytes, at most so many.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let length = self.below(most as u64 + 1) as usize;
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Tells whether all bytes are drawn.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
