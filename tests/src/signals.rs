//! The effect of signals on the binary under test, however the tests were started.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

/// Lets the programs that this process starts begin with the default for the signals that end a
/// run.
///
/// A shell that starts the tests in the background, or `nohup`, has signals ignored. Programs
/// inherit that, and terrine rightly keeps to it. What a process handles, on the other hand,
/// is the default for those that it starts, so what is ignored gets a handler that does nothing.
pub(crate) fn are_the_default() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = ignored();
        let ignored = |signal: &i32| ignored >> (signal - 1) & 1 == 1;
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT]
            .into_iter()
            .filter(ignored)
        {
            flag::register(signal, Arc::new(AtomicBool::new(false))).unwrap();
        }
    });
}

/// The signals that this process ignores, the first one in the lowest bit.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
