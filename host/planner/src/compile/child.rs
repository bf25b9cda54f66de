//! The child: it limits itself, reads a component, and writes compiled code.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wasmtime::{Engine, OutOfMemory};

use super::CompileLimits;
use crate::runtime::{self, MAX_STACK};
use crate::{Limits, MAX_SIZE};

/// The exit code of a component that is none, whose fault is on stderr.
pub(super) const REFUSED: u8 = 2;
/// The most files that may be open: the three that everyone has, and a few to look at the machine.
const FILES: u64 = 8;

/// Takes from a process what compiling does not need: what is allowed is to compute and to write the result.
pub type Confine = fn() -> io::Result<()>;

/// Does the child's work. `arguments` are those behind the one that a [`Compiler`](super::Compiler) names, and
/// `confine` is called before the component is looked at. Returns the exit code.
pub fn run(arguments: impl Iterator<Item = OsString>, confine: Confine) -> u8 {
    match compile(arguments, confine) {
        Ok(()) => 0,
        Err(Fault::Refused(why)) => {
            // The parent says it; without a parent nobody hears.
            let _ = io::stderr().write_all(why.as_bytes());
            REFUSED
        }
        Err(Fault::Other(error)) => {
            let _ = io::stderr().write_all(error.to_string().as_bytes());
            1
        }
    }
}

enum Fault {
    Refused(String),
    Other(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Other(error)
    }
}

fn compile(arguments: impl Iterator<Item = OsString>, confine: Confine) -> Result<(), Fault> {
    let (limits, stack) =
        parse(arguments).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let settings = Limits {
        stack,
        ..Limits::default()
    };
    // Before the limits: how much address space there is decides about the code, as it does in the parent.
    let config = runtime::watched(settings, None);
    limit(limits)?;
    let mut bytes = vec![];
    io::stdin()
        .lock()
        .take(MAX_SIZE + 1)
        .read_to_end(&mut bytes)?;
    let engine = Engine::new(&config).map_err(io::Error::other)?;
    confine()?;
    let code = engine
        .precompile_component(&bytes)
        .map_err(|error| fault(&error))?;
    io::stdout().write_all(&code)?;
    Ok(())
}

/// Tells apart a component that is none from one for which memory does not suffice. Where memory is short, most of the
/// compiler ends the process, and some of it returns an error.
fn fault(error: &wasmtime::Error) -> Fault {
    if error.downcast_ref::<OutOfMemory>().is_some() {
        return Fault::Other(io::ErrorKind::OutOfMemory.into());
    }
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    Fault::Refused(causes.join(": "))
}

/// The arguments that [`super::parent`] gives: seconds, bytes of memory, bytes of stack.
fn parse(arguments: impl Iterator<Item = OsString>) -> Option<(CompileLimits, usize)> {
    let numbers: Option<Vec<u64>> = arguments
        .map(|argument| argument.to_str()?.parse().ok())
        .collect();
    let [seconds, memory, stack] = numbers?.try_into().ok()?;
    let stack = usize::try_from(stack)
        .ok()
        .filter(|&stack| stack <= MAX_STACK)?;
    Some((
        CompileLimits {
            time: Duration::from_secs(seconds),
            memory,
        },
        stack,
    ))
}

/// Sets the limits of this process, where it has no lower ones. The soft one of time ends it, the hard one is
/// there if it does not.
fn limit(limits: CompileLimits) -> io::Result<()> {
    let seconds = limits.time.as_secs().max(1);
    let set = |resource, current: u64, maximum: u64| {
        let had = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Rlimit {
            current: Some(current.min(had)),
            maximum: Some(maximum.min(had)),
        };
        setrlimit(resource, limit).map_err(io::Error::from)
    };
    set(Resource::Core, 0, 0)?;
    set(Resource::Fsize, 0, 0)?;
    set(Resource::Nofile, FILES, FILES)?;
    set(Resource::Cpu, seconds, seconds.saturating_add(1))?;
    set(Resource::As, limits.memory, limits.memory)
}
