//! Values that the components within a component pass to each other.
//!
//! Texts that one hands to another are copied and converted by the engine itself, which takes no
//! fuel for it: a loop of calls, each with half of the memory, has no end that anyone lives to see.

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentTypeRef,
    Parser, Payload, Result,
};

/// Returns true if a component calls functions with values in memory, and they are not the host's;
/// false for what is not a valid component.
pub(super) fn pass_values(bytes: &[u8]) -> bool {
    found(bytes).unwrap_or(false)
}

/// For the functions and instances of the outermost component, whether the host gives them.
#[derive(Default)]
struct Given {
    functions: Vec<bool>,
    instances: Vec<bool>,
}

fn found(bytes: &[u8]) -> Result<bool> {
    let mut depth: usize = 0;
    let mut given = Given::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions {
                    match function? {
                        CanonicalFunction::Lift { .. } if depth == 1 => given.functions.push(false),
                        CanonicalFunction::Lower {
                            func_index,
                            options,
                        } => {
                            let host = depth == 1 && is(&given.functions, func_index);
                            if !host
                                && options
                                    .iter()
                                    .any(|o| matches!(o, CanonicalOption::Memory(_)))
                            {
                                return Ok(true);
                            }
                        }
                        _ => {}
                    }
                }
            }
            payload if depth == 1 => given.add(payload)?,
            _ => {}
        }
    }
    Ok(false)
}

impl Given {
    /// Counts what a section of the outermost component adds.
    fn add(&mut self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    match import?.ty {
                        ComponentTypeRef::Func(_) => self.functions.push(true),
                        ComponentTypeRef::Instance(_) => self.instances.push(true),
                        _ => {}
                    }
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                // Read and not counted: a section may say that it has more than there are.
                for instance in instances {
                    instance?;
                    self.instances.push(false);
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    if let ComponentAlias::InstanceExport {
                        kind,
                        instance_index,
                        ..
                    } = alias?
                    {
                        self.push(kind, is(&self.instances, instance_index));
                    }
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    // An export is one more name for what it exports.
                    let export = export?;
                    let host = match export.kind {
                        ComponentExternalKind::Func => is(&self.functions, export.index),
                        _ => is(&self.instances, export.index),
                    };
                    self.push(export.kind, host);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, kind: ComponentExternalKind, host: bool) {
        match kind {
            ComponentExternalKind::Func => self.functions.push(host),
            ComponentExternalKind::Instance => self.instances.push(host),
            _ => {}
        }
    }
}

fn is(list: &[bool], index: u32) -> bool {
    list.get(index as usize).copied().unwrap_or(false)
}
