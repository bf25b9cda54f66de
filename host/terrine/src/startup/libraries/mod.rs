//! The shared libraries of a program, which its dynamic loader looks for as ld.so(8) and musl's loader do.

mod places;
mod search;

use std::collections::BTreeSet;

use terrine_support::remark::Remark;

use super::Files;
use super::config::Config;
use crate::platform::{self, HEAD, Shared};
use places::Dialect;
use search::{At, Search};

/// The most files that are loaded for one program; with more of them nothing is reported.
const MAX_OBJECTS: usize = 2000;

/// A program, or a library that is loaded for it.
struct Object {
    /// The path that it was found at.
    path: Vec<u8>,
    /// The same without links.
    resolved: Vec<u8>,
    shared: Shared,
    /// The number of the object that needs it; none for the program.
    loaded_by: Option<usize>,
}

/// A library that no searched directory has.
struct Missing {
    name: Vec<u8>,
    /// The number of the object that needs it.
    needed_by: usize,
}

/// Looks for the shared libraries of a dynamic program at a path without links, and for those that they need.
pub(super) fn check(config: &Config, files: &dyn Files, path: &[u8], role: &str) -> Option<Remark> {
    let file = files.open(path)?;
    let head = file.read_at(0, HEAD).ok()?;
    let loader = platform::loader(&head, &*file)?;
    let search = Search {
        config,
        files,
        dialect: Dialect::of(&loader, files)?,
        loader: &loader,
        program: platform::inspect(&head),
    };
    let program = Object {
        path: path.to_vec(),
        resolved: path.to_vec(),
        shared: platform::shared(&head, &*file)?,
        loaded_by: None,
    };
    let (objects, missing) = load(&search, program)?;
    remark(&objects, &missing, role)
}

/// Loads a program: returns all that is loaded for it, and the libraries that are missing. None with more objects than
/// programs have.
fn load(search: &Search<'_>, program: Object) -> Option<(Vec<Object>, Vec<Missing>)> {
    let mut known = BTreeSet::from([search.loader_name().to_vec()]);
    let mut objects = vec![program];
    let mut missing = vec![];
    let mut number = 0;
    while number < objects.len() {
        for name in objects[number].shared.needed.clone() {
            // A library counts for all names that it is loaded by, and for its own.
            if search.dialect.has_built_in(&name) || !known.insert(name.clone()) {
                continue;
            }
            match search.find(&objects, number, &name) {
                At::File { path, resolved } => {
                    let shared = search.shared(&resolved).unwrap_or_default();
                    known.extend(shared.name.clone());
                    objects.push(Object {
                        path,
                        resolved,
                        shared,
                        loaded_by: Some(number),
                    });
                }
                At::Unknown => {}
                At::Nothing => missing.push(Missing {
                    name,
                    needed_by: number,
                }),
            }
        }
        if objects.len() > MAX_OBJECTS {
            return None;
        }
        number += 1;
    }
    Some((objects, missing))
}

fn remark(objects: &[Object], missing: &[Missing], role: &str) -> Option<Remark> {
    let first = missing.first()?;
    let name = String::from_utf8_lossy(&first.name);
    let others = match missing.len() - 1 {
        0 => String::new(),
        1 => " (and 1 other)".to_owned(),
        count => format!(" (and {count} others)"),
    };
    let of = match first.needed_by {
        0 => role.to_owned(),
        number => {
            let library = String::from_utf8_lossy(&objects[number].path);
            format!("`{library}`, which {role} loads,")
        }
    };
    let shown = name.escape_debug();
    let message = format!("the shared library `{shown}`{others} of {of} is not in the image");
    Some(Remark::warning(message).hint(
        "add the library by `contents`, or set `LD_LIBRARY_PATH` in `Env` to the directory that has it",
    ))
}

#[cfg(test)]
mod tests;
