//! Times and memory of processes.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Result;
use super::process::Process;

/// The interval between looks at how much memory a process has needed.
const POLL: Duration = Duration::from_millis(5);
/// The same for a process that takes milliseconds.
const STARTUP_POLL: Duration = Duration::from_millis(1);

/// The time and the memory that one run took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// From before its start to the end of the program that reads what it writes.
    pub(super) time: Duration,
    /// The most memory that it needed, in bytes.
    peak: u64,
}

/// The times and the memory that several runs of the same thing took.
#[derive(Debug, Default)]
pub(super) struct Samples {
    times: Vec<Duration>,
    peak: u64,
}

impl Samples {
    /// One more.
    pub(super) fn push(&mut self, sample: Sample) {
        self.times.push(sample.time);
        self.peak = self.peak.max(sample.peak);
    }

    /// Returns true if there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The shortest time.
    pub(super) fn best(&self) -> Duration {
        best(&self.times)
    }

    /// The time in the middle.
    pub(super) fn median(&self) -> Duration {
        median(&self.times)
    }

    /// The median as a multiple of another one.
    pub(super) fn ratio(&self, other: &Self) -> f64 {
        self.median().as_secs_f64() / other.median().as_secs_f64()
    }

    /// The most memory of all.
    pub(super) fn peak(&self) -> u64 {
        self.peak
    }
}

/// The times of processes that have next to nothing to do.
#[derive(Debug, Default)]
pub(super) struct Startups {
    /// To the first byte that they write.
    pub(super) first: Samples,
    /// To their end.
    pub(super) end: Samples,
}

impl Startups {
    /// One more: the time to its first byte, and the time to its end.
    pub(super) fn push(&mut self, (first, end): (Sample, Sample)) {
        self.first.push(first);
        self.end.push(end);
    }
}

/// Runs `command | cat >/dev/null`.
pub(super) fn pipeline(command: &mut Command) -> Result<Sample> {
    let start = Instant::now();
    let mut producer = Process::start(command.stdout(Stdio::piped()))?;
    let pipe = producer.child.stdout.take().ok_or("no pipe")?;
    let mut cat = Command::new("cat");
    let mut consumer = Process::start(cat.stdin(pipe).stdout(Stdio::null()))?;
    let ((ends, time), peak) = watched(producer.child.id(), POLL, || {
        let ends = [producer.child.wait(), consumer.child.wait()];
        (ends, start.elapsed())
    });
    let [end, end_of_cat] = ends;
    producer.check(end?)?;
    consumer.check(end_of_cat?)?;
    Ok(Sample { time, peak })
}

/// Runs a command that writes its output elsewhere.
pub(super) fn alone(command: &mut Command) -> Result<Sample> {
    into(command, Stdio::null())
}

/// Runs `command >out`.
pub(super) fn into(command: &mut Command, out: Stdio) -> Result<Sample> {
    let start = Instant::now();
    let mut process = Process::start(command.stdout(out))?;
    let ((end, time), peak) = watched(process.child.id(), POLL, || {
        (process.child.wait(), start.elapsed())
    });
    process.check(end?)?;
    Ok(Sample { time, peak })
}

/// Runs a command that writes next to nothing: to its first byte, and to its end.
pub(super) fn startup(command: &mut Command) -> Result<(Sample, Sample)> {
    let start = Instant::now();
    let mut process = Process::start(command.stdout(Stdio::piped()))?;
    let mut pipe = process.child.stdout.take().ok_or("no pipe")?;
    let (read, peak) = watched(process.child.id(), STARTUP_POLL, || {
        let mut archive = vec![0];
        let begun = pipe.read_exact(&mut archive);
        let first = start.elapsed();
        pipe.read_to_end(&mut archive)?;
        let status = process.child.wait()?;
        Ok::<_, std::io::Error>((begun, first, status, start.elapsed()))
    });
    let (begun, first, status, end) = read?;
    process.check(status)?;
    begun?;
    Ok((Sample { time: first, peak }, Sample { time: end, peak }))
}

/// Waits for a process, and looks at it meanwhile: the outcome, and how many bytes of memory the process has needed.
fn watched<T>(id: u32, poll: Duration, wait: impl FnOnce() -> T) -> (T, u64) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !over.load(Ordering::Relaxed) {
                peak = high_water(id).map_or(peak, |now| now.max(peak));
                thread::sleep(poll);
            }
            peak
        });
        let outcome = wait();
        over.store(true, Ordering::Relaxed);
        (outcome, watch.join().unwrap_or_default())
    })
}

/// The most bytes of memory that a process has needed so far, if it is still there.
fn high_water(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim()
        .strip_suffix(" kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kibibytes| kibibytes * 1024)
}

/// The shortest of some times.
pub(super) fn best(times: &[Duration]) -> Duration {
    times.iter().min().copied().unwrap_or_default()
}

/// The time in the middle, or between the two in the middle.
pub(super) fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => Duration::ZERO,
        (middle, 0) => (sorted[middle - 1] + sorted[middle]) / 2,
        (middle, _) => sorted[middle],
    }
}
