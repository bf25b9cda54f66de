//! Files that a package has and the image does not, because another package has their paths.

use std::collections::BTreeMap;

use terrine_support::remark::Remark;
use terrine_tar::Kind;

use super::Origin;
use super::entry::Node;
use super::error::noun;
use super::tree::shown;

/// The largest number of remarks, and of paths that one of them names.
const MAX_REMARKS: usize = 10;
const MAX_PATHS: usize = 3;

/// Files that packages have and the image does not.
#[derive(Debug, Default)]
pub(super) struct Lost {
    clashes: BTreeMap<Clash, Paths>,
    /// Paths that are left out of packages, as `lndir` leaves them out.
    left_out: BTreeMap<Origin, Paths>,
}

/// Two packages that have the same paths.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Clash {
    winner: Origin,
    loser: Origin,
    /// The kinds of the two things at the path, if these differ.
    kinds: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Default)]
struct Paths {
    /// The number of clashes that were found before this one.
    number: usize,
    count: usize,
    first: Vec<String>,
}

impl Paths {
    fn add(&mut self, path: &[u8]) {
        self.count += 1;
        if self.first.len() < MAX_PATHS {
            self.first.push(format!("`{}`", shown(path)));
        }
    }

    /// Names the first of them, and the verb that fits their number.
    fn told(&self) -> (String, &'static str) {
        let mut names = self.first.join(", ");
        let more = self.count - self.first.len();
        if more > 0 {
            names.push_str(&format!(" and {more} more"));
        }
        (names, if self.count == 1 { "is" } else { "are" })
    }
}

impl Lost {
    /// Notes that `loser` is not in the image, because `winner` is there.
    pub(super) fn note(&mut self, path: &[u8], winner: &Node, loser: &Node) {
        let kinds = (noun(winner.kind()), noun(loser.kind()));
        let is_directory = |node: &Node| node.kind() == Kind::Directory;
        let clash = Clash {
            winner: (*winner.origin).clone(),
            loser: (*loser.origin).clone(),
            kinds: (is_directory(winner) != is_directory(loser)).then_some(kinds),
        };
        let number = self.clashes.len();
        let paths = self.clashes.entry(clash).or_insert(Paths {
            number,
            ..Paths::default()
        });
        paths.add(path);
    }

    /// Notes that a package has a file by whose name it is left out.
    pub(super) fn leave_out(&mut self, path: &[u8], origin: &Origin) {
        self.left_out.entry(origin.clone()).or_default().add(path);
    }

    /// Says for people what is lost, in the order in which it was found.
    pub(super) fn remarks(&self) -> Vec<Remark> {
        let mut clashes: Vec<_> = self.clashes.iter().collect();
        clashes.sort_by_key(|(_, paths)| paths.number);
        let mut remarks: Vec<Remark> = clashes
            .iter()
            .take(MAX_REMARKS)
            .map(|(clash, paths)| remark(clash, paths))
            .collect();
        let left_out = self.left_out.iter().take(MAX_REMARKS);
        remarks.extend(left_out.map(|(origin, paths)| {
            let (names, are) = paths.told();
            Remark::note(format!(
                "{names} of {origin} {are} not linked to at the root, by the rules of `lndir`"
            ))
        }));
        let rest = clashes.len().saturating_sub(MAX_REMARKS);
        if rest > 0 {
            remarks.push(Remark::warning(format!(
                "{rest} more pairs of packages have the same paths, of which one is in the image"
            )));
        }
        remarks
    }
}

fn remark(clash: &Clash, paths: &Paths) -> Remark {
    let Clash {
        winner,
        loser,
        kinds,
    } = clash;
    let (names, are) = paths.told();
    let message = match kinds {
        Some((first, second)) => format!(
            "{names} {are} a {first} in {winner} and a {second} in {loser}: the image has that of {winner}"
        ),
        None => {
            format!("{names} {are} in {winner} and in {loser}: the image has that of {winner}")
        }
    };
    let hint = match winner {
        Origin::CopyToRoot(_) => "to choose a package, name it last in `copyToRoot`",
        _ => "to choose a package, name it first in `contents`",
    };
    Remark::warning(message).hint(hint)
}
