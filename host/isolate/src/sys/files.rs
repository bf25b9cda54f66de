//! The kernel's word on files.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::checked;
use super::memory::Plain;

/// Returns what the kernel says of a file: of `path` below `directory`, or of the descriptor
/// itself where the path is empty and the flags have `AT_EMPTY_PATH`.
pub(crate) fn statx(
    directory: BorrowedFd<'_>,
    path: &CStr,
    flags: i32,
    mask: u32,
) -> Result<libc::statx, Errno> {
    let mut found = libc::statx::zeroed();
    // Safety: the descriptor is open, the path ends with a NUL, and the kernel writes one
    // structure to `found`; all outlive the call.
    let result = unsafe {
        libc::statx(
            directory.as_raw_fd(),
            path.as_ptr(),
            flags,
            mask,
            &raw mut found,
        )
    };
    checked(libc::c_long::from(result))?;
    Ok(found)
}
