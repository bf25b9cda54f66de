//! All that goes into commands, and its digest.

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

/// All that goes into commands: the tree before, the scripts, what they see, and the base image.
#[derive(Debug, Default)]
pub(super) struct Inputs(Vec<Input>);

/// Something that goes in.
#[derive(Debug)]
struct Input {
    /// Its name for the user.
    name: String,
    form: String,
}

impl Inputs {
    /// Returns the digest that what commands leave is known by.
    pub(super) fn key(&self) -> Digest {
        let forms = self.0.iter().map(|input| input.form.as_str());
        Digest::of(
            [VERSION]
                .into_iter()
                .chain(forms)
                .collect::<String>()
                .as_bytes(),
        )
    }

    /// Checks that it is the same after the commands have run.
    pub(super) fn check(&self, after: &Self) -> Result<(), PlanError> {
        if self.key() == after.key() {
            return Ok(());
        }
        let mut both = self.0.iter().zip(&after.0);
        let changed = both.find(|(before, after)| before.form != after.form);
        let what = changed.map_or("the tree at the root", |(before, _)| &before.name);
        Err(PlanError::Meanwhile {
            what: what.to_owned(),
        })
    }

    fn add(&mut self, name: impl Into<String>, fill: impl FnOnce(&mut Form)) {
        let mut form = Form::new("");
        fill(&mut form);
        let (name, form) = (name.into(), form.text());
        self.0.push(Input { name, form });
    }
}

/// Reads all that goes into commands.
pub(super) fn read(
    complete: &Complete,
    asked: &Asked,
    ownership: &Ownership,
) -> Result<Inputs, PlanError> {
    let mut inputs = Inputs::default();
    if let (true, Some(base)) = (asked.jobs()[0].1, &complete.base) {
        let digest = Digest::of(base.configuration().as_bytes());
        inputs.add("the base image", |form| form.plain("base", digest));
    }
    let contents = Unread::find(complete, ownership)?.read()?;
    let root = rootfs::measure(&complete.root, &Permissions::default())?;
    inputs.add("the tree at the root", |form| {
        form.plain("root", root.outline);
    });
    for copied in &contents.copies {
        let name = format!("`{}`", String::from_utf8_lossy(copied.path));
        inputs.add(name, |form| form.copied(copied));
    }
    inputs.add("the store", |form| form.quoted("store", &asked.store_dir));
    for (path, content) in complete.paths.paths.iter().zip(&contents.paths) {
        if let Some(content) = content {
            inputs.add(format!("`{}`", complete.store.shown(path)), |form| {
                form.quoted("path", path.as_str());
                form.plain("path.entries", content.entries);
                form.plain("path.content", content.content);
            });
        }
    }
    for node in asked.visible.nodes() {
        inputs.add(format!("`{}`", node.path), |form| {
            form.quoted("sees", &node.path);
        });
    }
    for tool in &asked.tools {
        let digest = directory(tool).map_err(|source| PlanError::Io {
            field: "commands.path".to_owned(),
            path: tool.clone(),
            source,
        })?;
        inputs.add(format!("`{}`", tool.display()), |form| {
            form.plain("tool", digest);
        });
    }
    for step in &asked.steps {
        inputs.add(format!("`{}`", step.name), |form| describe(form, step));
    }
    Ok(inputs)
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
