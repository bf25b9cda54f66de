//! Mutations of text, and of the strings within other forms.

use super::bytes;
use crate::random::Random;

/// Texts that programs break at.
const ODD: &[&str] = &[
    "",
    "/",
    "..",
    ".",
    ":",
    "@",
    "\0",
    "\n",
    "\r\n",
    "\u{7f}",
    "\u{202e}",
    "\u{feff}",
    "é",
    "😀",
    "%",
    "%00",
    "\\",
    "\"",
    "'",
    "\t",
    " ",
    "-",
    "-1",
    "0",
    "18446744073709551616",
    "9223372036854775807",
    "1e999",
    "//",
    "a/../b",
    "ſ",
    "K",
    "\u{301}",
    "#",
    "?",
    "[::1]",
    "=",
    ",",
    ";",
];

/// Changes text in some place, by its own words more often than not.
pub(super) fn mutate(data: &mut Vec<u8>, words: &[&str], random: &mut Random) {
    let place = random.below(data.len() + 1);
    let word = match random.below(4) {
        0 | 1 => random.pick(words).copied().unwrap_or_default().to_owned(),
        2 => random.pick(ODD).copied().unwrap_or_default().to_owned(),
        _ => random.interesting().to_string(),
    };
    match random.below(6) {
        0 | 1 => drop(data.splice(place..place, word.bytes())),
        2 => {
            let end = data.len().min(place + word.len());
            data.splice(place..end, word.bytes());
        }
        3 => lines(data, random),
        4 => {
            // A long run of one word.
            let run = word.repeat(1 + random.below(300));
            data.splice(place..place, run.bytes());
        }
        _ => bytes::mutate(data, random),
    }
}

/// Copies, moves or removes a line.
fn lines(data: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = data
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let (from, to) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(3) {
        0 => lines.swap(from, to),
        1 => drop(lines.remove(from)),
        _ => lines.insert(to, lines[from].clone()),
    }
    *data = lines.join(&b'\n');
}

/// Changes a string in some place.
pub(super) fn change(text: &str, words: &[&str], random: &mut Random) -> String {
    if random.once_in(3) {
        return random.pick(words).copied().unwrap_or_default().to_owned();
    }
    let mut bytes = text.as_bytes().to_vec();
    mutate(&mut bytes, words, random);
    String::from_utf8_lossy(&bytes).into_owned()
}
