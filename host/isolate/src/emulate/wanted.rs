//! What a system call wants, read from its arguments and from the caller's memory.

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
    /// What is there is to be told.
    Look { file: Target, into: Into },
    /// A file is to have another owner.
    Own {
        file: Target,
        uid: Option<u32>,
        gid: Option<u32>,
    },
    /// A special file is to be made.
    Node { at: Place, mode: u32, device: u64 },
    /// A file is to be opened, and made if it is not there.
    Open { at: Place, flags: u64, mode: u32 },
    /// A directory is to be made.
    Directory { at: Place, mode: u32 },
    /// A symbolic link is to be made.
    Symlink { at: Place, target: Vec<u8> },
    /// A file is to have other permissions.
    Mode { file: Target, mode: u32 },
    /// An extended attribute is to be set, read or removed.
    Attribute(Attribute),
    /// The caller is to be somebody else, or to know who it is.
    Identity,
}

/// What follows the flags of openat2(2).
const OPEN_HOW: usize = 24;

impl Wanted {
    /// Reads what a call wants; none for one that the kernel shall do as it stands.
    pub(super) fn of(question: &Question) -> Result<Option<Self>, Errno> {
        let Question {
            pid,
            call,
            arguments: [a, b, c, d, e, _],
            ..
        } = *question;
        let text = |address| read_text(pid, address);
        let number = |argument: u64| argument as u32 as i32;
        let flags = |argument: u64| argument as u32 as i32;
        let path = |from, address, follow| {
            Ok::<_, Errno>(Target::Path {
                from,
                path: text(address)?,
                follow,
            })
        };
        // A path below a directory, or, where it is empty and the flags say so, the descriptor.
        let at = |from: u64, address: u64, flags: i32| {
            let path = match address {
                0 if flags & libc::AT_EMPTY_PATH != 0 => vec![],
                address => text(address)?,
            };
            let from = number(from);
            if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
                if from == libc::AT_FDCWD {
                    return Ok(Target::Path {
                        from,
                        path: b".".to_vec(),
                        follow: true,
                    });
                }
                return Ok(Target::Descriptor(from));
            }
            let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
            Ok::<_, Errno>(Target::Path { from, path, follow })
        };
        let place = |from, address| {
            Ok::<_, Errno>(Place {
                from,
                path: text(address)?,
            })
        };
        let own = |file, uid: u64, gid: u64| {
            let id = |id: u64| (id as u32 != u32::MAX).then_some(id as u32);
            Self::Own {
                file,
                uid: id(uid),
                gid: id(gid),
            }
        };
        let look = |file, address| Self::Look {
            file,
            into: Into::Stat(address),
        };
        let cwd = libc::AT_FDCWD;
        Ok(Some(match call {
            libc::SYS_fchown => own(Target::Descriptor(number(a)), b, c),
            libc::SYS_fchownat
                if flags(e) & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) != 0 =>
            {
                return Err(Errno::INVAL);
            }
            libc::SYS_fchownat => own(at(a, b, flags(e))?, c, d),
            libc::SYS_fstat => look(Target::Descriptor(number(a)), b),
            libc::SYS_newfstatat => look(at(a, b, flags(d))?, c),
            libc::SYS_statx => Self::Look {
                file: at(a, b, flags(c))?,
                into: Into::Statx {
                    address: e,
                    flags: flags(c),
                    mask: d as u32,
                },
            },
            libc::SYS_mknodat => Self::Node {
                at: place(number(a), b)?,
                mode: c as u32,
                device: d,
            },
            libc::SYS_openat => Self::Open {
                at: place(number(a), b)?,
                flags: c,
                mode: d as u32,
            },
            libc::SYS_openat2 => {
                let mut how = [0; OPEN_HOW];
                read_exact(pid, c, &mut how)?;
                let word = |at: usize| {
                    let bytes: [u8; 8] = how[at..at + 8].try_into().unwrap_or_default();
                    u64::from_ne_bytes(bytes)
                };
                // With rules for its way the kernel alone does it.
                if word(16) != 0 || word(0) & libc::O_CREAT as u64 == 0 {
                    return Ok(None);
                }
                Self::Open {
                    at: place(number(a), b)?,
                    flags: word(0),
                    mode: word(8) as u32,
                }
            }
            libc::SYS_mkdirat => Self::Directory {
                at: place(number(a), b)?,
                mode: c as u32,
            },
            libc::SYS_symlinkat => Self::Symlink {
                at: place(number(b), c)?,
                target: text(a)?,
            },
            libc::SYS_fchmod => Self::Mode {
                file: Target::Descriptor(number(a)),
                mode: b as u32,
            },
            libc::SYS_fchmodat => Self::Mode {
                file: path(number(a), b, true)?,
                mode: c as u32,
            },
            FCHMODAT2 => Self::Mode {
                file: at(a, b, flags(d))?,
                mode: c as u32,
            },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chown => own(path(cwd, a, true)?, b, c),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lchown => own(path(cwd, a, false)?, b, c),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_stat => look(path(cwd, a, true)?, b),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lstat => look(path(cwd, a, false)?, b),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mknod => Self::Node {
                at: place(cwd, a)?,
                mode: b as u32,
                device: c,
            },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => Self::Open {
                at: place(cwd, a)?,
                flags: b,
                mode: c as u32,
            },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat => Self::Open {
                at: place(cwd, a)?,
                flags: (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64,
                mode: b as u32,
            },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir => Self::Directory {
                at: place(cwd, a)?,
                mode: b as u32,
            },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_symlink => Self::Symlink {
                at: place(cwd, b)?,
                target: text(a)?,
            },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chmod => Self::Mode {
                file: path(cwd, a, true)?,
                mode: b as u32,
            },
            _ => match Attribute::of(question)? {
                Some(attribute) => Self::Attribute(attribute),
                None => Self::Identity,
            },
        }))
    }
}
