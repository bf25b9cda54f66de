//! Limits of a call into a component, and the limiter that notes which one was hit.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// The part of its limits that a component is given for little work: one of so many.
const PARTS: u32 = 20;
/// No part of the fuel is smaller: about a second, and a thousand times what any built-in policy takes for a small
/// graph. A caller who sets less fuel means just that.
const LEAST_FUEL: u64 = 5_000_000_000;
/// No part of the time is smaller: a machine may have other things to do.
const LEAST_TIME: Duration = Duration::from_secs(10);

/// Limits of one call into a component.
///
/// The defaults are far above what planners need: an endless loop ends after some seconds, and one that is
/// written in Python uses a seventh of the fuel for a closure of 100,000 paths. The built-in planner, whose
/// code is known, has [more fuel](Limits::BUILT_IN_FUEL).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Linear memory, in bytes, over all of the component's memories.
    pub memory: usize,
    /// Table elements, over all of the component's tables.
    pub table_elements: usize,
    /// Instances of core modules, and as many memories and tables, over all that it is made of.
    pub instances: usize,
    /// Handles to resources, its own and those of a sealed WASI, at one time.
    pub handles: usize,
    /// Fuel: about one unit for an instruction, and for each byte that one instruction or a
    /// function of a sealed WASI handles. Unlike time, it makes the same
    /// component with the same request fail or succeed on every machine alike.
    pub fuel: u64,
    /// The time that a call may take: a safety net, for components that are made to take long with
    /// little fuel. It does not apply to the built-in planner.
    pub time: Duration,
    /// The stack of the compiled code, in bytes. Must fit into the calling thread's.
    pub stack: usize,
    /// The size of a result, in bytes, when it is lifted out of the component.
    pub lifted: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 512 << 20,
            table_elements: 100_000,
            instances: 64,
            handles: 10_000,
            fuel: 20_000_000_000,
            time: Duration::from_secs(30),
            stack: 1 << 20,
            lifted: 64 << 20,
        }
    }
}

impl Limits {
    /// The fuel of the built-in planner if a caller's limits have less: far more than it needs for a closure of
    /// 100,000 paths.
    pub const BUILT_IN_FUEL: u64 = 100_000_000_000;

    /// The limits of a call with little to do, such as `describe` and a plan of a small graph: a part of the
    /// fuel and the time, or all where that is little already.
    #[must_use]
    pub fn quick(mut self) -> Self {
        if self.fuel > LEAST_FUEL {
            self.fuel = LEAST_FUEL.max(self.fuel / u64::from(PARTS));
            self.time = self.time.min(LEAST_TIME.max(self.time / PARTS));
        }
        self
    }
}

/// The fuel and memory that one call into a component used up. The same component with the same
/// request uses the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Fuel, in the units of [`Limits::fuel`], instantiation included.
    pub fuel: u64,
    /// Linear memory at the end of the call, in bytes, over all memories. It never shrinks,
    /// so this is the peak.
    pub memory: usize,
}

/// A limit that was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    Memory { asked: usize },
    Table { asked: usize },
}

/// Counts what a store uses and remembers what it denied, so that the host can say
/// which limit it was.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    memory: usize,
    table_elements: usize,
    pub(super) denied: Option<Denied>,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            memory: 0,
            table_elements: 0,
            denied: None,
        }
    }

    /// The linear memory in use, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    fn deny(&mut self, denied: Denied) -> wasmtime::Result<bool> {
        self.denied = Some(denied);
        // An error traps at once; `false` would leave it to the component.
        Err(wasmtime::Error::msg("denied by the host's limits"))
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self.memory.saturating_add(desired.saturating_sub(current));
        if asked > self.limits.memory {
            return self.deny(Denied::Memory { asked });
        }
        self.memory = asked;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if asked > self.limits.table_elements {
            return self.deny(Denied::Table { asked });
        }
        self.table_elements = asked;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.instances
    }

    fn memories(&self) -> usize {
        self.limits.instances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_never_more_than_all_and_never_tiny() {
        for (fuel, quick) in [
            (1, 1),
            (1000, 1000),
            (LEAST_FUEL, LEAST_FUEL),
            (LEAST_FUEL + 1, LEAST_FUEL),
            (100_000_000_000, LEAST_FUEL),
            (1_000_000_000_000, 50_000_000_000),
            (u64::MAX, u64::MAX / 20),
        ] {
            let limits = Limits {
                fuel,
                ..Limits::default()
            };
            let less = limits.quick();
            assert_eq!(
                (less.fuel, less.time < limits.time),
                (quick, quick < fuel),
                "{fuel}"
            );
        }
        for (seconds, quick) in [(1, 1), (10, 10), (30, 10), (600, 30)] {
            let limits = Limits {
                time: Duration::from_secs(seconds),
                ..Limits::default()
            };
            assert_eq!(limits.quick().time, Duration::from_secs(quick));
        }
    }

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = Limiter::new(Limits {
            memory: 100,
            ..Limits::default()
        });
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(limiter.memory_growing(60, 61, None).is_err());
        assert_eq!(limiter.denied, Some(Denied::Memory { asked: 101 }));
    }

    #[test]
    fn tables_are_counted_together() {
        let mut limiter = Limiter::new(Limits {
            table_elements: 10,
            ..Limits::default()
        });
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(limiter.table_growing(0, 1, None).is_err());
        assert_eq!(limiter.denied, Some(Denied::Table { asked: 11 }));
    }
}
