//! Permissions and capabilities, where the supervisor itself has no more rights than a user:
//! what it has to read later stays readable, and the permissions that were asked for are recorded.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, chmodat, listxattr};
use rustix::io::Errno;

use super::records::Key;
use super::resolve::{Found, Target};
use super::{Emulator, Reply};
use crate::sys::memory::{read_exact, read_text, write};
use crate::sys::seccomp::Question;

/// The extended attribute that holds a program's capabilities.
const CAPABILITY: &[u8] = b"security.capability";
/// The longest list of attributes that Linux has.
const LONGEST_LIST: usize = 64 << 10;
/// The longest value of it.
const LONGEST: u64 = 24;

/// A call for the capabilities of a file.
#[derive(Debug)]
pub(super) struct Attribute {
    file: Target,
    what: What,
}

#[derive(Debug)]
enum What {
    Set { value: Vec<u8>, flags: u32 },
    Get { address: u64, room: u64 },
    List { address: u64, room: u64 },
    Remove,
}

impl Attribute {
    /// Reads the call; none for another call.
    pub(super) fn of(question: &Question) -> Result<Option<Self>, Errno> {
        let Question {
            pid,
            call,
            arguments: [a, b, c, d, e, _],
            ..
        } = *question;
        let by_fd = matches!(
            call,
            libc::SYS_fsetxattr
                | libc::SYS_fgetxattr
                | libc::SYS_flistxattr
                | libc::SYS_fremovexattr
        );
        let follow = match call {
            libc::SYS_setxattr
            | libc::SYS_getxattr
            | libc::SYS_listxattr
            | libc::SYS_removexattr => true,
            libc::SYS_lsetxattr
            | libc::SYS_lgetxattr
            | libc::SYS_llistxattr
            | libc::SYS_lremovexattr => false,
            _ if by_fd => false,
            _ => return Ok(None),
        };
        let file = if by_fd {
            Target::Descriptor(a as u32 as i32)
        } else {
            Target::Path {
                from: libc::AT_FDCWD,
                path: read_text(pid, a)?,
                follow,
            }
        };
        let is_list = matches!(
            call,
            libc::SYS_listxattr | libc::SYS_llistxattr | libc::SYS_flistxattr
        );
        let is_ours = is_list || read_text(pid, b)? == CAPABILITY;
        let what = match call {
            _ if is_list => What::List {
                address: b,
                room: c,
            },
            libc::SYS_setxattr | libc::SYS_lsetxattr | libc::SYS_fsetxattr if is_ours => {
                if d > LONGEST {
                    return Err(Errno::INVAL);
                }
                let mut value = vec![0; d as usize];
                read_exact(pid, c, &mut value)?;
                if !is_capability(&value) {
                    return Err(Errno::INVAL);
                }
                What::Set {
                    value,
                    flags: e as u32,
                }
            }
            libc::SYS_getxattr | libc::SYS_lgetxattr | libc::SYS_fgetxattr if is_ours => {
                What::Get {
                    address: c,
                    room: d,
                }
            }
            _ if is_ours => What::Remove,
            // Any other name: answered by `attribute`, which finds no file for it.
            _ => {
                return Ok(Some(Self {
                    file: Target::Path {
                        from: libc::AT_FDCWD,
                        path: vec![],
                        follow: false,
                    },
                    what: What::Remove,
                }));
            }
        };
        Ok(Some(Self { file, what }))
    }
}

/// Returns whether permissions have bits that are lost when a file is written to.
pub(crate) fn is_special(mode: u32) -> bool {
    mode & (libc::S_ISUID | libc::S_ISGID) != 0
}

/// Returns whether the kernel takes a value for capabilities, by its version and its length.
fn is_capability(value: &[u8]) -> bool {
    let length = match value.get(3) {
        Some(1) => 12,
        Some(2) => 20,
        Some(3) => 24,
        _ => return false,
    };
    value.len() == length
}

impl Emulator {
    pub(super) fn mode(&mut self, pid: i32, file: &Target, mode: u32) -> Result<Reply, Errno> {
        let Some(Found { fd, stat: found }) = self.resolver.open(pid, file) else {
            return Ok(Reply::Continue);
        };
        let state = self.state(&found);
        let who = self.who(pid);
        if self.faked.ids && !who.is_root() && who.fsuid != state.uid {
            return Err(Errno::PERM);
        }
        let mode = mode & 0o7777;
        if !self.faked.modes {
            self.keep_special(pid, &fd, &found, mode);
            return Ok(Reply::Continue);
        }
        let kept = match state.mode & libc::S_IFMT {
            libc::S_IFDIR => mode | 0o700,
            _ => mode | 0o600,
        };
        let link = CString::new(format!("self/fd/{}", fd.as_raw_fd())).map_err(|_| Errno::INVAL)?;
        // The bits that Nix's sandbox refuses are refused before anyone is asked; here they are
        // recorded, and need not be on the disk.
        let on_disk = Mode::from_raw_mode(kept & 0o777);
        chmodat(self.resolver.proc(), &link, on_disk, AtFlags::empty())?;
        self.record(&fd, &found, |record| record.mode = Some(mode));
        Ok(Reply::Value(0))
    }

    /// Records the bits that a file has from here on, where the kernel sets them.
    ///
    /// A file that is written to loses them, but not if it is root that writes. Root of a user name
    /// space is not root for that, so what the kernel says afterwards is not what counts.
    fn keep_special(&mut self, pid: i32, fd: &OwnedFd, found: &libc::statx, mode: u32) {
        let key = Key::of(found);
        let known = self.records.get(&key).is_some_and(|r| r.mode.is_some());
        let is_file = u32::from(found.stx_mode) & libc::S_IFMT == libc::S_IFREG;
        let by_kernel = self.granted.devices;
        let kept = is_file && is_special(mode) && !by_kernel && self.is_privileged(pid);
        if known || kept {
            self.record(fd, found, |record| record.mode = kept.then_some(mode));
        }
    }

    pub(super) fn attribute(&mut self, pid: i32, attribute: &Attribute) -> Result<Reply, Errno> {
        if let What::Set { .. } = attribute.what {
            self.has_capabilities = true;
        }
        if !self.faked.modes {
            return Ok(Reply::Continue);
        }
        let Some(Found { fd, stat: found }) = self.resolver.open(pid, &attribute.file) else {
            return Ok(Reply::Continue);
        };
        let key = Key::of(&found);
        let known = self
            .records
            .get(&key)
            .and_then(|record| record.capability.clone());
        match &attribute.what {
            What::Set { value, flags } => {
                let (create, replace) = (libc::XATTR_CREATE as u32, libc::XATTR_REPLACE as u32);
                match known {
                    Some(_) if flags & create != 0 => return Err(Errno::EXIST),
                    None if flags & replace != 0 => return Err(Errno::NODATA),
                    _ => {}
                }
                let value = Some(value.clone());
                self.record(&fd, &found, |record| record.capability = value);
                Ok(Reply::Value(0))
            }
            What::Get { address, room } => {
                let Some(value) = known else {
                    return Ok(Reply::Continue);
                };
                if *room != 0 {
                    if *room < value.len() as u64 {
                        return Err(Errno::RANGE);
                    }
                    write(pid, *address, &value)?;
                }
                Ok(Reply::Value(value.len() as i64))
            }
            What::List { .. } if known.is_none() => Ok(Reply::Continue),
            What::List { address, room } => {
                let link = self.resolver.link(&fd)?;
                let mut names = vec![0; LONGEST_LIST];
                // A file system without attributes has this one all the same.
                let length = listxattr(link, &mut names[..]).unwrap_or_default();
                names.truncate(length);
                if !names
                    .split(|&byte| byte == 0)
                    .any(|name| name == CAPABILITY)
                {
                    names.extend_from_slice(CAPABILITY);
                    names.push(0);
                }
                if *room != 0 {
                    if *room < names.len() as u64 {
                        return Err(Errno::RANGE);
                    }
                    write(pid, *address, &names)?;
                }
                Ok(Reply::Value(names.len() as i64))
            }
            What::Remove if known.is_none() => Ok(Reply::Continue),
            What::Remove => {
                self.records.change(key, |record| record.capability = None);
                Ok(Reply::Value(0))
            }
        }
    }
}
