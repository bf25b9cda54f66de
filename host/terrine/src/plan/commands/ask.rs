//! The commands that a specification asks for, and all that they may see.

use std::path::{Path, PathBuf};

use terrine_isolate::{Directory, Entry, Identity, Kind, Place, Step};

use super::PlanError;
use crate::closure::Graph;
use crate::layer::{Fetch, StorePath};
use crate::plan::complete::Complete;
use crate::plan::context::Context;
use crate::plan::items::Item;
use crate::plan::paths;
use crate::rootfs::{Data, Root};
use crate::spec::ImageSpec;

/// The directories of programs in an image, in the order of root's path.
const USUAL: &[&str] = &[
    "usr/local/sbin",
    "usr/local/bin",
    "usr/sbin",
    "usr/bin",
    "sbin",
    "bin",
];

/// The rest of what commands find in their environment, whatever machine they run on.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("HOME", "/homeless-shelter"),
    ("LC_ALL", "C"),
    ("NIX_BUILD_CORES", "1"),
    ("PERL_HASH_SEED", "0"),
    ("PYTHONHASHSEED", "0"),
    ("SOURCE_DATE_EPOCH", "315532800"),
    ("TERM", "dumb"),
    ("TZ", "UTC"),
];

/// The name of `runAsRoot` in messages.
const RUN_AS_ROOT: &str = "runAsRoot";

/// The commands that are asked for.
#[derive(Debug)]
pub(super) struct Asked {
    /// The tree before.
    pub(super) entries: Vec<Entry>,
    /// The scripts, in the order in which they run.
    pub(super) steps: Vec<Step>,
    pub(super) store_dir: String,
    /// The store paths that commands see, and what they refer to.
    pub(super) visible: Graph,
    /// The same, where they are.
    pub(super) store: Vec<(String, PathBuf)>,
    /// Directories of this machine that they see.
    pub(super) tools: Vec<PathBuf>,
}

impl Asked {
    /// Returns the commands that a specification asks for; none where it has no commands.
    pub(super) fn of(
        context: &Context<'_, '_>,
        complete: &Complete,
    ) -> Result<Option<Self>, PlanError> {
        let spec = context.spec;
        let scripts = [
            &spec.run_as_root,
            &spec.extra_commands,
            &spec.fake_root_commands,
        ];
        let scripts: Vec<&str> = scripts
            .into_iter()
            .flatten()
            .map(String::as_str)
            .filter(|script| !script.is_empty())
            .collect();
        if scripts.is_empty() {
            return Ok(None);
        }
        let items = &complete.items;
        let store = &complete.store;
        let visible = paths::visible(context, store, items, &scripts.join("\n"))?;
        let mut tools = vec![];
        let mut path = vec![];
        for item in &items.tools {
            path.push(directory(item, store.dir(), &mut tools)?);
        }
        let places = visible.nodes().iter().map(|node| store.path(&node.path));
        let grafts = items
            .linked()
            .filter(|path| store.is_grafted(path))
            .cloned()
            .map(Ok);
        let seen = places
            .chain(grafts)
            .map(|path| {
                let path: StorePath = path?;
                let name = path.as_str()[store.dir().len() + 1..].to_owned();
                store.fetch(&path, Fetch::Whole)?;
                let place = store.locate(Path::new(path.as_str()));
                Ok((name, absolute(&place)))
            })
            .collect::<Result<_, PlanError>>()?;
        let steps = Steps {
            spec,
            path: &path,
            shell: shell(spec, &items.tools, &path, store.dir())?,
        };
        Ok(Some(Self {
            entries: entries(&complete.root),
            steps: steps.all(),
            store_dir: store.dir().to_owned(),
            visible,
            store: seen,
            tools,
        }))
    }

    /// The steps that run on one tree, and whether they see the base image in it: `runAsRoot`
    /// does, and what follows sees what it changed.
    pub(super) fn jobs(&self) -> Vec<(&[Step], bool)> {
        let first = usize::from(self.steps[0].name == RUN_AS_ROOT);
        let (with_base, without) = self.steps.split_at(first);
        [(with_base, true), (without, false)]
            .into_iter()
            .filter(|(steps, _)| !steps.is_empty())
            .collect()
    }
}

/// Returns the directory of a package's programs.
fn directory(
    item: &Item,
    store_dir: &str,
    tools: &mut Vec<PathBuf>,
) -> Result<Directory, PlanError> {
    let field = "commands.path";
    let failed = |source| PlanError::Io {
        field: field.to_owned(),
        path: item.place.clone(),
        source,
    };
    if !std::fs::metadata(&item.place).map_err(failed)?.is_dir() {
        let why = format!("`{}` is not a directory", item.named);
        return Err(PlanError::field(field, why));
    }
    let bin = if item.place.join("bin").is_dir() {
        "bin"
    } else {
        ""
    };
    if let Some(at) = &item.at {
        let below = &at[store_dir.len() + 1..];
        return Ok(Directory::Store(join(below, bin)));
    }
    tools.push(std::fs::canonicalize(&item.place).map_err(failed)?);
    Ok(Directory::Tool(tools.len() - 1, bin.to_owned()))
}

fn join(directory: &str, name: &str) -> String {
    match name {
        "" => directory.to_owned(),
        name => format!("{directory}/{name}"),
    }
}

/// The shell that a specification names.
fn shell(
    spec: &ImageSpec,
    items: &[Item],
    path: &[Directory],
    store_dir: &str,
) -> Result<Option<Directory>, PlanError> {
    let Some(shell) = &spec.commands.shell else {
        return Ok(None);
    };
    let field = "commands.shell";
    if let Some(below) = shell.strip_prefix(&format!("{store_dir}/")) {
        return Ok(Some(Directory::Store(below.to_owned())));
    }
    // A program of one of the packages, by where that is on this machine.
    let place = spec.place(shell);
    for (item, directory) in items.iter().zip(path) {
        if let (Directory::Tool(number, _), Ok(below)) =
            (directory, place.strip_prefix(&item.place))
        {
            let below = below.to_string_lossy().into_owned();
            return Ok(Some(Directory::Tool(*number, below)));
        }
    }
    if shell.starts_with('/') {
        return Ok(Some(Directory::Absolute(shell.clone())));
    }
    Err(PlanError::hinted(
        field,
        format!("`{shell}` is not in any of `commands.path`"),
        "add its package to `commands.path`, or give its path in the image",
    ))
}

/// All that steps have in common.
struct Steps<'a> {
    spec: &'a ImageSpec,
    path: &'a [Directory],
    shell: Option<Directory>,
}

impl Steps<'_> {
    fn all(&self) -> Vec<Step> {
        let spec = self.spec;
        // As in the machine that dockerTools starts for `runAsRoot`, what follows is root's.
        let after = match spec.run_as_root.as_deref() {
            None | Some("") => Identity::User,
            Some(_) => Identity::Root,
        };
        let fake_root = if spec.enable_fakechroot {
            Place::Root
        } else {
            Place::Directory
        };
        let steps = [
            (RUN_AS_ROOT, &spec.run_as_root, Place::Root, Identity::Root),
            (
                "extraCommands",
                &spec.extra_commands,
                Place::Directory,
                after,
            ),
            (
                "fakeRootCommands",
                &spec.fake_root_commands,
                fake_root,
                Identity::Root,
            ),
        ];
        let step = |(name, script, place, identity): (_, &Option<String>, _, _)| {
            let script = script.as_deref().filter(|script| !script.is_empty())?;
            Some(self.step(name, script, place, identity))
        };
        steps.into_iter().filter_map(step).collect()
    }

    fn step(&self, name: &str, script: &str, place: Place, identity: Identity) -> Step {
        let mut path = self.path.to_vec();
        path.extend(USUAL.iter().map(|directory| match place {
            Place::Root => Directory::Absolute(format!("/{directory}")),
            Place::Directory => Directory::Tree((*directory).to_owned()),
        }));
        let environment = ENVIRONMENT
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Step {
            name: name.to_owned(),
            script: script.as_bytes().to_vec(),
            shell: self.shell.clone(),
            place,
            identity,
            path,
            environment: environment.collect(),
            // The script of a machine has no more than `set -e`.
            pipefail: name != RUN_AS_ROOT,
        }
    }
}

/// A path of this machine as another process finds it that is in another directory.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A tree as commands are given it.
fn entries(root: &Root) -> Vec<Entry> {
    let entry = |entry: crate::rootfs::RootEntry<'_>| Entry {
        path: entry.path[1..].to_vec(),
        kind: match entry.data {
            Data::Inline(bytes) => Kind::Inline(bytes.to_vec()),
            Data::Source(file) => Kind::Copy {
                source: file.real(),
                size: entry.size,
            },
            Data::None => match entry.kind {
                terrine_tar::Kind::Symlink => Kind::Symlink(entry.link.to_vec()),
                _ => Kind::Directory,
            },
        },
        mode: entry.mode,
        uid: u32::try_from(entry.uid).unwrap_or(u32::MAX),
        gid: u32::try_from(entry.gid).unwrap_or(u32::MAX),
        xattrs: entry.xattrs.to_vec(),
    };
    root.entries().map(entry).collect()
}
