//! The parent's side: starts the child, gives it a component, takes the code, and says what ended it.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::child::REFUSED;
use super::{CompileLimits, Compiler};
use crate::Error;

/// The most that is read of what the child says, in bytes.
const SAID: u64 = 64 << 10;
/// The messages where memory cannot be allocated: that of Rust, which ends the process, and that of an error.
const NO_MEMORY: [&str; 2] = ["memory allocation of", "out of memory"];

/// Compiles a component in a child process.
pub(super) fn compile(
    compiler: &Compiler,
    name: &str,
    bytes: &[u8],
    stack: usize,
) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Compiler {
        program: compiler.program.clone(),
        source,
    };
    let limits = compiler.limits;
    let mut child = Command::new(&compiler.program)
        .arg(&compiler.argument)
        .arg(limits.time.as_secs().to_string())
        .arg(limits.memory.to_string())
        .arg(stack.to_string())
        // Nothing of the environment is wanted, and a variable could be.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let waited = AtomicBool::new(false);
    let (talked, status) = watched(&mut child, limits, &waited, |child| {
        let talked = talk(child, bytes, limits);
        // One that closed its pipes may still be there, and the clock runs on.
        (talked, child.wait())
    });
    let status = status.map_err(failed)?;
    let (code, said) = talked.map_err(failed)?;
    if status.success() {
        return Ok(code);
    }
    let waited = waited.into_inner();
    Err(fault(compiler, name, status, waited, &said))
}

/// Returns the time that the child may exist: it may have to wait for the processor.
fn patience(time: Duration) -> Duration {
    time.saturating_mul(4)
        .saturating_add(Duration::from_secs(10))
}

/// Does something with a child, which is killed if that takes too long. Notes whether it was waited for in vain.
fn watched<T>(
    child: &mut Child,
    limits: CompileLimits,
    waited: &AtomicBool,
    run: impl FnOnce(&mut Child) -> T,
) -> T {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    thread::scope(|scope| {
        let (over, ends) = channel::<()>();
        scope.spawn(move || {
            // Its own limit is of processor time; this is for a child that does not get to work.
            if ends.recv_timeout(patience(limits.time)) == Err(RecvTimeoutError::Timeout)
                && let Some(pid) = pid
            {
                waited.store(true, Ordering::Relaxed);
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let _over = over;
        run(child)
    })
}

/// Gives the child the component, and takes what it writes: the code, and what it says.
fn talk(child: &mut Child, bytes: &[u8], limits: CompileLimits) -> io::Result<(Vec<u8>, String)> {
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    thread::scope(|scope| {
        // A child that ends early reads no more: why it did is what it says.
        scope.spawn(move || drop(stdin.write_all(bytes)));
        let said = scope.spawn(move || {
            let mut said = vec![];
            stderr.take(SAID).read_to_end(&mut said).map(|_| said)
        });
        let mut code = vec![];
        // It cannot hold more than it may have.
        let read = stdout.take(limits.memory).read_to_end(&mut code);
        let said = said.join().unwrap_or_else(|_| Ok(vec![]))?;
        read?;
        Ok((code, String::from_utf8_lossy(&said).into_owned()))
    })
}

/// Returns the error of a child that ended with this status, after it was `waited` for in vain or not.
fn fault(compiler: &Compiler, name: &str, status: ExitStatus, waited: bool, said: &str) -> Error {
    let component = name.to_owned();
    let limits = compiler.limits;
    if status.code() == Some(i32::from(REFUSED)) {
        return Error::NotAComponent {
            component,
            source: wasmtime::Error::msg(said.to_owned()).into(),
        };
    }
    let signal = status.signal().and_then(Signal::from_named_raw);
    match signal {
        Some(Signal::XCPU) => Error::CompileTime {
            component,
            limit: limits.time,
        },
        // A machine that has no memory left kills, too.
        Some(Signal::KILL) if waited => Error::CompileTime {
            component,
            limit: limits.time,
        },
        _ if NO_MEMORY.iter().any(|text| said.contains(text)) => Error::CompileMemory {
            component,
            limit: limits.memory,
        },
        _ => Error::CompileEnded {
            component,
            how: match status.signal() {
                Some(signal) => format!("signal {signal}"),
                None => said.lines().next().unwrap_or_default().to_owned(),
            },
        },
    }
}
