//! Names of store paths in messages.
//!
//! A package is called by its name, without the store and the hash. A directory of this machine is
//! called by the words of the input: by its name where it was given one, else by its path. That it
//! becomes a store path is not what its owner said.

use terrine_planner_host::name;

use super::{Store, StorePath};

/// The maximum number of names in a list, before the rest is counted.
const LISTED: usize = 2;

/// A directory of this machine that becomes a store path, as the input names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its path, as it was written.
    pub path: String,
    /// The name that the input gives it.
    pub name: Option<String>,
}

impl Given {
    /// Returns its name in messages, with backticks.
    fn shown(&self) -> String {
        format!("directory `{}`", self.name.as_ref().unwrap_or(&self.path))
    }
}

impl Store {
    /// Returns the name of a store path in messages: `` directory `./site` `` or `` `hello-1.0` ``.
    pub fn shown(&self, path: &StorePath) -> String {
        match self.given(path) {
            Some(given) => given.shown(),
            None => format!("`{}`", name(path.as_str())),
        }
    }

    /// Returns the name of a file of the image in messages: a file of a directory of this machine
    /// is called by its path there, any other one by its path in the image.
    pub fn shown_file(&self, file: &str) -> String {
        let below = self.path(file).ok().and_then(|path| {
            let top = self.top(&path);
            let given = self.given(&top)?;
            Some((
                given.path.clone(),
                path.as_str()[top.as_str().len()..].to_owned(),
            ))
        });
        match below {
            Some((directory, rest)) => format!("{}{rest}", directory.trim_end_matches('/')),
            None => file.to_owned(),
        }
    }
}

/// Lists names, and counts the rest: `` `a`, `b` and 3 others ``.
pub fn list(names: &[String]) -> String {
    let listed = names[..names.len().min(LISTED)].join(", ");
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [one, other] => format!("{one} and {other}"),
        [_, _, _] => format!("{listed} and 1 other"),
        more => format!("{listed} and {} others", more.len() - LISTED),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Selection;
    use super::*;

    const HELLO: &str = "/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0";

    #[test]
    fn store_paths_are_named_by_the_words_of_the_input() {
        let place = tempfile::tempdir().unwrap();
        let mut store = Store::open("/nix/store", Path::new("/")).unwrap();
        let mut graft = |name: &str, given: Given| {
            store
                .graft(name, place.path(), Selection::all(), given)
                .unwrap();
        };
        let given = |path: &str, name: Option<&str>| Given {
            path: path.to_owned(),
            name: name.map(str::to_owned),
        };
        graft("contents", given("./site", None));
        graft("contents-2", given("/srv/data/", None));
        graft("www", given("site", Some("www")));
        for (path, expected, file) in [
            ("/nix/store/contents", "directory `./site`", "./site/a/b"),
            (
                "/nix/store/contents-2",
                "directory `/srv/data/`",
                "/srv/data/a/b",
            ),
            ("/nix/store/www", "directory `www`", "site/a/b"),
            (HELLO, "`hello-1.0`", &format!("{HELLO}/a/b")),
            ("/nix/store/lib", "`lib`", "/nix/store/lib/a/b"),
        ] {
            assert_eq!(store.shown(&store.path(path).unwrap()), expected);
            assert_eq!(store.shown_file(&format!("{path}/a/b")), file);
        }
        assert_eq!(store.shown_file("/nix/store/contents"), "./site");
        for other in ["/bin/sh", "/nix/store", "bin/sh"] {
            assert_eq!(store.shown_file(other), other);
        }
    }

    #[test]
    fn names_are_listed_and_the_rest_is_counted() {
        for (count, expected) in [
            (0, "nothing"),
            (1, "`0`"),
            (2, "`0` and `1`"),
            (3, "`0`, `1` and 1 other"),
            (5, "`0`, `1` and 3 others"),
        ] {
            let names: Vec<String> = (0..count).map(|i| format!("`{i}`")).collect();
            assert_eq!(list(&names), expected);
        }
    }
}
