//! The data of the page in few bytes, which `unpack.js` reads again.
//!
//! Most of a report is which paths are in which layer, for each step of each run. Paths of a package
//! stand next to each other, the later ones after the earlier, so that an update is mostly a
//! path that becomes the next one; a layer is told by what it was made of, and the layers of a
//! step by those of the step before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::changes::State;

/// The distance from a path at which another may stand that is said to replace it.
const NEAR: u32 = 16;
/// The number of layers that are tried as what a layer was made of.
const TRIED: usize = 3;

/// Numbers as text: digits of five bits, the lowest first, in letters that need no escape. The upper
/// half of the letters says that more digits follow.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Numbers(String);

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Numbers {
    pub(super) fn push(&mut self, mut number: u64) {
        loop {
            let (digit, rest) = ((number % 32) as usize, number / 32);
            let more = rest > 0;
            self.0
                .push(char::from(LETTERS[digit + if more { 32 } else { 0 }]));
            if !more {
                return;
            }
            number = rest;
        }
    }

    fn push_len(&mut self, length: usize) {
        self.push(length as u64);
    }

    /// A number that may be below zero: twice that, and one less where it is.
    fn push_signed(&mut self, number: i64) {
        let twice = number.unsigned_abs() * 2;
        self.push(if number < 0 { twice - 1 } else { twice });
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// The layers of a run, by what is in them: paths, ascending. `package` says of a path which others
/// are its like.
pub(super) fn layers(
    contents: &[Vec<u32>],
    states: &[Vec<Vec<State>>],
    package: impl Fn(u32) -> u32,
) -> String {
    let mut packed: Vec<Option<Numbers>> = vec![None; contents.len()];
    // The layers that had each package in the step before, in any image.
    let mut before: HashMap<u32, Vec<u32>> = HashMap::new();
    for step in states {
        let all: BTreeSet<u32> = step.iter().flatten().map(|state| state.layer).collect();
        for &layer in &all {
            packed[layer as usize].get_or_insert_with(|| {
                shortest(layer, contents, &likely(layer, contents, &before, &package))
            });
        }
        before.clear();
        for &layer in &all {
            for &path in &contents[layer as usize] {
                before.entry(package(path)).or_default().push(layer);
            }
        }
    }
    let mut text = String::new();
    for (layer, numbers) in (0..).zip(packed) {
        text.push_str(
            &numbers
                .unwrap_or_else(|| shortest(layer, contents, &[]))
                .into_text(),
        );
    }
    text
}

/// The earlier layers that have most packages in common with one, most first.
fn likely(
    layer: u32,
    contents: &[Vec<u32>],
    before: &HashMap<u32, Vec<u32>>,
    package: impl Fn(u32) -> u32,
) -> Vec<u32> {
    let mut common: BTreeMap<u32, usize> = BTreeMap::new();
    for &path in &contents[layer as usize] {
        for &other in before
            .get(&package(path))
            .into_iter()
            .flatten()
            .filter(|&&other| other < layer)
        {
            *common.entry(other).or_default() += 1;
        }
    }
    let mut likely: Vec<(u32, usize)> = common.into_iter().collect();
    likely.sort_by_key(|&(other, count)| (std::cmp::Reverse(count), other));
    likely
        .into_iter()
        .take(TRIED)
        .map(|(other, _)| other)
        .collect()
}

/// A layer as it is, or as a change of one of these, whatever is shortest.
fn shortest(layer: u32, contents: &[Vec<u32>], bases: &[u32]) -> Numbers {
    let new = &contents[layer as usize];
    let as_it_is = changed(0, &[], new);
    let changes = bases
        .iter()
        .map(|&base| changed(layer - base, &contents[base as usize], new));
    std::iter::once(as_it_is)
        .chain(changes)
        .min_by_key(|numbers| numbers.0.len())
        .unwrap_or_default()
}

/// Writes how many numbers ago the base is, 0 for none; what becomes of its paths; what comes.
fn changed(back: u32, base: &[u32], new: &[u32]) -> Numbers {
    let mut numbers = Numbers::default();
    numbers.push(back.into());
    let kept: BTreeSet<u32> = base
        .iter()
        .filter(|path| new.binary_search(path).is_ok())
        .copied()
        .collect();
    let mut added: BTreeSet<u32> = new
        .iter()
        .filter(|path| !kept.contains(path))
        .copied()
        .collect();
    if back > 0 {
        let gone: Vec<(usize, u32)> = base
            .iter()
            .enumerate()
            .filter(|(_, path)| !kept.contains(path))
            .map(|(place, &path)| (place, path))
            .collect();
        numbers.push_len(gone.len());
        let mut next = 0;
        for (place, path) in gone {
            let other = added
                .range(path + 1..=path.saturating_add(NEAR))
                .next()
                .copied();
            let far = other.map_or(0, |other| u64::from(other - path));
            other.map(|other| added.remove(&other));
            // Mostly there is nothing between, and the next path takes its place.
            numbers.push((place - next) as u64 * 4 + far.min(3));
            if far >= 3 {
                numbers.push(far - 3);
            }
            next = place + 1;
        }
    }
    numbers.push_len(added.len());
    let mut next = 0;
    for path in added {
        numbers.push((path - next).into());
        next = path + 1;
    }
    numbers
}

/// The layers of a step, image by image, told by those of the step before.
pub(super) fn step(before: Option<&Vec<Vec<State>>>, images: &[Vec<State>]) -> String {
    let mut numbers = Numbers::default();
    for (image, states) in images.iter().enumerate() {
        let before = before
            .and_then(|step| step.get(image))
            .map_or(&[][..], |states| states);
        row(before, states, &mut numbers);
    }
    numbers.into_text()
}

/// The layers of an image: how many, and then runs of those that are as before, each with how far it is
/// from where one would look for it, and single ones that are not.
fn row(before: &[State], states: &[State], numbers: &mut Numbers) {
    numbers.push_len(states.len());
    let same = |place: usize, state: &State| {
        let old = before.get(place);
        !state.changed
            && old.is_some_and(|old| (old.layer, old.changes) == (state.layer, state.changes))
    };
    let (mut place, mut expected, mut last) = (0, 0, -1);
    while let Some(state) = states.get(place) {
        let found = if same(expected, state) {
            Some(expected)
        } else {
            (0..before.len()).find(|&old| same(old, state))
        };
        if let Some(from) = found {
            let count = (0..)
                .take_while(|i| {
                    states
                        .get(place + i)
                        .is_some_and(|state| same(from + i, state))
                })
                .count();
            numbers.push(count as u64 * 2);
            numbers.push_signed(from as i64 - expected as i64);
            (place, expected) = (place + count, from + count);
        } else {
            numbers.push(u64::from(state.changes) * 4 + u64::from(state.changed) * 2 + 1);
            numbers.push_signed(i64::from(state.layer) - last - 1);
            last = i64::from(state.layer);
            (place, expected) = (place + 1, expected + 1);
        }
    }
}

/// Paths: what all begin with, the hashes of those that have one, one after the other, what follows
/// the hash, each once, and of each path which of these it ends in, and its size.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Paths<'a> {
    prefix: &'a str,
    /// In Nix's letters, of five bits each, which are told as letters of six.
    hashes: String,
    /// True if they are told so. Where one has other letters, they stand as they are.
    packed: bool,
    ends: Vec<&'a str>,
    list: String,
    count: usize,
}

/// The length of a hash in `hashes`.
const HASH: usize = 32;

impl<'a> Paths<'a> {
    pub(super) fn new(paths: &[(&'a str, u64)]) -> Self {
        let mut packed = Self {
            prefix: common(paths),
            count: paths.len(),
            ..Self::default()
        };
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut list = Numbers::default();
        for (path, size) in paths {
            let rest = &path[packed.prefix.len()..];
            let (hash, end) = match rest.split_once('-') {
                Some((hash, end)) if hash.len() == HASH && hash.is_ascii() => (hash, end),
                _ => ("", rest),
            };
            packed.hashes.push_str(hash);
            // 0 is a new end, and others are counted from the newest.
            let ends = &mut packed.ends;
            let which = known.get(end).map_or(0, |place| ends.len() - place);
            if which == 0 {
                known.insert(end, ends.len());
                ends.push(end);
            }
            list.push(which as u64 * 2 + u64::from(!hash.is_empty()));
            list.push(*size);
        }
        packed.list = list.into_text();
        if let Some(hashes) = in_six_bits(&packed.hashes) {
            (packed.hashes, packed.packed) = (hashes, true);
        }
        packed
    }
}

/// Text in the letters of Nix's hashes, as text of letters that have six bits each, the highest
/// first. None if it has other letters.
fn in_six_bits(text: &str) -> Option<String> {
    const NIX: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
    let (mut packed, mut bits, mut have) = (String::new(), 0, 0);
    for letter in text.bytes() {
        bits = bits << 5 | NIX.binary_search(&letter).ok()?;
        have += 5;
        if have >= 6 {
            have -= 6;
            packed.push(char::from(LETTERS[bits >> have & 63]));
            bits &= (1 << have) - 1;
        }
    }
    if have > 0 {
        packed.push(char::from(LETTERS[bits << (6 - have) & 63]));
    }
    Some(packed)
}

/// Returns what all paths begin with, up to a slash.
fn common<'a>(paths: &[(&'a str, u64)]) -> &'a str {
    let Some((first, _)) = paths.first() else {
        return "";
    };
    let end = first.rfind('/').map_or(0, |slash| slash + 1);
    let folder = &first[..end];
    if paths.iter().all(|(path, _)| path.starts_with(folder)) {
        folder
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(list: &[u64]) -> String {
        let mut numbers = Numbers::default();
        list.iter().for_each(|&number| numbers.push(number));
        numbers.into_text()
    }

    #[test]
    fn small_numbers_are_a_letter_and_large_ones_all_that_they_need() {
        assert_eq!(numbers(&[0, 1, 31]), "ABf");
        assert_eq!(numbers(&[32, 1000]), "gBof");
        assert_eq!(numbers(&[u64::MAX]), "////////////P");
        let mut signed = Numbers::default();
        [0, -1, 1, -2, i64::MIN + 1]
            .into_iter()
            .for_each(|number| signed.push_signed(number));
        assert_eq!(signed.into_text(), numbers(&[0, 1, 2, 3, u64::MAX - 2]));
    }

    #[test]
    fn a_layer_is_told_by_what_it_was_made_of() {
        let packed = |contents: &[Vec<u32>]| {
            let states: Vec<_> = (0..)
                .zip(contents)
                .map(|(layer, _)| {
                    vec![vec![State {
                        layer,
                        changes: 0,
                        changed: false,
                    }]]
                })
                .collect();
            layers(contents, &states, |path| path / 10)
        };
        // As it is: no base, three paths, the distances between them.
        assert_eq!(packed(&[vec![3, 4, 40]]), numbers(&[0, 3, 3, 0, 35]));
        // One path became the next one, nothing came.
        let before = [0, 5, 3, 0, 0, 0, 100];
        let change = |change: &[u64]| numbers(&[&before[..], change].concat());
        let first: Vec<u32> = vec![3, 4, 5, 6, 107];
        assert_eq!(
            packed(&[first.clone(), vec![3, 4, 5, 6, 108]]),
            change(&[1, 1, 4 * 4 + 1, 0])
        );
        // One went, another became the one that is five further, and a third is new.
        let changed = vec![3, 5, 6, 112, 900];
        assert_eq!(
            packed(&[first.clone(), changed]),
            change(&[1, 2, 4, 2 * 4 + 3, 2, 1, 900])
        );
        // Nothing in common: shorter as it is.
        assert_eq!(packed(&[first, vec![900]]), change(&[0, 1, 900]));
    }

    #[test]
    fn the_layers_of_a_step_are_those_of_the_step_before() {
        let state = |layer, changes, changed| State {
            layer,
            changes,
            changed,
        };
        let first = vec![vec![
            state(0, 0, false),
            state(1, 0, false),
            state(2, 0, false),
        ]];
        let signed = |number: i64| {
            if number < 0 {
                (-number * 2 - 1) as u64
            } else {
                number as u64 * 2
            }
        };
        // Three, each new and the next number.
        assert_eq!(step(None, &first), numbers(&[3, 1, 0, 1, 0, 1, 0]));
        assert_eq!(step(Some(&first), &first), numbers(&[3, 6, 0]));
        // The middle one is another: one, a change, one.
        let next = vec![vec![
            state(0, 0, false),
            state(3, 1, true),
            state(2, 0, false),
        ]];
        assert_eq!(
            step(Some(&first), &next),
            numbers(&[3, 2, 0, 4 + 2 + 1, signed(3), 2, 0])
        );
        // It has changed before, and stays: not as before, when it was said to change now.
        let stays = vec![vec![state(2, 0, false), state(3, 1, false)]];
        assert_eq!(
            step(Some(&next), &stays),
            numbers(&[2, 2, signed(2), 2, signed(-2)])
        );
        // No layers, and an image that was not there.
        assert_eq!(
            step(Some(&first), &[vec![], vec![state(5, 2, false)]]),
            numbers(&[0, 1, 9, signed(5)])
        );
    }

    #[test]
    fn paths_are_told_by_hash_and_by_what_follows() {
        let (a, b) = ("a".repeat(HASH), "b".repeat(HASH));
        let path = |hash: &str, end: &str| format!("/nix/store/{hash}-{end}");
        let texts = [
            path(&a, "x-1"),
            path(&b, "x-1"),
            path(&a, "y"),
            "/nix/store/site".to_owned(),
        ];
        let with_sizes: Vec<(&str, u64)> = texts.iter().map(|text| (text.as_str(), 7)).collect();
        let paths = Paths::new(&with_sizes);
        assert_eq!((paths.prefix, paths.count), ("/nix/store/", 4));
        assert_eq!(paths.ends, ["x-1", "y", "site"]);
        assert_eq!(paths.list, numbers(&[1, 7, 3, 7, 1, 7, 0, 7]));
        assert!(paths.packed && paths.hashes.len() == (3 * HASH * 5).div_ceil(6));
        // Other letters than Nix's.
        let other = path(&"E".repeat(HASH), "x");
        let paths = Paths::new(&[(&texts[0], 7), (&other, 7)]);
        assert_eq!((paths.packed, paths.hashes), (false, a + &"E".repeat(HASH)));
        // Other folders.
        let paths = Paths::new(&[(&other, 7), ("/srv/site", 7)]);
        assert_eq!(
            (paths.prefix, paths.ends),
            ("", vec![other.as_str(), "/srv/site"])
        );
        let none = Paths::new(&[]);
        assert_eq!((none.prefix, none.count, none.hashes.as_str()), ("", 0, ""));
    }
}
