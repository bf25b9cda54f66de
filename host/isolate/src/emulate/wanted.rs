//! The meaning of system calls, read from their arguments and from the callers' memory.

use rustix::io::Errno;

use super::look::Into;
use super::modes::Attribute;
use super::resolve::{Place, Target};
use crate::seccomp::FCHMODAT2;
use crate::sys::memory::{read_exact, read_text};
use crate::sys::seccomp::Question;

/// A system call, whatever its name.
#[derive(Debug)]
pub(super) enum Wanted {
    /// A file is to be described.
    Look { file: Target, into: Into },
    /// A file is to have another owner.
    Own {
        file: Target,
        uid: Option<u32>,
        gid: Option<u32>,
    },
    /// A special file is to be made.
    Node { at: Place, mode: u32, device: u64 },
    /// A file is to be opened, and made if it is missing.
    Open { at: Place, flags: u64, mode: u32 },
    /// A directory is to be made.
    Directory { at: Place, mode: u32 },
    /// A symbolic link is to be made.
    Symlink { at: Place, target: Vec<u8> },
    /// A file is to have other permissions.
    Mode { file: Target, mode: u32 },
    /// An extended attribute is to be set, read or removed.
    Attribute(Attribute),
    /// The caller handles a signal, by the structure at this address.
    Signal(u64),
    /// The caller is to have another root.
    Root,
    /// The caller is to be somebody else, or to know who it is.
    Identity,
}

/// The flags of open(2) by which a file is made: `O_CREAT`, and that of a file without a name, which
/// `O_TMPFILE` has beside that of a directory.
pub(crate) const MAKES: u64 = libc::O_CREAT as u64 | NAMELESS;
/// The one of a file without a name, the same on every architecture.
pub(crate) const NAMELESS: u64 = 0o20_000_000;
/// The flags that fchownat(2) knows.
const CHOWN_FLAGS: i32 = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
/// The size of the structure that openat2(2) takes first of all, in bytes.
const OPEN_HOW: usize = 24;

impl Wanted {
    /// Reads what a call wants; none for one that the kernel shall do as it stands.
    pub(super) fn of(question: &Question) -> Result<Option<Self>, Errno> {
        let call = Call {
            pid: question.pid,
            arguments: question.arguments,
        };
        if let Some(wanted) = call.files(question.call)? {
            return Ok(Some(wanted));
        }
        if let Some(wanted) = call.creation(question.call)? {
            return Ok(Some(wanted));
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(wanted) = call.old(question.call)? {
            return Ok(Some(wanted));
        }
        match question.call {
            libc::SYS_openat2 => call.open_how(),
            libc::SYS_rt_sigaction => Ok(Some(Self::Signal(question.arguments[1]))),
            libc::SYS_chroot | libc::SYS_pivot_root | libc::SYS_setns => Ok(Some(Self::Root)),
            _ => Ok(Some(match Attribute::of(question)? {
                Some(attribute) => Self::Attribute(attribute),
                None => Self::Identity,
            })),
        }
    }
}

/// The arguments of a call, and whose it is.
struct Call {
    pid: i32,
    arguments: [u64; 6],
}

impl Call {
    /// Calls that look at files and change what is said of them.
    fn files(&self, call: i64) -> Result<Option<Wanted>, Errno> {
        Ok(Some(match call {
            libc::SYS_fchown => self.own(self.descriptor(0), 1),
            libc::SYS_fchownat if self.number(4) & !CHOWN_FLAGS != 0 => return Err(Errno::INVAL),
            libc::SYS_fchownat => self.own(self.file(0, 4)?, 2),
            libc::SYS_fstat => self.look(self.descriptor(0), 1),
            libc::SYS_newfstatat => self.look(self.file(0, 3)?, 2),
            libc::SYS_statx => Wanted::Look {
                file: self.file(0, 2)?,
                into: Into::Statx {
                    address: self.arguments[4],
                    flags: self.number(2),
                    mask: self.arguments[3] as u32,
                },
            },
            libc::SYS_fchmod => self.mode(self.descriptor(0), 1),
            libc::SYS_fchmodat => self.mode(self.path(self.number(0), 1, true)?, 2),
            FCHMODAT2 => self.mode(self.file(0, 3)?, 2),
            _ => return Ok(None),
        }))
    }

    /// Calls that make files.
    fn creation(&self, call: i64) -> Result<Option<Wanted>, Errno> {
        Ok(Some(match call {
            libc::SYS_mknodat => self.node(self.place(self.number(0), 1)?, 2),
            libc::SYS_openat => Wanted::Open {
                at: self.place(self.number(0), 1)?,
                flags: self.arguments[2],
                mode: self.arguments[3] as u32,
            },
            libc::SYS_mkdirat => Wanted::Directory {
                at: self.place(self.number(0), 1)?,
                mode: self.arguments[2] as u32,
            },
            libc::SYS_symlinkat => Wanted::Symlink {
                target: self.text(0)?,
                at: self.place(self.number(1), 2)?,
            },
            _ => return Ok(None),
        }))
    }

    /// Calls that newer machines do not have.
    #[cfg(target_arch = "x86_64")]
    fn old(&self, call: i64) -> Result<Option<Wanted>, Errno> {
        let cwd = libc::AT_FDCWD;
        let created = (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64;
        Ok(Some(match call {
            libc::SYS_chown => self.own(self.path(cwd, 0, true)?, 1),
            libc::SYS_lchown => self.own(self.path(cwd, 0, false)?, 1),
            libc::SYS_stat => self.look(self.path(cwd, 0, true)?, 1),
            libc::SYS_lstat => self.look(self.path(cwd, 0, false)?, 1),
            libc::SYS_chmod => self.mode(self.path(cwd, 0, true)?, 1),
            libc::SYS_mknod => self.node(self.place(cwd, 0)?, 1),
            libc::SYS_open => Wanted::Open {
                at: self.place(cwd, 0)?,
                flags: self.arguments[1],
                mode: self.arguments[2] as u32,
            },
            libc::SYS_creat => Wanted::Open {
                at: self.place(cwd, 0)?,
                flags: created,
                mode: self.arguments[1] as u32,
            },
            libc::SYS_mkdir => Wanted::Directory {
                at: self.place(cwd, 0)?,
                mode: self.arguments[1] as u32,
            },
            libc::SYS_symlink => Wanted::Symlink {
                target: self.text(0)?,
                at: self.place(cwd, 1)?,
            },
            _ => return Ok(None),
        }))
    }

    /// openat2(2), whose flags are in memory. With rules for its way the kernel alone does it.
    fn open_how(&self) -> Result<Option<Wanted>, Errno> {
        let mut how = [0; OPEN_HOW];
        read_exact(self.pid, self.arguments[2], &mut how)?;
        let word = |at: usize| {
            let bytes: [u8; 8] = how[at..at + 8].try_into().unwrap_or_default();
            u64::from_ne_bytes(bytes)
        };
        let (flags, mode, resolve) = (word(0), word(8), word(16));
        if resolve != 0 || flags & MAKES == 0 {
            return Ok(None);
        }
        Ok(Some(Wanted::Open {
            at: self.place(self.number(0), 1)?,
            flags,
            mode: mode as u32,
        }))
    }

    fn number(&self, argument: usize) -> i32 {
        self.arguments[argument] as u32 as i32
    }

    fn text(&self, argument: usize) -> Result<Vec<u8>, Errno> {
        read_text(self.pid, self.arguments[argument])
    }

    fn descriptor(&self, argument: usize) -> Target {
        Target::Descriptor(self.number(argument))
    }

    fn path(&self, from: i32, argument: usize, follow: bool) -> Result<Target, Errno> {
        let path = self.text(argument)?;
        Ok(Target::Path { from, path, follow })
    }

    fn place(&self, from: i32, argument: usize) -> Result<Place, Errno> {
        let path = self.text(argument)?;
        Ok(Place { from, path })
    }

    /// A path below a directory, which is the argument before it; or, where the path is empty and
    /// the flags say so, that descriptor itself.
    fn file(&self, from: usize, flags: usize) -> Result<Target, Errno> {
        let (from, flags) = (self.number(from), self.number(flags));
        let may_be_empty = flags & libc::AT_EMPTY_PATH != 0;
        let path = match self.arguments[1] {
            0 if may_be_empty => vec![],
            _ => self.text(1)?,
        };
        if !path.is_empty() || !may_be_empty {
            let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
            return Ok(Target::Path { from, path, follow });
        }
        if from != libc::AT_FDCWD {
            return Ok(Target::Descriptor(from));
        }
        Ok(Target::Path {
            from,
            path: b".".to_vec(),
            follow: true,
        })
    }

    fn own(&self, file: Target, owner: usize) -> Wanted {
        let id = |argument: u64| (argument as u32 != u32::MAX).then_some(argument as u32);
        Wanted::Own {
            file,
            uid: id(self.arguments[owner]),
            gid: id(self.arguments[owner + 1]),
        }
    }

    fn look(&self, file: Target, address: usize) -> Wanted {
        Wanted::Look {
            file,
            into: Into::Stat(self.arguments[address]),
        }
    }

    fn mode(&self, file: Target, mode: usize) -> Wanted {
        Wanted::Mode {
            file,
            mode: self.arguments[mode] as u32,
        }
    }

    fn node(&self, at: Place, mode: usize) -> Wanted {
        Wanted::Node {
            at,
            mode: self.arguments[mode] as u32,
            // What a caller has in the upper half of a register is nothing to the kernel.
            device: u64::from(self.arguments[mode + 1] as u32),
        }
    }
}
