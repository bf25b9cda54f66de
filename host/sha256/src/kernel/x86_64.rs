//! The compression function by Intel's SHA extensions, which AMD's processors have as well.
//!
//! An instruction `sha256rnds2` does two rounds. It takes half of the state as the words a, b, e
//! and f, and the other half as c, d, g and h, the first word in the highest lane.
#![allow(
    unsafe_code,
    reason = "instructions that not every processor has are unsafe to call"
)]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
    _mm_shuffle_epi32,
};

use super::{Block, CONSTANTS, State};

/// Proof that the processor has the extensions `sha`, `ssse3` and `sse4.1`, and perhaps `avx`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    has_avx: bool,
}

impl Kernel {
    /// Returns a kernel if the processor has the extensions. The standard library asks the processor
    /// once, and remembers the answer.
    pub(crate) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1");
        let has_avx = is_x86_feature_detected!("avx");
        found.then_some(Self { has_avx })
    }

    /// Returns the kernel of a processor that has the fewest extensions.
    #[cfg(test)]
    pub(crate) fn simplest(self) -> Self {
        Self { has_avx: false }
    }

    /// Hashes blocks of `N` messages: an item has one of each.
    pub(crate) fn compress<'a, const N: usize>(
        self,
        states: [&mut State; N],
        blocks: impl Iterator<Item = [&'a Block; N]>,
    ) {
        // SAFETY: The processor has the extensions that the functions enable: `detect` alone makes a
        // `Kernel`, and only after it found each of them.
        unsafe {
            if self.has_avx {
                compress_by_avx(states, blocks);
            } else {
                compress(states, blocks);
            }
        }
    }
}

/// The state of one message in two registers.
#[derive(Clone, Copy)]
struct Working {
    abef: __m128i,
    cdgh: __m128i,
}

/// The sixteen words of the message schedule that the next rounds need, oldest at `step % 4`.
type Schedule = [__m128i; 4];

/// Does the 64 rounds of blocks. A macro, and not a loop: the number of a step has to be a constant, so that all of this
/// stays in registers.
macro_rules! rounds {
    ($working:ident, $schedules:ident, $($step:literal)*) => {$(
        for (working, schedule) in $working.iter_mut().zip(&mut $schedules) {
            four_rounds::<$step>(working, schedule);
        }
    )*};
}

/// A function that hashes blocks of `N` messages, compiled for some extensions.
macro_rules! compress {
    ($name:ident, $features:literal) => {
        #[target_feature(enable = $features)]
        fn $name<'a, const N: usize>(
            states: [&mut State; N],
            blocks: impl Iterator<Item = [&'a Block; N]>,
        ) {
            let zero = _mm_set_epi64x(0, 0);
            let mut working = [Working {
                abef: zero,
                cdgh: zero,
            }; N];
            for (working, state) in working.iter_mut().zip(&states) {
                *working = load(state);
            }
            for blocks in blocks {
                let before = working;
                let mut schedules = [[zero; 4]; N];
                for (schedule, block) in schedules.iter_mut().zip(blocks) {
                    *schedule = words(block);
                }
                rounds!(working, schedules, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                for (working, before) in working.iter_mut().zip(before) {
                    working.abef = _mm_add_epi32(working.abef, before.abef);
                    working.cdgh = _mm_add_epi32(working.cdgh, before.cdgh);
                }
            }
            for (state, working) in states.into_iter().zip(working) {
                *state = store(working);
            }
        }
    };
}

compress!(compress, "sha,ssse3,sse4.1");
// The instructions of AVX name a register for their result, so fewer values are copied: two messages take a fifteenth
// less time on an AMD EPYC (Zen 5).
compress!(compress_by_avx, "sha,ssse3,sse4.1,avx");

/// Does four of the 64 rounds, and computes the four words that are due sixteen rounds later.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn four_rounds<const STEP: usize>(working: &mut Working, schedule: &mut Schedule) {
    let [k0, k1, k2, k3] = CONSTANTS[STEP].map(u32::cast_signed);
    let oldest = schedule[STEP % 4];
    let sums = _mm_add_epi32(oldest, _mm_set_epi32(k3, k2, k1, k0));
    // Two rounds make c, d, g and h of a, b, e and f: the registers change places, twice.
    working.cdgh = _mm_sha256rnds2_epu32(working.cdgh, working.abef, sums);
    let upper = _mm_shuffle_epi32::<0b00_00_11_10>(sums);
    working.abef = _mm_sha256rnds2_epu32(working.abef, working.cdgh, upper);

    if STEP < 12 {
        let [second, third, newest] = [1, 2, 3].map(|later| schedule[(STEP + later) % 4]);
        let sigma0 = _mm_sha256msg1_epu32(oldest, second);
        let seven_back = _mm_alignr_epi8::<4>(newest, third);
        schedule[STEP % 4] = _mm_sha256msg2_epu32(_mm_add_epi32(sigma0, seven_back), newest);
    }
}

/// Returns the words of a block, which are big-endian.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn words(block: &Block) -> Schedule {
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut schedule = [swap; 4];
    for (words, [low, high]) in schedule.iter_mut().zip(halves(block)) {
        *words = _mm_shuffle_epi8(_mm_set_epi64x(high, low), swap);
    }
    schedule
}

/// Returns the halves of the four registers that a block fills. Safe code has no load of a whole one;
/// the compiler makes one of two halves.
#[inline]
fn halves(block: &Block) -> impl Iterator<Item = [i64; 2]> {
    let (registers, _) = block.as_chunks::<16>();
    registers.iter().map(|register| {
        let (halves, _) = register.as_chunks::<8>();
        [0, 1].map(|half| i64::from_le_bytes(halves[half]))
    })
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn load(state: &State) -> Working {
    let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
    Working {
        abef: _mm_set_epi32(a, b, e, f),
        cdgh: _mm_set_epi32(c, d, g, h),
    }
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn store(Working { abef, cdgh }: Working) -> State {
    [
        _mm_extract_epi32::<3>(abef),
        _mm_extract_epi32::<2>(abef),
        _mm_extract_epi32::<3>(cdgh),
        _mm_extract_epi32::<2>(cdgh),
        _mm_extract_epi32::<1>(abef),
        _mm_extract_epi32::<0>(abef),
        _mm_extract_epi32::<1>(cdgh),
        _mm_extract_epi32::<0>(cdgh),
    ]
    .map(i32::cast_unsigned)
}
