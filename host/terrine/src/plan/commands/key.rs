//! The digest of all that goes into commands.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FileType, OFlags};
use sha2::{Digest as _, Sha256};
use terrine_isolate::{Directory, Identity, Place, Step};
use terrine_oci::Digest;

use super::PlanError;
use super::ask::Asked;
use crate::beneath::{Beneath, identity, list};
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
            field: "commands.path".to_owned(),
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

/// The digest of a directory of this machine: names, permissions, targets and contents. Nothing leads out of it
/// while it is read.
fn directory(path: &Path) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let at = Beneath::open(path)?;
    let (_, mode) = identity(&at.open_at(b"", OFlags::DIRECTORY)?)?;
    hash.update(mode.to_le_bytes());
    let mut open = vec![vec![]];
    while let Some(below) = open.pop() {
        let listed = at.open_at(&below, OFlags::DIRECTORY)?;
        let mut children = list(&listed).map_err(|(_, errno)| errno)?;
        children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for child in children {
            let below = match below.as_slice() {
                b"" => child.name.to_vec(),
                below => [below, b"/", &child.name].concat(),
            };
            let mut part = |bytes: &[u8]| {
                hash.update((bytes.len() as u64).to_le_bytes());
                hash.update(bytes);
            };
            part(&below);
            part(&child.kind.as_raw_mode().to_le_bytes());
            part(&child.mode.to_le_bytes());
            part(&child.link);
            part(&child.size.to_le_bytes());
            match child.kind {
                FileType::Directory => open.push(below),
                FileType::RegularFile => {
                    let mut file = File::from(at.open_at(&below, OFlags::NONBLOCK)?);
                    io::copy(&mut file, &mut hash)?;
                }
                _ => {}
            }
        }
    }
    Ok(hash.into())
}
