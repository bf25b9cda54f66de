//! The engine, and how components get into it.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use terrine_oci::Digest;
use wasmtime::component::{Component, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine};

use super::compile::{Compiler, Kept};
use super::component::Planner;
use super::state::State;
use super::watch::{self, AtWork, Watch, Work};
use super::{ComponentFile, EMBEDDED, Error, Limits, clock, contract, extent, fuel, sealed};

/// The largest stack that compiled code may be given, in bytes.
pub(super) const MAX_STACK: usize = 64 << 20;
/// The name of the built-in planner in errors.
const EMBEDDED_NAME: &str = "terrine";

/// The least address space in which memories are given 4 GiB each, of which they use little, in bytes. Checks of
/// bounds cost nothing then.
const ROOMY: u64 = 64 << 30;
/// The bytes that a memory is given at once where there is less, beside what it asks for.
const GROWTH: u64 = 16 << 20;
/// The bytes that are kept free behind it.
const GUARD: u64 = 64 << 10;

/// The imports that a component may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Imports {
    /// Nothing: the empty linker is the sandbox.
    #[default]
    Nothing,
    /// A WASI in which nothing can be read or reached, clocks stand still and random numbers
    /// are the same in every call: for components whose language cannot do without one.
    SealedWasi,
}

/// A runtime that compiles and runs components: set up once, used for any number of them.
#[derive(Debug)]
pub struct Runtime {
    /// For the built-in planner, whose code is known: a clock takes a twelfth of its time.
    trusted: Engine,
    /// For all others.
    watched: Engine,
    /// The process that compiles them; this one where there is none.
    compiler: Option<Compiler>,
    /// The code of them that was compiled before.
    kept: Option<Kept>,
    pub(super) limits: Limits,
    /// Receives reports of those that take long.
    pub(super) watch: Option<Watch>,
}

impl Runtime {
    /// Sets up the engine. Compiled components are kept in `cache`, by wasmtime's
    /// own cache; where that folder cannot be had, each run compiles again. Code is run that is found
    /// there, so nobody else may be able to write to it.
    ///
    /// Components that are not built in are compiled in this process, by counts alone kept from
    /// taking too much; [`Runtime::with_compiler`] has it done where the kernel limits it.
    ///
    /// # Errors
    ///
    /// A machine that the engine does not support, or one that has no thread left.
    pub fn new(limits: Limits, cache: Option<&Path>) -> Result<Self, Error> {
        let trusted = config(limits, cache);
        let watched = watched(limits, cache);
        let engine = |config| Engine::new(config).map_err(|error| Error::Engine(error.into()));
        let (trusted, watched) = (engine(&trusted)?, engine(&watched)?);
        clock::start(&watched).map_err(|error| Error::Engine(error.into()))?;
        Ok(Self {
            trusted,
            watched,
            compiler: None,
            kept: cache.map(Kept::below),
            limits,
            watch: None,
        })
    }

    /// Lets components that are not built in be compiled by another process.
    #[must_use]
    pub fn with_compiler(self, compiler: Compiler) -> Self {
        Self {
            compiler: Some(compiler),
            ..self
        }
    }

    /// Tells when a planner is still at work after so much time, and each time that it has gone by again.
    #[must_use]
    pub fn with_watch(
        self,
        every: Duration,
        tell: impl Fn(AtWork<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            watch: Some(Watch::new(every, tell)),
            ..self
        }
    }

    /// The built-in planner. It has at least [`Limits::BUILT_IN_FUEL`].
    ///
    /// # Errors
    ///
    /// As [`Runtime::load`]; only a broken build brings them about.
    pub fn embedded(&self) -> Result<Planner<'_>, Error> {
        let compile = || from_binary(&self.trusted, EMBEDDED_NAME, EMBEDDED);
        let planner = self.prepare(EMBEDDED_NAME, EMBEDDED, Imports::Nothing, compile)?;
        Ok(Planner {
            embedded: true,
            limits: Limits {
                fuel: self.limits.fuel.max(Limits::BUILT_IN_FUEL),
                ..self.limits
            },
            ..planner
        })
    }

    /// Reads a component, holds it against its digest, and compiles it.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or has more than 128 MiB, another digest than the one that
    /// is pinned, and as [`Runtime::load`].
    pub fn load_file(&self, file: &ComponentFile, imports: Imports) -> Result<Planner<'_>, Error> {
        let bytes = file.read()?;
        self.load(&file.name(), &bytes, imports)
    }

    /// Compiles a component, or takes it from the cache. `name` is what errors call it.
    /// Nothing of it runs yet.
    ///
    /// # Errors
    ///
    /// Bytes that are not a component, a component that imports more than `imports`, and one
    /// that does not export the policies of this version of the contract.
    pub fn load(&self, name: &str, bytes: &[u8], imports: Imports) -> Result<Planner<'_>, Error> {
        self.prepare(name, bytes, imports, || match &self.compiler {
            None => from_binary(&self.watched, name, bytes),
            Some(compiler) => {
                let stack = self.limits.stack;
                let about = (name, Work::Compile, Some(compiler.limits.time));
                watch::during(self.watch.as_ref(), about, || {
                    compiler.compile(&self.watched, self.kept.as_ref(), name, bytes, stack)
                })
            }
        })
    }

    /// Checks a component before and after it is compiled.
    fn prepare(
        &self,
        name: &str,
        bytes: &[u8],
        imports: Imports,
        compile: impl FnOnce() -> Result<Component, Error>,
    ) -> Result<Planner<'_>, Error> {
        contract::check_kind(name, bytes)?;
        extent::check(name, bytes)?;
        let component = || name.to_owned();
        let compiled = compile()?;
        let engine = compiled.engine();
        let imported = contract::imports(engine, &compiled);
        contract::check_exports(engine, name, &compiled)?;
        contract::check_imports(name, &imported, imports)?;
        let mut linker: Linker<State> = Linker::new(engine);
        let instance = sealed::define(&mut linker, engine, &compiled)
            .and_then(|()| linker.instantiate_pre(&compiled))
            .map_err(|error| Error::Contract {
                component: component(),
                source: error.into(),
            })?;
        Ok(Planner {
            runtime: self,
            limits: self.limits,
            name: component(),
            digest: Digest::of(bytes),
            imports: imported,
            embedded: false,
            instance,
        })
    }
}

fn from_binary(engine: &Engine, name: &str, bytes: &[u8]) -> Result<Component, Error> {
    Component::from_binary(engine, bytes).map_err(|error| Error::NotAComponent {
        component: name.to_owned(),
        source: error.into(),
    })
}

/// Returns the settings for components that are not built in.
pub(super) fn watched(limits: Limits, cache: Option<&Path>) -> Config {
    let mut config = config(limits, cache);
    config.epoch_interruption(true);
    config
}

/// Returns the settings for all components.
fn config(limits: Limits, cache: Option<&Path>) -> Config {
    let mut config = Config::new();
    // Same component, same request, same plan, on every machine: one spelling
    // of NaN, and nothing whose results the hardware may choose.
    config.cranelift_nan_canonicalization(true);
    config.wasm_relaxed_simd(false);
    // Bounds a call's run time; costs about a tenth of it.
    config.consume_fuel(true);
    config.operator_cost(fuel::costs());
    config.max_wasm_stack(limits.stack);
    if address_space().is_some_and(|limit| limit < ROOMY) {
        // Code then looks at bounds itself, and a memory moves when it grows.
        config.memory_reservation(0);
        config.memory_reservation_for_growth(GROWTH);
        config.memory_guard_size(GUARD);
    }
    config.cache(cache.and_then(open_cache));
    config
}

/// Returns how much address space this process may have, in bytes, if that is limited (`ulimit -v`).
fn address_space() -> Option<u64> {
    getrlimit(Resource::As).current
}

/// Opens wasmtime's cache in a folder, which is made if need be.
fn open_cache(folder: &Path) -> Option<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    // A cache that cannot be had is no reason to fail: the planner is compiled.
    Cache::new(config).ok()
}
