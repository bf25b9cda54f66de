//! The buffers that go round.

/// Bytes that are filled in by a feeder.
pub(super) struct Buffer {
    data: Box<[u8]>,
    length: usize,
    /// True if the bytes belong to what is being hashed.
    pub(super) hashed: bool,
}

impl Buffer {
    /// An empty buffer for so many bytes.
    pub(super) fn new(size: usize) -> Self {
        Self {
            data: vec![0; size].into(),
            length: 0,
            hashed: false,
        }
    }

    /// Empties it.
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Returns true if no further byte fits in.
    pub(super) fn is_full(&self) -> bool {
        self.length == self.data.len()
    }

    /// Returns the room that is left.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        &mut self.data[self.length..]
    }

    /// Keeps the first `count` bytes of the room that was left.
    pub(super) fn advance(&mut self, count: usize) {
        self.length += count;
        debug_assert!(self.length <= self.data.len());
    }

    /// Returns the bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.data[..self.length]
    }
}
