//! Images to layouts and to a registry, against what `skopeo` takes to push the same image
//! out of an archive that has been made before.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use terrine_tests::registry::Registry;
use terrine_tests::skopeo;

use super::image::Image;
use super::measure::{self, Sample, Samples};
use super::store::Store;
use super::table::{self, Budget, Row, Value};
use super::{Result, memory};

/// The most times that everything is measured: it takes minutes.
const ROUNDS: usize = 3;
/// The memory that a push may need, in bytes.
const MEMORY: u64 = 200_000_000;
/// The size of the path that changes, in bytes.
const CHANGED: u64 = 10_000_000;

/// One thing that is measured.
struct Task {
    what: &'static str,
    by: By,
    to: To,
    compression: &'static str,
    finds: Finds,
    budget: Limit,
}

/// The command that does it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// `skopeo copy`, from the archive.
    Skopeo,
    /// `terrine stream`.
    Stream,
    /// `terrine stream`, of the image with one more path.
    Changed,
    /// `terrine build`.
    Build,
}

/// The destination of the image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Layout,
    Registry,
}

/// The things that it finds there and in the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finds {
    /// Nothing, but for the planner, which is compiled.
    Nothing,
    /// Those that the task before it has left in the cache.
    Cache,
    /// Those that the task before it has left in both.
    All,
}

/// The limit that it is meant to stay within.
enum Limit {
    None,
    Time(Duration),
    /// So many times as long as `skopeo` takes for its first push.
    Skopeo(f64),
}

/// All of them, in order: some begin where the one before has ended.
///
/// The limits of layouts are what another tool, chunkah, takes for them: measured as 5.2 s and
/// 46 s where skopeo takes 23 s.
const TASKS: &[Task] = &[
    task(
        "skopeo, push gzip",
        By::Skopeo,
        To::Registry,
        "gzip",
        Finds::Nothing,
        Limit::None,
    ),
    task(
        "skopeo, unchanged",
        By::Skopeo,
        To::Registry,
        "gzip",
        Finds::All,
        Limit::None,
    ),
    task(
        "layout, uncompressed",
        By::Stream,
        To::Layout,
        "none",
        Finds::Nothing,
        Limit::Skopeo(0.226),
    ),
    task(
        "layout, again",
        By::Stream,
        To::Layout,
        "none",
        Finds::All,
        Limit::None,
    ),
    task(
        "layout, gzip",
        By::Stream,
        To::Layout,
        "gzip",
        Finds::Nothing,
        Limit::Skopeo(2.0),
    ),
    task(
        "layout, zstd",
        By::Stream,
        To::Layout,
        "zstd",
        Finds::Nothing,
        Limit::None,
    ),
    task(
        "push zstd",
        By::Stream,
        To::Registry,
        "zstd",
        Finds::Nothing,
        Limit::Skopeo(0.25),
    ),
    task(
        "push gzip",
        By::Stream,
        To::Registry,
        "gzip",
        Finds::Nothing,
        Limit::Skopeo(0.5),
    ),
    task(
        "push gzip, unchanged",
        By::Stream,
        To::Registry,
        "gzip",
        Finds::All,
        milliseconds(300),
    ),
    task(
        "push gzip, one changed",
        By::Changed,
        To::Registry,
        "gzip",
        Finds::All,
        milliseconds(1000),
    ),
    task(
        "push gzip, warm cache",
        By::Stream,
        To::Registry,
        "gzip",
        Finds::Cache,
        Limit::None,
    ),
    task(
        "build, push gzip",
        By::Build,
        To::Registry,
        "gzip",
        Finds::Nothing,
        Limit::Skopeo(0.5),
    ),
    task(
        "build, unchanged",
        By::Build,
        To::Registry,
        "gzip",
        Finds::All,
        milliseconds(300),
    ),
];

const fn task(
    what: &'static str,
    by: By,
    to: To,
    compression: &'static str,
    finds: Finds,
    budget: Limit,
) -> Task {
    Task {
        what,
        by,
        to,
        compression,
        finds,
        budget,
    }
}

const fn milliseconds(number: u64) -> Limit {
    Limit::Time(Duration::from_millis(number))
}

/// Measures all tasks, by turns.
pub(super) fn ship(store: &Store, rounds: usize) -> Result<()> {
    let rounds = rounds.min(ROUNDS);
    let Some(registry) = Registry::start() else {
        return Ok(());
    };
    let place = Place::new(store, registry)?;
    let layers = place.image.layers();
    table::section(&format!(
        "shipping {}, {layers} layers, {rounds} rounds",
        store.summary()
    ));
    let mut samples: Vec<Samples> = TASKS.iter().map(|_| Samples::default()).collect();
    for _ in 0..rounds {
        for (task, samples) in TASKS.iter().zip(&mut samples) {
            match place.measure(task) {
                Ok(sample) => samples.push(sample),
                Err(error) => table::note(&format!("{}: {error}", task.what)),
            }
        }
    }
    let skopeo = samples
        .first()
        .filter(|samples| !samples.is_empty())
        .map(Samples::median);
    TASKS
        .iter()
        .zip(&samples)
        .for_each(|(task, samples)| print(task, samples, skopeo));
    Ok(())
}

/// Prints a task's rows.
fn print(task: &Task, samples: &Samples, skopeo: Option<Duration>) {
    if samples.is_empty() {
        return Row::failed(task.what).print();
    }
    let median = samples.median();
    let mut row = Row::new(task.what, Value::Times(samples.best(), median));
    let ratio = skopeo.map(|skopeo| median.as_secs_f64() / skopeo.as_secs_f64());
    if let Some(ratio) = ratio {
        row = row.ratio(ratio);
    }
    row = match (&task.budget, ratio) {
        (Limit::Time(most), _) => row.budget(&Budget::new(
            format!("{} ms", most.as_millis()),
            median <= *most,
        )),
        (Limit::Skopeo(most), Some(ratio)) => {
            row.budget(&Budget::new(format!("{most} x"), ratio <= *most))
        }
        _ => row,
    };
    row.print();
    match task.by {
        By::Skopeo => Row::new("  peak memory", Value::Memory(samples.peak())).print(),
        _ => memory(samples, MEMORY),
    }
}

/// The place where everything happens.
struct Place {
    image: Image,
    changed: Image,
    registry: Registry,
    /// The archive, the layout and the caches.
    folder: tempfile::TempDir,
}

impl Place {
    /// Makes the images, and the archive that is pushed by `skopeo`: this also brings the
    /// store's files into memory.
    fn new(store: &Store, registry: Registry) -> Result<Self> {
        let (image, changed) = (Image::before(store, CHANGED)?, Image::of(store)?);
        let place = Self {
            image,
            changed,
            registry,
            folder: terrine_tests::temporary(),
        };
        measure::succeed(place.image.terrine().stdout(File::create(place.archive())?))?;
        measure::succeed(
            Image::empty()?
                .terrine()
                .env("XDG_CACHE_HOME", place.planner())
                .stdout(Stdio::null()),
        )?;
        Ok(place)
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("image.tar")
    }

    fn layout(&self) -> PathBuf {
        self.folder.path().join("layout")
    }

    /// The cache that the runs have.
    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// A cache with nothing but the compiled planner.
    fn planner(&self) -> PathBuf {
        self.folder.path().join("planner")
    }

    /// Does one task.
    fn measure(&self, task: &Task) -> Result<Sample> {
        if task.finds != Finds::All {
            self.registry.clear();
            remove(&self.layout())?;
        }
        if task.finds == Finds::Nothing {
            remove(&self.cache())?;
            measure::succeed(
                Command::new("cp")
                    .arg("-a")
                    .arg(self.planner())
                    .arg(self.cache()),
            )?;
        }
        // So that nothing of the task before is still being written.
        measure::succeed(&mut Command::new("sync"))?;
        measure::alone(self.command(task)?.env("XDG_CACHE_HOME", self.cache()))
    }

    fn command(&self, task: &Task) -> Result<Command> {
        let to = match task.to {
            To::Layout => format!("oci:{}:big", self.layout().display()),
            To::Registry => format!("docker://{}/big:1", self.registry.host()),
        };
        Ok(match task.by {
            By::Skopeo => self.skopeo(&to)?,
            By::Stream => self.image.ship(&to, task.compression),
            By::Changed => self.changed.ship(&to, task.compression),
            By::Build => self.image.build(&to, task.compression),
        })
    }

    fn skopeo(&self, to: &str) -> Result<Command> {
        let mut command = skopeo::command("skopeo", self.folder.path())
            .ok_or("there is nothing to compare with")?;
        command.args([
            "--insecure-policy",
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
        ]);
        command
            .arg(format!("docker-archive:{}", self.archive().display()))
            .arg(to);
        Ok(command)
    }
}

/// Removes a folder, if it exists.
fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        Ok(fs::remove_dir_all(folder)?)
    } else {
        Ok(())
    }
}
