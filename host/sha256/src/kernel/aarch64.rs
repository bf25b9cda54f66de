//! The compression function by the extension SHA2 of AArch64.
//!
//! The instructions `sha256h` and `sha256h2` together do four rounds.
#![allow(
    unsafe_code,
    reason = "instructions that not every processor has are unsafe to call"
)]

use std::arch::aarch64::{
    uint32x4_t, vaddq_u32, vcombine_u64, vcreate_u64, vdupq_n_u32, vgetq_lane_u32,
    vreinterpretq_u8_u64, vreinterpretq_u32_u8, vreinterpretq_u32_u64, vrev32q_u8, vsha256h2q_u32,
    vsha256hq_u32, vsha256su0q_u32, vsha256su1q_u32,
};
use std::arch::is_aarch64_feature_detected;

use super::{Block, CONSTANTS, State};

/// Proof that the processor has the extension `sha2`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel(());

impl Kernel {
    /// Returns a kernel if the processor has the extension. The standard library asks the system
    /// once, and remembers the answer.
    pub(crate) fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("sha2").then_some(Self(()))
    }

    /// Returns the kernel of a processor that has the fewest extensions.
    #[cfg(test)]
    pub(crate) fn simplest(self) -> Self {
        self
    }

    /// Hashes blocks of `N` messages: an item has one of each.
    pub(crate) fn compress<'a, const N: usize>(
        self,
        states: [&mut State; N],
        blocks: impl Iterator<Item = [&'a Block; N]>,
    ) {
        // SAFETY: The processor has the extension that `compress` enables: `detect` alone makes a
        // `Kernel`, and only after it found it.
        unsafe { compress(states, blocks) }
    }
}

/// The state of one message in two registers.
#[derive(Clone, Copy)]
struct Working {
    abcd: uint32x4_t,
    efgh: uint32x4_t,
}

/// The sixteen words of the message schedule that the next rounds need, oldest at `step % 4`.
type Schedule = [uint32x4_t; 4];

#[target_feature(enable = "sha2")]
fn compress<'a, const N: usize>(
    states: [&mut State; N],
    blocks: impl Iterator<Item = [&'a Block; N]>,
) {
    let zero = vdupq_n_u32(0);
    let mut working = [Working {
        abcd: zero,
        efgh: zero,
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
        // A macro, and not a loop: the number of a step has to be a constant, so that all of this
        // stays in registers.
        macro_rules! steps {
            ($($step:literal)*) => {$(
                for (working, schedule) in working.iter_mut().zip(&mut schedules) {
                    four_rounds::<$step>(working, schedule);
                }
            )*};
        }
        steps!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for (working, before) in working.iter_mut().zip(before) {
            working.abcd = vaddq_u32(working.abcd, before.abcd);
            working.efgh = vaddq_u32(working.efgh, before.efgh);
        }
    }
    for (state, working) in states.into_iter().zip(working) {
        *state = store(working);
    }
}

/// Does four of the 64 rounds, and computes the four words that are due sixteen rounds later.
#[inline]
#[target_feature(enable = "sha2")]
fn four_rounds<const STEP: usize>(working: &mut Working, schedule: &mut Schedule) {
    let oldest = schedule[STEP % 4];
    let sums = vaddq_u32(oldest, vector(CONSTANTS[STEP]));
    let Working { abcd, efgh } = *working;
    working.abcd = vsha256hq_u32(abcd, efgh, sums);
    working.efgh = vsha256h2q_u32(efgh, abcd, sums);

    if STEP < 12 {
        let [second, third, newest] = [1, 2, 3].map(|later| schedule[(STEP + later) % 4]);
        let sigma0 = vsha256su0q_u32(oldest, second);
        schedule[STEP % 4] = vsha256su1q_u32(sigma0, third, newest);
    }
}

/// Returns the words of a block, which are big-endian.
#[inline]
#[target_feature(enable = "sha2")]
fn words(block: &Block) -> Schedule {
    let mut schedule = [vdupq_n_u32(0); 4];
    for (words, [low, high]) in schedule.iter_mut().zip(halves(block)) {
        let register = vcombine_u64(vcreate_u64(low), vcreate_u64(high));
        *words = vreinterpretq_u32_u8(vrev32q_u8(vreinterpretq_u8_u64(register)));
    }
    schedule
}

/// Returns the halves of the four registers that a block fills. Safe code has no load of a whole one;
/// the eight more instructions for each block cost little.
#[inline]
fn halves(block: &Block) -> impl Iterator<Item = [u64; 2]> {
    let (registers, _) = block.as_chunks::<16>();
    registers.iter().map(|register| {
        let (halves, _) = register.as_chunks::<8>();
        [0, 1].map(|half| u64::from_le_bytes(halves[half]))
    })
}

#[inline]
#[target_feature(enable = "sha2")]
fn load(&[a, b, c, d, e, f, g, h]: &State) -> Working {
    Working {
        abcd: vector([a, b, c, d]),
        efgh: vector([e, f, g, h]),
    }
}

#[inline]
#[target_feature(enable = "sha2")]
fn vector([first, second, third, fourth]: [u32; 4]) -> uint32x4_t {
    let half = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    let (low, high) = (half(first, second), half(third, fourth));
    vreinterpretq_u32_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(high)))
}

#[inline]
#[target_feature(enable = "sha2")]
fn store(Working { abcd, efgh }: Working) -> State {
    [
        vgetq_lane_u32::<0>(abcd),
        vgetq_lane_u32::<1>(abcd),
        vgetq_lane_u32::<2>(abcd),
        vgetq_lane_u32::<3>(abcd),
        vgetq_lane_u32::<0>(efgh),
        vgetq_lane_u32::<1>(efgh),
        vgetq_lane_u32::<2>(efgh),
        vgetq_lane_u32::<3>(efgh),
    ]
}
