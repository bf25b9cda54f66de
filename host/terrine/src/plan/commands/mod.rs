//! Commands at the root: the phase between a complete image and its name.
//!
//! | step | module |
//! |---|---|
//! | what commands are asked for, and what they may see | `ask` |
//! | all that goes in, and its digest | `key` |
//! | trees of earlier runs | `keep` |
//! | the tree that they leave, and the store paths that it mentions | `outcome` |
//!
//! What commands leave is known by a digest of all that went into them, so a tree that was kept
//! stands for another run. The level at which they run, and how long they may take, is no part
//! of it.

mod ask;
mod keep;
mod key;
mod outcome;

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;

use terrine_isolate::{Changes, Error, Job, Level, OpenBase, Runner};
use terrine_oci::Digest;

use super::complete::Complete;
use super::context::Context;
use super::{Error as PlanError, paths};
use crate::base::Base;
use crate::export::{self, Holes};
use crate::layer::Ownership;
use ask::Asked;
use keep::Trees;

/// The number of processes that commands may have at once, unless it is said otherwise.
pub const MAX_PROCESSES: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

/// News of commands while an image is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandsTold<'a> {
    /// The commands of a field of the specification begin.
    Running(&'a str),
    /// They printed a line.
    Printed(&'a [u8]),
    /// The result that they left in an earlier run is taken.
    Kept,
}

/// Arguments about commands at the root.
#[derive(Clone)]
pub struct CommandOptions<'a> {
    /// The program that answers [`terrine_isolate::helper::ARGUMENT`]; none where commands cannot
    /// be run.
    pub program: Option<PathBuf>,
    /// The level at which they are isolated; none for the strongest level that works.
    pub level: Option<Level>,
    /// The number of processes that they may have at once.
    pub max_processes: NonZeroU32,
    /// The time that they may take, in seconds.
    pub max_seconds: Option<u64>,
    /// True if they may run where nothing isolates them.
    pub unsafe_host: bool,
    /// True if they run twice, so that what differs is found.
    pub check: bool,
    /// The folder that keeps what they leave; none where nothing is kept.
    pub trees: Option<PathBuf>,
    /// Is told what happens.
    pub tell: &'a (dyn Fn(CommandsTold<'_>) + Sync),
}

impl CommandOptions<'_> {
    /// No program to run commands in, and nothing kept.
    pub fn none() -> Self {
        Self {
            program: None,
            level: None,
            max_processes: MAX_PROCESSES,
            max_seconds: None,
            unsafe_host: false,
            check: false,
            trees: None,
            tell: &|_| {},
        }
    }
}

/// The work of commands on an image.
#[derive(Debug)]
pub(super) struct Ran {
    /// The digest of all that went into them.
    pub(super) key: Digest,
    /// The store paths that were in the image before.
    pub(super) before: BTreeSet<String>,
}

impl Complete {
    /// Runs the commands of the specification, if it has any.
    pub(super) fn run_commands(
        mut self,
        context: &Context<'_, '_>,
        ownership: &Ownership,
    ) -> Result<Self, PlanError> {
        let Some(asked) = Asked::of(context, &self)? else {
            return Ok(self);
        };
        let options = &context.options.commands;
        let inputs = key::read(&self, &asked, ownership)?;
        let key = inputs.key();
        let trees = Trees::open(options.trees.as_deref()).map_err(PlanError::Trees)?;
        let found = if options.check { None } else { trees.find(key) };
        let kept = match found {
            Some(kept) => {
                (options.tell)(CommandsTold::Kept);
                kept
            }
            None => {
                let folder = trees.folder().map_err(PlanError::Trees)?;
                let changes = run(options, &asked, self.base.as_ref(), folder.path())?;
                let checked = if options.check {
                    check(options, &asked, self.base.as_ref(), &trees, &changes)
                } else {
                    Ok(())
                };
                // They may have seen files that were written to after they were read for the key. Two runs differ then.
                inputs.check(&key::read(&self, &asked, ownership)?)?;
                checked?;
                let joined = outcome::mentions(&changes, &asked, &self.store)?;
                trees
                    .keep(key, changes, joined, folder)
                    .map_err(PlanError::Trees)?
            }
        };
        let links = self.root.base_links().clone();
        self.root = outcome::root(&kept)?.on(links);
        let before = self.paths.paths.iter().map(|path| path.as_str().to_owned());
        let before = before.collect();
        self.paths = paths::find(
            context,
            &self.store,
            &self.items,
            &self.root,
            self.listing.as_ref(),
            &kept.joined,
        )?;
        self.paths
            .exclude_held(&self.store, self.listing.as_ref())?;
        self.ran = Some(Ran { key, before });
        Ok(self)
    }
}

/// Runs what was asked for in a folder, and returns what is in the layer then.
fn run(
    options: &CommandOptions<'_>,
    asked: &Asked,
    base: Option<&Base>,
    folder: &std::path::Path,
) -> Result<Changes, PlanError> {
    let Some(program) = options.program.clone() else {
        return Err(PlanError::field(
            asked.steps[0].name.clone(),
            "this program does not run commands",
        ));
    };
    let runner = Runner {
        program,
        level: options.level,
    };
    let mut layer = Changes {
        entries: asked.entries.clone(),
        ..Changes::default()
    };
    for (number, (steps, sees_base)) in asked.jobs().into_iter().enumerate() {
        for step in steps {
            (options.tell)(CommandsTold::Running(&step.name));
        }
        let work = folder.join(number.to_string());
        std::fs::create_dir(&work).map_err(PlanError::Trees)?;
        let job = Job {
            work,
            entries: layer.entries,
            base: sees_base && base.is_some(),
            // As programs expect it of the machine on which dockerTools runs this one.
            tmp: sees_base,
            store_dir: asked.store_dir.clone(),
            store: asked.store.clone(),
            tools: asked.tools.clone(),
            steps: steps.to_vec(),
            max_processes: options.max_processes.get(),
            max_seconds: options.max_seconds,
            unsafe_host: options.unsafe_host,
            scratch: folder.to_owned(),
        };
        let open = || open(base);
        let open: Option<&OpenBase<'_>> = if job.base { Some(&open) } else { None };
        let outcome = runner
            .run(&job, open, &|line| {
                (options.tell)(CommandsTold::Printed(line));
            })
            .map_err(|error| in_terms_of_the_base(base, error))?;
        layer.entries = outcome.changes.entries;
        layer.removed.extend(outcome.changes.removed);
        layer.opaque.extend(outcome.changes.opaque);
    }
    Ok(layer)
}

/// Runs everything again, and names the first difference.
fn check(
    options: &CommandOptions<'_>,
    asked: &Asked,
    base: Option<&Base>,
    trees: &Trees,
    first: &Changes,
) -> Result<(), PlanError> {
    let folder = trees.folder().map_err(PlanError::Trees)?;
    let second = run(options, asked, base, folder.path())?;
    let difference = first.first_difference(&second).map_err(PlanError::Trees)?;
    match difference {
        None => Ok(()),
        Some((path, what)) => Err(PlanError::Differs {
            path: format!("/{}", String::from_utf8_lossy(&path)),
            what,
        }),
    }
}

/// The base image as one archive.
fn open(base: Option<&Base>) -> io::Result<Box<dyn io::Read + Send + '_>> {
    let (reader, writer) = io::pipe()?;
    let Some(base) = base else {
        return Ok(Box::new(io::empty()));
    };
    let image = base.image();
    let writing = std::thread::spawn(move || export::export(&image, writer, Holes::Filled, &()));
    Ok(Box::new(Exporting {
        reader,
        writing: Some(writing),
    }))
}

/// An archive that is read while it is written.
struct Exporting {
    reader: io::PipeReader,
    writing: Option<std::thread::JoinHandle<Result<export::Exported, export::Error>>>,
}

impl io::Read for Exporting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        // At its end, whether it was the whole.
        match self.writing.take().map(std::thread::JoinHandle::join) {
            None | Some(Ok(Ok(_))) => Ok(0),
            Some(Ok(Err(error))) => Err(io::Error::other(error)),
            Some(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// An error of the base image as what it is.
fn in_terms_of_the_base(base: Option<&Base>, error: Error) -> PlanError {
    match (error, base) {
        (Error::Base(source), Some(base)) => {
            let name = base.name();
            PlanError::field(
                "fromImage",
                format!("`{name}` cannot be unpacked: {source}"),
            )
        }
        (error, _) => PlanError::Commands(Box::new(error)),
    }
}
