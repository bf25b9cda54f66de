//! What is not in the image although a package has it, because another package has its path.

use std::collections::BTreeMap;

use terrine_tar::Kind;

use super::Origin;
use super::entry::Node;
use super::error::noun;
use super::tree::shown;

/// How many remarks there are at most, and how many paths one of them names.
const MAX_REMARKS: usize = 10;
const MAX_PATHS: usize = 3;

/// What is not in the image.
#[derive(Debug, Default)]
pub(super) struct Lost {
    clashes: BTreeMap<Clash, Paths>,
}

/// Two packages that have the same paths.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Clash {
    winner: Origin,
    loser: Origin,
    /// What both have there, where these are things of two kinds.
    kinds: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Default)]
struct Paths {
    /// How many clashes were found before.
    number: usize,
    count: usize,
    first: Vec<String>,
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
        paths.count += 1;
        if paths.first.len() < MAX_PATHS {
            paths.first.push(format!("`{}`", shown(path)));
        }
    }

    /// Says for people what is lost, in the order in which it was found.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut clashes: Vec<_> = self.clashes.iter().collect();
        clashes.sort_by_key(|(_, paths)| paths.number);
        let mut remarks: Vec<String> = clashes
            .iter()
            .take(MAX_REMARKS)
            .map(|(clash, paths)| remark(clash, paths))
            .collect();
        let rest = clashes.len().saturating_sub(MAX_REMARKS);
        if rest > 0 {
            remarks.push(format!(
                "{rest} more pairs of packages have the same paths, of which one is in the image"
            ));
        }
        remarks
    }
}

fn remark(clash: &Clash, paths: &Paths) -> String {
    let Clash {
        winner,
        loser,
        kinds,
    } = clash;
    let mut names = paths.first.join(", ");
    let more = paths.count - paths.first.len();
    if more > 0 {
        names.push_str(&format!(" and {more} more"));
    }
    let are = if paths.count == 1 { "is" } else { "are" };
    match kinds {
        Some((first, second)) => format!(
            "{names} {are} a {first} in {winner} and a {second} in {loser}: what {winner} has is in the image"
        ),
        None => {
            format!("{names} {are} in {winner} and in {loser}: what {winner} has is in the image")
        }
    }
}
