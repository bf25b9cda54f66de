//! Filters of system calls, and the questions that they ask a supervisor.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::checked;

/// A system call that waits for an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    /// The number that tells it from all others.
    pub(crate) id: u64,
    /// The thread that waits, by its number in the supervisor's name space.
    pub(crate) pid: i32,
    /// The number of the system call.
    pub(crate) call: i64,
    /// Its arguments.
    pub(crate) arguments: [u64; 6],
}

/// Puts a filter on this process and on all that it starts. Returns where its questions come.
pub(crate) fn install(program: &mut [libc::sock_filter]) -> Result<OwnedFd, Errno> {
    let filter = libc::sock_fprog {
        len: program.len() as libc::c_ushort,
        filter: program.as_mut_ptr(),
    };
    let call = |flags: libc::c_ulong| {
        // Safety: the kernel reads the program, which outlives the call, and checks it.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const filter,
            )
        };
        checked(result)
    };
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // From Linux 5.19 on, a signal that does not kill waits for the answer, so that programs that
    // get many of them (Go's do) make progress.
    let killable = listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let fd = match call(killable) {
        Err(Errno::INVAL) => call(listener)?,
        result => result?,
    };
    // Safety: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Puts a filter on this process that asks nobody.
pub(crate) fn restrict(program: &mut [libc::sock_filter]) -> Result<(), Errno> {
    let filter = libc::sock_fprog {
        len: program.len() as libc::c_ushort,
        filter: program.as_mut_ptr(),
    };
    // Safety: the kernel reads the program, which outlives the call, and checks it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const filter,
        )
    };
    checked(result).map(drop)
}

/// Lets a question wake its supervisor on the same processor, which is faster. Linux has this
/// from 6.6 on.
pub(crate) fn answer_at_once(listener: BorrowedFd<'_>) {
    // Safety: the descriptor is open, and a number is passed, no address. Whether it worked does
    // not matter.
    let _ = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _,
            1_u64,
        )
    };
}

/// Takes the next question.
pub(crate) fn next(listener: BorrowedFd<'_>) -> Result<Question, Errno> {
    // Safety: a C structure of integers, for which zeros are a value.
    let mut notif: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // Safety: the descriptor is open, and the kernel writes one structure to `notif`.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV as _,
            &raw mut notif,
        )
    };
    checked(libc::c_long::from(result))?;
    Ok(Question {
        id: notif.id,
        pid: notif.pid as i32,
        call: i64::from(notif.data.nr),
        arguments: notif.data.args,
    })
}

/// Returns whether the thread that asked still waits, so that its number means no other.
pub(crate) fn still_waits(listener: BorrowedFd<'_>, question: &Question) -> bool {
    // Safety: the descriptor is open, and the kernel reads one number.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ID_VALID as _,
            &raw const question.id,
        )
    };
    result == 0
}

/// Answers a question: the call returns a value, fails, or is done by the kernel as it stands.
pub(crate) fn answer(
    listener: BorrowedFd<'_>,
    question: &Question,
    result: Result<Option<i64>, Errno>,
) -> Result<(), Errno> {
    // Safety: a C structure of integers, for which zeros are a value.
    let mut response: libc::seccomp_notif_resp = unsafe { std::mem::zeroed() };
    response.id = question.id;
    match result {
        Ok(Some(value)) => response.val = value,
        Ok(None) => response.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        Err(errno) => response.error = -errno.raw_os_error(),
    }
    // Safety: the descriptor is open, and the kernel reads one structure, which outlives the call.
    let sent = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND as _,
            &raw mut response,
        )
    };
    checked(libc::c_long::from(sent)).map(drop)
}

/// Gives a descriptor to the process that asked. Returns its number there.
pub(crate) fn give(
    listener: BorrowedFd<'_>,
    question: &Question,
    fd: BorrowedFd<'_>,
    flags: u32,
) -> Result<i64, Errno> {
    // Safety: a C structure of integers, for which zeros are a value.
    let mut request: libc::seccomp_notif_addfd = unsafe { std::mem::zeroed() };
    request.id = question.id;
    request.srcfd = fd.as_raw_fd() as u32;
    request.newfd_flags = flags;
    // Safety: both descriptors are open, and the kernel reads one structure.
    let number = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ADDFD as _,
            &raw mut request,
        )
    };
    checked(libc::c_long::from(number))
}
