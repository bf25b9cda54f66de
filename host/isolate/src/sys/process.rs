//! Processes: making them, what they inherit, and how they are bounded.

use rustix::io::Errno;

use super::checked;

/// One of two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fork {
    /// The one that was there, with the number of the new one.
    Parent(i32),
    /// The new one.
    Child,
}

/// Makes a process that is a copy of this one, in new name spaces of the kinds of `flags`
/// (`CLONE_NEW*`). Only a process with a single thread may call this.
pub(crate) fn fork(flags: libc::c_int) -> Result<Fork, Errno> {
    let flags = libc::c_long::from(flags | libc::SIGCHLD);
    // Safety: without CLONE_VM and with no stack given the child is a copy on write of this
    // process, as after fork(2). No other thread exists that could hold a lock in that moment.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match checked(pid)? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid as i32)),
    }
}

/// Moves this process to new name spaces of the kinds of `flags`.
pub(crate) fn unshare(flags: libc::c_int) -> Result<(), Errno> {
    // Safety: no memory is passed. CLONE_FILES, which could take descriptors from under other
    // threads, is never among the flags.
    checked(libc::c_long::from(unsafe { libc::unshare(flags) })).map(drop)
}

/// Calls prctl(2) with numbers alone.
pub(crate) fn prctl(option: libc::c_int, argument: u64) -> Result<(), Errno> {
    // Safety: the options that are used here (those of this crate) take numbers, no addresses.
    let result = unsafe { libc::prctl(option, argument, 0_u64, 0_u64, 0_u64) };
    checked(libc::c_long::from(result)).map(drop)
}

/// Lets addresses be the same in each run, where the kernel allows it.
pub(crate) fn fix_addresses() -> Result<(), Errno> {
    // Safety: no memory is passed.
    let persona = unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
    checked(libc::c_long::from(persona)).map(drop)
}

/// Gives up all capabilities of this process, for good: programs that it starts regain none.
pub(crate) fn drop_capabilities() -> Result<(), Errno> {
    for capability in 0..64 {
        match prctl(libc::PR_CAPBSET_DROP, capability) {
            // There are no more, or none that could be given up.
            Err(Errno::INVAL | Errno::PERM) => break,
            result => result?,
        }
    }
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    let header = Header {
        version: 0x2008_0522,
        pid: 0,
    };
    let data = [0_u32; 6];
    // Safety: the kernel reads a header and, by version 3, two triples of numbers, both of which
    // outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    checked(result).map(drop)
}

/// Returns the effective capabilities of this process, as bits by their numbers.
pub(crate) fn capabilities() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = line.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    bits.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

/// The soft limit of a process for a resource (`RLIMIT_*`), as it is or as it is set to.
fn limit(pid: i32, resource: libc::c_uint, soft: Option<u64>) -> Result<u64, Errno> {
    let mut old = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // Safety: the kernel writes one structure to `old`, which outlives the call.
    let call = |new: *const libc::rlimit64, old: *mut libc::rlimit64| unsafe {
        libc::syscall(libc::SYS_prlimit64, pid, resource, new, old)
    };
    checked(call(std::ptr::null(), &raw mut old))?;
    if let Some(soft) = soft {
        let new = libc::rlimit64 {
            rlim_cur: soft,
            rlim_max: old.rlim_max,
        };
        checked(call(&raw const new, std::ptr::null_mut()))?;
    }
    Ok(old.rlim_cur)
}

/// Returns the number that a process carries and passes on to what it starts.
///
/// It is the limit of a resource that nobody uses, message queues: of all that a supervisor can
/// set in another process, limits are what the kernel itself copies when a process is made.
pub(crate) fn mark(pid: i32) -> Result<u64, Errno> {
    limit(pid, libc::RLIMIT_MSGQUEUE, None)
}

/// Sets the number that a process carries; 0 is this process.
pub(crate) fn set_mark(pid: i32, mark: u64) -> Result<(), Errno> {
    limit(pid, libc::RLIMIT_MSGQUEUE, Some(mark)).map(drop)
}

/// Bounds a resource (`RLIMIT_*`) of this process and of what it starts, for good.
pub(crate) fn bound(resource: libc::c_uint, most: u64) -> Result<(), Errno> {
    let new = libc::rlimit64 {
        rlim_cur: most,
        rlim_max: most,
    };
    // Safety: the kernel reads one structure, which outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0,
            resource,
            &raw const new,
            std::ptr::null_mut::<libc::rlimit64>(),
        )
    };
    checked(result).map(drop)
}

/// Brings up the loopback interface of this process's network.
pub(crate) fn loopback_up() -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")
        .map_err(|error| Errno::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO)))?;
    // Safety: `ifreq` is a C structure of integers and bytes, for which zeros are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // Safety: the descriptor is open, and the kernel reads one `ifreq`, which outlives the call.
    let result = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw mut request,
        )
    };
    checked(libc::c_long::from(result)).map(drop)
}

/// Lets none of this process's descriptors but the first three reach programs that it starts.
pub(crate) fn close_on_exec() -> Result<(), Errno> {
    // Safety: no memory is passed, and no descriptor is closed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3_u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    checked(result).map(drop)
}

/// Gives up the capabilities that are not in a set, for good.
pub(crate) fn keep_capabilities(kept: &[u64]) -> Result<(), Errno> {
    for capability in (0..64).filter(|capability| !kept.contains(capability)) {
        match prctl(libc::PR_CAPBSET_DROP, capability) {
            Err(Errno::INVAL) => break,
            result => result?,
        }
    }
    Ok(())
}

/// Makes mounts from a place on read-only, or keeps their devices from being opened.
pub(crate) fn restrict_mounts(
    place: &std::ffi::CStr,
    attributes: u64,
    recursive: bool,
) -> Result<(), Errno> {
    #[repr(C)]
    struct MountAttr {
        set: u64,
        clear: u64,
        propagation: u64,
        namespace: u64,
    }
    let attr = MountAttr {
        set: attributes,
        clear: 0,
        propagation: 0,
        namespace: 0,
    };
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // Safety: the path ends with a NUL, and the kernel reads one structure of the given size; both
    // outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            place.as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    checked(result).map(drop)
}
