//! The memory of a process that waits for an answer.

use std::os::raw::c_void;

use rustix::io::Errno;

use super::checked;

/// The longest path that the kernel takes, with the NUL that ends it.
const PATH_MAX: usize = 4096;
/// The most that is read at once, in bytes: never across the end of a page, behind which may be nothing.
const PAGE: u64 = 4096;

/// Reads a part of the memory of a process. Returns how many bytes there were.
fn read(pid: i32, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast::<c_void>(),
        iov_len: buffer.len(),
    };
    let remote = libc::iovec {
        iov_base: address as *mut c_void,
        iov_len: buffer.len(),
    };
    // Safety: the kernel writes at most `buffer.len()` bytes to `buffer`, which outlives the call;
    // the remote address belongs to another process and is checked by the kernel.
    let count =
        unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    checked(count as libc::c_long).map(|count| count as usize)
}

/// Reads the text that ends with a NUL at an address.
pub(crate) fn read_text(pid: i32, address: u64) -> Result<Vec<u8>, Errno> {
    let mut text = Vec::new();
    let mut address = address;
    while text.len() < PATH_MAX {
        let length = (PAGE - address % PAGE) as usize;
        let mut part = vec![0; length.min(256)];
        let count = read(pid, address, &mut part)?;
        if count == 0 {
            return Err(Errno::FAULT);
        }
        if let Some(end) = part[..count].iter().position(|&byte| byte == 0) {
            text.extend_from_slice(&part[..end]);
            return Ok(text);
        }
        text.extend_from_slice(&part[..count]);
        address += count as u64;
    }
    Err(Errno::NAMETOOLONG)
}

/// Reads exactly as many bytes as the buffer has.
pub(crate) fn read_exact(pid: i32, address: u64, buffer: &mut [u8]) -> Result<(), Errno> {
    if read(pid, address, buffer)? == buffer.len() {
        Ok(())
    } else {
        Err(Errno::FAULT)
    }
}

/// Writes bytes to the memory of a process.
pub(crate) fn write(pid: i32, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    let local = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast::<c_void>(),
        iov_len: bytes.len(),
    };
    let remote = libc::iovec {
        iov_base: address as *mut c_void,
        iov_len: bytes.len(),
    };
    // Safety: the kernel only reads `bytes`, which outlives the call; the remote address belongs
    // to another process and is checked by the kernel.
    let count =
        unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) };
    match checked(count as libc::c_long)? {
        count if count as usize == bytes.len() => Ok(()),
        _ => Err(Errno::FAULT),
    }
}

/// The bytes of a structure as the kernel has it in memory.
pub(crate) fn bytes_of<T: Plain>(value: &T) -> &[u8] {
    // Safety: `T` is a C structure of integers alone that is initialised whole, padding included,
    // because it was made by `zeroed`; the slice has its size and its life.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) }
}

/// A C structure of integers, for which all bits at zero are a value.
///
/// # Safety
///
/// Implemented for such structures only, each made by [`Plain::zeroed`].
pub(crate) unsafe trait Plain: Sized {
    /// Returns the structure with all bits at zero.
    fn zeroed() -> Self {
        // Safety: the trait is implemented for structures of integers only.
        unsafe { std::mem::zeroed() }
    }
}

// Safety: integers alone.
unsafe impl Plain for libc::stat {}
// Safety: integers alone.
unsafe impl Plain for libc::statx {}
