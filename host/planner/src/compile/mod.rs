//! Compiling components that nobody vouches for.
//!
//! Fuel and memory limit what runs, and compiling comes before that. What it takes cannot be told from a
//! component's bytes, so it is done in a child process, whose time, memory and system calls the kernel
//! limits whatever the component holds. The child hands the compiled code back, and that is kept.
//!
//! | what | module |
//! |---|---|
//! | starting the child, and how it ends | `parent` |
//! | what the child does | `child` |
//! | what was compiled before | `kept` |

mod child;
mod kept;
mod parent;

use std::path::PathBuf;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Engine, Error as Failure};

pub use child::{Confine, run};
pub(super) use kept::Kept;

use super::Error;

/// Limits of compiling a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileLimits {
    /// Processor time, in whole seconds.
    pub time: Duration,
    /// Address space, in bytes: what is compiled and everything that it takes.
    pub memory: u64,
}

impl Default for CompileLimits {
    /// 30 seconds and 1 GiB.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            memory: 1 << 30,
        }
    }
}

impl CompileLimits {
    /// These limits.
    pub fn new(time: Duration, memory: u64) -> Self {
        Self { time, memory }
    }
}

/// The process in which components are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// The program, which has to call [`run`] where its first argument is `argument`.
    pub program: PathBuf,
    /// The argument that tells it what it is started for.
    pub argument: String,
    /// Its limits.
    pub limits: CompileLimits,
}

impl Compiler {
    /// Compiles a component, or takes it from those that were compiled before. `name` is what errors call it;
    /// `stack` is the size of the stack that its code has, in bytes.
    pub(super) fn compile(
        &self,
        engine: &Engine,
        kept: Option<&Kept>,
        name: &str,
        bytes: &[u8],
        stack: usize,
    ) -> Result<Component, Error> {
        let key = kept.map(|kept| (kept, kept.key(engine, bytes)));
        if let Some(code) = key.as_ref().and_then(|(kept, key)| kept.read(key))
            && let Ok(component) = load(engine, &code)
        {
            return Ok(component);
        }
        let code = parent::compile(self, name, bytes, stack)?;
        let component = load(engine, &code).map_err(|error| Error::NotAComponent {
            component: name.to_owned(),
            source: error.into(),
        })?;
        if let Some((kept, key)) = key {
            kept.keep(&key, &code);
        }
        Ok(component)
    }
}

/// Makes code that was compiled for this engine a component again.
fn load(engine: &Engine, code: &[u8]) -> Result<Component, Failure> {
    // Safety: the code is what the engine's own compiler wrote, in this program's child or in a folder that
    // nobody else can write to (`kept`). That is the trust that code has which this process compiles itself;
    // a version or a setting that differs is found by the engine, and refused.
    #[allow(unsafe_code)]
    unsafe {
        Component::deserialize(engine, code)
    }
}
