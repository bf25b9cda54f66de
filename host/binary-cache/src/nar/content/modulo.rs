//! The hash of a NAR without its references to itself (`HashModuloSink` in Nix's `references.cc`): with
//! zeros in the place of each, and their positions after everything. Nix 2.17 to 2.34 leaves the positions out, so that
//! a NAR with zeros instead of a reference has the same hash.

use ring::digest::{Algorithm, Context, Digest};

/// The most references that are counted. Their positions take eight bytes each.
const MOST: usize = 1 << 20;

/// A hash that is independent of some text in what it hashes.
pub(super) struct Modulo {
    text: Vec<u8>,
    hash: Context,
    /// The bytes that may begin the text: fewer than it has.
    held: Vec<u8>,
    /// The position of the first of them.
    position: u64,
    /// The positions of the text.
    found: Vec<u64>,
}

impl Modulo {
    pub(super) fn new(algorithm: &'static Algorithm, text: &str) -> Self {
        Self {
            text: text.as_bytes().to_vec(),
            hash: Context::new(algorithm),
            held: vec![],
            position: 0,
            found: vec![],
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let mut window = std::mem::take(&mut self.held);
        window.extend(bytes);
        let size = self.text.len();
        let mut start = 0;
        while let Some(at) = find(&window[start..], &self.text) {
            let at = start + at;
            if self.found.len() <= MOST {
                self.found.push(self.position + at as u64);
            }
            window[at..at + size].fill(0);
            start = at + size;
        }
        let done = (window.len() + 1).saturating_sub(size).max(start);
        self.hash.update(&window[..done]);
        self.position += done as u64;
        self.held = window.split_off(done);
    }

    /// The hash without the positions.
    pub(super) fn finish_without_positions(&self) -> Digest {
        let mut hash = self.hash.clone();
        hash.update(&self.held);
        hash.finish()
    }

    /// The hash; nothing if there were too many references, or none: a NAR with zeros instead of all of them has the hash
    /// that Nix 2.17 to 2.34 computes for the one with references.
    pub(super) fn finish(&self) -> Option<Digest> {
        let mut hash = self.hash.clone();
        hash.update(&self.held);
        for position in &self.found {
            hash.update(format!("|{position}").as_bytes());
        }
        (1..=MOST)
            .contains(&self.found.len())
            .then(|| hash.finish())
    }
}

/// The first position of a text that is not empty.
fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    let mut start = 0;
    loop {
        start += bytes[start..].iter().position(|&byte| byte == first)?;
        if bytes[start..].starts_with(text) {
            return Some(start);
        }
        start += 1;
    }
}
