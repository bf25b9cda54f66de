//! The things that are measured, in order: some begin where the one before has ended.

use std::time::Duration;

use super::Skopeo;

/// The levels of gzip that are compared, the default one last.
pub(super) const GZIP: [&str; 3] = ["gzip:1", "gzip:2", "gzip"];
/// The levels of zstd that are compared, the default one last.
pub(super) const ZSTD: [&str; 3] = ["zstd:2", "zstd:3", "zstd"];

/// The multiple of the time of `cp -r` that a layout may take.
const TIMES_COPY: f64 = 1.0;
/// The time that an unchanged image may take.
const UNCHANGED: Limit = Limit::Time(Duration::from_millis(300));
/// The time that an image may take of which one path has changed.
const CHANGED: Limit = Limit::Time(Duration::from_millis(1000));

/// One thing that is measured.
#[derive(Debug)]
pub(super) struct Task {
    /// Its name in the table.
    pub(super) what: String,
    /// The command that does it.
    pub(super) by: By,
    /// The destination.
    pub(super) to: To,
    /// The things that the command finds.
    pub(super) finds: Finds,
    /// The command that its time is compared with.
    pub(super) against: Option<By>,
    /// The limit that it is meant to stay within.
    pub(super) limit: Limit,
}

/// The command that does a task, with the compression of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// `cp -r` of the store paths.
    Copy,
    /// `tar` of the store paths.
    Tar,
    /// `terrine stream` to a docker-archive.
    Archive,
    /// `terrine stream`.
    Stream(&'static str),
    /// `terrine stream`, of the image with one more path.
    Changed(&'static str),
    /// `terrine build`.
    Build(&'static str),
    /// `skopeo copy` from the archive, by the skopeo with this number.
    Skopeo(usize, &'static str),
}

impl By {
    /// Returns true for commands of terrine.
    pub(super) fn is_terrine(self) -> bool {
        !matches!(self, Self::Copy | Self::Tar | Self::Skopeo(..))
    }
}

/// The destination of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// A directory of store paths.
    Directory,
    /// An archive that nobody reads.
    Tar,
    /// The archive that skopeo reads.
    Archive,
    /// An OCI layout.
    Layout,
    /// A registry.
    Registry,
}

/// The things that a command finds at the destination and in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finds {
    /// Nothing, but for the planner, which is compiled.
    Nothing,
    /// Those that the task before it has left in the cache.
    Cache,
    /// Those that the task before it has left in both.
    All,
}

/// The limit of a task.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// No limit.
    None,
    /// A time.
    Time(Duration),
    /// A multiple of the time of the command that it is compared with.
    Times(f64),
}

impl Task {
    fn new(what: impl Into<String>, by: By, to: To) -> Self {
        Self {
            what: what.into(),
            by,
            to,
            finds: Finds::Nothing,
            against: None,
            limit: Limit::None,
        }
    }

    fn finds(self, finds: Finds) -> Self {
        Self { finds, ..self }
    }

    fn against(self, against: Option<By>) -> Self {
        Self { against, ..self }
    }

    fn limit(self, limit: Limit) -> Self {
        Self { limit, ..self }
    }
}

/// Files and layouts.
pub(super) fn of_layouts() -> Vec<Task> {
    let copy = Some(By::Copy);
    let layout = |what, compression| Task::new(what, By::Stream(compression), To::Layout);
    vec![
        Task::new("cp -r", By::Copy, To::Directory),
        Task::new("tar to a file", By::Tar, To::Tar).against(copy),
        Task::new("archive to a file", By::Archive, To::Archive).against(copy),
        layout("layout, uncompressed", "none")
            .against(copy)
            .limit(Limit::Times(TIMES_COPY)),
        layout("  again", "none").finds(Finds::All),
        layout("layout, gzip", "gzip"),
        layout("layout, zstd", "zstd"),
    ]
}

/// Pushes. Those of terrine are compared with the newest skopeo, which is the last one.
pub(super) fn of_pushes(skopeos: &[Skopeo]) -> Vec<Task> {
    let mut tasks = vec![];
    if !skopeos.is_empty() {
        tasks.push(Task::new("archive for skopeo", By::Archive, To::Archive));
    }
    for (number, skopeo) in skopeos.iter().enumerate() {
        tasks.extend(of_skopeo(number, skopeo));
    }
    let newest = skopeos.len().checked_sub(1);
    let against = |compression| newest.map(|number| By::Skopeo(number, compression));
    let push = |what: &str, by| Task::new(what, by, To::Registry);
    let level = |level: &'static str| push(&format!("push {level}"), By::Stream(level));
    tasks.extend([level("none").against(against("gzip"))]);
    tasks.extend(ZSTD.map(|name| level(name).against(against("zstd"))));
    tasks.extend(GZIP.map(|name| level(name).against(against("gzip"))));
    tasks.extend([
        push("  again, unchanged", By::Stream("gzip"))
            .finds(Finds::All)
            .limit(UNCHANGED),
        push("  one path changed", By::Changed("gzip"))
            .finds(Finds::All)
            .limit(CHANGED),
        push("  warm cache", By::Stream("gzip")).finds(Finds::Cache),
        push("build, push gzip", By::Build("gzip")).against(against("gzip")),
        push("  again, unchanged", By::Build("gzip"))
            .finds(Finds::All)
            .limit(UNCHANGED),
    ]);
    tasks
}

/// Pushes by one skopeo.
fn of_skopeo(number: usize, skopeo: &Skopeo) -> [Task; 3] {
    let version = &skopeo.version;
    let [gzip, zstd] = ["gzip", "zstd"].map(|compression| {
        let what = format!("skopeo {version}, {compression}");
        Task::new(what, By::Skopeo(number, compression), To::Registry)
    });
    let again = Task::new("  again, unchanged", gzip.by, To::Registry).finds(Finds::All);
    [gzip, again, zstd]
}
