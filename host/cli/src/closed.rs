//! A check that the process was started with a standard output.
//!
//! The standard library opens `/dev/null` in the place of a standard stream that is closed, before `main` runs: what
//! is written would be lost without a word. So this looks before it does.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, fcntl_getfd};

/// True if standard output was closed when the process began.
static CLOSED: AtomicBool = AtomicBool::new(false);

extern "C" fn look() {
    let flags = fcntl_getfd(rustix::stdio::stdout());
    CLOSED.store(flags == Err(Errno::BADF), Ordering::Relaxed);
}

// Safety: what is in this section has to be functions that can be called before `main`, with nothing of the standard
// library set up. This one makes a system call and stores a value.
#[expect(unsafe_code, reason = "there is no other way to run before `main`")]
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static LOOK: extern "C" fn() = look;

/// Checks that there is a standard output.
///
/// # Errors
///
/// The system's error for one that is closed.
pub(super) fn check() -> io::Result<()> {
    if CLOSED.load(Ordering::Relaxed) {
        return Err(Errno::BADF.into());
    }
    Ok(())
}
