//! The environment of an image: the base's variables, then its own.

use std::collections::BTreeMap;

/// Merges two environments: for each name the last value, at the position of the
/// name's first occurrence.
///
/// A name is what stands before the first `=`; an entry without one is its own
/// name. The outcome never holds a name twice, even where only one of the two
/// environments did: Kubernetes does not promise which of two values wins.
pub(super) fn merge(base: Vec<String>, own: Vec<String>) -> Vec<String> {
    let mut position: BTreeMap<String, usize> = BTreeMap::new();
    let mut merged: Vec<String> = Vec::with_capacity(base.len() + own.len());
    for entry in base.into_iter().chain(own) {
        let name = entry
            .split_once('=')
            .map_or(entry.as_str(), |(name, _)| name);
        match position.get(name) {
            Some(&i) => merged[i] = entry,
            None => {
                position.insert(name.to_owned(), merged.len());
                merged.push(entry);
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_wins_at_the_first_position() {
        let table: &[(&[&str], &[&str], &[&str])] = &[
            (&[], &[], &[]),
            (&["A=1", "B=2"], &["A=3", "C=4"], &["A=3", "B=2", "C=4"]),
            (&["A=1"], &["A"], &["A"]),
            (&["A"], &["A=1"], &["A=1"]),
            (&["A=x=y"], &["A=z=w"], &["A=z=w"]),
            (&["=1"], &["=2", ""], &[""]),
            (&[], &["A=1", "B=1", "A=2"], &["A=2", "B=1"]),
            (&["A=1", "A=2"], &[], &["A=2"]),
            (&["path=1"], &["PATH=2"], &["path=1", "PATH=2"]),
        ];
        for (base, own, expected) in table {
            let owned = |list: &[&str]| list.iter().map(|entry| (*entry).to_owned()).collect();
            assert_eq!(
                merge(owned(base), owned(own)),
                *expected,
                "{base:?} {own:?}"
            );
        }
    }
}
