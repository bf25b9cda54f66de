//! A compiled component, and the calls into it.

use std::borrow::Cow;

use terrine_oci::{Digest, without_login, without_login_of};
use wasmtime::component::InstancePre;
use wasmtime::{Store, Trap};

use super::limits::Denied;
use super::state::State;
use super::{
    Cause, EmptyLayers, Error, Limits, Runtime, Usage, bindings, clock, describe, image, layering,
    sanitize, validate,
    watch::{self, Work},
};

/// The remedy for a login in the name of an image.
const LOGIN_HINT: &str = "leave out the part before the `@`, and log in with `terrine login`";

/// A compiled component, ready to be called. A clone shares what was compiled.
#[derive(Clone)]
pub struct Planner<'r> {
    pub(super) runtime: &'r Runtime,
    pub(super) limits: Limits,
    pub(super) name: String,
    pub(super) digest: Digest,
    pub(super) imports: Vec<String>,
    pub(super) embedded: bool,
    pub(super) instance: InstancePre<State>,
}

impl std::fmt::Debug for Planner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planner")
            .field("name", &self.name)
            .finish_non_exhaustive()
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
    /// Returns its name in errors: the path of its file, or `terrine`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns its imports, in its own order.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Returns true for the built-in one.
    pub fn is_embedded(&self) -> bool {
        self.embedded
    }

    /// Tells whether one of its policies may make empty layers: the built-in `explicit` has those of
    /// the caller's own grouping.
    pub fn empty_layers(&self, policy: &str) -> EmptyLayers {
        if self.embedded && policy == "explicit" {
            EmptyLayers::AsGiven
        } else {
            EmptyLayers::Refused
        }
    }

    /// Returns the limits of one call.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The same component with other limits. Its stack is what the runtime was set up with.
    #[must_use]
    pub fn within(&self, limits: Limits) -> Self {
        Self {
            limits: Limits {
                stack: self.runtime.limits.stack,
                ..limits
            },
            ..self.clone()
        }
    }

    /// Says what the component is. The description is checked. That is little to do, by the contract, so one from
    /// a file has [less time](Limits::quick) for it.
    ///
    /// # Errors
    ///
    /// A component with other types than the contract's, one that fails, and a description
    /// that breaks a rule.
    pub fn describe(&self) -> Result<layering::Info, Error> {
        let limits = if self.embedded {
            self.limits
        } else {
            self.limits.quick()
        };
        let planner = self.within(limits);
        let (mut info, _) = call!(planner, layering, "describe", call_describe())?;
        describe::check(&info).map_err(|source| Error::Description {
            component: self.name.clone(),
            source,
        })?;
        for policy in &mut info.policies {
            policy.summary = sanitize::plain(&policy.summary);
        }
        Ok(info)
    }

    /// Groups a closure into layers. The plan is checked.
    ///
    /// # Errors
    ///
    /// A component with other types than the contract's, one that fails or refuses, and a plan
    /// that breaks a rule.
    pub fn plan(
        &self,
        request: &layering::Request,
        empty: EmptyLayers,
    ) -> Result<layering::Planned, Error> {
        self.plan_measured(request, empty)
            .map(|(planned, _)| planned)
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
        let mut planned = outcome.map_err(|error| {
            self.refused(
                Some(error.kind),
                &error.message,
                error.field.as_deref(),
                error.hint.as_deref(),
            )
        })?;
        validate(request, &planned, empty).map_err(|source| Error::InvalidPlan {
            component: self.name.clone(),
            source,
        })?;
        if !self.embedded {
            sanitize::few(&mut planned.remarks);
        }
        planned
            .layers
            .iter_mut()
            .for_each(|layer| layer.reason = self.plain(&layer.reason));
        Ok((planned, usage))
    }

    /// Decides what can be decided about an image before any byte is read.
    ///
    /// # Errors
    ///
    /// A component without the interface, and one that fails or refuses.
    pub fn resolve(&self, request: &image::ResolveRequest) -> Result<image::Resolved, Error> {
        let (outcome, _) = call!(self, image, "resolve", call_resolve(request))?;
        outcome.map_err(|error| {
            let (mut message, mut hint) = (error.message, error.hint);
            // A planner repeats what it does not take, and a password may be in it.
            let names = [Some(&request.reference), request.tag.as_ref()];
            for text in names.into_iter().flatten() {
                if let Cow::Owned(_) = without_login(text) {
                    message = without_login_of(text, &message);
                    hint = Some(LOGIN_HINT.to_owned());
                }
            }
            message = without_login_of(&request.platform, &message);
            self.refused(None, &message, error.field.as_deref(), hint.as_deref())
        })
    }

    /// Renders the image configuration.
    ///
    /// # Errors
    ///
    /// A component without the interface, and one that fails or refuses.
    pub fn render(&self, request: &image::RenderRequest) -> Result<String, Error> {
        let (outcome, _) = call!(self, image, "render", call_render(request))?;
        outcome.map_err(|error| {
            self.refused(
                None,
                &error.message,
                error.field.as_deref(),
                error.hint.as_deref(),
            )
        })
    }

    fn refused(
        &self,
        kind: Option<layering::ErrorKind>,
        message: &str,
        field: Option<&str>,
        hint: Option<&str>,
    ) -> Error {
        Error::Refused {
            component: self.name.clone(),
            embedded: self.embedded,
            kind,
            message: self.plain(message),
            field: field.map(|field| self.plain(field)),
            hint: hint.map(|hint| self.plain(hint)),
        }
    }

    /// Makes a text of the component fit to be shown. A text of the built-in one is, at any length.
    fn plain(&self, text: &str) -> String {
        if self.embedded {
            text.to_owned()
        } else {
            sanitize::plain(text)
        }
    }

    /// Runs `call` on a fresh instance, and says what that used up. The outer result of
    /// `call` is about the contract, the inner one about the run.
    fn call<T>(
        &self,
        function: &'static str,
        call: impl FnOnce(
            &mut Store<State>,
            &wasmtime::component::Instance,
            &InstancePre<State>,
        ) -> wasmtime::Result<wasmtime::Result<T>>,
    ) -> Result<(T, Usage), Error> {
        let limits = self.limits;
        let limit = (!self.embedded).then_some(limits.time);
        let about = (self.name.as_str(), Work::Call(function), limit);
        watch::during(self.runtime.watch.as_ref(), about, || {
            self.run(limits, function, call)
        })
    }

    /// The same, without reporting it.
    fn run<T>(
        &self,
        limits: Limits,
        function: &'static str,
        call: impl FnOnce(
            &mut Store<State>,
            &wasmtime::component::Instance,
            &InstancePre<State>,
        ) -> wasmtime::Result<wasmtime::Result<T>>,
    ) -> Result<(T, Usage), Error> {
        let mut store = Store::new(self.instance.engine(), State::new(limits));
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits.lifted);
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(clock::ticks(limits.time));
        let failed = |store: &Store<State>, error| self.failure(function, store.data(), error);
        store
            .set_fuel(limits.fuel)
            .map_err(|error| Error::Engine(error.into()))?;
        let instance = self
            .instance
            .instantiate(&mut store)
            .map_err(|error| failed(&store, error))?;
        let value = call(&mut store, &instance, &self.instance)
            .map_err(|error| Error::Contract {
                component: self.name.clone(),
                source: error.into(),
            })?
            .map_err(|error| failed(&store, error))?;
        let left = store
            .get_fuel()
            .map_err(|error| Error::Engine(error.into()))?;
        let usage = Usage {
            fuel: limits.fuel.saturating_sub(left),
            memory: store.data().limiter.memory(),
        };
        Ok((value, usage))
    }

    /// Tells the limits apart from each other and from the component's own failures.
    fn failure(&self, function: &'static str, state: &State, error: wasmtime::Error) -> Error {
        let component = self.name.clone();
        let limits = self.limits;
        match state.limiter.denied {
            Some(Denied::Memory { asked }) => {
                return Error::Memory {
                    component,
                    asked,
                    limit: limits.memory,
                };
            }
            Some(Denied::Table { asked }) => {
                return Error::Table {
                    component,
                    asked,
                    limit: limits.table_elements,
                };
            }
            None => {}
        }
        if let Some((what, limit)) = counted(&error, &limits) {
            return Error::Count {
                component,
                function,
                what,
                limit,
            };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Error::Fuel {
                component,
                function,
                limit: limits.fuel,
            },
            Some(Trap::Interrupt) => Error::Time {
                component,
                function,
                limit: limits.time,
            },
            Some(Trap::StackOverflow) => Error::Stack {
                component,
                function,
                limit: limits.stack,
            },
            _ if says(&error, "fuel allocated for hostcalls has been exhausted") => Error::Lifted {
                component,
                function,
                limit: limits.lifted,
            },
            _ => {
                let source = Cause::of_a_run(error, state.sealed.wrote());
                Error::Trap {
                    component,
                    function,
                    source,
                }
            }
        }
    }
}

/// Returns the kind of thing that a component had too many of, and its limit, if an error says so.
/// Wasmtime has no types for these.
fn counted(error: &wasmtime::Error, limits: &Limits) -> Option<(&'static str, usize)> {
    [
        ("instance count too high", "instances", limits.instances),
        ("table count too high", "tables", limits.instances),
        ("memory count too high", "memories", limits.instances),
        ("store handle limit exceeded", "handles", limits.handles),
    ]
    .into_iter()
    .find_map(|(text, what, limit)| says(error, text).then_some((what, limit)))
}

/// Returns true if an error or one of its causes says this.
fn says(error: &wasmtime::Error, text: &str) -> bool {
    error.chain().any(|cause| cause.to_string().contains(text))
}
