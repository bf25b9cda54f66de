//! The reasons of a planner in the words of the input.
//!
//! A planner knows store paths by their names. A directory of this machine got its name from
//! terrine, so its owner reads the path that it was given by instead.

use std::collections::BTreeMap;

use terrine_planner_host as planner;

use crate::layer::{Store, StorePath};

/// The longest name that the built-in planner writes whole, in characters.
const LONGEST: usize = 60;
/// The text between the estimate of `least-pull` and the names of the paths.
const ESTIMATE: &str = " % likely to change: ";

/// The names that a planner uses, and those of the input.
#[derive(Debug)]
pub(super) struct Reasons<'a> {
    store: &'a Store,
    /// The names of directories by the planner's names; none for a name that several paths have.
    names: BTreeMap<String, Option<String>>,
    /// True if the planner knew earlier versions of the image.
    has_history: bool,
}

impl<'a> Reasons<'a> {
    pub(super) fn new(store: &'a Store, paths: &[StorePath], has_history: bool) -> Self {
        let mut names = BTreeMap::new();
        for path in paths {
            let name = planner::name(path.as_str());
            let written = match name.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{}…", &name[..end]),
                None => name.to_owned(),
            };
            let given = store.given(path).map(|_| store.shown(path));
            names
                .entry(written)
                .and_modify(|other| *other = None)
                .or_insert(given);
        }
        Self {
            store,
            names,
            has_history,
        }
    }

    /// Returns the reason for a layer of some paths.
    ///
    /// Without history, `least-pull` takes all paths for equally likely to change. That says nothing
    /// about a directory, so it is left out where a layer has nothing else.
    pub(super) fn text<'p>(
        &self,
        reason: &str,
        mut paths: impl Iterator<Item = &'p StorePath>,
    ) -> String {
        let reason = match reason.split_once(ESTIMATE) {
            Some((_, names))
                if !self.has_history && paths.all(|path| self.store.is_grafted(path)) =>
            {
                names
            }
            _ => reason,
        };
        let parts: Vec<&str> = reason.split('`').collect();
        // A name has a backtick itself: names cannot be told from other text.
        if parts.len().is_multiple_of(2) {
            return reason.to_owned();
        }
        let shown = parts.iter().enumerate().map(|(number, part)| {
            match (number % 2, self.names.get(*part)) {
                (0, _) => (*part).to_owned(),
                (_, Some(Some(directory))) => directory.clone(),
                _ => format!("`{part}`"),
            }
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::layer::{Given, Selection};

    #[test]
    fn directories_are_named_by_the_words_of_the_input() {
        let place = tempfile::tempdir().unwrap();
        let mut store = Store::open("/nix/store", Path::new("/")).unwrap();
        let long = "x".repeat(70);
        let hashed = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello";
        let twice = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-twice";
        for (name, path) in [
            ("contents", "./site"),
            (&*long, "./long"),
            ("twice", "./twice"),
        ] {
            let given = Given {
                path: path.to_owned(),
                name: None,
            };
            store
                .graft(name, place.path(), Selection::all(), given)
                .unwrap();
        }
        let path = |name: &str| store.path(&format!("/nix/store/{name}")).unwrap();
        let paths = ["contents", &*long, "twice", hashed, twice].map(path);
        let [site, _, same, hello, _] = &paths;
        let cut = format!("`{}…` alone", "x".repeat(60));
        for (reason, members, history, expected) in [
            (
                "12 % likely to change: `contents`",
                vec![site],
                false,
                "directory `./site`",
            ),
            (
                "12 % likely to change: `contents`",
                vec![site],
                true,
                "12 % likely to change: directory `./site`",
            ),
            (
                "22 % likely to change: `hello` and `contents`",
                vec![site, hello],
                false,
                "22 % likely to change: `hello` and directory `./site`",
            ),
            (
                "12 % likely to change: `hello`",
                vec![hello],
                false,
                "12 % likely to change: `hello`",
            ),
            (
                "what only `contents` needs",
                vec![hello],
                false,
                "what only directory `./site` needs",
            ),
            (&cut, vec![], false, "directory `./long` alone"),
            // Which of them is meant is not known.
            ("`twice` alone", vec![same], false, "`twice` alone"),
            (
                "a contents` of `contents`",
                vec![site],
                false,
                "a contents` of `contents`",
            ),
            ("as given", vec![site], false, "as given"),
        ] {
            let reasons = Reasons::new(&store, &paths, history);
            assert_eq!(reasons.text(reason, members.into_iter()), expected);
        }
    }
}
