//! SHA-256 (FIPS 180-4) of one message, or of two messages at once in one thread.
//!
//! A SHA instruction takes longer until its result is ready than until the processor accepts the
//! next one. The rounds of one message depend on each other, so they wait. The rounds of two
//! messages do not: interleaved, they use the time in which one message alone waits. Three or four
//! messages gain nothing more than two.
//!
//! | processor | implementation |
//! |---|---|
//! | x86-64 with the extensions SHA, SSSE3 and SSE4.1; AVX where it is there | `kernel::x86_64` |
//! | AArch64 with the extension SHA2, little-endian | `kernel::aarch64` |
//! | every other one | the crate `sha2` |
//!
//! The processor is examined when the program runs.
//!
//! # Unsafe code
//!
//! The one unsafe operation is the call of a function that uses the SHA instructions. A value of
//! the type `Kernel` proves that the processor has them. The kernels use no pointers: messages are
//! read, and states are written, by safe code.
//!
//! # Tests
//!
//! Miri runs the instructions of x86-64:
//!
//! ```text
//! RUSTFLAGS='-C target-feature=+sha,+ssse3,+sse4.1' cargo +nightly miri test -p terrine-sha256
//! ```
//!
//! QEMU runs those of AArch64 (Debian's packages `qemu-user`, `gcc-aarch64-linux-gnu` and
//! `libc6-dev-arm64-cross`):
//!
//! ```text
//! rustup target add aarch64-unknown-linux-gnu
//! CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
//! CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER='qemu-aarch64 -L /usr/aarch64-linux-gnu' \
//!     cargo test --release -p terrine-sha256 --target aarch64-unknown-linux-gnu
//! ```
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]

mod kernel;
mod stream;
#[cfg(test)]
mod tests;

use std::io;

use kernel::Kernel;
use sha2::Digest as _;
use stream::Stream;

/// The SHA-256 of a message whose bytes come one part after another.
///
/// A message has less than 2^61 bytes, which are 2^64 bits (FIPS 180-4, section 1). The length of a
/// longer one is counted modulo 2^64 bits.
#[derive(Debug, Clone)]
pub struct Sha256(Implementation);

#[derive(Debug, Clone)]
enum Implementation {
    Kernel(Stream),
    Library(sha2::Sha256),
}

impl Sha256 {
    /// Returns the hash of a message without bytes so far.
    pub fn new() -> Self {
        Self::with(Kernel::detect())
    }

    /// Returns the same, computed by a kernel or, without one, by the library.
    fn with(kernel: Option<Kernel>) -> Self {
        Self(match kernel {
            Some(kernel) => Implementation::Kernel(Stream::new(kernel)),
            None => Implementation::Library(sha2::Sha256::new()),
        })
    }

    /// Appends bytes to the message.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Implementation::Kernel(stream) => stream.update(bytes),
            Implementation::Library(hash) => hash.update(bytes),
        }
    }

    /// Returns the hash of the message.
    pub fn finish(self) -> [u8; 32] {
        match self.0 {
            Implementation::Kernel(stream) => stream.finish(),
            Implementation::Library(hash) => hash.finalize().into(),
        }
    }

    /// Returns the hash of a whole message.
    pub fn digest(bytes: &[u8]) -> [u8; 32] {
        let mut hash = Self::new();
        hash.update(bytes);
        hash.finish()
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends what is written to the message, and never fails.
impl io::Write for Sha256 {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends bytes to two messages at once.
///
/// The lengths may differ: the rest of the longer one is hashed alone.
pub fn update_two((a, left): (&mut Sha256, &[u8]), (b, right): (&mut Sha256, &[u8])) {
    if let (Implementation::Kernel(a), Implementation::Kernel(b)) = (&mut a.0, &mut b.0) {
        stream::update_two((a, left), (b, right));
    } else {
        a.update(left);
        b.update(right);
    }
}

/// Returns whether two hashes at once take less time than one after the other on this machine.
///
/// True where [`update_two`] uses SHA instructions. Measured: two at once hash 1.7 times as many
/// bytes a second on AMD Zen 3, and 1.34 times as many on Intel Sapphire Rapids. On AArch64 it is
/// assumed, from the latencies that Arm publishes.
pub fn two_pay() -> bool {
    Kernel::detect().is_some()
}
