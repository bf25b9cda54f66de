//! The state of a sealed WASI within one call: its place in its random numbers, and the end
//! of what was written to standard error.

use crate::sanitize;

/// The part of standard error that is kept, in bytes: its end, where a runtime says why it gives up.
const KEPT: usize = 4 << 10;

/// The state of a sealed WASI, new for each call.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    numbers: u64,
    stderr: Vec<u8>,
}

impl Sealed {
    /// The next of the random numbers, which are the same in every call: a counter, mixed as
    /// in SplitMix64 (Steele, Lea and Flood, 2014).
    pub(super) fn number(&mut self) -> u64 {
        self.numbers = self.numbers.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = self.numbers;
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Takes note of what was written to standard error.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.stderr
            .extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        let surplus = self.stderr.len().saturating_sub(KEPT);
        self.stderr.drain(..surplus);
    }

    /// The end of what was written to standard error, fit to be shown.
    pub(crate) fn wrote(&self) -> String {
        let start = if self.stderr.len() == KEPT { "…" } else { "" };
        start.to_owned() + &sanitize::all_lines(String::from_utf8_lossy(&self.stderr).trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_from_the_start() {
        let numbers = || {
            let mut sealed = Sealed::default();
            [(); 3].map(|()| sealed.number())
        };
        assert_eq!(numbers(), numbers());
        // The first ones of SplitMix64 from the seed 0.
        assert_eq!(
            numbers()[..2],
            [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]
        );
    }

    #[test]
    fn the_end_of_what_is_written_is_kept() {
        let mut sealed = Sealed::default();
        for _ in 0..1000 {
            sealed.write(b"0123456789");
        }
        assert_eq!(sealed.stderr.len(), KEPT);
        sealed.write(&[b'x'; 10_000]);
        sealed.write(b"\n\x1b[2Jend\xff\n");
        let wrote = sealed.wrote();
        assert!(
            wrote.starts_with("…xxx") && wrote.len() < 2 * KEPT,
            "{wrote}"
        );
        // The end above all: that is where a runtime says what went wrong.
        assert!(wrote.ends_with("xxx\n\\u{1b}[2Jend\u{fffd}"), "{wrote}");
    }
}
