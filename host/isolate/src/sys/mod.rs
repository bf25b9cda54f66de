//! System calls that no library has a safe form of. The only module with `unsafe` code.
#![allow(
    unsafe_code,
    reason = "raw system calls; each block says why it is sound"
)]

pub(crate) mod clock;
pub(crate) mod files;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod seccomp;

use rustix::io::Errno;

/// Returns what a system call returned, or its error.
fn checked(value: libc::c_long) -> Result<libc::c_long, Errno> {
    if value == -1 {
        let errno = std::io::Error::last_os_error().raw_os_error();
        return Err(Errno::from_raw_os_error(errno.unwrap_or(libc::EIO)));
    }
    Ok(value)
}
