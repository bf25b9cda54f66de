//! Signals: an interrupted run leaves no temporary file behind, and no credential helper.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io, process, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::iterator::Signals;
use terrine::layout::Pending;

use super::failure::{Context, Result};

/// The temporary files of this run, while there are any: its output and its summary, each.
static TEMPORARY: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// What is being written to a layout, while there is one.
static LAYOUT: Mutex<Option<Pending>> = Mutex::new(None);

/// From now on signals that end the process clean up first.
///
/// The work is done on a thread of its own and not by a flag, because the run may be
/// waiting for whoever reads its output.
pub(super) fn install() -> Result<()> {
    let ignored = ignored();
    // A file that may not grow is an error of whoever writes it, and no reason to leave it behind.
    signal_hook::flag::register(SIGXFSZ, Arc::default())
        .context("installing the signal handler")?;
    let wanted = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU]
        .into_iter()
        .filter(|signal| !ignored.contains(signal));
    let mut signals = Signals::new(wanted).context("installing the signal handler")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            stop(signal);
        }
    });
    Ok(())
}

/// The signals that whoever started the process wants ignored, as `nohup` does.
fn ignored() -> Vec<i32> {
    // There is no such file on other systems than Linux.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    (1..=64)
        .filter(|signal| mask >> (signal - 1) & 1 == 1)
        .collect()
}

/// Ends the process as the signal would have, but for the temporary files.
#[expect(
    clippy::exit,
    reason = "a signal ends the process from the thread that receives it"
)]
fn stop(signal: i32) -> ! {
    // Held to the end, so that nothing is made or renamed after this.
    let mut temporary = lock();
    while let Some(path) = temporary.pop_first() {
        // There is nobody left to tell.
        let _ = fs::remove_file(path);
    }
    let pending = LAYOUT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let _abandoned = pending.as_ref().map(Pending::abandon);
    // A terminal does not interrupt them: they are in groups of their own.
    terrine::registry::end_helpers();
    process::exit(128 + signal)
}

/// Calls `make`, which makes a temporary file, and removes that at a signal.
pub(super) fn guard<T: AsRef<Path>>(make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let mut temporary = lock();
    let made = make()?;
    temporary.insert(made.as_ref().to_owned());
    Ok(made)
}

/// Removes what is being written to a layout at a signal.
pub(super) fn watch(pending: Pending) {
    *LAYOUT.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending);
}

/// Calls `keep`, which makes the temporary file at `path` a lasting one or removes it.
pub(super) fn release<T>(path: &Path, keep: impl FnOnce() -> T) -> T {
    let mut temporary = lock();
    let kept = keep();
    temporary.remove(path);
    kept
}

fn lock() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner)
}
