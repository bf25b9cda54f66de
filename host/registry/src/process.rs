//! A program that is run within bounds: of time, and of what it says.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::group::{Group, State};

/// The longest answer, in bytes: those that hold a token of a cloud have a few thousand.
const MAX_ANSWER: usize = 64 << 10;
/// The number of bytes that are kept of stderr. The rest is read and dropped.
const MAX_SAID: usize = 8 << 10;
/// The time after which the program is looked at if it says nothing.
const STEP: Duration = Duration::from_millis(10);

/// The output of a program, and its end.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    /// The start of it.
    pub(super) stderr: Vec<u8>,
}

/// The reason that there is no output.
#[derive(Debug)]
pub(super) enum Failed {
    /// The system refused.
    Io(io::Error),
    /// It did not end in time.
    Time(Duration),
    /// It was stopped.
    Terminal,
    /// It says too much.
    Much,
}

impl Failed {
    /// Says it in words.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Io(error) => error.to_string(),
            Self::Time(limit) => format!("it did not end within {} s", limit.as_secs_f32()),
            Self::Terminal => {
                "it tried to use the terminal, which is not available to it".to_owned()
            }
            Self::Much => format!("its answer has more than {MAX_ANSWER} bytes"),
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs a program in a group of its own, which is killed when the program has ended or the time
/// is over: nothing that it started goes on, and nothing that holds its pipes is waited for.
pub(super) fn run(command: &mut Command, input: &[u8], limit: Duration) -> Result<Output, Failed> {
    let start = Instant::now();
    let mut group = Group::start(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    )?;
    let mut pipes = Pipes::of(&mut group, input)?;
    loop {
        // Looked at before the pipes are, so that they hold all that it said.
        let state = group.state()?;
        pipes.exchange()?;
        match state {
            State::Running => {}
            State::Ended => break,
            State::Stopped => return Err(Failed::Terminal),
        }
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(Failed::Time(limit));
        }
        pipes.wait(left.min(STEP))?;
    }
    let Pipes { stdout, stderr, .. } = pipes;
    Ok(Output {
        status: group.end()?,
        stdout: stdout.bytes,
        stderr: stderr.bytes,
    })
}

/// Our ends of a program's pipes. None of them is waited for.
struct Pipes<'a> {
    input: &'a [u8],
    stdin: Option<ChildStdin>,
    stdout: Incoming<ChildStdout>,
    stderr: Incoming<ChildStderr>,
}

impl<'a> Pipes<'a> {
    fn of(group: &mut Group, input: &'a [u8]) -> io::Result<Self> {
        let child = group.child();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        stdin.as_ref().map(unblock).transpose()?;
        stdout.as_ref().map(unblock).transpose()?;
        stderr.as_ref().map(unblock).transpose()?;
        Ok(Self {
            input,
            stdin,
            stdout: Incoming::of(stdout),
            stderr: Incoming::of(stderr),
        })
    }

    /// Waits until there is something to read or room to write, but not longer than that.
    fn wait(&self, longest: Duration) -> io::Result<()> {
        let incoming = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let stdin = self.stdin.as_ref();
        let mut all: Vec<PollFd<'_>> = stdin
            .map(|pipe| PollFd::new(pipe, PollFlags::OUT))
            .into_iter()
            .chain(self.stdout.pipe.as_ref().map(|pipe| incoming(pipe.as_fd())))
            .chain(self.stderr.pipe.as_ref().map(|pipe| incoming(pipe.as_fd())))
            .collect();
        let longest = Timespec::try_from(longest).unwrap_or(Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        match poll(&mut all, Some(&longest)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes and reads what can be, without waiting.
    fn exchange(&mut self) -> Result<(), Failed> {
        if let Some(stdin) = &mut self.stdin {
            match stdin.write(self.input) {
                Ok(count) => self.input = &self.input[count..],
                Err(error) if is_later(&error) => {}
                // One that does not read it says so by its status.
                Err(_) => self.input = &[],
            }
            if self.input.is_empty() {
                self.stdin = None;
            }
        }
        if self.stdout.read(MAX_ANSWER)? {
            return Err(Failed::Much);
        }
        self.stderr.read(MAX_SAID)?;
        Ok(())
    }
}

/// The bytes that come out of a pipe.
struct Incoming<P> {
    /// None after its end.
    pipe: Option<P>,
    bytes: Vec<u8>,
}

impl<P: Read> Incoming<P> {
    fn of(pipe: Option<P>) -> Self {
        let bytes = vec![];
        Self { pipe, bytes }
    }

    /// Reads what is there, of which so many bytes are kept, and says whether there were more.
    fn read(&mut self, most: usize) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        // As much as a pipe holds: whoever writes faster than this must not keep us.
        for _ in 0..16 {
            let Some(pipe) = &mut self.pipe else { break };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let kept = count.min(most.saturating_sub(self.bytes.len()));
                    self.bytes.extend_from_slice(&buffer[..kept]);
                    if kept < count {
                        return Ok(true);
                    }
                }
                Err(error) if is_later(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Makes our end of a pipe one that is not waited for. The program's own end is another.
fn unblock(pipe: &impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(pipe)?;
    Ok(fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?)
}
