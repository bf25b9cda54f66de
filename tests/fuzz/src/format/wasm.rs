//! Mutations of WebAssembly modules and components by their sections.

use super::bytes;
use crate::random::Random;

/// The start of a component.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// The section of a component that holds another one.
const NESTED: u8 = 4;
/// The longest preamble.
const PREAMBLE: usize = 8;

/// Changes a section, or the sections among themselves.
pub(super) fn mutate(data: &mut Vec<u8>, random: &mut Random) {
    let found = sections(data);
    let Some(section) = random.pick(&found).cloned() else {
        return bytes::mutate(data, random);
    };
    let other = random
        .pick(&found)
        .map_or(PREAMBLE, |other| other.whole.start);
    match random.below(7) {
        0 => {
            let copy = data[section.whole].to_vec();
            data.splice(other..other, copy);
        }
        1 => drop(data.drain(section.whole)),
        2 => nest(data),
        3 => {
            let place = section.content.start + random.below(section.content.len());
            let mut number = vec![];
            leb(random.interesting() as u32, &mut number);
            if section.content.contains(&place) {
                data.splice(place..=place, number);
                resize(data, &section);
            }
        }
        4 => {
            // The same instructions or items many times.
            let range = section.content.clone();
            let part = random.range(range.len());
            let copy = data[range.start..range.end][part.clone()].repeat(1 + random.below(64));
            data.splice(range.start + part.start..range.start + part.start, copy);
            resize(data, &section);
        }
        5 => data[section.whole.start] = random.below(14) as u8,
        _ => {
            let mut content = data[section.content.clone()].to_vec();
            bytes::mutate(&mut content, random);
            data.splice(section.content.clone(), content);
            resize(data, &section);
        }
    }
}

/// A section: all of it, and what follows its length.
#[derive(Debug, Clone)]
struct Section {
    whole: std::ops::Range<usize>,
    content: std::ops::Range<usize>,
    /// The number of bytes that follow the section.
    behind: usize,
}

/// Returns the sections of a module or component, and those of modules in it.
fn sections(data: &[u8]) -> Vec<Section> {
    let (mut found, mut place) = (vec![], PREAMBLE);
    while let Some((length, width)) = data.get(place + 1..).and_then(number) {
        let start = place + 1 + width;
        let end = start.saturating_add(length as usize);
        if end > data.len() {
            break;
        }
        found.push(Section {
            whole: place..end,
            content: start..end,
            behind: data.len() - end,
        });
        place = end;
    }
    found
}

/// Writes the length of a section whose content has changed.
fn resize(data: &mut Vec<u8>, section: &Section) {
    let end = data.len() - section.behind;
    let mut length = vec![];
    leb((end - section.content.start) as u32, &mut length);
    data.splice(section.whole.start + 1..section.content.start, length);
}

/// Makes a component that holds what was all of it.
fn nest(data: &mut Vec<u8>) {
    let mut outer = COMPONENT.to_vec();
    outer.push(if data.starts_with(COMPONENT) {
        NESTED
    } else {
        1
    });
    leb(data.len() as u32, &mut outer);
    outer.append(data);
    *data = outer;
}

/// Reads a number in LEB128, and how many bytes it has.
fn number(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0_u32;
    for (at, &byte) in bytes.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        if byte < 0x80 {
            return Some((value, at + 1));
        }
    }
    None
}

/// Writes a number in LEB128.
fn leb(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
