//! Hashes against published ones, and against the crate `sha2`.

use std::io::Write as _;

use proptest::prelude::*;
use sha2::Digest as _;

use super::*;

/// Miri takes some hundredths of a second for a block.
const MIRI: bool = cfg!(miri);

/// The empty message of NIST's CAVP (`SHA256ShortMsg.rsp`), the messages of FIPS 180-2, appendices
/// B.1 and B.2, and the message of its appendix C.2 with the digest that `sha256sum` prints.
const PUBLISHED: &[(&str, &str)] = &[
    (
        "",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    (
        "abc",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
    ),
];

/// The digest of a million letters `a` (FIPS 180-2, appendix B.3).
const MILLION: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn reference(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

/// Returns bytes of which no two blocks, nor the same block of two seeds, are equal.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    (0..length).map(step).collect()
}

/// Returns a hash of each implementation: that of this machine, that of a simpler one, and the library.
fn implementations() -> [Sha256; 3] {
    let simplest = Kernel::detect().map(Kernel::simplest);
    [Sha256::new(), Sha256::with(simplest), Sha256::with(None)]
}

/// Returns each pair of implementations.
fn pairs() -> impl Iterator<Item = (Sha256, Sha256)> {
    implementations()
        .into_iter()
        .flat_map(|a| implementations().map(|b| (a.clone(), b)))
}

fn after(mut hash: Sha256, parts: &[&[u8]]) -> [u8; 32] {
    for part in parts {
        hash.update(part);
    }
    hash.finish()
}

#[test]
fn published_digests() {
    for (message, digest) in PUBLISHED {
        assert_eq!(hex(Sha256::digest(message.as_bytes())), *digest);
        for hash in implementations() {
            assert_eq!(hex(after(hash, &[message.as_bytes()])), *digest);
        }
        for (mut a, mut b) in pairs() {
            let bytes = message.as_bytes();
            update_two((&mut a, bytes), (&mut b, bytes));
            assert_eq!([hex(a.finish()), hex(b.finish())], [*digest; 2]);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_million_letters() {
    let letters = [b'a'; 1000];
    for (mut a, mut b) in pairs() {
        for _ in 0..1000 {
            a.update(&letters);
        }
        assert_eq!(hex(a.clone().finish()), MILLION);
        let mut again = Sha256::new();
        for _ in 0..1000 {
            update_two((&mut again, &letters), (&mut b, &letters));
        }
        assert_eq!([hex(again.finish()), hex(b.finish())], [MILLION; 2]);
    }
}

#[test]
fn every_length_and_split() {
    let bytes = noise(1, 300);
    let lengths = (0..=300).filter(|length| !MIRI || (55..=65).contains(length));
    for length in lengths {
        let message = &bytes[..length];
        let digest = reference(message);
        for split in (0..=length).step_by(if MIRI { 9 } else { 1 }) {
            let (head, tail) = message.split_at(split);
            for hash in implementations() {
                assert_eq!(after(hash, &[head, tail]), digest, "{split} of {length}");
            }
        }
    }
}

#[test]
fn every_alignment() {
    let bytes = noise(2, 64 + 1000);
    let (short, long) = if MIRI { (70, 130) } else { (777, 1000) };
    for start in (0..64).step_by(if MIRI { 13 } else { 1 }) {
        let (left, right) = (&bytes[start..][..short], &bytes[63 - start..][..long]);
        for hash in implementations() {
            assert_eq!(after(hash, &[left]), reference(left), "from {start}");
        }
        for (mut a, mut b) in pairs() {
            update_two((&mut a, left), (&mut b, right));
            assert_eq!(a.finish(), reference(left), "from {start}");
            assert_eq!(b.finish(), reference(right), "from {start}");
        }
    }
}

#[test]
fn pairs_of_any_length_after_any_that_wait() {
    let lengths: &[usize] = if MIRI {
        &[70, 200]
    } else {
        &[0, 1, 63, 64, 65, 127, 128, 129, 200, 300]
    };
    let waiting: &[usize] = if MIRI {
        &[0, 5]
    } else {
        &[0, 1, 5, 55, 56, 62, 63]
    };
    let (left, right) = (noise(3, 400), noise(4, 400));
    for (a_waits, b_waits) in product(waiting) {
        for (a_length, b_length) in product(lengths) {
            let (a_bytes, b_bytes) = (&left[..a_waits + a_length], &right[..b_waits + b_length]);
            for (mut a, mut b) in pairs() {
                a.update(&a_bytes[..a_waits]);
                b.update(&b_bytes[..b_waits]);
                update_two((&mut a, &a_bytes[a_waits..]), (&mut b, &b_bytes[b_waits..]));
                let case = format!("{a_waits}+{a_length} and {b_waits}+{b_length}");
                assert_eq!(a.finish(), reference(a_bytes), "{case}");
                assert_eq!(b.finish(), reference(b_bytes), "{case}");
            }
        }
    }
}

fn product(values: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let pairs = move |a: &usize| {
        values.iter().map({
            let a = *a;
            move |b| (a, *b)
        })
    };
    values.iter().flat_map(pairs)
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn long_messages() {
    let (left, right) = (noise(5, 5_000_001), noise(6, 3_999_999));
    for (mut a, mut b) in pairs() {
        update_two((&mut a, &left), (&mut b, &right));
        assert_eq!(a.finish(), reference(&left));
        assert_eq!(b.finish(), reference(&right));
    }
}

#[test]
fn what_is_written_is_hashed() {
    let bytes = noise(7, 150);
    let mut hash = Sha256::default();
    hash.write_all(&bytes).unwrap();
    hash.flush().unwrap();
    assert_eq!(hash.finish(), reference(&bytes));
}

#[test]
fn a_copy_goes_its_own_way() {
    let bytes = noise(8, 100);
    for mut hash in implementations() {
        hash.update(&bytes[..70]);
        let copy = hash.clone();
        hash.update(&[0; 200]);
        assert_eq!(after(copy, &[&bytes[70..]]), reference(&bytes));
    }
}

/// An update of one message, of the other, or of both at once, by lengths.
#[derive(Debug, Clone)]
enum Step {
    Left(usize),
    Right(usize),
    Both(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let length = || prop_oneof![3 => 0..70_usize, 1 => 0..700_usize];
    prop_oneof![
        length().prop_map(Step::Left),
        length().prop_map(Step::Right),
        (length(), length()).prop_map(|(left, right)| Step::Both(left, right)),
    ]
}

/// The bytes of one message, in parts.
struct Parts {
    bytes: Vec<u8>,
    taken: usize,
}

impl Parts {
    fn new(seed: u64) -> Self {
        let bytes = noise(seed, 30 * 700);
        Self { bytes, taken: 0 }
    }

    fn take(&mut self, length: usize) -> &[u8] {
        let start = self.taken;
        self.taken += length;
        &self.bytes[start..self.taken]
    }

    fn digest(&self) -> [u8; 32] {
        reference(&self.bytes[..self.taken])
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    #[cfg_attr(miri, ignore = "slow")]
    fn any_updates_one_by_one_or_both_at_once(steps in prop::collection::vec(step(), 0..30)) {
        for (mut a, mut b) in pairs() {
            let (mut left, mut right) = (Parts::new(9), Parts::new(10));
            for step in &steps {
                match *step {
                    Step::Left(length) => a.update(left.take(length)),
                    Step::Right(length) => b.update(right.take(length)),
                    Step::Both(one, other) => {
                        update_two((&mut a, left.take(one)), (&mut b, right.take(other)));
                    }
                }
            }
            prop_assert_eq!(a.finish(), left.digest());
            prop_assert_eq!(b.finish(), right.digest());
        }
    }
}
