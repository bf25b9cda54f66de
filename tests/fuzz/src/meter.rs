//! The cost of an input: the memory of the thread that reads it, and the time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    /// The bytes that the thread has taken and not given back.
    static HELD: Cell<isize> = const { Cell::new(0) };
    /// The most that this has been since [`measure`] began.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, which counts for each thread. A program that measures makes it its global
/// allocator. What libraries in C take (SQLite, zstd) is not counted.
#[derive(Debug, Clone, Copy)]
pub struct Meter;

fn count(bytes: isize) {
    let held = HELD.get().wrapping_add(bytes);
    HELD.set(held);
    if held > PEAK.get() {
        PEAK.set(held);
    }
}

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: every call is passed on as it is to the system's allocator, which keeps the contract. Counting
// neither allocates nor panics: the cells are initialised by constants and have no destructor.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The cost of something.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// The most memory that it held at once, in bytes.
    pub memory: usize,
    /// The time that it took.
    pub time: Duration,
}

/// Runs something and returns its cost.
pub fn measure<T>(run: impl FnOnce() -> T) -> (T, Cost) {
    let before = HELD.get();
    PEAK.set(before);
    let start = Instant::now();
    let result = run();
    let cost = Cost {
        memory: usize::try_from(PEAK.get() - before).unwrap_or(0),
        time: start.elapsed(),
    };
    (result, cost)
}
