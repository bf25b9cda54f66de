//! Running planner components: the only module that knows wasmtime.
//!
//! A component gets no imports, so there is nothing it can reach; what is left to
//! bound is what it uses up, and that is [`Limits`]. Every call runs in a store of
//! its own, so no call can see another, and a plan is checked before it is used
//! ([`validate`]).

mod author;
mod bindings;
mod error;
mod limits;
mod naming;
mod record;
mod validate;

use std::path::Path;

use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine, Store, Trap};

use crate::image::Digest;
pub use author::{ComponentizeError, WIT, componentize};
pub use bindings::{image, layering};
pub use error::{Cause, Error};
use limits::{Denied, Limiter};
pub use limits::{Limits, Usage};
pub use naming::{is_hashed, name, store_path};
pub use record::request_digest;
pub use validate::{EmptyLayers, Violation, validate};

/// The contract that this host speaks.
pub const CONTRACT: &str = "terrine:planner@0.1.0";

/// The built-in planner, as embedded at build time.
pub const EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/planner.wasm"));

/// The name of the built-in planner in errors.
const EMBEDDED_NAME: &str = "terrine";

/// What compiles and runs components: set up once, used for any number of them.
#[derive(Debug)]
pub struct Runtime {
    engine: Engine,
    limits: Limits,
}

impl Runtime {
    /// Sets up the engine. Compiled components are kept in `cache`, by wasmtime's
    /// own cache; where that folder can not be had, each run compiles anew.
    ///
    /// # Errors
    ///
    /// A machine that the engine does not support.
    pub fn new(limits: Limits, cache: Option<&Path>) -> Result<Self, Error> {
        let mut config = Config::new();
        // Same component, same request, same plan, on every machine: one spelling
        // of NaN, and nothing whose results the hardware may choose.
        config.cranelift_nan_canonicalization(true);
        config.wasm_relaxed_simd(false);
        // Bounds a call's run time; costs about a tenth of it.
        config.consume_fuel(true);
        config.max_wasm_stack(limits.stack);
        config.cache(cache.and_then(open_cache));
        let engine = Engine::new(&config).map_err(|error| Error::Engine(error.into()))?;
        Ok(Self { engine, limits })
    }

    /// The built-in planner.
    ///
    /// # Errors
    ///
    /// As [`Runtime::load`]; only a broken build brings them about.
    pub fn embedded(&self) -> Result<Planner<'_>, Error> {
        self.load(EMBEDDED_NAME, EMBEDDED)
    }

    /// Compiles a component, or takes it from the cache. `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// Bytes that are not a component, and a component that imports anything.
    pub fn load(&self, name: &str, bytes: &[u8]) -> Result<Planner<'_>, Error> {
        let component = || name.to_owned();
        let compiled = Component::from_binary(&self.engine, bytes)
            .map_err(|error| Error::NotAComponent { component: component(), source: error.into() })?;
        if let Some((import, _)) = compiled.component_type().imports(&self.engine).next() {
            return Err(Error::Imports { component: component(), import: import.to_owned() });
        }
        // The empty linker is the sandbox.
        let instance = Linker::new(&self.engine).instantiate_pre(&compiled).map_err(|error| {
            Error::Contract { component: component(), contract: CONTRACT, source: error.into() }
        })?;
        Ok(Planner { runtime: self, name: component(), digest: Digest::of(bytes), instance })
    }
}

/// Opens wasmtime's cache in a folder, which is made if need be.
fn open_cache(folder: &Path) -> Option<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    // A cache that can not be had is no reason to fail: the planner is compiled.
    Cache::new(config).ok()
}

/// A compiled component, ready to be called.
pub struct Planner<'r> {
    runtime: &'r Runtime,
    name: String,
    digest: Digest,
    instance: InstancePre<Limiter>,
}

impl std::fmt::Debug for Planner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planner").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Calls one function of one interface in a store of its own.
macro_rules! call {
    ($planner:expr, $interface:ident, $function:literal, $method:ident ( $($argument:expr),* )) => {
        $planner.call($function, |store, instance, pre| {
            let guest = bindings::exports::terrine::planner::$interface::GuestIndices::new(pre)?
                .load(&mut *store, instance)?;
            Ok(guest.$method(&mut *store $(, $argument)*))
        })
    };
}

impl Planner<'_> {
    /// The digest of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Says what the component is.
    ///
    /// # Errors
    ///
    /// A component without the interface, and one that fails.
    pub fn describe(&self) -> Result<layering::Info, Error> {
        call!(self, layering, "describe", call_describe()).map(|(info, _)| info)
    }

    /// Groups a closure into layers. The plan is checked.
    ///
    /// # Errors
    ///
    /// A component without the interface, one that fails or refuses, and a plan
    /// that breaks a rule.
    pub fn plan(
        &self,
        request: &layering::Request,
        empty: EmptyLayers,
    ) -> Result<layering::Planned, Error> {
        self.plan_measured(request, empty).map(|(planned, _)| planned)
    }

    /// As [`Planner::plan`], and says what the call used up.
    ///
    /// # Errors
    ///
    /// As [`Planner::plan`].
    pub fn plan_measured(
        &self,
        request: &layering::Request,
        empty: EmptyLayers,
    ) -> Result<(layering::Planned, Usage), Error> {
        let (outcome, usage) = call!(self, layering, "plan", call_plan(request))?;
        let planned = outcome.map_err(|error| self.refused(error.message, error.field, error.hint))?;
        validate(request, &planned, empty)
            .map_err(|source| Error::InvalidPlan { component: self.name.clone(), source })?;
        Ok((planned, usage))
    }

    /// Decides what can be decided about an image before any byte is read.
    ///
    /// # Errors
    ///
    /// A component without the interface, and one that fails or refuses.
    pub fn resolve(&self, request: &image::ResolveRequest) -> Result<image::Resolved, Error> {
        let (outcome, _) = call!(self, image, "resolve", call_resolve(request))?;
        outcome.map_err(|error| self.refused(error.message, error.field, error.hint))
    }

    /// Renders the image configuration.
    ///
    /// # Errors
    ///
    /// A component without the interface, and one that fails or refuses.
    pub fn render(&self, request: &image::RenderRequest) -> Result<String, Error> {
        let (outcome, _) = call!(self, image, "render", call_render(request))?;
        outcome.map_err(|error| self.refused(error.message, error.field, error.hint))
    }

    fn refused(&self, message: String, field: Option<String>, hint: Option<String>) -> Error {
        Error::Refused { component: self.name.clone(), message, field, hint }
    }

    /// Runs `call` on a fresh instance, and says what that used up. The outer result of
    /// `call` is about the contract, the inner one about the run.
    fn call<T>(
        &self,
        function: &'static str,
        call: impl FnOnce(
            &mut Store<Limiter>,
            &wasmtime::component::Instance,
            &InstancePre<Limiter>,
        ) -> wasmtime::Result<wasmtime::Result<T>>,
    ) -> Result<(T, Usage), Error> {
        let limits = self.runtime.limits;
        let mut store = Store::new(&self.runtime.engine, Limiter::new(limits));
        store.limiter(|limiter| limiter);
        store.set_hostcall_fuel(limits.lifted);
        let failed = |store: &Store<Limiter>, error| self.failure(function, store.data().denied, error);
        store.set_fuel(limits.fuel).map_err(|error| Error::Engine(error.into()))?;
        let instance = self.instance.instantiate(&mut store).map_err(|error| failed(&store, error))?;
        let outcome = call(&mut store, &instance, &self.instance).map_err(|error| Error::Contract {
            component: self.name.clone(),
            contract: CONTRACT,
            source: error.into(),
        })?;
        let value = outcome.map_err(|error| failed(&store, error))?;
        let left = store.get_fuel().map_err(|error| Error::Engine(error.into()))?;
        let usage = Usage { fuel: limits.fuel.saturating_sub(left), memory: store.data().memory() };
        Ok((value, usage))
    }

    /// Tells the limits apart from each other and from the component's own failures.
    fn failure(&self, function: &'static str, denied: Option<Denied>, error: wasmtime::Error) -> Error {
        let component = self.name.clone();
        let limits = self.runtime.limits;
        match denied {
            Some(Denied::Memory { asked }) => {
                return Error::Memory { component, asked, limit: limits.memory };
            }
            Some(Denied::Table { asked }) => {
                return Error::Table { component, asked, limit: limits.table_elements };
            }
            None => {}
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Error::Fuel { component, function, limit: limits.fuel },
            Some(Trap::StackOverflow) => Error::Stack { component, function, limit: limits.stack },
            _ if is_lifting_limit(&error) => Error::Lifted { component, function, limit: limits.lifted },
            _ => Error::Trap { component, function, source: error.into() },
        }
    }
}

/// Whether an error says that a result was too large. Wasmtime has no type for it.
fn is_lifting_limit(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.to_string().contains("fuel allocated for hostcalls has been exhausted"))
}
