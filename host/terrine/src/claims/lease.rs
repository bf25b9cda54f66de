//! Leases: what one machine of a fleet is making, so that the others do not make it as well.
//!
//! A registry cannot compare and swap a tag. So a machine writes its lease, waits as long as the write
//! took, and reads the tag again: the last of several writers has the lease. A lease that
//! is lost, or held by a machine that died, only means that a layer is made twice. No image depends
//! on a lease.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use terrine_oci::{Annotations, Digest, Document, annotation};

use super::entry::{artifact, empty, parts, tag_digits};

/// The artifact type of a lease.
const LEASE_TYPE: &str = "application/vnd.dev.terrine.lease.v1+json";
/// On a lease: the run that holds it, as a number.
const HOLDER: &str = "dev.terrine.lease.holder";
/// On a lease: the time it was taken, in seconds since 1970.
const SINCE: &str = "dev.terrine.lease.since";
/// The number of digits in the tag of a lease. A repository gets at most 16³ such tags. Two layers with the same tag
/// may both be made twice.
const TAG_DIGITS: usize = 3;
/// The time that a layer may take that has no bytes.
const LEAST: Duration = Duration::from_secs(20);
/// The slowest that a layer is expected to be made and sent, in bytes a second.
const SLOWEST: u64 = 16 << 20;

/// The run of a machine, among those that share layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(u64);

impl Holder {
    /// A run that no other one is confused with.
    pub fn random() -> Self {
        // The standard library's source of random numbers that needs no other crate.
        Self(RandomState::new().hash_one(std::process::id()))
    }

    /// Returns a number that differs between holders, for the same value.
    pub fn shuffle(self, value: usize) -> u64 {
        // SplitMix64, by Steele, Lea and Flood: enough to put lists in different orders.
        let mut mixed = self.0 ^ (value as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The layer that a lease is for.
#[derive(Debug, Clone, Copy)]
pub struct Leased<'a> {
    /// The key of the layer.
    pub key: Digest,
    /// The setting that its blob is compressed with.
    pub setting: &'a str,
    /// The approximate size of the layer in bytes.
    pub weight: u64,
}

impl Leased<'_> {
    /// Returns the time after which nobody waits for a machine that makes the layer.
    pub fn patience(&self) -> Duration {
        LEAST + Duration::from_secs(self.weight / SLOWEST)
    }

    /// Returns the tag of the lease.
    pub(super) fn tag(&self) -> String {
        let digits = tag_digits(self.key, self.setting);
        format!("lease-{}", &digits[..TAG_DIGITS])
    }

    /// Returns the manifest of the lease.
    pub(super) fn to_document(self, holder: Holder, now: SystemTime) -> Document {
        let annotations = [
            (annotation::LAYER_KEY, self.key.to_string()),
            (annotation::COMPRESSION, self.setting.to_owned()),
            (HOLDER, holder.0.to_string()),
            (SINCE, seconds(now).to_string()),
        ];
        let annotations = annotations.map(|(name, value)| (name.to_owned(), value));
        artifact(LEASE_TYPE, empty(), Annotations::from(annotations))
    }

    /// Returns the holder of the lease that a document is; none if it is something else, is for another layer,
    /// or is older than a holder takes.
    pub(super) fn holder(&self, document: &Document, now: SystemTime) -> Option<Holder> {
        let (_, annotations) = parts(document, LEASE_TYPE)?;
        let get = |name: &str| annotations.get(name);
        let is_same = get(annotation::LAYER_KEY)? == &self.key.to_string()
            && get(annotation::COMPRESSION)? == self.setting;
        let since: u64 = get(SINCE)?.parse().ok()?;
        // Clocks of machines differ, to both sides.
        let is_fresh = seconds(now).abs_diff(since) <= self.patience().as_secs();
        let holder = Holder(get(HOLDER)?.parse().ok()?);
        (is_same && is_fresh).then_some(holder)
    }
}

/// Returns a time in seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leased() -> Leased<'static> {
        Leased {
            key: Digest::of(b"key"),
            setting: "gzip level 4",
            weight: 160 << 20,
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_is_for_one_layer_and_ends() {
        let document = leased().to_document(Holder(7), at(1000));
        let read = Document::parse(document.bytes, None).unwrap();
        assert_eq!(leased().patience(), Duration::from_secs(30));
        for (now, expected) in [
            (1000, Some(Holder(7))),
            (1030, Some(Holder(7))),
            (970, Some(Holder(7))),
            (1031, None),
            (969, None),
        ] {
            assert_eq!(leased().holder(&read, at(now)), expected, "{now}");
        }
        let others = [
            Leased {
                key: Digest::of(b"x"),
                ..leased()
            },
            Leased {
                setting: "gzip level 5",
                ..leased()
            },
        ];
        for other in others {
            assert_eq!(other.holder(&read, at(1000)), None, "{other:?}");
            assert_ne!(other.tag(), leased().tag());
        }
    }

    #[test]
    fn holders_have_orders_of_their_own() {
        let order = |holder: Holder| {
            let mut order: Vec<usize> = (0..20).collect();
            order.sort_by_key(|&value| holder.shuffle(value));
            order
        };
        assert_ne!(order(Holder(1)), order(Holder(2)));
        assert_ne!(Holder::random(), Holder::random());
    }
}
