//! The number of parts that a component unfolds to.
//!
//! A component may hold others and instantiate each as often as it likes, and the engine writes
//! all of that out before anything runs and anything could be limited: thirty components, each of
//! which instantiates the one before twice, are a file of a kilobyte and a billion instances. So
//! the parts are counted first, without writing them out.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Instance, Parser, Payload, Result,
};

/// The most parts that there may be: instances, what they are given and give, functions between
/// them, types. Components with an interpreter in them have some thousands.
pub(super) const MAX_PARTS: u64 = 1_000_000;

/// The parts that a function counts for that leads from a component's types to a module's or
/// back: all that its type is made of is looked at, which may be a million values.
const CANONICAL: u64 = 100;

/// The number for a component whose parts are not known where it is instantiated, because it
/// is an import or an export of an instance. No tool makes components that need this.
const UNKNOWN: u64 = MAX_PARTS + 1;

/// A component or a module that is being read.
#[derive(Default)]
struct Frame {
    /// Modules are compiled once, however often they are instantiated, and hold no components.
    is_module: bool,
    /// The parts that it has of its own and by instantiating others.
    parts: u64,
    /// The parts of each component that it can instantiate, by index.
    components: Vec<u64>,
}

impl Frame {
    fn add(&mut self, parts: u64) {
        self.parts = self.parts.saturating_add(parts);
    }

    fn component(&self, index: u32) -> u64 {
        self.components
            .get(index as usize)
            .copied()
            .unwrap_or(UNKNOWN)
    }
}

/// Counts the parts that a component unfolds to, up to the largest `u64`.
pub(super) fn parts(bytes: &[u8]) -> Result<u64> {
    let mut open: Vec<Frame> = vec![];
    let mut whole = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => {
                let is_module = encoding == Encoding::Module;
                open.push(Frame {
                    is_module,
                    ..Frame::default()
                });
            }
            Payload::End(_) => {
                let closed = open.pop().unwrap_or_default();
                match open.last_mut() {
                    Some(outer) if closed.is_module => outer.add(1),
                    Some(outer) => {
                        outer.add(1);
                        outer.components.push(closed.parts);
                    }
                    None => whole = closed.parts,
                }
            }
            payload => section(payload, &mut open)?,
        }
    }
    Ok(whole)
}

/// Counts what a section adds to the innermost component.
fn section(payload: Payload<'_>, open: &mut [Frame]) -> Result<()> {
    let Some((frame, outer)) = open.split_last_mut().filter(|(frame, _)| !frame.is_module) else {
        return Ok(());
    };
    match payload {
        Payload::InstanceSection(instances) => {
            for instance in instances {
                frame.add(
                    1 + match instance? {
                        Instance::Instantiate { args, .. } => args.len() as u64,
                        Instance::FromExports(exports) => exports.len() as u64,
                    },
                );
            }
        }
        Payload::ComponentInstanceSection(instances) => {
            for instance in instances {
                match instance? {
                    ComponentInstance::Instantiate {
                        component_index,
                        args,
                    } => {
                        frame.add(1 + args.len() as u64);
                        frame.add(frame.component(component_index));
                    }
                    ComponentInstance::FromExports(exports) => frame.add(1 + exports.len() as u64),
                }
            }
        }
        Payload::ComponentAliasSection(aliases) => {
            for alias in aliases {
                frame.add(1);
                match alias? {
                    ComponentAlias::Outer {
                        kind: ComponentOuterAliasKind::Component,
                        count,
                        index,
                    } => {
                        // 0 is the component itself.
                        let from = match (count as usize).checked_sub(1) {
                            None => Some(&*frame),
                            Some(up) => outer.iter().rev().nth(up),
                        };
                        let parts = from.map_or(UNKNOWN, |from| from.component(index));
                        frame.components.push(parts);
                    }
                    ComponentAlias::InstanceExport {
                        kind: ComponentExternalKind::Component,
                        ..
                    } => {
                        frame.components.push(UNKNOWN);
                    }
                    _ => {}
                }
            }
        }
        Payload::ComponentImportSection(imports) => {
            for import in imports {
                frame.add(1);
                if matches!(import?.ty, ComponentTypeRef::Component(_)) {
                    frame.components.push(UNKNOWN);
                }
            }
        }
        Payload::ComponentExportSection(exports) => {
            for export in exports {
                frame.add(1);
                let export = export?;
                // An export is one more name for what it exports.
                if export.kind == ComponentExternalKind::Component {
                    frame.components.push(frame.component(export.index));
                }
            }
        }
        Payload::ComponentCanonicalSection(functions) => {
            frame.add(CANONICAL * u64::from(functions.count()));
        }
        Payload::ComponentTypeSection(types) => frame.add(types.count().into()),
        Payload::CoreTypeSection(types) => frame.add(types.count().into()),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EMBEDDED;

    #[test]
    fn the_built_in_planner_is_far_from_the_limit() {
        let parts = parts(EMBEDDED).unwrap();
        assert!((20..10_000).contains(&parts), "{parts}");
    }
}
