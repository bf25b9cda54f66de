//! Inputs of several parts, each with its length before it. Any bytes are such an input.

use super::Format;
use crate::random::Random;

/// Writes parts.
pub fn join<C: AsRef<[u8]>>(parts: &[C]) -> Vec<u8> {
    let mut data = vec![];
    for part in parts {
        let part = part.as_ref();
        data.extend((part.len() as u32).to_le_bytes());
        data.extend_from_slice(part);
    }
    data
}

/// Reads parts. One that is longer than what is left is as long as that.
pub fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = vec![];
    while let Some((length, rest)) = data.split_first_chunk::<4>() {
        let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
        let (part, rest) = rest.split_at(length);
        parts.push(part);
        data = rest;
    }
    parts
}

/// Changes one part in its form, or the parts among themselves.
pub(super) fn mutate(data: &mut Vec<u8>, forms: &[Format], random: &mut Random) {
    let mut parts: Vec<Vec<u8>> = split(data).into_iter().map(<[u8]>::to_vec).collect();
    if parts.is_empty() {
        parts.push(vec![]);
    }
    let (place, other) = (random.below(parts.len()), random.below(parts.len()));
    match random.below(16) {
        0 => parts.push(parts[place].clone()),
        1 => parts.swap(place, other),
        2 => drop(parts.remove(place)),
        _ => {
            if let Some(form) = form(forms, place) {
                form.mutate(&mut parts[place], random);
            }
        }
    }
    *data = join(&parts);
}

fn form(forms: &[Format], place: usize) -> Option<&Format> {
    forms.get(place).or(forms.last())
}

/// Repairs each part.
pub(super) fn mend(mut data: &mut [u8], forms: &[Format]) {
    let mut place = 0;
    while let Some((length, rest)) = data.split_first_chunk_mut::<4>() {
        let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
        let (part, rest) = rest.split_at_mut(length);
        if let Some(form) = form(forms, place) {
            form.mend(part);
        }
        (data, place) = (rest, place + 1);
    }
}
