//! Reading back what commands left.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid, chmodat, chownat, lgetxattr, llistxattr};
use rustix::io::Errno;

use super::Trying;
use super::tree::{Stamp, Tree, digest, is_kept, look, split};
use crate::emulate::{Emulator, Key};
use crate::request::{Changes, Entry, Kind, Refusal, Xattrs};

/// The longest list of attributes, and the longest value, that Linux has.
const LONGEST: usize = 64 << 10;

/// The reading back of a tree.
pub(super) struct Listing<'a> {
    pub(super) tree: &'a Tree,
    pub(super) emulator: &'a Emulator,
    /// The folder that files are moved to.
    pub(super) out: PathBuf,
}

/// An entry of the tree.
struct Found {
    entry: Entry,
    stamp: Stamp,
}

/// Refuses a device that tools take for the mark of something deleted.
fn refuse_deletion(entry: &Entry) -> Result<(), Refusal> {
    let Kind::Device {
        block: false,
        major: 0,
        minor: 0,
    } = entry.kind
    else {
        return Ok(());
    };
    let path = String::from_utf8_lossy(&entry.path);
    Err(Errno::INVAL).trying(format!("keeping the device 0:0 at `/{path}`"))
}

impl Listing<'_> {
    /// Lists what is in the layer, and moves its files out of the tree.
    pub(super) fn read(&self) -> Result<Changes, Refusal> {
        fs::create_dir(&self.out).trying("making a folder for files")?;
        let mut found = vec![];
        self.walk(vec![], &mut found)?;
        let mut changes = Changes::default();
        let mut needed: BTreeSet<&[u8]> = BTreeSet::new();
        for item in &found {
            if self.is_new(item)? {
                let mut path = item.entry.path.as_slice();
                while needed.insert(path) && !path.is_empty() {
                    path = split(path).0;
                }
            }
        }
        self.removed(&found, &mut changes);
        for path in changes.removed.iter().chain(&changes.opaque) {
            let mut parent = split(path).0;
            let own = changes.opaque.contains(path).then_some(path.as_slice());
            needed.extend(own);
            while needed.insert(parent) && !parent.is_empty() {
                parent = split(parent).0;
            }
        }
        let needed: BTreeSet<Vec<u8>> = needed.into_iter().map(<[u8]>::to_vec).collect();
        for item in found {
            if needed.contains(&item.entry.path) || item.entry.path.is_empty() {
                refuse_deletion(&item.entry)?;
                let number = changes.entries.len();
                changes.entries.push(self.taken(item.entry, number)?);
            }
        }
        Ok(changes)
    }

    fn place(&self, path: &[u8]) -> PathBuf {
        self.tree.path.join(OsStr::from_bytes(path))
    }

    /// Lists a directory and what is in it, in the order of names.
    fn walk(&self, path: Vec<u8>, found: &mut Vec<Found>) -> Result<(), Refusal> {
        let mut open = vec![path];
        while let Some(path) = open.pop() {
            let Some(item) = self.entry(path.clone())? else {
                continue;
            };
            let is_directory = item.entry.kind == Kind::Directory;
            found.push(item);
            if !is_directory {
                continue;
            }
            let place = self.place(&path);
            self.open_up(&place, 0o700);
            let mut names = vec![];
            let listed = fs::read_dir(&place).trying("listing the tree")?;
            for entry in listed {
                names.push(entry.trying("listing the tree")?.file_name());
            }
            names.sort_unstable_by(|a, b| b.cmp(a));
            open.extend(names.into_iter().map(|name| {
                let mut child = path.clone();
                if !child.is_empty() {
                    child.push(b'/');
                }
                child.extend_from_slice(name.as_bytes());
                child
            }));
        }
        Ok(())
    }

    /// Lets this process read what commands closed, where it has no more rights than they.
    fn open_up(&self, place: &Path, bits: u32) {
        if self.emulator.faked.modes
            && let Ok(found) = fs::symlink_metadata(place)
        {
            use std::os::unix::fs::MetadataExt;
            let mode = Mode::from_raw_mode(found.mode() & 0o7777 | bits);
            let _ = chmodat(CWD, place, mode, AtFlags::empty());
        }
    }

    fn entry(&self, path: Vec<u8>) -> Result<Option<Found>, Refusal> {
        let place = self.place(&path);
        let named = place.as_os_str().as_bytes();
        let found = look(CWD, named).trying("examining the tree")?;
        let state = self.emulator.state(&found);
        let kind = match state.mode & libc::S_IFMT {
            libc::S_IFDIR => Kind::Directory,
            libc::S_IFLNK => {
                let target = fs::read_link(&place).trying("reading a link")?;
                Kind::Symlink(target.into_os_string().as_bytes().to_vec())
            }
            libc::S_IFREG => Kind::Copy {
                source: PathBuf::new(),
                size: found.stx_size,
            },
            libc::S_IFIFO => Kind::Fifo,
            kind @ (libc::S_IFCHR | libc::S_IFBLK) => Kind::Device {
                block: kind == libc::S_IFBLK,
                major: state.device.0,
                minor: state.device.1,
            },
            // Sockets mean nothing once nobody listens.
            _ => return Ok(None),
        };
        let xattrs = self
            .attributes(&place, &kind, &found)
            .trying("reading attributes")?;
        Ok(Some(Found {
            stamp: Stamp::of(&found),
            entry: Entry {
                path,
                kind,
                mode: state.mode & 0o7777,
                uid: state.uid,
                gid: state.gid,
                xattrs,
            },
        }))
    }

    fn attributes(&self, place: &Path, kind: &Kind, found: &libc::statx) -> Result<Xattrs, Errno> {
        if !matches!(kind, Kind::Copy { .. } | Kind::Directory) {
            return Ok(vec![]);
        }
        let mut buffer = vec![0; LONGEST];
        let length = match llistxattr(place, &mut buffer[..]) {
            Err(Errno::OPNOTSUPP | Errno::ACCESS) => 0,
            length => length?,
        };
        let mut attributes = vec![];
        let names = buffer[..length].split(|&byte| byte == 0);
        for name in names.filter(|name| is_kept(name)) {
            let mut value = vec![0; LONGEST];
            let length = lgetxattr(place, OsStr::from_bytes(name), &mut value[..])?;
            value.truncate(length);
            attributes.push((name.to_vec(), value));
        }
        if let Some(record) = self.emulator.records.get(&Key::of(found)) {
            let capability = record.capability.clone();
            attributes.extend(capability.map(|value| (b"security.capability".to_vec(), value)));
            attributes.extend(record.attributes.iter().cloned());
        }
        attributes.sort();
        Ok(attributes)
    }

    /// Returns whether an entry is in the layer for its own sake.
    fn is_new(&self, found: &Found) -> Result<bool, Refusal> {
        let entry = &found.entry;
        if self.tree.given.contains(&entry.path) {
            return Ok(true);
        }
        let Some(original) = self.tree.base.get(&entry.path) else {
            return Ok(true);
        };
        let was = &original.entry;
        let same = (was.mode, was.uid, was.gid) == (entry.mode, entry.uid, entry.gid)
            || matches!(entry.kind, Kind::Symlink(_))
                && (was.uid, was.gid) == (entry.uid, entry.gid);
        if !same || was.xattrs != entry.xattrs {
            return Ok(true);
        }
        match (&was.kind, &entry.kind) {
            (Kind::Inline(_), Kind::Copy { .. }) => {
                if original.stamp == found.stamp {
                    return Ok(false);
                }
                let place = self.place(&entry.path);
                self.open_up(&place, 0o600);
                let now = digest(&place).trying("reading a file")?;
                Ok(original.digest != Some(now))
            }
            (was, is) => Ok(was != is),
        }
    }

    /// Finds what is in the base and no more in the tree.
    fn removed(&self, found: &[Found], changes: &mut Changes) {
        let there: std::collections::BTreeMap<&[u8], bool> = found
            .iter()
            .map(|item| (&*item.entry.path, item.entry.kind == Kind::Directory))
            .collect();
        let mut gone: Vec<&[u8]> = vec![];
        for path in self.tree.base.keys().filter(|path| !path.is_empty()) {
            let (parent, _) = split(path);
            // What was in a directory that is none any more is gone with it.
            if !there.contains_key(&**path) && there.get(parent).copied() == Some(true) {
                gone.push(path);
            }
        }
        let mut parents: BTreeSet<&[u8]> = gone.iter().map(|path| split(path).0).collect();
        // Of the root something always stays.
        parents.remove(&b""[..]);
        let emptied: BTreeSet<&[u8]> = parents
            .into_iter()
            .filter(|parent| {
                let is_in = |path: &[u8]| split(path).0 == *parent;
                !self
                    .tree
                    .base
                    .keys()
                    .any(|path| is_in(path) && there.contains_key(&**path))
            })
            .collect();
        changes.opaque = emptied.iter().map(|path| path.to_vec()).collect();
        changes.removed = gone
            .into_iter()
            .filter(|path| !emptied.contains(split(path).0))
            .map(<[u8]>::to_vec)
            .collect();
    }

    /// Takes a file out of the tree.
    fn taken(&self, mut entry: Entry, number: usize) -> Result<Entry, Refusal> {
        if let Kind::Copy { source, .. } = &mut entry.kind {
            let place = self.place(&entry.path);
            let out = self.out.join(number.to_string());
            fs::rename(&place, &out).trying("moving a file")?;
            // The program that asked is this user, with no more rights than a user has.
            if !self.emulator.granted.ids.is_empty() {
                let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
                chownat(CWD, &out, Some(uid), Some(gid), AtFlags::empty())
                    .trying("taking over a file")?;
            }
            chmodat(CWD, &out, Mode::from_raw_mode(0o600), AtFlags::empty())
                .trying("taking over a file")?;
            *source = out;
        }
        Ok(entry)
    }
}
