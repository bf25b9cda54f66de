//! The time that code takes to compile.
//!
//! Most of it takes as long as it is large, but a function with many branches takes the square of
//! their number, and so does memory with many segments of data. What follows was measured with
//! wasmtime 48: a unit of work is about what the compiler does for one plain instruction.

use wasmparser::{ElementItems, ElementSectionReader, FunctionBody, Operator, Parser, Payload};

/// The most work for a function. The largest of Python's interpreter takes a seventh.
const MAX_FUNCTION: u64 = 5_000_000;
/// The most work for all of a component. Interpreters of Python and JavaScript take a tenth.
const MAX_WORK: u64 = 80_000_000;

/// The work for each function, whatever is in it, in time and memory, and for each type.
const FUNCTION: u64 = 200;
/// The work for a call, and for an instruction that is one.
const CALL: u64 = 12;
/// The work for each item of a segment of elements: little time, and more memory than a call.
const ELEMENT: u64 = 100;
/// The factor of the square of the number of a module's data segments.
const SEGMENTS_SQUARED: u64 = 15;
/// The weight of a way through the code, among the ways whose square is taken.
const BLOCK: u64 = 1;
const BRANCH: u64 = 3;
const LOOP: u64 = 9;
/// The squares that make a unit of work.
const SQUARES_FOR_A_UNIT: u64 = 1000;

/// Returns the kind of code that would take too long to compile.
pub(super) fn excess(bytes: &[u8]) -> Option<&'static str> {
    let mut whole: u64 = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::CodeSectionEntry(body) => {
                let work = work(&body);
                if work > MAX_FUNCTION {
                    return Some("a function");
                }
                whole = whole.saturating_add(work);
            }
            Payload::TypeSection(types) => {
                whole = whole.saturating_add(FUNCTION * u64::from(types.count()));
            }
            Payload::ElementSection(segments) => whole = whole.saturating_add(elements(segments)),
            Payload::DataSection(segments) => {
                let count = u64::from(segments.count());
                let squares = count.saturating_mul(count).saturating_mul(SEGMENTS_SQUARED);
                whole = whole.saturating_add(squares / SQUARES_FOR_A_UNIT);
            }
            _ => {}
        }
        if whole > MAX_WORK {
            return Some("code");
        }
    }
    None
}

/// The work for segments of elements, up to where they cannot be read.
fn elements(segments: ElementSectionReader<'_>) -> u64 {
    segments
        .into_iter()
        .map_while(Result::ok)
        .map(|segment| match segment.items {
            ElementItems::Functions(items) => items.count(),
            ElementItems::Expressions(_, items) => items.count(),
        })
        .fold(0, |sum: u64, count| {
            sum.saturating_add(ELEMENT * (1 + u64::from(count)))
        })
}

/// The work for a function, up to where it cannot be read.
fn work(body: &FunctionBody<'_>) -> u64 {
    let (mut plain, mut ways): (u64, u64) = (FUNCTION, 0);
    let operators = body.get_operators_reader().into_iter().flatten();
    for operator in operators.map_while(Result::ok) {
        match operator {
            Operator::Block { .. } | Operator::Else => ways += BLOCK,
            Operator::If { .. }
            | Operator::BrIf { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. } => ways += BRANCH,
            Operator::BrTable { targets } => {
                ways += BRANCH;
                plain += u64::from(targets.len());
            }
            Operator::Loop { .. } => ways += LOOP,
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryInit { .. }
            | Operator::MemoryGrow { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableInit { .. }
            | Operator::TableGrow { .. } => plain += CALL,
            _ => {}
        }
        plain += 1;
    }
    plain.saturating_add(ways.saturating_mul(ways) / SQUARES_FOR_A_UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EMBEDDED;

    #[test]
    fn the_built_in_planner_is_far_from_the_limit() {
        let works: Vec<u64> = Parser::new(0)
            .parse_all(EMBEDDED)
            .filter_map(|payload| match payload {
                Ok(Payload::CodeSectionEntry(body)) => Some(work(&body)),
                _ => None,
            })
            .collect();
        let (largest, whole) = (
            works.iter().max().copied().unwrap_or(0),
            works.iter().sum::<u64>(),
        );
        assert!((1000..MAX_FUNCTION / 20).contains(&largest), "{largest}");
        assert!((100_000..MAX_WORK / 50).contains(&whole), "{whole}");
        assert_eq!(excess(EMBEDDED), None);
    }
}
