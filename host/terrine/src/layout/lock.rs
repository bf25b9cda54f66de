//! The lock that writers of a layout's index take turns by.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock, major, minor};
use rustix::io::{Errno, retry_on_intr};

use super::{Error, LOCKING, READING};

/// The time that writers wait for each other, if nobody says otherwise. Rewriting an index takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time for which nobody is told of it.
const SILENCE: Duration = Duration::from_secs(2);
/// The time between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// The ticks in a second in which Linux tells programs how long a process has been there, whatever its own clock.
const TICKS: u64 = 100;

/// The time that a writer waits for another one, and somebody who hears of it.
pub struct LockWait {
    patience: Duration,
    tell: Box<dyn Fn(&Holder) + Send + Sync>,
}

impl fmt::Debug for LockWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockWait")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Default for LockWait {
    /// A minute, of which nobody hears.
    fn default() -> Self {
        Self::new(PATIENCE, |_| {})
    }
}

impl LockWait {
    /// So long; `tell` hears of it once, after two seconds.
    pub fn new(patience: Duration, tell: impl Fn(&Holder) + Send + Sync + 'static) -> Self {
        Self {
            patience,
            tell: Box::new(tell),
        }
    }
}

/// The process that holds a lock, as far as this machine knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its number and its name.
    process: Option<(u32, String)>,
    /// The time that it has been there.
    age: Option<Duration>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some((number, name)) => write!(f, "process {number} (`{name}`)")?,
            None => f.write_str("another process")?,
        }
        match self.age {
            Some(age) => write!(f, ", which started {} s ago", age.as_secs()),
            None => Ok(()),
        }
    }
}

/// Takes the lock on a file, which is held while the file is open.
pub(super) fn take(path: &Path, wait: &LockWait) -> Result<File, Error> {
    let failed = |source: io::Error| Error::io(LOCKING, path, source);
    let start = Instant::now();
    let mut told = false;
    loop {
        // Some file systems only lock what can be written to.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .or_else(|_| File::open(path))
            .map_err(|source| Error::io(READING, path, source))?;
        match retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => {
                // Somebody may have put another file there meanwhile.
                let ours = file.metadata().map_err(failed)?;
                let there = path.metadata().map_err(failed)?;
                if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
                    return Ok(file);
                }
            }
            Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        let waited = start.elapsed();
        if waited >= SILENCE && !told {
            told = true;
            (wait.tell)(&holder(&file));
        }
        if waited >= wait.patience {
            return Err(Error::Locked {
                path: path.to_owned(),
                holder: holder(&file),
                waited: wait.patience,
            });
        }
        thread::sleep(PAUSE.min(wait.patience - waited));
    }
}

/// Returns who holds the lock on a file, by what Linux says of all locks.
fn holder(file: &File) -> Holder {
    let Ok(metadata) = file.metadata() else {
        return Holder::default();
    };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let number = process(&locks, metadata.dev(), metadata.ino());
    let Some(number) = number else {
        return Holder::default();
    };
    let name = fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    if name.is_empty() {
        // The one that took it has ended, and another one has its open file.
        return Holder::default();
    }
    let status = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    Holder {
        process: Some((number, name)),
        age: age(&status, &uptime),
    }
}

/// The process that has a lock on a file (proc_locks(5)). Some file systems tell another device there, so that the
/// file alone counts if it is not found with its own.
fn process(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let of = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, process, file, ..] = fields[..] else {
            return None;
        };
        let (at, number) = file.rsplit_once(':')?;
        let number: u64 = number.parse().ok().filter(|number| *number == inode)?;
        let same = at == format!("{:02x}:{:02x}", major(device), minor(device));
        // A process of another name space has no number here.
        let process: u32 = process.parse().ok().filter(|process| *process > 0)?;
        Some((same && number == inode, process))
    };
    let found: Vec<(bool, u32)> = locks.lines().filter_map(of).collect();
    let exact = found.iter().find(|(same, _)| *same);
    exact.or(found.first()).map(|(_, process)| *process)
}

/// Returns the time that a process has been there, by its line of numbers (proc_pid_stat(5)) and the machine's.
fn age(status: &str, uptime: &str) -> Option<Duration> {
    // The name is in brackets, and may hold anything.
    let (_, numbers) = status.rsplit_once(')')?;
    let started: u64 = numbers.split_whitespace().nth(19)?.parse().ok()?;
    let uptime: u64 = uptime.split('.').next()?.parse().ok()?;
    Some(Duration::from_secs(uptime.saturating_sub(started / TICKS)))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn the_holder_is_found_by_the_file() {
        let locks = "\
1: POSIX  ADVISORY  WRITE 7 fe:00:42 0 EOF
2: FLOCK  ADVISORY  WRITE 12 08:01:42 0 EOF
2: -> FLOCK  ADVISORY  WRITE 13 fe:00:42 0 EOF
3: FLOCK  ADVISORY  WRITE 1234 fe:00:42 0 EOF
4: FLOCK  ADVISORY  WRITE 0 fe:00:43 0 EOF
nonsense
";
        let device = rustix::fs::makedev(0xfe, 0);
        assert_eq!(process(locks, device, 42), Some(1234));
        assert_eq!(process(locks, rustix::fs::makedev(9, 9), 42), Some(12));
        assert_eq!(process(locks, device, 43), None);
        let status = format!("1234 (a ) b) S {} 1700 0", ["0"; 18].join(" "));
        assert_eq!(age(&status, "30.55 12.0"), Some(Duration::from_secs(13)));
        assert_eq!(age("", "30"), None);
        let holder = Holder {
            process: Some((1234, "terrine".to_owned())),
            age: Some(Duration::from_secs(13)),
        };
        assert_eq!(
            holder.to_string(),
            "process 1234 (`terrine`), which started 13 s ago"
        );
        assert_eq!(Holder::default().to_string(), "another process");
    }

    #[test]
    fn waiting_is_told_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oci-layout");
        fs::write(&path, "").unwrap();
        let held = take(&path, &LockWait::default()).unwrap();
        let (sender, told) = channel();
        let wait = LockWait::new(Duration::from_millis(2200), move |holder| {
            let _ = sender.send(holder.clone());
        });
        let error = take(&path, &wait).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error:?}");
        assert_eq!(told.try_iter().count(), 1);
        if cfg!(target_os = "linux") && fs::metadata("/proc/locks").is_ok() {
            let own = format!("process {}", std::process::id());
            assert!(error.to_string().contains(&own), "{error}");
        }
        // Not a moment is waited for what is free.
        drop(held);
        take(&path, &LockWait::new(Duration::ZERO, |_| {})).unwrap();
    }
}
