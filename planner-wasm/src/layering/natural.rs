//! Natural numbers without an upper limit: counts of walks through a graph double with
//! every diamond on the way. Adding and comparing is all that is needed, which is less
//! than any library for them takes to build.

use std::cmp::Ordering;
use std::ops::AddAssign;

/// A natural number, its least significant digit first, in base 2^64 and without zeros
/// at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Natural(Vec<u64>);

impl From<u128> for Natural {
    fn from(number: u128) -> Self {
        let mut digits = vec![number as u64, (number >> 64) as u64];
        while digits.last() == Some(&0) {
            digits.pop();
        }
        Self(digits)
    }
}

impl AddAssign<&Self> for Natural {
    fn add_assign(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        let mut carry = false;
        for (i, digit) in self.0.iter_mut().enumerate() {
            let Some(&more) = other.0.get(i).or(carry.then_some(&0)) else {
                break;
            };
            let (sum, over) = digit.overflowing_add(more);
            let (sum, again) = sum.overflowing_add(carry.into());
            (*digit, carry) = (sum, over || again);
        }
        if carry {
            self.0.push(1);
        }
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.0.len().cmp(&other.0.len());
        length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In digits as long as people read them, else as a power of two near it.
impl std::fmt::Display for Natural {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("0"),
            [number] => f.write_str(&super::reason::grouped(&number.to_string())),
            [.., last] => {
                let bits = self.0.len() as u64 * 64 - u64::from(last.leading_zeros());
                // Nearer to the next one if the two highest bits are set, which is near enough.
                let next = u64::from((last << last.leading_zeros()) >> 62 == 3);
                write!(f, "about 2^{}", bits - 1 + next)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_carry_into_as_many_digits_as_they_need() {
        let max = u128::MAX;
        for (a, b) in [
            (0, 0),
            (0, 7),
            (1, u128::from(u64::MAX)),
            (max >> 1, 1),
            (5 << 64, 7 << 64),
            (max - 3, 3),
        ] {
            for (a, b) in [(a, b), (b, a)] {
                let mut sum = Natural::from(a);
                sum += &Natural::from(b);
                assert_eq!(sum, Natural::from(a + b), "{a} + {b}");
            }
        }
        let mut sum = Natural::from(max);
        sum += &Natural::from(1);
        assert_eq!(sum.0, [0, 0, 1]);
        sum += &Natural::from(max);
        sum += &Natural::from(1);
        assert_eq!(sum.0, [0, 0, 2]);
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let numbers = [
            0,
            1,
            2,
            u128::from(u64::MAX),
            1 << 64,
            (1 << 64) + 1,
            2 << 64,
            u128::MAX,
        ];
        for (i, a) in numbers.iter().enumerate() {
            for (j, b) in numbers.iter().enumerate() {
                assert_eq!(
                    Natural::from(*a).cmp(&Natural::from(*b)),
                    i.cmp(&j),
                    "{a} {b}"
                );
            }
        }
    }

    #[test]
    fn large_numbers_are_shown_as_powers() {
        for (number, expected) in [
            (0, "0"),
            (3472, "3,472"),
            (u128::from(u64::MAX), "18,446,744,073,709,551,615"),
            (1 << 64, "about 2^64"),
            (u128::MAX, "about 2^128"),
        ] {
            assert_eq!(Natural::from(number).to_string(), expected);
        }
    }
}
