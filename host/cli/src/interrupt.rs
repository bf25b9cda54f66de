//! Signals: an interrupted run leaves no temporary file behind, and no credential helper.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io, process, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::iterator::Signals;
use terrine::layout::Pending;

use super::failure::{Context, Result};
use super::printer::Printer;

/// The temporary files of this run, while there are any, and what each is to become.
static TEMPORARY: Mutex<BTreeMap<PathBuf, PathBuf>> = Mutex::new(BTreeMap::new());

/// The unfinished write to a layout, if there is one.
static LAYOUT: Mutex<Option<Pending>> = Mutex::new(None);

/// A text about what an interrupted run leaves behind, apart from files.
static LEFT: Mutex<Option<&str>> = Mutex::new(None);

/// The longest time that an interrupted run waits for the reader of its messages.
const PATIENCE: Duration = Duration::from_secs(1);

/// From now on signals that end the process clean up first.
///
/// The work is done on a thread of its own and not by a flag, because the run may be
/// waiting for whoever reads its output.
pub(super) fn install(printer: Printer) -> Result<()> {
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
            stop(signal, printer);
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

/// Ends the process as the signal would have, but for the temporary files, and says what is left.
#[expect(
    clippy::exit,
    reason = "a signal ends the process from the thread that receives it"
)]
fn stop(signal: i32, printer: Printer) -> ! {
    // Held to the end, so that nothing is made or renamed after this.
    let mut temporary = lock();
    let mut unwritten = vec![];
    while let Some((path, file)) = temporary.pop_first() {
        // Nothing can be done about it.
        let _ = fs::remove_file(path);
        unwritten.push(file);
    }
    let pending = LAYOUT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let _abandoned = pending.as_ref().map(Pending::abandon);
    // A terminal does not interrupt them: they are in groups of their own.
    terrine::registry::end_helpers();
    let left = *LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    tell(printer, signal, left_of(&unwritten, left));
    super::prompt::show();
    process::exit(128 + signal)
}

/// Says what happened, unless nobody reads it: another thread may be waiting for the same reader.
fn tell(printer: Printer, signal: i32, left: Option<String>) {
    let (done, is_done) = channel();
    thread::spawn(move || {
        printer.interrupted(name(signal), left.as_deref());
        let _ = done.send(());
    });
    let _ = is_done.recv_timeout(PATIENCE);
}

/// The name of a signal, as `kill -l` lists it.
fn name(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("a signal")
}

/// Returns in a sentence which files were not written and what else the run leaves behind.
fn left_of(unwritten: &[PathBuf], left: Option<&str>) -> Option<String> {
    let files: Vec<String> = unwritten
        .iter()
        .map(|file| format!("`{}`", file.display()))
        .collect();
    let files = match files.as_slice() {
        [] => None,
        [file] => Some(format!("{file} was not written")),
        files => Some(format!("{} were not written", files.join(" and "))),
    };
    match (files, left) {
        (Some(files), Some(left)) => Some(format!("{files}; {left}")),
        (files, left) => files.or(left.map(ToOwned::to_owned)),
    }
}

/// Calls `make`, which makes a temporary file that is to become `file`, and removes that at a signal.
pub(super) fn guard<T: AsRef<Path>>(
    file: &Path,
    make: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let mut temporary = lock();
    let made = make()?;
    temporary.insert(made.as_ref().to_owned(), file.to_owned());
    Ok(made)
}

/// Removes what is being written to a layout at a signal.
pub(super) fn watch(pending: Pending) {
    *LAYOUT.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending);
    leaves(
        "the layers that are complete stay in the layout, which does not list the image; the next run uses them",
    );
}

/// Says at a signal what is left.
pub(super) fn leaves(what: &'static str) {
    *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
}

/// Says at a signal that layers are left in a registry.
pub(super) fn leaves_blobs() {
    leaves(
        "no tag was changed; the layers that were sent stay in the registry, and the next run does not send them again",
    );
}

/// Calls `keep`, which makes the temporary file at `path` a lasting one or removes it.
pub(super) fn release<T>(path: &Path, keep: impl FnOnce() -> T) -> T {
    let mut temporary = lock();
    let kept = keep();
    temporary.remove(path);
    kept
}

fn lock() -> MutexGuard<'static, BTreeMap<PathBuf, PathBuf>> {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_a_sentence() {
        let files = ["a.tar", "b.json"].map(PathBuf::from);
        for (files, left, expected) in [
            (&[][..], None, None),
            (&files[..1], None, Some("`a.tar` was not written")),
            (&files, None, Some("`a.tar` and `b.json` were not written")),
            (&[], Some("x"), Some("x")),
            (&files[1..], Some("x"), Some("`b.json` was not written; x")),
        ] {
            assert_eq!(left_of(files, left).as_deref(), expected);
        }
        assert_eq!(name(SIGINT), "SIGINT");
    }
}
