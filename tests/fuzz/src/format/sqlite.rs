//! Mutations of SQLite databases by their pages ("Database File Format" of SQLite's documentation).

use super::bytes;
use crate::random::Random;

/// The size of the header of the first page.
const HEADER: usize = 100;

/// Changes a page, or the pages among themselves.
pub(super) fn mutate(data: &mut Vec<u8>, random: &mut Random) {
    let size = page_size(data);
    let count = data.len() / size;
    if count == 0 {
        return bytes::mutate(data, random);
    }
    let (page, other) = (random.below(count), random.below(count));
    // The header of a page's tree is behind that of the file.
    let header = page * size + if page == 0 { HEADER } else { 0 };
    let value = random.interesting();
    match random.below(8) {
        0 => data[header + random.below(12)] = value as u8,
        1 => {
            // A pointer to a cell.
            let pointer = header + 8 + 2 * random.below(16);
            data[pointer..pointer + 2].copy_from_slice(&(value as u16).to_be_bytes());
        }
        2 => data.copy_within(page * size..(page + 1) * size, other * size),
        3 => {
            let field = 16 + random.below(HEADER - 20);
            data[field..field + 4].copy_from_slice(&(value as u32).to_be_bytes());
        }
        4 => {
            // A cell: its lengths and what it holds are at the end of a page.
            let place = page * size + size / 2 + random.below(size / 2);
            data[place] = random.number() as u8;
        }
        5 => {
            // The number of another page.
            let place = page * size + random.below(size - 4);
            data[place..place + 4].copy_from_slice(&(other as u32 + 1).to_be_bytes());
        }
        6 => {
            let text = page * size + random.below(size);
            if data[text].is_ascii_graphic() {
                data[text] = b'!' + random.below(94) as u8;
            }
        }
        _ => bytes::mutate(data, random),
    }
}

fn page_size(data: &[u8]) -> usize {
    let size = match data.get(16..18) {
        Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
        _ => 0,
    };
    if (512..=32768).contains(&size) && size.is_power_of_two() {
        size
    } else {
        4096
    }
}
