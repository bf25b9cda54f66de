//! The engine, and how components get into it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use terrine_oci::Digest;
use wasmtime::component::{Component, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine};

use super::compile::{Compiler, Kept};
use super::component::Planner;
use super::engine::{self, Space};
use super::state::State;
use super::watch::{self, AtWork, Watch, Work};
use super::{ComponentFile, EMBEDDED, Error, Limits, clock, contract, extent, ready, sealed};

/// The largest stack that compiled code may be given, in bytes.
pub(super) const MAX_STACK: usize = 64 << 20;
/// The name of the built-in planner in errors.
const EMBEDDED_NAME: &str = "terrine";

/// The least address space that is ample, in bytes.
const AMPLE: u64 = 64 << 30;

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
    /// For all others. Made when there is one, because it takes a thread.
    watched: OnceLock<Engine>,
    /// The folder of wasmtime's own cache.
    cache: Option<PathBuf>,
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
    /// there, so nobody else may be able to write to it. The built-in planner does not need it, if it was compiled
    /// when this library was built.
    ///
    /// Components that are not built in are compiled in this process, by counts alone kept from
    /// taking too much; [`Runtime::with_compiler`] has it done where the kernel limits it.
    ///
    /// # Errors
    ///
    /// A machine that the engine does not support.
    pub fn new(limits: Limits, cache: Option<&Path>) -> Result<Self, Error> {
        Ok(Self {
            trusted: new_engine(&config(limits, None))?,
            watched: OnceLock::new(),
            cache: cache.map(Path::to_owned),
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
        match ready::component(&self.trusted) {
            Some(component) => self.prepare_embedded(&component),
            None => self.prepare_embedded(&self.compile_embedded()?),
        }
    }

    /// Compiles the built-in planner, or takes it from the cache.
    fn compile_embedded(&self) -> Result<Component, Error> {
        let engine = new_engine(&config(self.limits, self.cache.as_deref()))?;
        from_binary(&engine, EMBEDDED_NAME, EMBEDDED)
    }

    /// Prepares the built-in planner. Its bytes need no checks.
    fn prepare_embedded(&self, compiled: &Component) -> Result<Planner<'_>, Error> {
        let planner = self.prepare(EMBEDDED_NAME, EMBEDDED, Imports::Nothing, compiled)?;
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
    /// Bytes that are not a component, a component that imports more than `imports`, one
    /// that does not export the policies of this version of the contract, and a machine that has no thread left.
    pub fn load(&self, name: &str, bytes: &[u8], imports: Imports) -> Result<Planner<'_>, Error> {
        contract::check_kind(name, bytes)?;
        extent::check(name, bytes)?;
        let engine = self.watched()?;
        let compiled = match &self.compiler {
            None => from_binary(engine, name, bytes),
            Some(compiler) => {
                let stack = self.limits.stack;
                let about = (name, Work::Compile, Some(compiler.limits.time));
                watch::during(self.watch.as_ref(), about, || {
                    compiler.compile(engine, self.kept.as_ref(), name, bytes, stack)
                })
            }
        };
        self.prepare(name, bytes, imports, &compiled?)
    }

    /// Returns the engine for components that are not built in. Its clock ticks.
    fn watched(&self) -> Result<&Engine, Error> {
        if let Some(engine) = self.watched.get() {
            return Ok(engine);
        }
        let engine = new_engine(&watched(self.limits, self.cache.as_deref()))?;
        clock::start(&engine).map_err(|error| Error::Engine(error.into()))?;
        // If another thread was faster, that one's engine stays, and this one's clock ends.
        Ok(self.watched.get_or_init(|| engine))
    }

    /// Checks the types of a component, and gives it what it imports.
    fn prepare(
        &self,
        name: &str,
        bytes: &[u8],
        imports: Imports,
        compiled: &Component,
    ) -> Result<Planner<'_>, Error> {
        let component = || name.to_owned();
        let engine = compiled.engine();
        let imported = contract::imports(engine, compiled);
        contract::check_exports(engine, name, compiled)?;
        contract::check_imports(name, &imported, imports)?;
        let mut linker: Linker<State> = Linker::new(engine);
        let instance = sealed::define(&mut linker, engine, compiled)
            .and_then(|()| linker.instantiate_pre(compiled))
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

fn new_engine(config: &Config) -> Result<Engine, Error> {
    Engine::new(config).map_err(|error| Error::Engine(error.into()))
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
    let mut config = engine::settings(space());
    config.max_wasm_stack(limits.stack);
    config.cache(cache.and_then(open_cache));
    config
}

/// Returns the address space of this process, which `ulimit -v` limits.
fn space() -> Space {
    match getrlimit(Resource::As).current {
        Some(limit) if limit < AMPLE => Space::Scarce,
        _ => Space::Ample,
    }
}

/// Opens wasmtime's cache in a folder, which is made if need be.
fn open_cache(folder: &Path) -> Option<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    // A cache that cannot be had is no reason to fail: the planner is compiled.
    Cache::new(config).ok()
}

#[cfg(test)]
mod tests {
    use super::super::{EmptyLayers, check};
    use super::*;

    /// The most paths of the graphs that are planned.
    const PATHS: usize = 100;

    #[test]
    fn code_of_the_build_and_code_compiled_now_plan_the_same() {
        let runtime = Runtime::new(Limits::default(), None).unwrap();
        let ready = runtime.embedded().unwrap();
        let compiled = runtime.compile_embedded().unwrap();
        let compiled = runtime.prepare_embedded(&compiled).unwrap();
        let info = ready.describe().unwrap();
        assert_eq!(
            format!("{info:?}"),
            format!("{:?}", compiled.describe().unwrap())
        );
        let mut planned = 0;
        for policy in info.policies {
            let cases = check::corpus();
            for mut case in cases
                .into_iter()
                .filter(|case| case.request.paths.len() <= PATHS)
            {
                case.request.policy.clone_from(&policy.name);
                // Fuel and memory as well as the plan.
                let [ready, compiled] = [&ready, &compiled]
                    .map(|planner| planner.plan_measured(&case.request, EmptyLayers::AsGiven));
                planned += usize::from(ready.is_ok());
                let name = format!("{} of `{}`", policy.name, case.name);
                assert_eq!(format!("{ready:?}"), format!("{compiled:?}"), "{name}");
            }
        }
        assert!(planned > 20, "{planned} plans");
    }
}
