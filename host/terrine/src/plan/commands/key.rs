//! The digest of all that goes into commands.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use terrine_isolate::{Directory, Identity, Place, Step};
use terrine_oci::Digest;

use super::PlanError;
use super::ask::Asked;
use crate::layer::{Ownership, Permissions};
use crate::plan::complete::Complete;
use crate::plan::content::Unread;
use crate::plan::form::Form;
use crate::rootfs;

/// The first line. Its number grows with whatever makes commands leave another tree.
const VERSION: &str = "terrine commands 1\n";

/// The digest of the tree before, the scripts, what they see, and the base image.
pub(super) fn digest(
    complete: &Complete,
    asked: &Asked,
    ownership: &Ownership,
) -> Result<Digest, PlanError> {
    let mut form = Form::new(VERSION);
    if let (true, Some(base)) = (asked.jobs()[0].1, &complete.base) {
        form.plain("base", Digest::of(base.configuration().as_bytes()));
    }
    let contents = Unread::find(complete, ownership)?.read()?;
    let root = rootfs::measure(&complete.root, &Permissions::default())?;
    form.plain("root", root.outline);
    for copied in &contents.copies {
        form.copied(copied);
    }
    form.quoted("store", &asked.store_dir);
    for (path, content) in complete.paths.paths.iter().zip(&contents.paths) {
        if let Some(content) = content {
            form.quoted("path", path.as_str());
            form.plain("path.entries", content.entries);
            form.plain("path.content", content.content);
        }
    }
    for node in asked.visible.nodes() {
        form.quoted("sees", &node.path);
    }
    for tool in &asked.tools {
        let digest = directory(tool).map_err(|source| PlanError::Io {
            field: "commands.path",
            path: tool.clone(),
            source,
        })?;
        form.plain("tool", digest);
    }
    for step in &asked.steps {
        describe(&mut form, step);
    }
    Ok(Digest::of(form.text().as_bytes()))
}

fn describe(form: &mut Form, step: &Step) {
    form.quoted("step", &step.name);
    form.quoted("step.script", &step.script);
    form.flag("step.chroot", step.place == Place::Root);
    form.flag("step.root", step.identity == Identity::Root);
    form.flag("step.pipefail", step.pipefail);
    if let Some(shell) = &step.shell {
        form.quoted("step.shell", named(shell));
    }
    for directory in &step.path {
        form.quoted("step.path", named(directory));
    }
    for (name, value) in &step.environment {
        form.quoted("step.environment", format!("{name}={value}"));
    }
}

fn named(directory: &Directory) -> String {
    match directory {
        Directory::Absolute(path) => format!("absolute {path}"),
        Directory::Store(path) => format!("store {path}"),
        Directory::Tool(number, path) => format!("tool {number} {path}"),
        Directory::Tree(path) => format!("tree {path}"),
    }
}

/// The digest of a directory of this machine: names, permissions, targets and contents.
fn directory(path: &Path) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut open = vec![path.to_owned()];
    while let Some(place) = open.pop() {
        let found = fs::symlink_metadata(&place)?;
        let name = place.strip_prefix(path).unwrap_or(&place).as_os_str();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(name.as_bytes());
        part(&found.permissions().mode().to_le_bytes());
        if found.is_symlink() {
            part(fs::read_link(&place)?.as_os_str().as_bytes());
        } else if found.is_dir() {
            let mut children: Vec<_> = fs::read_dir(&place)?
                .map(|child| child.map(|child| child.path()))
                .collect::<io::Result<_>>()?;
            children.sort_unstable_by(|a, b| b.cmp(a));
            open.extend(children);
        } else if found.is_file() {
            part(&found.len().to_le_bytes());
            io::copy(&mut File::open(&place)?, &mut hash)?;
        }
    }
    Ok(hash.into())
}
