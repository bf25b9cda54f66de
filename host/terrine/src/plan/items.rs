//! What a specification names: store paths, directories of this machine, and where
//! they are in the image.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use crate::layer::{Store, StorePath};
use crate::spec::{ImageSpec, PathSwitch};

/// How many links a path may lead through, as Linux has it.
const MAX_LINKS: usize = 40;

/// Something that a specification names.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// How the specification names it.
    pub(super) named: String,
    /// Where it is in the image, if it is in the store there.
    pub(super) at: Option<String>,
    /// The store path that it is, or lies in.
    pub(super) store_path: Option<StorePath>,
    /// Where it is on this machine.
    pub(super) place: PathBuf,
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
    let mut taken = BTreeSet::new();
    for (i, named) in spec.contents.0.iter().enumerate() {
        let field = format!("contents[{i}]");
        let item = item(spec, store, named, &field)?;
        items.contents.push(match item.store_path {
            Some(_) => item,
            None => graft(item, store, &mut taken, &field)?,
        });
    }
    for (i, named) in spec.copy_to_root.0.iter().enumerate() {
        items
            .copied
            .push(item(spec, store, named, &format!("copyToRoot[{i}]"))?);
    }
    for (i, named) in spec.commands.path.0.iter().enumerate() {
        items
            .tools
            .push(item(spec, store, named, &format!("commands.path[{i}]"))?);
    }
    let helper = |switch: &PathSwitch, field: &str| match switch {
        PathSwitch::Path(path) => item(spec, store, path, field).map(Some),
        _ => Ok(None),
    };
    items.bin_sh = helper(&spec.bin_sh, "binSh")?;
    items.usr_bin_env = helper(&spec.usr_bin_env, "usrBinEnv")?;
    items.certificates = helper(&spec.ca_certificates, "caCertificates")?;
    for (path, file) in &spec.files {
        if let Some(source) = &file.source {
            items.sources.push((
                path.clone(),
                item(spec, store, source, &format!("files.{path}.source"))?,
            ));
        }
    }
    Ok(items)
}

/// Tells a store path from a path of this machine. One of this machine that leads into
/// the store, as the links do that `nix build` leaves, is a store path as well.
fn item(spec: &ImageSpec, store: &Store, named: &str, field: &str) -> Result<Item, Error> {
    if named.is_empty() {
        return Err(Error::field(field, "the path is empty"));
    }
    let place = spec.place(named);
    if let Some(path) = store.path(named).ok().or_else(|| linked(store, &place)) {
        let place = store.resolve(Path::new(path.as_str()));
        return Ok(Item {
            named: named.to_owned(),
            store_path: Some(store.top(&path)),
            at: Some(path.as_str().to_owned()),
            place,
        });
    }
    let real = fs::canonicalize(&place).unwrap_or_else(|_| place.clone());
    let within = store.within(&real);
    let store_path = within.as_ref().map(|path| store.top(path));
    let at = within.map(|path| path.as_str().to_owned());
    Ok(Item {
        named: named.to_owned(),
        at,
        store_path,
        place,
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

/// Makes a directory of this machine a store path by its own name; a number is added to
/// one that is taken.
fn graft(
    item: Item,
    store: &mut Store,
    taken: &mut BTreeSet<String>,
    field: &str,
) -> Result<Item, Error> {
    let failed = |source| Error::Io {
        field: "contents",
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
    // The name as it was given, unless that is `.` or the like.
    let named = Path::new(&item.named).file_name().map(PathBuf::from);
    let real = || {
        fs::canonicalize(&item.place)
            .ok()?
            .file_name()
            .map(PathBuf::from)
    };
    let name = named
        .or_else(real)
        .and_then(|name| name.to_str().map(str::to_owned));
    let Some(name) = name else {
        return Err(Error::field(
            field,
            format!("`{}` has no name to go by", item.place.display()),
        ));
    };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let name = std::iter::once(name.clone())
        .chain(numbered)
        .find(|name| taken.insert(name.clone()));
    let path = store.graft(&name.unwrap_or_default(), &item.place)?;
    Ok(Item {
        at: Some(path.as_str().to_owned()),
        store_path: Some(path),
        ..item
    })
}
