//! The filter: which system calls a supervisor is asked about.

use crate::emulate::MAKES;
use crate::sys::seccomp;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

/// The calls that the supervisor answers in the place of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Faked {
    /// Files: owners, and devices.
    pub(crate) files: bool,
    /// The identity of processes: set*id and get*id.
    pub(crate) ids: bool,
    /// The owners of the files that a process makes.
    pub(crate) creation: bool,
    /// Permissions and capabilities, too.
    pub(crate) modes: bool,
}

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;
/// Numbers of the x32 interface have this bit.
const X32: u32 = 0x4000_0000;

/// The number of fchmodat2(2), which not every C library knows.
pub(crate) const FCHMODAT2: i64 = 452;

/// The offsets in `struct seccomp_data` of what a filter looks at: first the number of the call.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;

fn errno(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// Puts the filter on this process, whose supervisor is the process `supervisor`.
pub(crate) fn install(faked: Faked, supervisor: i32) -> Result<OwnedFd, Errno> {
    seccomp::install(&mut program(faked, supervisor))
}

/// System calls about files, and those after which a path leads elsewhere.
const FILES: &[i64] = &[
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
];

/// Those about who a process is.
const IDS: &[i64] = &[
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
];

/// Those that make directories and links.
const CREATION: &[i64] = &[libc::SYS_openat2, libc::SYS_mkdirat, libc::SYS_symlinkat];

/// Those about permissions.
const PERMISSIONS: &[i64] = &[libc::SYS_fchmod, libc::SYS_fchmodat, FCHMODAT2];

/// Those that may give programs capabilities.
const GIVING: &[i64] = &[libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr];

/// The others about capabilities of programs.
const CAPABILITIES: &[i64] = &[
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_flistxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
];

/// The calls that make special files, and which argument of theirs has the type.
const NODES: &[(i64, u32)] = &[(libc::SYS_mknodat, 2)];

/// The calls that open files, and which argument of theirs has the flags.
const OPENS: &[(i64, u32)] = &[(libc::SYS_openat, 2)];

/// The calls of the same kinds that newer machines do not have.
#[cfg(target_arch = "x86_64")]
mod old {
    pub(super) const FILES: &[i64] = &[
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_stat,
        libc::SYS_lstat,
    ];
    pub(super) const CREATION: &[i64] = &[libc::SYS_creat, libc::SYS_mkdir, libc::SYS_symlink];
    pub(super) const PERMISSIONS: &[i64] = &[libc::SYS_chmod];
    pub(super) const NODES: &[(i64, u32)] = &[(libc::SYS_mknod, 1)];
    pub(super) const OPENS: &[(i64, u32)] = &[(libc::SYS_open, 1)];
}
#[cfg(not(target_arch = "x86_64"))]
mod old {
    pub(super) const FILES: &[i64] = &[];
    pub(super) const CREATION: &[i64] = &[];
    pub(super) const PERMISSIONS: &[i64] = &[];
    pub(super) const NODES: &[(i64, u32)] = &[];
    pub(super) const OPENS: &[(i64, u32)] = &[];
}

/// Calls that would go round the filter, and those that no command at the root needs.
const REFUSED: &[i64] = &[
    // Keys are the machine's: those of the user who runs this program.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // The same on every architecture, and not yet known to every C library: attributes by
    // descriptors of directories. Without them C libraries take the older calls.
    463, // setxattrat
    464, // getxattrat
    465, // listxattrat
    466, // removexattrat
];

fn program(faked: Faked, supervisor: i32) -> Vec<libc::sock_filter> {
    let mut program = Program(vec![]);
    program.load(ARCHITECTURE);
    // A program for another interface has other numbers, about which nobody would be asked.
    program.unless(ARCH, errno(libc::ENOSYS));
    program.load(NUMBER);
    if cfg!(target_arch = "x86_64") {
        program.from(X32, errno(libc::ENOSYS));
    }
    program.all(&[REFUSED], errno(libc::ENOSYS));
    // The supervisor is root as commands are: its limits would be theirs to set.
    let refused = errno(libc::EPERM);
    program.argument(libc::SYS_prlimit64, 0, supervisor as u32, refused);
    if faked.files {
        program.all(
            &[FILES, old::FILES, PERMISSIONS, old::PERMISSIONS, GIVING],
            NOTIFY,
        );
        program.argument(libc::SYS_rt_sigaction, 0, libc::SIGCHLD as u32, NOTIFY);
        for (call, argument) in NODES.iter().chain(old::NODES) {
            program.special(*call, *argument, faked.creation);
        }
    }
    if faked.creation {
        program.all(&[CREATION, old::CREATION], NOTIFY);
        for (call, argument) in OPENS.iter().chain(old::OPENS) {
            program.flag(*call, *argument, MAKES as u32);
        }
        // A process keeps the rights of root when it becomes a user, until it is another program.
        program.argument(libc::SYS_prctl, 0, libc::PR_SET_KEEPCAPS as u32, NOTIFY);
        program.all(&[&[libc::SYS_execve, libc::SYS_execveat]], NOTIFY);
    }
    if faked.ids {
        program.all(&[IDS], NOTIFY);
    }
    if faked.modes {
        program.when(libc::SYS_capset, errno(0));
        program.all(&[CAPABILITIES], NOTIFY);
    }
    program.ends(ALLOW);
    program.0
}

/// The calls of a process that computes, and reads and writes what is open.
const COMPUTING: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    // A process that gives up sends a signal to itself.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Leaves this process what it needs to compute: any other call ends it.
pub(crate) fn confine() -> Result<(), Errno> {
    rustix::thread::set_no_new_privs(true)?;
    let mut program = Program(vec![]);
    program.load(ARCHITECTURE);
    program.unless(ARCH, libc::SECCOMP_RET_KILL_PROCESS);
    program.load(NUMBER);
    program.all(&[COMPUTING], ALLOW);
    program.ends(libc::SECCOMP_RET_KILL_PROCESS);
    seccomp::restrict(&mut program.0)
}

/// A program of the kernel's packet filter.
struct Program(Vec<libc::sock_filter>);

impl Program {
    fn push(&mut self, code: u32, jt: u8, jf: u8, k: u32) {
        self.0.push(libc::sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        });
    }

    /// Loads a word of what is known of the call.
    fn load(&mut self, offset: u32) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    }

    fn ends(&mut self, action: u32) {
        self.push(libc::BPF_RET | libc::BPF_K, 0, 0, action);
    }

    fn equal(&mut self, value: u32, yes: u8, no: u8) {
        self.push(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, yes, no, value);
    }

    fn unless(&mut self, value: u32, action: u32) {
        self.equal(value, 1, 0);
        self.ends(action);
    }

    fn when(&mut self, call: i64, action: u32) {
        self.equal(call as u32, 0, 1);
        self.ends(action);
    }

    fn all(&mut self, calls: &[&[i64]], action: u32) {
        for call in calls.iter().copied().flatten() {
            self.when(*call, action);
        }
    }

    fn from(&mut self, value: u32, action: u32) {
        self.push(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, value);
        self.ends(action);
    }

    /// Asks about a call whose argument has a flag.
    fn flag(&mut self, call: i64, argument: u32, flag: u32) {
        self.equal(call as u32, 0, 4);
        self.load(ARGUMENTS + 8 * argument);
        self.push(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, flag);
        self.ends(NOTIFY);
        self.ends(ALLOW);
    }

    /// Decides on a call one of whose arguments is this value.
    fn argument(&mut self, call: i64, argument: u32, value: u32, action: u32) {
        self.equal(call as u32, 0, 4);
        self.load(ARGUMENTS + 8 * argument);
        self.equal(value, 0, 1);
        self.ends(action);
        // No call that is looked for below has two rules.
        self.ends(ALLOW);
    }

    /// Asks about a call that makes a device, or about any such call.
    fn special(&mut self, call: i64, argument: u32, all: bool) {
        if all {
            return self.when(call, NOTIFY);
        }
        self.equal(call as u32, 0, 6);
        self.load(ARGUMENTS + 8 * argument);
        self.push(
            libc::BPF_ALU | libc::BPF_AND | libc::BPF_K,
            0,
            0,
            libc::S_IFMT,
        );
        self.equal(libc::S_IFCHR, 2, 0);
        self.equal(libc::S_IFBLK, 1, 0);
        self.ends(ALLOW);
        self.ends(NOTIFY);
    }
}
