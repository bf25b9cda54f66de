//! Putting a tree in place: the base image, and the entries over it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, XattrFlags, chmodat, chownat,
    linkat, makedev, mkdirat, mknodat, openat, openat2, setxattr, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use terrine_tar::{Described, EntryType, Input, read};

use super::Trying;
use crate::emulate::{Device, Emulator, Key, Record, STAND_IN, is_special};
use crate::request::{Entry, Kind, Refusal, Xattrs};
use crate::sys::files::statx;

/// The largest part of a file that is in memory, in bytes.
const BUFFER: usize = 256 << 10;

/// A file at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    key: Key,
    size: u64,
    changed: (i64, u32),
}

impl Stamp {
    pub(super) fn of(found: &libc::statx) -> Self {
        Self {
            key: Key::of(found),
            size: found.stx_size,
            changed: (found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
        }
    }
}

/// An entry as it was before any command ran.
#[derive(Debug, Clone)]
pub(super) struct Original {
    /// The entry; of a file there is no content.
    pub(super) entry: Entry,
    pub(super) stamp: Stamp,
    /// The digest of a file's content.
    pub(super) digest: Option<[u8; 32]>,
}

/// A tree on disk.
pub(super) struct Tree {
    pub(super) path: PathBuf,
    root: OwnedFd,
    /// The base image, by paths.
    pub(super) base: BTreeMap<Vec<u8>, Original>,
    /// The paths that were laid over it, which are in the layer whatever happens to them.
    pub(super) given: BTreeSet<Vec<u8>>,
    /// Directories whose permissions are set when all is in place.
    late: Vec<(Vec<u8>, u32)>,
}

/// Returns the kernel's word on a file, with all that tells it from others.
pub(super) fn look(directory: impl AsFd, name: &[u8]) -> Result<libc::statx, Errno> {
    let name = std::ffi::CString::new(name).map_err(|_| Errno::INVAL)?;
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID;
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
    statx(directory.as_fd(), &name, flags, mask)
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// A path's directory and its name in it.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

impl Tree {
    /// An empty tree at a path where nothing is.
    pub(super) fn new(path: PathBuf) -> Result<Self, Refusal> {
        fs::create_dir(&path).trying(format!("creating `{}`", path.display()))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, &path, flags, Mode::empty()).trying("opening the tree")?;
        chmodat(&root, c".", Mode::from_raw_mode(0o755), AtFlags::empty())
            .trying("setting permissions")?;
        Ok(Self {
            path,
            root,
            base: BTreeMap::new(),
            given: BTreeSet::new(),
            late: vec![],
        })
    }

    /// Opens a directory of the tree, through no link.
    pub(super) fn directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        openat2(
            &self.root,
            OsStr::from_bytes(path),
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        )
    }

    /// Unpacks the archive of a base image, as it is merged of all layers.
    pub(super) fn unpack(
        &mut self,
        archive: impl Read,
        emulator: &mut Emulator,
    ) -> Result<(), Refusal> {
        let mut failed = None;
        let input = Input::Unpacked(Box::new(archive));
        let read = read(input, |member, body| {
            let trimmed = member.name.strip_prefix(b"./").unwrap_or(&member.name);
            let path = trimmed.strip_suffix(b"/").unwrap_or(trimmed);
            let path = if path == b"." { b"" } else { path };
            let mut next = || Ok(body.chunk().map_err(io::Error::other)?.to_vec());
            let put = self.member(path, &member, &mut next, emulator);
            put.map_err(|errno| {
                failed = Some(Refusal {
                    action: format!("unpacking `{}` of the base image", shown(path)),
                    errno: errno.raw_os_error(),
                });
                terrine_tar::Error::Io(errno.into())
            })
        });
        if let Some(refusal) = failed {
            return Err(refusal);
        }
        read.map_err(io::Error::other)
            .trying("reading the base image")?;
        self.finish(emulator).trying("setting permissions")?;
        // Links that came later, and files in directories, change what the kernel says.
        for (path, original) in &mut self.base {
            let (parent, name) = split(path);
            let directory = openat2(
                &self.root,
                OsStr::from_bytes(if parent.is_empty() { b"." } else { parent }),
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
                ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            )
            .trying("examining the base image")?;
            original.stamp = Stamp::of(&look(directory, name).trying("examining the base image")?);
        }
        Ok(())
    }

    fn member(
        &mut self,
        path: &[u8],
        member: &Described,
        next: &mut dyn FnMut() -> io::Result<Vec<u8>>,
        emulator: &mut Emulator,
    ) -> Result<(), Errno> {
        let (parent, name) = split(path);
        let directory = self.directory(parent)?;
        let mut digest = None;
        let kind = match member.kind {
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(member.link.clone()),
            EntryType::Link => {
                return self.hard_link(path, &directory, &member.link);
            }
            EntryType::Char | EntryType::Block => Kind::Device {
                block: member.kind == EntryType::Block,
                major: member.device.0,
                minor: member.device.1,
            },
            EntryType::Fifo => Kind::Fifo,
            _ => {
                let mut file = self.create(&directory, name)?;
                let mut hash = Sha256::new();
                loop {
                    let part = next().map_err(|error| errno(&error))?;
                    if part.is_empty() {
                        break;
                    }
                    hash.update(&part);
                    file.write_all(&part).map_err(|error| errno(&error))?;
                }
                digest = Some(hash.finalize().into());
                Kind::Inline(vec![])
            }
        };
        let entry = Entry {
            path: path.to_vec(),
            kind,
            mode: member.mode & 0o7777,
            uid: member.uid as u32,
            gid: member.gid as u32,
            xattrs: kept(&member.xattrs),
        };
        if digest.is_none() {
            make(&directory, name, &entry, emulator.granted.devices)?;
        }
        self.settle(&directory, name, &entry, emulator)?;
        let stamp = Stamp::of(&look(&directory, name)?);
        self.base.insert(
            path.to_vec(),
            Original {
                entry,
                stamp,
                digest,
            },
        );
        Ok(())
    }

    fn hard_link(&mut self, path: &[u8], directory: &OwnedFd, to: &[u8]) -> Result<(), Errno> {
        let to = to.strip_prefix(b"./").unwrap_or(to);
        let (parent, name) = split(to);
        let from = self.directory(parent)?;
        let (_, new) = split(path);
        linkat(
            &from,
            OsStr::from_bytes(name),
            directory,
            OsStr::from_bytes(new),
            AtFlags::empty(),
        )?;
        if let Some(original) = self.base.get(to).cloned() {
            let mut original = original;
            original.entry.path = path.to_vec();
            self.base.insert(path.to_vec(), original);
        }
        Ok(())
    }

    /// Lays an entry over the tree.
    pub(super) fn put(&mut self, entry: &Entry, emulator: &mut Emulator) -> Result<(), Refusal> {
        let action = || format!("putting `/{}` in place", shown(&entry.path));
        self.lay(entry, emulator).map_err(|error| Refusal {
            action: action(),
            errno: error.raw_os_error(),
        })?;
        self.given.insert(entry.path.clone());
        Ok(())
    }

    fn lay(&mut self, entry: &Entry, emulator: &mut Emulator) -> Result<(), Errno> {
        let (parent, name) = split(&entry.path);
        let directory = self.directory(parent)?;
        if !name.is_empty() {
            self.clear(&directory, entry)?;
        }
        match &entry.kind {
            Kind::Inline(bytes) => {
                let mut file = self.create(&directory, name)?;
                file.write_all(bytes).map_err(|error| errno(&error))?;
            }
            Kind::Copy { source, .. } => {
                let file = self.create(&directory, name)?;
                copy(source, file).map_err(|error| errno(&error))?;
            }
            _ => make(&directory, name, entry, emulator.granted.devices)?,
        }
        self.settle(&directory, name, entry, emulator)
    }

    /// Makes room for an entry. A directory stays where one is to be.
    fn clear(&self, directory: &OwnedFd, entry: &Entry) -> Result<(), Errno> {
        let (_, name) = split(&entry.path);
        let name = OsStr::from_bytes(name);
        match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {
                if entry.kind == Kind::Directory {
                    return Ok(());
                }
                let path = self.path.join(OsStr::from_bytes(&entry.path));
                fs::remove_dir_all(path).map_err(|error| errno(&error))
            }
            Ok(_) => unlinkat(directory, name, AtFlags::empty()),
        }
    }

    fn create(&self, directory: &OwnedFd, name: &[u8]) -> Result<File, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        openat(directory, OsStr::from_bytes(name), flags, mode).map(File::from)
    }

    /// Gives what was made its owner, its permissions and its attributes.
    fn settle(
        &mut self,
        directory: &OwnedFd,
        name: &[u8],
        entry: &Entry,
        emulator: &mut Emulator,
    ) -> Result<(), Errno> {
        let key = Key::of(&look(directory, name)?);
        // Of an entry that was there before, with the same inode, only a directory's attributes stay.
        emulator.records.change_known(&key, |record| {
            let attributes = std::mem::take(&mut record.attributes);
            let is_directory = entry.kind == Kind::Directory;
            *record = Record {
                attributes: if is_directory { attributes } else { vec![] },
                ..Record::default()
            };
        });
        let file = OsStr::from_bytes(if name.is_empty() { b"." } else { name });
        let owner = (entry.uid, entry.gid);
        if emulator.takes(owner) {
            let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
            chownat(
                directory,
                file,
                Some(uid),
                Some(gid),
                AtFlags::SYMLINK_NOFOLLOW,
            )?;
        } else if owner != (0, 0) {
            emulator
                .records
                .change(key, |record| record.owner = Some(owner));
        }
        match entry.kind {
            Kind::Symlink(_) => return Ok(()),
            Kind::Directory => self.late.push((entry.path.clone(), entry.mode)),
            _ => self.permit(directory, file, entry.mode, emulator)?,
        }
        if let Kind::Device {
            block,
            major,
            minor,
        } = entry.kind
            && !emulator.granted.devices
        {
            let device = Device {
                block,
                major,
                minor,
            };
            emulator
                .records
                .change(key, |record| record.device = Some(device));
        }
        let path = self.path.join(OsStr::from_bytes(&entry.path));
        for (name, value) in &entry.xattrs {
            emulator.has_capabilities |= name == b"security.capability";
            let set = setxattr(&path, OsStr::from_bytes(name), value, XattrFlags::empty());
            match set {
                Err(_) if name == b"security.capability" => {
                    let value = Some(value.clone());
                    emulator
                        .records
                        .change(key, |record| record.capability = value);
                }
                // A file system without them has no place for those of users.
                Err(Errno::OPNOTSUPP | Errno::PERM) => {
                    let attribute = (name.clone(), value.clone());
                    emulator.records.change(key, |record| {
                        record.attributes.retain(|(old, _)| *old != attribute.0);
                        record.attributes.push(attribute);
                    });
                }
                set => set?,
            }
        }
        Ok(())
    }

    fn permit(
        &self,
        directory: &OwnedFd,
        file: &OsStr,
        mode: u32,
        emulator: &mut Emulator,
    ) -> Result<(), Errno> {
        let found = look(directory, file.as_bytes())?;
        if !emulator.faked.modes {
            let set = |mode| chmodat(directory, file, Mode::from_raw_mode(mode), AtFlags::empty());
            let is_refused = match set(mode) {
                // A build of Nix may not set these.
                Err(Errno::PERM) if is_special(mode) => {
                    set(mode & 0o1777)?;
                    true
                }
                done => {
                    done?;
                    false
                }
            };
            let is_file = u32::from(found.stx_mode) & libc::S_IFMT == libc::S_IFREG;
            let may_lose = is_file && is_special(mode) && !emulator.granted.devices;
            if is_refused || may_lose {
                emulator
                    .records
                    .change(Key::of(&found), |record| record.mode = Some(mode));
            }
            return Ok(());
        }
        let kept = match u32::from(found.stx_mode) & libc::S_IFMT {
            libc::S_IFDIR => mode | 0o700,
            _ => mode | 0o600,
        };
        let on_disk = Mode::from_raw_mode(kept & 0o777);
        chmodat(directory, file, on_disk, AtFlags::empty())?;
        if kept & 0o777 != mode {
            emulator
                .records
                .change(Key::of(&found), |record| record.mode = Some(mode));
        }
        Ok(())
    }

    /// Gives directories the permissions that would have kept what is in them from being made.
    pub(super) fn finish(&mut self, emulator: &mut Emulator) -> Result<(), Errno> {
        for (path, mode) in std::mem::take(&mut self.late).into_iter().rev() {
            let directory = self.directory(&path)?;
            self.permit(&directory, OsStr::new("."), mode, emulator)?;
        }
        Ok(())
    }
}

/// Makes an entry without content. What stands in for devices cannot be opened either.
fn make(directory: &OwnedFd, name: &[u8], entry: &Entry, devices: bool) -> Result<(), Errno> {
    let name = OsStr::from_bytes(name);
    let empty = Mode::from_raw_mode(0o600);
    match &entry.kind {
        Kind::Directory => match mkdirat(directory, name, Mode::from_raw_mode(0o700)) {
            Err(Errno::EXIST | Errno::NOENT) => Ok(()),
            made => made,
        },
        Kind::Symlink(target) => symlinkat(OsStr::from_bytes(target), directory, name),
        Kind::Fifo => mknodat(directory, name, FileType::Fifo, empty, 0),
        Kind::Device { .. } if !devices => mknodat(directory, name, STAND_IN, empty, 0),
        Kind::Device {
            block,
            major,
            minor,
        } => {
            let kind = if *block {
                FileType::BlockDevice
            } else {
                FileType::CharacterDevice
            };
            mknodat(directory, name, kind, empty, makedev(*major, *minor))
        }
        // Those with content are made as it is written.
        Kind::Inline(_) | Kind::Copy { .. } => Ok(()),
    }
}

/// The attributes that an image keeps.
pub(super) fn kept(xattrs: &[(Vec<u8>, Vec<u8>)]) -> Xattrs {
    let mut kept: Vec<_> = xattrs
        .iter()
        .filter(|(name, _)| is_kept(name))
        .cloned()
        .collect();
    kept.sort();
    kept
}

/// Returns whether an image keeps an attribute of this name.
pub(super) fn is_kept(name: &[u8]) -> bool {
    name == b"security.capability" || name.starts_with(b"user.")
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Copies a file whose path has no link: what has become one since then leads somewhere else.
fn copy(source: &Path, mut to: File) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = openat2(CWD, source, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    let mut from = File::from(opened);
    io::copy(&mut from, &mut to).map(drop)
}

/// The digest of a file's content.
pub(super) fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; BUFFER];
    let mut hash = Sha256::new();
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            count => hash.update(&buffer[..count]),
        }
    }
}
