//! Items that a specification names: store paths and directories of this machine. Also their
//! places in the image.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use terrine_planner_host::is_hashed;
use terrine_support::remark::Remark;

use super::{Error, place};
use crate::layer::{Exclude, Fetch, Given, Selection, Store, StorePath};
use crate::links::MAX_LINKS;
use crate::spec::{ImageSpec, PathSwitch};

/// The name of the store path that a directory becomes without one.
const UNNAMED: &str = "contents";
/// The longest name of a store path, as Nix has it.
const MAX_NAME: usize = 211;

/// Something that a specification names.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// The name that the user gave it.
    pub(super) named: String,
    /// Its path in the image, if it is in the store there.
    pub(super) at: Option<String>,
    /// The store path that it is, or lies in.
    pub(super) store_path: Option<StorePath>,
    /// Its path on this machine.
    pub(super) place: PathBuf,
    /// The part of it that is in the image, if it is copied or a directory of this machine.
    pub(super) selection: Option<Selection>,
}

impl Item {
    /// Fetches the item's files if they are in a binary cache.
    fn fetch_files(&self, store: &Store) -> Result<(), Error> {
        let fetched = self.store_path.as_ref();
        let fetched = fetched.map(|path| store.fetch(path, Fetch::Whole));
        Ok(fetched.transpose().map(drop)?)
    }
}

/// Everything that a specification names.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) contents: Vec<Item>,
    pub(super) copied: Vec<Item>,
    pub(super) bin_sh: Option<Item>,
    pub(super) usr_bin_env: Option<Item>,
    pub(super) certificates: Option<Item>,
    /// The sources of `files`, by their paths in the image.
    pub(super) sources: Vec<(String, Item)>,
    /// The packages with the tools of commands.
    pub(super) tools: Vec<Item>,
    /// The remarks for the user about directories of this machine.
    pub(super) remarks: Vec<Remark>,
}

impl Items {
    /// The store paths that links will lead to.
    pub(super) fn linked(&self) -> impl Iterator<Item = &StorePath> {
        let helpers = [&self.bin_sh, &self.usr_bin_env, &self.certificates];
        let items = self.contents.iter().chain(helpers.into_iter().flatten());
        items.filter_map(|item| item.store_path.as_ref())
    }
}

/// Finds everything that a specification names. Directories of this machine that
/// `contents` names become store paths.
pub(super) fn find(spec: &ImageSpec, store: &mut Store) -> Result<Items, Error> {
    let mut items = Items::default();
    let plain = Plain::of(spec)?;
    let mut taken = BTreeSet::new();
    let named = spec
        .contents
        .0
        .iter()
        .filter_map(|contents| contents.name.as_deref());
    for name in named {
        if !taken.insert(name.to_owned()) {
            return Err(Error::hinted(
                "contents",
                format!("two of them have the name `{name}`"),
                "give each directory a different name",
            ));
        }
    }
    for (i, contents) in spec.contents.0.iter().enumerate() {
        let field = format!("contents[{i}]");
        let item = existing(spec, store, &contents.path, &field)?;
        items
            .contents
            .push(match (&item.store_path, &contents.name) {
                (Some(path), Some(_)) => {
                    let why = format!("`{}` has a name already", path.as_str());
                    return Err(Error::hinted(
                        field,
                        why,
                        "names are for directories of this machine",
                    ));
                }
                (Some(_), None) => item,
                (None, name) => {
                    let given = Given {
                        path: item.named.clone(),
                        name: name.clone(),
                    };
                    let item = plain.select(item, &field, &mut items.remarks)?;
                    let free = || free_name(&mut taken);
                    graft(
                        item,
                        store,
                        &name.clone().unwrap_or_else(free),
                        given,
                        &field,
                    )?
                }
            });
    }
    for (i, named) in spec.copy_to_root.0.iter().enumerate() {
        let field = format!("copyToRoot[{i}]");
        let item = existing(spec, store, named, &field)?;
        item.fetch_files(store)?;
        items.copied.push(match item.store_path {
            Some(_) => whole(item, &mut items.remarks)?,
            None => plain.select(item, &field, &mut items.remarks)?,
        });
    }
    for (i, named) in spec.commands.path.0.iter().enumerate() {
        let field = format!("commands.path[{i}]");
        items.tools.push(existing(spec, store, named, &field)?);
    }
    let helper = |switch: &PathSwitch, field: &str| match switch {
        // A place in the image may be one that something else fills.
        PathSwitch::Path(path) if path.starts_with('/') => item(spec, store, path, field).map(Some),
        PathSwitch::Path(path) => existing(spec, store, path, field).map(Some),
        _ => Ok(None),
    };
    items.bin_sh = helper(&spec.bin_sh, "binSh")?;
    items.usr_bin_env = helper(&spec.usr_bin_env, "usrBinEnv")?;
    items.certificates = helper(&spec.ca_certificates, "caCertificates")?;
    if let Some(certificates) = &items.certificates {
        certificates.fetch_files(store)?;
    }
    for (path, file) in &spec.files {
        if let Some(source) = &file.source {
            let item = existing(spec, store, source, &format!("files.{path}.source"))?;
            item.fetch_files(store)?;
            let item = plain.file(item, &mut items.remarks)?;
            items.sources.push((path.clone(), item));
        }
    }
    Ok(items)
}

/// The same as [`item`], of what has to be there. Whoever reads a store path tells whether it is.
fn existing(spec: &ImageSpec, store: &Store, named: &str, field: &str) -> Result<Item, Error> {
    let item = item(spec, store, named, field)?;
    if item.at.is_none() {
        place::existing(spec, field, named)?;
    }
    Ok(item)
}

/// Tells a store path from a path of this machine. One of this machine that leads into
/// the store, as the links do that `nix build` leaves, is a store path as well.
fn item(spec: &ImageSpec, store: &Store, named: &str, field: &str) -> Result<Item, Error> {
    if named.is_empty() {
        return Err(Error::field(field, "the path is empty"));
    }
    let place = spec.place(named);
    if let Some(path) = store.path(named).ok().or_else(|| linked(store, &place)) {
        store.fetch(&path, Fetch::Outline)?;
        let place = store.resolve(Path::new(path.as_str()));
        return Ok(Item {
            named: spec.given(named).to_owned(),
            store_path: Some(store.top(&path)),
            at: Some(path.as_str().to_owned()),
            place,
            selection: None,
        });
    }
    let real = fs::canonicalize(&place).unwrap_or_else(|_| place.clone());
    let within = store.within(&real);
    let store_path = within.as_ref().map(|path| store.top(path));
    let at = within.map(|path| path.as_str().to_owned());
    Ok(Item {
        named: spec.given(named).to_owned(),
        at,
        store_path,
        place,
        selection: None,
    })
}

/// The path in the store that links of this machine lead to by its name in the image. Nix
/// writes such links for a store below another root too, where they lead nowhere on this
/// machine, or into another store.
fn linked(store: &Store, place: &Path) -> Option<StorePath> {
    let mut place = place.to_owned();
    for _ in 0..MAX_LINKS {
        let (link, target) = place
            .ancestors()
            .find_map(|link| Some((link, fs::read_link(link).ok()?)))?;
        let below = place.strip_prefix(link).ok()?;
        let target = link.parent()?.join(target);
        place = if below.as_os_str().is_empty() {
            target
        } else {
            target.join(below)
        };
        if let Some(path) = place.to_str().and_then(|text| store.path(text).ok()) {
            return Some(path);
        }
    }
    None
}

/// The rules for what the image contains of directories of this machine.
struct Plain {
    exclude: Exclude,
    keeps_modes: bool,
}

impl Plain {
    fn of(spec: &ImageSpec) -> Result<Self, Error> {
        let patterns = spec.exclude.0.iter().map(String::as_str);
        let exclude = Exclude::new(patterns).map_err(|error| Error::value("exclude", &error))?;
        Ok(Self {
            exclude,
            keeps_modes: spec.keep_modes,
        })
    }

    /// Looks at a single file.
    fn file(&self, item: Item, remarks: &mut Vec<Remark>) -> Result<Item, Error> {
        // What is no file is told when it is copied.
        if !item.place.is_file() {
            return Ok(item);
        }
        let keeps_modes = self.keeps_modes || item.store_path.is_some();
        let selection = Selection::of_file(&item.place, keeps_modes)?;
        remarks.extend(selection.remarks(&item.named));
        Ok(Item {
            selection: Some(selection),
            ..item
        })
    }

    /// Finds what of a directory is in the image.
    fn select(&self, item: Item, field: &str, remarks: &mut Vec<Remark>) -> Result<Item, Error> {
        let failed = |source| Error::Io {
            field: field.to_owned(),
            path: item.place.clone(),
            source,
        };
        if !fs::metadata(&item.place).map_err(failed)?.is_dir() {
            return Err(Error::hinted(
                field,
                format!("`{}` is not a directory", item.place.display()),
                "put a single file at its place with `files`",
            ));
        }
        let selection = Selection::of(&item.place, &self.exclude, self.keeps_modes)?;
        remarks.extend(selection.remarks(&item.named));
        Ok(Item {
            selection: Some(selection),
            ..item
        })
    }
}

/// All of a store path, with the attributes of its files.
fn whole(item: Item, remarks: &mut Vec<Remark>) -> Result<Item, Error> {
    // What is no directory is told when it is copied.
    if !item.place.is_dir() {
        return Ok(item);
    }
    let selection = Selection::whole(&item.place)?;
    remarks.extend(selection.remarks(&item.named));
    Ok(Item {
        selection: Some(selection),
        ..item
    })
}

/// Returns the name of a directory that is given none. That of the directory itself is often another in each run:
/// a folder for temporary files, a checkout.
fn free_name(taken: &mut BTreeSet<String>) -> String {
    let mut name = UNNAMED.to_owned();
    let mut number = 1;
    while !taken.insert(name.clone()) {
        number += 1;
        name = format!("{UNNAMED}-{number}");
    }
    name
}

/// Makes a directory of this machine a store path.
fn graft(
    item: Item,
    store: &mut Store,
    name: &str,
    given: Given,
    field: &str,
) -> Result<Item, Error> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-._?=".contains(c);
    if name.is_empty()
        || name.starts_with('.')
        || name.len() > MAX_NAME
        || !name.chars().all(is_plain)
    {
        return Err(Error::hinted(
            format!("{field}.name"),
            format!("`{name}` is not the name of a store path"),
            "a name has letters, digits and `+-._?=`, and does not start with a dot",
        ));
    }
    // Such a name says what is in it.
    if is_hashed(name) {
        return Err(Error::hinted(
            format!("{field}.name"),
            format!("`{name}` begins with a hash, as the names of paths in a Nix store do"),
            "give the directory a name without the hash",
        ));
    }
    let selection = item.selection.clone().unwrap_or_default();
    let path = store.graft(name, &item.place, selection, given)?;
    Ok(Item {
        at: Some(path.as_str().to_owned()),
        store_path: Some(path),
        ..item
    })
}
