//! What can go wrong between the host and a component.

use super::validate::Violation;

/// A failure of a component, or of the host to run it. Each names the component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine that runs components can not be set up on this machine.
    #[error("setting up the engine for planners")]
    Engine(#[source] Cause),
    /// The bytes are not a component that this host can compile.
    #[error("`{component}` is not a WebAssembly component that can be run here")]
    NotAComponent {
        /// The component's name, as the user knows it.
        component: String,
        /// What the engine says.
        #[source]
        source: Cause,
    },
    /// The component wants something from the host. There is nothing to be had.
    #[error("planner `{component}` imports `{import}`; a planner must import nothing")]
    Imports {
        /// The component's name, as the user knows it.
        component: String,
        /// The first thing that it imports.
        import: String,
    },
    /// The component does not export what the contract asks for.
    #[error("planner `{component}` does not fit the contract {contract}")]
    Contract {
        /// The component's name, as the user knows it.
        component: String,
        /// The contract of this host.
        contract: &'static str,
        /// What the engine says.
        #[source]
        source: Cause,
    },
    /// The component asked for more memory than it may have.
    #[error("planner `{component}` asked for {} of memory, the limit is {}", bytes(*asked), bytes(*limit))]
    Memory {
        /// The component's name, as the user knows it.
        component: String,
        /// What it would have had in all, in bytes.
        asked: usize,
        /// What it may have, in bytes.
        limit: usize,
    },
    /// The component asked for more table elements than it may have.
    #[error("planner `{component}` asked for {asked} table elements, the limit is {limit}")]
    Table {
        /// The component's name, as the user knows it.
        component: String,
        /// What it would have had in all.
        asked: usize,
        /// What it may have.
        limit: usize,
    },
    /// The component used up its fuel.
    #[error("planner `{component}` used up its fuel in `{function}`, the limit is {limit} units")]
    Fuel {
        /// The component's name, as the user knows it.
        component: String,
        /// The function that was called.
        function: &'static str,
        /// What it may use.
        limit: u64,
    },
    /// The component's calls went deeper than its stack.
    #[error("planner `{component}` overflowed its stack in `{function}`, the limit is {}", bytes(*limit))]
    Stack {
        /// The component's name, as the user knows it.
        component: String,
        /// The function that was called.
        function: &'static str,
        /// What it may use, in bytes.
        limit: usize,
    },
    /// The component returned more data than the host takes.
    #[error("planner `{component}` returned more data from `{function}` than the limit of {}", bytes(*limit))]
    Lifted {
        /// The component's name, as the user knows it.
        component: String,
        /// The function that was called.
        function: &'static str,
        /// What it may return, in bytes.
        limit: usize,
    },
    /// The component failed in a way that is its own fault.
    #[error("planner `{component}` failed in `{function}`")]
    Trap {
        /// The component's name, as the user knows it.
        component: String,
        /// The function that was called.
        function: &'static str,
        /// What the engine says, with the component's backtrace.
        #[source]
        source: Cause,
    },
    /// The component says that the request can not be met.
    #[error("{}{message}", place(field.as_deref()))]
    Refused {
        /// The component's name, as the user knows it.
        component: String,
        /// What went wrong.
        message: String,
        /// The field of the request that is to blame.
        field: Option<String>,
        /// What the user can do about it.
        hint: Option<String>,
    },
    /// The component's plan breaks a rule.
    #[error("planner `{component}` made a plan that can not be used")]
    InvalidPlan {
        /// The component's name, as the user knows it.
        component: String,
        /// The rule, with an example.
        #[source]
        source: Violation,
    },
}

impl Error {
    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

/// What the engine says, with its chain of causes.
///
/// A type of our own, so that nothing outside this module depends on the engine.
#[derive(Debug)]
pub struct Cause(wasmtime::Error);

impl From<wasmtime::Error> for Cause {
    fn from(error: wasmtime::Error) -> Self {
        Self(error)
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The root cause is the one that speaks of the component.
        f.write_str(&chain(self.0.chain()))
    }
}

impl std::error::Error for Cause {}

/// A chain of causes as one line.
pub(super) fn chain<E: ToString>(causes: impl Iterator<Item = E>) -> String {
    causes.map(|cause| cause.to_string()).collect::<Vec<_>>().join(": ")
}

fn place(field: Option<&str>) -> String {
    field.map_or_else(String::new, |field| format!("`{field}`: "))
}

/// A number of bytes as a person reads it, exact where it is whole.
fn bytes(count: usize) -> String {
    match count {
        _ if count >= 1 << 20 => format!("{} MiB", count.div_ceil(1 << 20)),
        _ if count >= 1 << 10 => format!("{} KiB", count.div_ceil(1 << 10)),
        _ => format!("{count} bytes"),
    }
}
