//! The search of a dynamic loader for one library.

use super::super::command::absolute;
use super::super::config::Config;
use super::super::{Files, Resolved, resolve};
use super::Object;
use super::places::{Dialect, expanded, split};
use crate::platform::{self, HEAD, Program, Shared};

/// The list of all libraries that `ldconfig` found.
const CACHE: &[u8] = b"/etc/ld.so.cache";
/// The largest such list that is read, in bytes.
const MAX_CACHE: usize = 16 << 20;

/// The place of a library.
pub(super) enum At {
    /// A file at this path, and where links lead from there.
    File { path: Vec<u8>, resolved: Vec<u8> },
    /// It may be in the image, or not.
    Unknown,
    /// It is in no directory that is searched.
    Nothing,
}

/// The rules and the files that a dynamic loader searches by.
pub(super) struct Search<'a> {
    pub(super) config: &'a Config,
    pub(super) files: &'a dyn Files,
    pub(super) dialect: Dialect,
    pub(super) loader: &'a [u8],
    /// The kind of the program: libraries for other machines are passed over.
    pub(super) program: Program,
}

impl Search<'_> {
    /// Returns the name of the loader, which libraries may need as well.
    pub(super) fn loader_name(&self) -> &[u8] {
        split(self.loader).1
    }

    /// Finds a library that one of the loaded objects needs.
    pub(super) fn find(&self, objects: &[Object], number: usize, name: &[u8]) -> At {
        if name.contains(&b'/') {
            let origins = origins(&objects[number]);
            return self.first_of(expanded(name, &origins));
        }
        let mut is_unknown = false;
        for directory in self.directories(objects, number) {
            let places = directory.map(|all| {
                let place = |directory: &Vec<u8>| [directory, &b"/"[..], name].concat();
                all.iter().map(place).collect()
            });
            match self.first_of(places) {
                At::Nothing => {}
                At::Unknown => is_unknown = true,
                found @ At::File { .. } => return found,
            }
        }
        if is_unknown || self.may_be_in_cache(name) {
            At::Unknown
        } else {
            At::Nothing
        }
    }

    /// Returns the directories that are searched for what an object needs, each with all that it may stand for; none for
    /// those that are not known.
    fn directories(&self, objects: &[Object], number: usize) -> Vec<Option<Vec<Vec<u8>>>> {
        let mut found = vec![];
        let mut add = |list: &[u8], object: &Object| {
            let origins = origins(object);
            let parts = list.split(|byte| matches!(byte, b':' | b';'));
            // An empty one is the directory that the program starts in.
            let parts = parts.map(|part| if part.is_empty() { b"." } else { part });
            found.extend(parts.map(|directory| expanded(directory, &origins)));
        };
        let object = &objects[number];
        if let Some(list) = self.library_path() {
            add(list.as_bytes(), object);
        }
        let by_all = self.dialect == Dialect::Musl;
        for loading in std::iter::successors(Some(object), |object| {
            object.loaded_by.map(|number| &objects[number])
        }) {
            let shared = &loading.shared;
            // The one replaces the other, and is for the object's own needs only.
            match (&shared.runpath, &shared.rpath) {
                (Some(list), _) if by_all || std::ptr::eq(loading, object) => add(list, loading),
                (None, Some(list)) if by_all || object.shared.runpath.is_none() => {
                    add(list, loading);
                }
                _ => {}
            }
        }
        match self.dialect.default_directories(self.loader, self.files) {
            Some(all) => found.extend(all.into_iter().map(|one| Some(vec![one]))),
            None => found.push(None),
        }
        found
    }

    /// Returns the value of `LD_LIBRARY_PATH`; of several, the last one counts.
    fn library_path(&self) -> Option<&str> {
        let variables = self.config.env.iter().rev();
        variables
            .filter_map(|variable| variable.strip_prefix("LD_LIBRARY_PATH="))
            .find(|list| !list.is_empty())
    }

    /// Returns the first of some places that has a library for the program.
    fn first_of(&self, places: Option<Vec<Vec<u8>>>) -> At {
        let Some(places) = places else {
            return At::Unknown;
        };
        let mut is_unknown = false;
        for place in places {
            let path = absolute(self.config.directory(), place);
            match resolve(self.files, &path) {
                Resolved::File { path: resolved, .. } if self.is_for_program(&resolved) => {
                    return At::File { path, resolved };
                }
                Resolved::Unknown => is_unknown = true,
                Resolved::File { .. } | Resolved::Directory | Resolved::Nothing(_) => {}
            }
        }
        if is_unknown { At::Unknown } else { At::Nothing }
    }

    /// Returns false for a library that is known to be for another machine.
    fn is_for_program(&self, path: &[u8]) -> bool {
        let Some(head) = self
            .files
            .open(path)
            .and_then(|file| file.read_at(0, HEAD).ok())
        else {
            return true;
        };
        match platform::inspect(&head) {
            found @ Program::Elf(_) => found == self.program,
            _ => true,
        }
    }

    /// Reads what a library needs itself; none where that is not known.
    pub(super) fn shared(&self, path: &[u8]) -> Option<Shared> {
        let file = self.files.open(path)?;
        platform::shared(&file.read_at(0, HEAD).ok()?, &*file)
    }

    /// Returns true if the list of `ldconfig` has a library, or that is not known.
    fn may_be_in_cache(&self, name: &[u8]) -> bool {
        let path = match resolve(self.files, CACHE) {
            Resolved::File { path, .. } if self.dialect == Dialect::Gnu => path,
            Resolved::Unknown => return self.dialect == Dialect::Gnu,
            _ => return false,
        };
        match self.files.read(&path, MAX_CACHE + 1) {
            Some(list) if list.len() <= MAX_CACHE => {
                let entry = [b"/", name, b"\0"].concat();
                list.windows(entry.len()).any(|part| part == entry)
            }
            _ => true,
        }
    }
}

/// Returns what `$ORIGIN` may stand for in an object: the directories that it was found in and is in.
fn origins(object: &Object) -> [&[u8]; 2] {
    [split(&object.path).0, split(&object.resolved).0]
}
