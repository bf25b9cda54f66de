//! The clock that file systems read.

/// Returns the time of birth of a file that is made now, in seconds and nanoseconds since 1970. It moves in steps of 1
/// to 10 ms.
///
/// rustix has this clock as well, but only with a feature by which it, and wasmtime with it, would be built twice.
pub(crate) fn coarse_now() -> (i64, u32) {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // Safety: the kernel writes one structure to `now`, which outlives the call. It fails for unknown clocks alone.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut now) };
    (now.tv_sec, now.tv_nsec as u32)
}
