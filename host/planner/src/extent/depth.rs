//! The depth of components and their types in each other.
//!
//! The engine reads types that hold types by calling itself, so that a few kilobytes of them use
//! up the stack; of components it keeps for each level what all levels around it have.

use wasmparser::{Parser, Payload};

/// The depth that components may have in each other, and types within one section. Tools make a handful.
pub(super) const MAX_DEPTH: usize = 200;

/// The first bytes of the definition of a component or instance type within another: the tag of a
/// declaration that is a type, and that of the type.
const INNER_TYPES: [[u8; 2]; 2] = [[0x01, 0x41], [0x01, 0x42]];

/// Returns the kind of things that are in each other deeper than they may be.
pub(super) fn excess(bytes: &[u8]) -> Option<&'static str> {
    let mut depth: usize = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentTypeSection(types)
                if bytes
                    .get(types.range())
                    .is_some_and(|section| inner_types(section) > MAX_DEPTH) =>
            {
                return Some("types");
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some("components");
        }
    }
    None
}

/// Returns the most types that there can be within types of a section. Their depth is less than
/// that, and can only be told by reading them.
fn inner_types(section: &[u8]) -> usize {
    section
        .windows(2)
        .filter(|pair| INNER_TYPES.iter().any(|inner| inner == pair))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EMBEDDED;

    #[test]
    fn the_built_in_planner_is_far_from_the_limit() {
        assert_eq!(excess(EMBEDDED), None);
    }
}
