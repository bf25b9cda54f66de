//! The tree at the image's root: contents, copies, helpers and files.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::FileType;

use super::Error;
use super::context::Context;
use super::items::{Item, Items};
use super::paths::Paths;
use crate::base::{Base, Listing};
use crate::layer::{Fetch, Selection, Store};
use crate::rootfs::{self, BaseLinks, Certificates, New, Origin, Root, helpers};
use crate::spec::{BaseLinksSpec, FileSpec, ImageSpec, PathSwitch};

/// The names that shells go by, the first one there is taken.
const SHELLS: &[&str] = &["bin/sh", "bin/bash", "bin/dash", "bin/busybox"];
const ENV: &[&str] = &["bin/env"];
/// The paths of the bundle in packages of certificates.
const BUNDLES: &[&str] = &[
    "etc/ssl/certs/ca-bundle.crt",
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
];

/// Makes the tree, but for what has to be looked for in the closure.
pub(super) fn grow(
    spec: &ImageSpec,
    store: &Store,
    items: &Items,
    links: BaseLinks,
) -> Result<Root, Error> {
    let mut root = Root::new().within(store).on(links);
    for item in &items.contents {
        let at = item.at.as_deref().unwrap_or_default();
        root.link(at, &item.place, Origin::Contents(item.named.clone()))?;
    }
    root.merge_links()?;
    for item in &items.copied {
        let all = Selection::all();
        let selection = item.selection.as_ref().unwrap_or(&all);
        let origin = Origin::CopyToRoot(item.named.clone());
        root.copy(&item.place, store, selection, origin)?;
    }
    add_helpers(spec, items, &mut root)?;
    for (path, file) in &spec.files {
        let source = items
            .sources
            .iter()
            .find(|(named, _)| named == path)
            .map(|(_, item)| item);
        let new = new(path, file, source)?;
        root.add(path, new, Origin::Files)
            .map_err(|error| match &error {
                rootfs::Error::Path(_) => Error::value(format!("files.{path}"), &error),
                _ => error.into(),
            })?;
    }
    Ok(root)
}

fn add_helpers(spec: &ImageSpec, items: &Items, root: &mut Root) -> Result<(), Error> {
    if let Some(settings) = spec.fake_nss.settings() {
        helpers::fake_nss(
            root,
            &settings.extra_passwd_lines,
            &settings.extra_group_lines,
        )?;
    }
    if spec.shadow_setup {
        helpers::shadow_setup(root)?;
    }
    if spec.tmp {
        helpers::tmp(root)?;
    }
    if let Some(item) = &items.bin_sh {
        helpers::bin_sh(root, &program(item, SHELLS, "binSh")?)?;
    }
    if let Some(item) = &items.usr_bin_env {
        helpers::usr_bin_env(root, &program(item, ENV, "usrBinEnv")?)?;
    }
    match (&spec.ca_certificates, &items.certificates) {
        (PathSwitch::On, _) => helpers::ca_certificates(root, &Certificates::Mozilla)?,
        (_, Some(item)) => helpers::ca_certificates(root, &certificates(item)?)?,
        _ => {}
    }
    Ok(())
}

/// Adds the programs that are to be looked for in the closure.
pub(super) fn add_found(
    spec: &ImageSpec,
    store: &Store,
    paths: &Paths,
    root: &mut Root,
) -> Result<(), Error> {
    if spec.bin_sh == PathSwitch::On {
        helpers::bin_sh(root, &found(store, paths, SHELLS, "binSh", "a shell")?)?;
    }
    if spec.usr_bin_env == PathSwitch::On {
        helpers::usr_bin_env(root, &found(store, paths, ENV, "usrBinEnv", "an `env`")?)?;
    }
    Ok(())
}

/// Returns the target of a link to a program: the program itself, or the first of `names` in the
/// package that is named.
fn program(item: &Item, names: &[&str], field: &'static str) -> Result<String, Error> {
    let Some(at) = &item.at else {
        // A place in the image that something else fills.
        if item.named.starts_with('/') {
            return Ok(item.named.clone());
        }
        let why = format!("`{}` is not in the store", item.named);
        return Err(Error::field(field, why));
    };
    let metadata = fs::metadata(&item.place);
    let metadata = metadata.map_err(|source| Error::Io {
        field: field.to_owned(),
        path: item.place.clone(),
        source,
    })?;
    if !metadata.is_dir() {
        return Ok(at.clone());
    }
    match names.iter().find(|name| is_there(&item.place.join(name))) {
        Some(name) => Ok(format!("{at}/{name}")),
        None => {
            let why = format!("`{}` contains none of `{}`", item.named, names.join("`, `"));
            Err(Error::hinted(field, why, "name the program itself"))
        }
    }
}

/// The one program of the closure that goes by one of `names`.
fn found(
    store: &Store,
    paths: &Paths,
    names: &[&str],
    field: &str,
    what: &str,
) -> Result<String, Error> {
    for path in &paths.paths {
        store.fetch(path, Fetch::Outline)?;
    }
    let program = |path: &str| {
        let there = |name: &&&str| is_there(&store.resolve(Path::new(&format!("{path}/{name}"))));
        names
            .iter()
            .find(there)
            .map(|name| format!("{path}/{name}"))
    };
    let programs = paths.paths.iter().filter_map(|path| program(path.as_str()));
    let programs: Vec<String> = programs.collect();
    match programs.as_slice() {
        [program] => Ok(program.clone()),
        [] => Err(Error::hinted(
            field,
            format!("no store path of the image has {what}"),
            "name a package",
        )),
        several => Err(Error::hinted(
            field,
            format!(
                "{} store paths have {what}: `{}`",
                several.len(),
                several.join("`, `")
            ),
            "name one of them",
        )),
    }
}

/// Reports whether a program exists, even as a link into a store that is not mounted here.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| !metadata.is_dir())
}

fn certificates(item: &Item) -> Result<Certificates, Error> {
    let field = "caCertificates";
    let is_dir = fs::metadata(&item.place)
        .map_err(|source| Error::Io {
            field: field.to_owned(),
            path: item.place.clone(),
            source,
        })?
        .is_dir();
    let bundle = if is_dir {
        let found = BUNDLES
            .iter()
            .find(|name| item.place.join(name).exists())
            .ok_or_else(|| {
                let why = format!(
                    "`{}` contains none of `{}`",
                    item.named,
                    BUNDLES.join("`, `")
                );
                Error::hinted(field, why, "name the bundle itself")
            })?;
        Some(*found)
    } else {
        None
    };
    let below = |path: &Path| bundle.map_or_else(|| path.to_owned(), |name| path.join(name));
    match &item.at {
        Some(at) => Ok(Certificates::Link {
            target: below(Path::new(at)).to_string_lossy().into_owned(),
            place: below(&item.place),
        }),
        None => Ok(Certificates::File(below(&item.place))),
    }
}

/// An entry of `files`.
fn new(path: &str, file: &FileSpec, source: Option<&Item>) -> Result<New, Error> {
    let field = || format!("files.{path}");
    let kinds = [
        file.text.is_some(),
        file.source.is_some(),
        file.link.is_some(),
        file.directory,
    ];
    if kinds.into_iter().filter(|&given| given).count() != 1 {
        return Err(Error::field(
            field(),
            "it needs exactly one of `text`, `source`, `link` and `directory`",
        ));
    }
    let new = match (&file.text, &file.link, source) {
        (Some(text), ..) => New::file(text.clone()),
        (_, Some(_), _) if file.mode.is_some() => {
            return Err(Error::field(field(), "a link has no `mode` of its own"));
        }
        (_, Some(target), _) => New::symlink(target.clone()),
        (_, _, Some(item)) => copy_of(item)?,
        _ => New::directory(),
    };
    let new = match file.mode {
        Some(mode) => new.mode(mode.0),
        None => new,
    };
    Ok(new.owner(file.uid.into(), file.gid.into()))
}

/// A file with the content of another, and its permissions as far as they are kept.
fn copy_of(item: &Item) -> Result<New, Error> {
    let failed = |source| Error::Io {
        field: "files".to_owned(),
        path: item.place.clone(),
        source,
    };
    let metadata = fs::metadata(&item.place).map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    let new = New::copy_of(&item.place);
    let Some(selection) = &item.selection else {
        return Ok(new.mode(mode));
    };
    let mode = selection.mode(FileType::RegularFile, mode as u16);
    let name = item.place.file_name().unwrap_or_default().as_bytes();
    Ok(new
        .mode(mode.into())
        .xattrs(selection.attributes(name).to_vec()))
}

/// Grows the tree on a base image: through its links to directories and into its directories, unless the
/// specification has it otherwise.
pub(super) fn grow_on(
    context: &Context<'_, '_>,
    store: &Store,
    items: &Items,
    base: Option<(&Base, &Listing)>,
) -> Result<Root, Error> {
    let spec = context.spec;
    let root = grow(spec, store, items, BaseLinks::default())?;
    let Some((base, listing)) = base else {
        return Ok(root);
    };
    // What is added later makes directories as well.
    let more = spec.has_commands()
        || spec.include_nix_db
        || spec.bin_sh == PathSwitch::On
        || spec.usr_bin_env == PathSwitch::On;
    if !more && root.is_empty() {
        return Ok(root);
    }
    let followed = spec.base_links == BaseLinksSpec::Follow;
    if !followed && listing.is_claimed() {
        return Ok(root);
    }
    let mut links = base.links(listing, store.dir(), context.options.cache)?;
    if spec.include_store_paths != Some(false) {
        // The layers of store paths have directories there.
        for path in store.ancestors() {
            links.targets.remove(path);
        }
    }
    let links = BaseLinks {
        targets: links.targets,
        directories: links.directories,
        followed,
    };
    grow(spec, store, items, links)
}
