//! Times and memory of processes.

use std::fs;
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Result;

/// The interval between looks at how much memory a process has needed.
const POLL: Duration = Duration::from_millis(5);

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

    /// The most memory of all.
    pub(super) fn peak(&self) -> u64 {
        self.peak
    }
}

/// The times of a process that has next to nothing to do.
#[derive(Debug, Default)]
pub(super) struct Startups {
    /// To the first byte that it writes.
    pub(super) first: Vec<Duration>,
    /// To its end.
    pub(super) end: Vec<Duration>,
}

impl Startups {
    /// One more.
    pub(super) fn push(&mut self, (first, end): (Duration, Duration)) {
        self.first.push(first);
        self.end.push(end);
    }
}

/// Runs `command | cat >/dev/null`.
pub(super) fn pipeline(command: &mut Command) -> Result<Sample> {
    let over = AtomicBool::new(false);
    let start = Instant::now();
    let mut producer = spawn(command.stdout(Stdio::piped()))?;
    let pipe = producer.stdout.take().ok_or("no pipe")?;
    let mut cat = Command::new("cat");
    let mut consumer = spawn(cat.stdin(pipe).stdout(Stdio::null()))?;
    let id = producer.id();
    let (ends, time, peak) = thread::scope(|scope| {
        let watch = scope.spawn(|| watch(id, &over));
        let ends = [producer.wait(), consumer.wait()];
        let time = start.elapsed();
        over.store(true, Ordering::Relaxed);
        (ends, time, watch.join().unwrap_or_default())
    });
    let [producer, consumer] = ends;
    succeeded(command, producer?)?;
    succeeded(&cat, consumer?)?;
    Ok(Sample { time, peak })
}

/// Runs a command that writes its output elsewhere.
pub(super) fn alone(command: &mut Command) -> Result<Sample> {
    into(command, Stdio::null())
}

/// Runs `command >out`.
pub(super) fn into(command: &mut Command, out: Stdio) -> Result<Sample> {
    let over = AtomicBool::new(false);
    let start = Instant::now();
    let mut child = spawn(command.stdout(out))?;
    let id = child.id();
    let (end, time, peak) = thread::scope(|scope| {
        let watch = scope.spawn(|| watch(id, &over));
        let end = child.wait();
        let time = start.elapsed();
        over.store(true, Ordering::Relaxed);
        (end, time, watch.join().unwrap_or_default())
    });
    succeeded(command, end?)?;
    Ok(Sample { time, peak })
}

/// Runs a command that writes next to nothing: how long until its first byte, and
/// until its end.
pub(super) fn startup(command: &mut Command) -> Result<(Duration, Duration)> {
    let start = Instant::now();
    let mut child = spawn(command.stdout(Stdio::piped()))?;
    let mut pipe = child.stdout.take().ok_or("no pipe")?;
    let mut archive = vec![0];
    let begun = pipe.read_exact(&mut archive);
    let first = start.elapsed();
    pipe.read_to_end(&mut archive)?;
    let status = child.wait()?;
    let end = start.elapsed();
    succeeded(command, status)?;
    begun?;
    Ok((first, end))
}

/// Starts a process, or names the program that could not be started.
fn spawn(command: &mut Command) -> Result<std::process::Child> {
    let name = command.get_program().to_owned();
    Ok(command
        .spawn()
        .map_err(|error| format!("{}: {error}", name.display()))?)
}

/// Runs a command that is not measured.
pub(super) fn succeed(command: &mut Command) -> Result<()> {
    let status = spawn(command)?.wait()?;
    succeeded(command, status)
}

/// Checks that a command has done what it is for.
fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    let name = command.get_program().display();
    if status.success() {
        Ok(())
    } else {
        Err(format!("{name} failed: {status}").into())
    }
}

/// Looks at a process until it is over: how many bytes of memory it has needed.
fn watch(id: u32, over: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !over.load(Ordering::Relaxed) {
        peak = high_water(id).map_or(peak, |now| now.max(peak));
        thread::sleep(POLL);
    }
    peak
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
