//! The cost of instructions in fuel.
//!
//! Nearly all cost one unit, and take a quarter of a nanosecond to some nanoseconds. Those that
//! the engine does by a call of its own take up to two hundred times as long, whatever they are
//! given to do, so they cost what they take. What one instruction does for each byte or element
//! costs a unit each, as the engine has it.

use wasmtime::{OperatorCost, VariableOperatorCost};

/// An instruction that leaves compiled code, and takes a lock or looks at limits there: 40 to 100
/// nanoseconds.
const HEAVY: u8 = 100;
/// One that leaves compiled code and does little there, or looks at bounds first: up to ten
/// nanoseconds.
const LIGHT: u8 = 10;

/// The costs of all instructions, measured with wasmtime 48 on x86-64.
pub(super) fn costs() -> OperatorCost {
    OperatorCost {
        MemoryGrow: HEAVY,
        TableGrow: HEAVY,
        // What it makes is looked up by a call each time.
        RefFunc: HEAVY,
        MemoryFill: HEAVY,
        MemoryCopy: LIGHT,
        MemoryInit: LIGHT,
        DataDrop: LIGHT,
        TableFill: LIGHT,
        TableCopy: LIGHT,
        TableInit: LIGHT,
        ElemDrop: LIGHT,
        // A size that the memory's limit refuses is counted, too.
        variable: VariableOperatorCost {
            memory_grow_per_page: 1,
            ..VariableOperatorCost::new()
        },
        ..OperatorCost::new()
    }
}
