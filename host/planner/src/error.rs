//! Errors between the host and a component.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use terrine_oci::Digest;
use terrine_support::hint::Hint;

use super::contract::CONTRACT;
use super::describe::DescriptionFault;
use super::layering::ErrorKind;
use super::sanitize;
use super::validate::Violation;

/// A failure of a component, or of the host to run it. Each names the component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine that runs components cannot be set up on this machine.
    #[error("setting up the engine for planners")]
    Engine(#[source] Cause),
    /// The file of a component cannot be read.
    #[error("reading the planner `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The file is larger than any component that is meant.
    #[error("the planner `{}` has more than {} MiB, which is the limit", path.display(), limit >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// The component is not the one that the user pinned.
    #[error("planner `{component}` has the digest `{found}`, not the pinned `{expected}`")]
    Pin {
        /// The component's name, as the user knows it.
        component: String,
        /// The digest that it has to have.
        expected: Digest,
        /// The digest that it has.
        found: Digest,
    },
    /// The bytes are WebAssembly in its text format.
    #[error("`{component}` is WebAssembly in the text format, which is not supported")]
    Text {
        /// The component's name, as the user knows it.
        component: String,
    },
    /// The bytes are a core module.
    #[error("`{component}` is a core WebAssembly module, but a planner must be a component")]
    Module {
        /// The component's name, as the user knows it.
        component: String,
    },
    /// The bytes are something else.
    #[error("`{component}` is not WebAssembly")]
    NotWasm {
        /// The component's name, as the user knows it.
        component: String,
    },
    /// The bytes are not a component that this host can compile.
    #[error("`{component}` is not a supported WebAssembly component")]
    NotAComponent {
        /// The component's name, as the user knows it.
        component: String,
        /// The error of the engine.
        #[source]
        source: Cause,
    },
    /// The process that compiles components cannot be had.
    #[error("compiling planners with `{}`", program.display())]
    Compiler {
        /// The program that was started.
        program: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// Compiling the component takes too long.
    #[error("planner `{component}` takes more than {} s of processor time to compile", limit.as_secs())]
    CompileTime {
        /// The component's name, as the user knows it.
        component: String,
        /// The time that it may take.
        limit: Duration,
    },
    /// Compiling the component takes too much memory.
    #[error("planner `{component}` takes more than {} MiB of memory to compile", limit >> 20)]
    CompileMemory {
        /// The component's name, as the user knows it.
        component: String,
        /// The memory that it may take, in bytes.
        limit: u64,
    },
    /// Compiling the component ended by itself.
    #[error("compiling planner `{component}` was ended by {how}")]
    CompileEnded {
        /// The component's name, as the user knows it.
        component: String,
        /// The reason why it ended.
        how: String,
    },
    /// The component instantiates what it holds so often that it cannot be compiled.
    #[error("planner `{component}` expands to more than {limit} parts, which is the limit")]
    Extent {
        /// The component's name, as the user knows it.
        component: String,
        /// The number of instances, functions between them and types that it may have.
        limit: u64,
    },
    /// The component has others, or types, in each other deeper than can be read.
    #[error("planner `{component}` has {what} nested more than {limit} deep")]
    Depth {
        /// The component's name, as the user knows it.
        component: String,
        /// The kind of things that are in each other.
        what: &'static str,
        /// The depth that is allowed.
        limit: usize,
    },
    /// The component has code that is made to take long.
    #[error("planner `{component}` has {what} that would take too long to compile")]
    Work {
        /// The component's name, as the user knows it.
        component: String,
        /// The part that would.
        what: &'static str,
    },
    /// The component is made of others that pass each other what lies in memory.
    #[error(
        "planner `{component}` is made of components that pass texts or lists to each other, which fuel does not measure"
    )]
    Passing {
        /// The component's name, as the user knows it.
        component: String,
    },
    /// The component wants something from the host that it is not given.
    #[error("planner `{component}` imports {}; {}", listed(imports), rule(*sealed))]
    Imports {
        /// The component's name, as the user knows it.
        component: String,
        /// The imports that it is not given.
        imports: Vec<String>,
        /// True if it is given a sealed WASI.
        sealed: bool,
        /// True if a sealed WASI would have everything that it imports.
        sealable: bool,
    },
    /// The component exports no policies, of whatever version.
    #[error(
        "planner `{component}` does not export `terrine:planner/layering@0.1.0`; it exports {}",
        listed(exports)
    )]
    World {
        /// The component's name, as the user knows it.
        component: String,
        /// The names of its exports.
        exports: Vec<String>,
    },
    /// The component is made for another version of the contract.
    #[error(
        "planner `{component}` exports {}, but this terrine supports {CONTRACT}",
        listed(versions)
    )]
    Version {
        /// The component's name, as the user knows it.
        component: String,
        /// The interfaces that it exports, with their versions.
        versions: Vec<String>,
        /// True if all of them are newer than that of this host.
        newer: bool,
    },
    /// An export of the component has the right name and is no interface.
    #[error(
        "planner `{component}` exports `terrine:planner/layering@0.1.0`, but not as an interface"
    )]
    NotAnInterface {
        /// The component's name, as the user knows it.
        component: String,
    },
    /// The component's exports have other types than the contract has.
    #[error("planner `{component}` does not fit the contract {CONTRACT}")]
    Contract {
        /// The component's name, as the user knows it.
        component: String,
        /// The error of the engine.
        #[source]
        source: Cause,
    },
    /// The component asked for more memory than it may have.
    #[error("planner `{component}` asked for {} of memory, the limit is {}", bytes(*asked), bytes(*limit))]
    Memory {
        /// The component's name, as the user knows it.
        component: String,
        /// The memory that it would have had in all, in bytes.
        asked: usize,
        /// The memory that it may have, in bytes.
        limit: usize,
    },
    /// The component asked for more table elements than it may have.
    #[error("planner `{component}` asked for {asked} table elements, the limit is {limit}")]
    Table {
        /// The component's name, as the user knows it.
        component: String,
        /// The number that it would have had in all.
        asked: usize,
        /// The number that it may have.
        limit: usize,
    },
    /// The component has more instances, memories or tables, or holds more handles, than it may.
    #[error(
        "planner `{component}` asked for too much in `{function}`: {what}, the limit is {limit}"
    )]
    Count {
        /// The component's name, as the user knows it.
        component: String,
        /// The function that was called.
        function: &'static str,
        /// The kind of things that there were too many of.
        what: &'static str,
        /// The number that it may have.
        limit: usize,
    },
    /// The component used up its fuel.
    #[error("planner `{component}` used up its fuel in `{function}`, the limit is {limit} units")]
    Fuel {
        /// The component's name, as the user knows it.
        component: String,
        /// The function that was called.
        function: &'static str,
        /// The fuel that it may use.
        limit: u64,
    },
    /// The component ran for too long, with fuel left.
    #[error("planner `{component}` took longer than {} s in `{function}`, with fuel left", limit.as_secs_f64())]
    Time {
        /// The component's name, as the user knows it.
        component: String,
        /// The function that was called.
        function: &'static str,
        /// The time that it may take.
        limit: Duration,
    },
    /// The component's calls went deeper than its stack.
    #[error("planner `{component}` overflowed its stack in `{function}`, the limit is {}", bytes(*limit))]
    Stack {
        /// The component's name, as the user knows it.
        component: String,
        /// The function that was called.
        function: &'static str,
        /// The stack that it may use, in bytes.
        limit: usize,
    },
    /// The component returned more data than the host takes.
    #[error("planner `{component}` returned more data from `{function}` than the limit of {}", bytes(*limit))]
    Lifted {
        /// The component's name, as the user knows it.
        component: String,
        /// The function that was called.
        function: &'static str,
        /// The data that it may return, in bytes.
        limit: usize,
    },
    /// The component failed in a way that is its own fault.
    #[error("planner `{component}` failed in `{function}`")]
    Trap {
        /// The component's name, as the user knows it.
        component: String,
        /// The function that was called.
        function: &'static str,
        /// The error of the engine, with the component's backtrace.
        #[source]
        source: Cause,
    },
    /// The component says that the request cannot be met.
    #[error("{}{}{message}", by(component, *embedded), place(field.as_deref()))]
    Refused {
        /// The component's name, as the user knows it.
        component: String,
        /// True for the built-in one, which need not be named.
        embedded: bool,
        /// The kind of failure, where it is one of a plan.
        kind: Option<ErrorKind>,
        /// The component's message.
        message: String,
        /// The field of the request that is to blame.
        field: Option<String>,
        /// The remedy for the user.
        hint: Option<String>,
    },
    /// The component's description of itself breaks a rule.
    #[error("planner `{component}` has a description that the contract does not allow")]
    Description {
        /// The component's name, as the user knows it.
        component: String,
        /// The rule.
        #[source]
        source: DescriptionFault,
    },
    /// The component does not have the policy that was asked for.
    #[error("planner `{component}` has no policy `{policy}`")]
    UnknownPolicy {
        /// The component's name, as the user knows it.
        component: String,
        /// The policy.
        policy: String,
        /// The remedy for the user: the policies that exist.
        hint: String,
    },
    /// An option that the policy's schema does not have, or one that it has to have.
    #[error("`{field}`: {why}")]
    Option {
        /// The option, as `options.spread`.
        field: String,
        /// The fault, with the names of component and policy.
        why: String,
        /// The remedy for the user.
        hint: String,
    },
    /// The component's plan breaks a rule.
    #[error("planner `{component}` made an invalid plan")]
    InvalidPlan {
        /// The component's name, as the user knows it.
        component: String,
        /// The rule, with an example.
        #[source]
        source: Violation,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        let hint: &str = match self {
            Self::Refused { hint, .. } => return hint.as_deref().map(Cow::from),
            Self::UnknownPolicy { hint, .. } | Self::Option { hint, .. } => hint,
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "name the file of a component; `terrine planner list` shows the policies that are built in"
            }
            Self::Pin { .. } => {
                "check what has changed, and pin the new digest if the change is intended"
            }
            Self::Text { .. } => {
                "convert it to binary: `wasm-tools parse policy.wat -o policy.wasm`"
            }
            Self::Module { .. } => {
                "convert it to a component: `terrine planner componentize module.wasm -o component.wasm`"
            }
            Self::NotWasm { .. }
            | Self::World { .. }
            | Self::Contract { .. }
            | Self::NotAnInterface { .. } => {
                "build a component for the world `terrine:planner/policy@0.1.0`, which is in `wit/` of terrine's sources"
            }
            Self::NotAComponent { .. } => "rebuild it; `wasm-tools validate` reports what is wrong",
            Self::Imports { sealed: true, .. } => {
                "the sealed WASI gives no access to the outside: build it without these imports"
            }
            Self::Imports { sealable: true, .. } => {
                "if its language needs WASI, `--sealed-wasi` provides one that gives no access to the outside"
            }
            Self::Imports { .. } => {
                "build it for a target that needs no host, such as `wasm32-unknown-unknown`"
            }
            Self::Version { newer: true, .. } => {
                "use a newer terrine, or build the component for `terrine:planner/policy@0.1.0`"
            }
            Self::Version { .. } => "rebuild the component for `terrine:planner/policy@0.1.0`",
            Self::Extent { .. } => {
                "a nested component counts once for each of its instances: use fewer instances"
            }
            Self::Depth { .. } => "no compiler makes such components: check its origin",
            Self::Passing { .. } => {
                "link its modules into one before you convert it to a component"
            }
            Self::Work { .. } => {
                "the time grows with the square of the branches in a function: use smaller functions"
            }
            Self::CompileTime { .. } => {
                "the output of compilers takes less: check its origin; `--compile-time` allows more"
            }
            Self::CompileMemory { .. } => {
                "the output of compilers takes less: check its origin; `--compile-memory` allows more"
            }
            Self::CompileEnded { .. } => "no compiler makes such components: check its origin",
            Self::Description { .. } => {
                "correct its `describe`; the rules are in `wit/` of terrine's sources"
            }
            Self::Fuel {
                function: "describe",
                ..
            }
            | Self::Time {
                function: "describe",
                ..
            } => "`describe` gets only a fraction of the limit of a plan: check what it computes",
            Self::Time { .. } => {
                "all its fuel lasts for some seconds: check how it uses its memory; `--planner-time` allows more"
            }
            Self::Fuel { .. } => {
                "`terrine planner check` shows what it uses on graphs of many kinds; `--planner-fuel` allows more"
            }
            Self::Memory { .. } | Self::Stack { .. } | Self::Table { .. } => {
                "`terrine planner check` shows what it uses on graphs of many kinds"
            }
            _ => return None,
        };
        Some(hint.into())
    }
}

/// An error of the engine, with its chain of causes, and what the component wrote before.
///
/// A type of our own, so that nothing outside this module depends on the engine.
#[derive(Debug)]
pub struct Cause {
    error: wasmtime::Error,
    /// True if the component was running.
    ran: bool,
    /// The end of what it wrote to a sealed stderr.
    wrote: String,
}

impl Cause {
    /// Takes the engine's error about a component that ran, and what that wrote.
    pub(super) fn of_a_run(error: wasmtime::Error, wrote: String) -> Self {
        Self {
            error,
            ran: true,
            wrote,
        }
    }
}

impl From<wasmtime::Error> for Cause {
    fn from(error: wasmtime::Error) -> Self {
        Self {
            error,
            ran: false,
            wrote: String::new(),
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It speaks of functions by the names that the component gives them.
        let mut chain: Vec<String> = self
            .error
            .chain()
            .map(|cause| sanitize::lines(&cause.to_string()))
            .collect();
        // Why it ended comes before where it was, which may be long.
        if self.ran {
            chain.reverse();
        }
        if self.wrote.is_empty() {
            return f.write_str(&chain.join(": "));
        }
        let (first, rest) = chain
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first, rest));
        writeln!(f, "{first}; before that it wrote:")?;
        self.wrote
            .lines()
            .try_for_each(|line| writeln!(f, "    {line}"))?;
        write!(f, "  {}", rest.join(": "))
    }
}

impl std::error::Error for Cause {}

impl Hint for Cause {}

/// The number of names of a list that are said.
const LISTED: usize = 5;

/// Names as a person reads them: a component may have any number.
fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .take(LISTED)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len().saturating_sub(LISTED) {
        _ if names.is_empty() => "nothing".to_owned(),
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}

fn rule(sealed: bool) -> &'static str {
    if sealed {
        "a planner must import nothing beyond the sealed WASI"
    } else {
        "a planner must import nothing"
    }
}

fn by(component: &str, embedded: bool) -> String {
    if embedded {
        String::new()
    } else {
        format!("planner `{component}` refuses: ")
    }
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
