//! Running a job in a process of its own.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::helper::ARGUMENT;
use crate::request::{Answer, Failure, Refusal, Request};
use crate::{Changes, Error, Job, Level, Tail, wire};

/// The start of the number of the process name space that a machine starts with.
const FIRST_PROCESSES: &str = "pid:[4026531836]";

/// The outcome of a job.
#[derive(Debug)]
pub struct Outcome {
    /// The entries of the layer, and the paths that it removes.
    pub changes: Changes,
    /// The level at which commands ran.
    pub level: Level,
}

/// Runs jobs in processes of their own.
#[derive(Debug, Clone)]
pub struct Runner {
    /// The program that answers [`ARGUMENT`] by [`crate::helper::main`].
    pub program: PathBuf,
    /// The level to run at; none for the strongest that works.
    pub level: Option<Level>,
}

/// Opens the archive of a base image again: each level that is tried reads it.
pub type OpenBase<'b> = dyn Fn() -> io::Result<Box<dyn Read + Send + 'b>> + Sync + 'b;

/// Takes the lines that commands print.
pub type Print<'p> = dyn Fn(&[u8]) + Sync + 'p;

impl Runner {
    /// Runs a job, with the merged archive of a base image where the job says that there is one.
    ///
    /// # Errors
    ///
    /// Commands that fail, a machine on which they cannot be isolated, and a folder that cannot
    /// take the tree. On systems other than Linux every job is refused.
    pub fn run(
        &self,
        job: &Job,
        base: Option<&OpenBase<'_>>,
        print: &Print<'_>,
    ) -> Result<Outcome, Error> {
        if cfg!(not(target_os = "linux")) {
            return Err(Error::NoLinux);
        }
        let levels = match self.level {
            Some(level) => vec![level],
            None => Level::ALL.to_vec(),
        };
        let mut tried = vec![];
        for level in levels {
            if let Err(refusal) = allowed(level, job.unsafe_host) {
                tried.push((level, refusal.action, refusal.errno));
                continue;
            }
            match self.attempt(level, job, base, print)? {
                Ok(changes) => return Ok(Outcome { changes, level }),
                Err(refusal) => tried.push((level, refusal.action, refusal.errno)),
            }
        }
        Err(Error::NoLevel {
            tried,
            is_given: self.level.is_some(),
        })
    }

    /// Runs a job at a level. The inner error is what the machine does not grant.
    fn attempt(
        &self,
        level: Level,
        job: &Job,
        base: Option<&OpenBase<'_>>,
        print: &Print<'_>,
    ) -> Result<Result<Changes, Refusal>, Error> {
        // A group of its own, so that what a terminal sends reaches the program alone.
        let mut child = Command::new(&self.program)
            .arg(ARGUMENT)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(Error::Helper)?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Error::Helper(io::ErrorKind::BrokenPipe.into()));
        };
        let request = Request {
            level,
            job: job.clone(),
        };
        let tail = Mutex::new(Tail::default());
        let (sent, answer) = thread::scope(|scope| {
            let printing = scope.spawn(|| relay(stderr, &tail, print));
            let sending = scope.spawn(|| send(stdin, &request, base));
            let answer = wire::receive::<Answer>(stdout);
            let sent = sending.join().unwrap_or_else(|_| Err(SendError::Gone));
            // Closed only now that there is an answer: that would have ended the helper.
            let sent = sent.map(drop);
            let _ = child.wait();
            let _ = printing.join();
            (sent, answer)
        });
        if let Err(SendError::Base(error)) = sent {
            return Err(Error::Base(error));
        }
        let tail = tail.into_inner().unwrap_or_else(PoisonError::into_inner);
        match answer.map_err(Error::Helper)? {
            Answer::Done(changes) => Ok(Ok(changes)),
            Answer::Failed(failure) => {
                let line = tail.line(&failure.step).or(failure.line);
                Err(Error::Failed {
                    failure: Failure { line, ..failure },
                    tail,
                    level,
                })
            }
            Answer::Refused(refusal) => Ok(Err(refusal)),
            Answer::Broken(Refusal { action, errno }) => Err(Error::Broken {
                action,
                source: io::Error::from_raw_os_error(errno),
            }),
        }
    }
}

/// Returns whether a level may be used here at all.
fn allowed(level: Level, unsafe_host: bool) -> Result<(), Refusal> {
    let refused = |action: &str| {
        Err(Refusal {
            action: action.to_owned(),
            errno: libc::EPERM,
        })
    };
    let is_first = std::fs::read_link("/proc/self/ns/pid")
        .is_ok_and(|link| link.to_str() == Some(FIRST_PROCESSES));
    match level {
        Level::Real if !rustix::process::geteuid().is_root() => refused("checking for root"),
        Level::Record if is_first && !unsafe_host => {
            refused("checking for isolation, such as a container or a build of Nix")
        }
        _ => Ok(()),
    }
}

/// The reason why a job did not reach the helper.
enum SendError {
    Base(io::Error),
    /// The helper has ended, and its answer says why.
    Gone,
}

/// Sends a job. Returns what has to stay open as long as the helper is to live.
fn send(
    mut stdin: ChildStdin,
    request: &Request,
    base: Option<&OpenBase<'_>>,
) -> Result<ChildStdin, SendError> {
    wire::send(&mut stdin, request).map_err(|_| SendError::Gone)?;
    if let (true, Some(base)) = (request.job.base, base) {
        let archive = base().map_err(SendError::Base)?;
        match wire::send_archive(&mut stdin, archive) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            sent => sent.map_err(SendError::Base)?,
        }
    }
    Ok(stdin)
}

/// Passes on what commands print, line by line.
fn relay(from: impl Read, tail: &Mutex<Tail>, print: &Print<'_>) {
    let mut from = BufReader::new(from);
    let mut line = vec![];
    loop {
        line.clear();
        // A line without an end is passed on in parts.
        let read = from.by_ref().take(64 << 10).read_until(b'\n', &mut line);
        match read {
            Ok(0) => return,
            Ok(_) => {
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                print(text);
                tail.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(text);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
