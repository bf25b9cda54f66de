//! Mutations of bytes without a form.

use crate::random::Random;

/// The lengths of numbers in files, in bytes.
const WIDTHS: [usize; 4] = [1, 2, 4, 8];

/// Changes bytes in some place.
pub(super) fn mutate(data: &mut Vec<u8>, random: &mut Random) {
    if data.is_empty() {
        data.extend(random.number().to_le_bytes());
        return;
    }
    let place = random.below(data.len());
    let range = random.range(data.len());
    match random.below(9) {
        0 => data[place] ^= 1 << random.below(8),
        1 => data[place] = random.number() as u8,
        2 => number(data, place, random),
        3 => drop(data.drain(range)),
        4 => {
            // A copy of some bytes in another place.
            let copy = data[range].to_vec();
            data.splice(place..place, copy);
        }
        5 => {
            let copy = data[range].to_vec();
            let end = data.len().min(place + copy.len());
            data.splice(place..end, copy);
        }
        6 => data.truncate(place),
        7 => {
            let added = vec![random.number() as u8; 1 + random.below(64)];
            data.splice(place..place, added);
        }
        _ => {
            let value = if random.once_in(2) { 0 } else { 0xff };
            data[range].fill(value);
        }
    }
}

/// Puts an interesting number over the bytes at a place.
fn number(data: &mut [u8], place: usize, random: &mut Random) {
    let value = random.interesting();
    let width = WIDTHS[random.below(WIDTHS.len())];
    let bytes = if random.once_in(2) {
        value.to_le_bytes()[..width].to_vec()
    } else {
        value.to_be_bytes()[8 - width..].to_vec()
    };
    for (to, from) in data[place..].iter_mut().zip(bytes) {
        *to = from;
    }
}
