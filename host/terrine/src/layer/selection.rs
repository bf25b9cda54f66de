//! The part of a directory of this machine that is in an image: not what patterns leave out, and of
//! its permissions what version control keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use terrine_support::remark::Remark;

use super::{Attributes, Error, Exclude, attributes, opening};
use crate::beneath::{self, Beneath, Found};

/// Permissions of what has none of its own.
const PLAIN: u16 = 0o644;
const EXECUTABLE: u16 = 0o755;
/// The bits by which git tells that a file is a program.
const OWNER_EXECUTES: u16 = 0o100;
const OTHERS_READ: u16 = 0o004;
const SET_ID: u16 = 0o6000;
const STICKY: u16 = 0o1000;

/// The part of one directory of this machine that is in an image.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Paths below the directory that are not in the image, and nothing below them.
    left_out: BTreeSet<Box<[u8]>>,
    keeps_modes: bool,
    /// Extended attributes by the paths of what has them.
    attributes: BTreeMap<Box<[u8]>, Attributes>,
    /// Entries with attributes that are not in the image, by the names of these.
    without: BTreeMap<String, Vec<String>>,
    /// The paths that were left out although nobody asked for that.
    unasked: Vec<String>,
    /// A file that others cannot read here, where they can read most, and how many there are.
    private: Option<(String, usize)>,
    /// By what files are left out.
    exclude: Exclude,
}

impl Selection {
    /// All that a directory holds, as it is.
    pub fn all() -> Self {
        Self {
            keeps_modes: true,
            ..Self::default()
        }
    }

    /// Looks through a directory.
    ///
    /// # Errors
    ///
    /// What cannot be listed, and is not left out.
    pub fn of(place: &Path, exclude: &Exclude, keeps_modes: bool) -> Result<Self, Error> {
        let failed = |source| Error::Io {
            action: "examining",
            path: place.to_owned(),
            source,
        };
        let directory = Beneath::open(place).map_err(failed)?;
        let mut look = Look {
            directory: &directory,
            exclude,
            selection: Self {
                keeps_modes,
                exclude: exclude.clone(),
                ..Self::default()
            },
            private: vec![],
            readable: 0,
        };
        look.walk()?;
        Ok(look.finish())
    }

    /// Looks through a directory of which all is in the image as it is.
    ///
    /// # Errors
    ///
    /// What cannot be listed.
    pub fn whole(place: &Path) -> Result<Self, Error> {
        Self::of(place, &Exclude::none(), true)
    }

    /// Looks at a single file.
    ///
    /// # Errors
    ///
    /// What cannot be opened.
    pub fn of_file(place: &Path, keeps_modes: bool) -> Result<Self, Error> {
        let mut selection = Self {
            keeps_modes,
            ..Self::default()
        };
        let file = File::open(place).map_err(|source| Error::Io {
            action: "opening",
            path: place.to_owned(),
            source,
        })?;
        let name = place.file_name().unwrap_or_default().as_bytes();
        selection
            .read_attributes(&file, name)
            .map_err(|errno| opening(place, errno))?;
        Ok(selection)
    }

    /// Returns the extended attributes of an entry.
    pub fn attributes(&self, below: &[u8]) -> &[(Vec<u8>, Vec<u8>)] {
        self.attributes.get(below).map_or(&[], Vec::as_slice)
    }

    fn read_attributes(&mut self, file: impl AsFd, below: &[u8]) -> Result<(), Errno> {
        let attributes::Found { carried, left } = attributes::read(file)?;
        if !carried.is_empty() {
            self.attributes.insert(below.into(), carried);
        }
        let shown = || String::from_utf8_lossy(below).into_owned();
        for name in left {
            self.without.entry(name).or_default().push(shown());
        }
        Ok(())
    }

    /// Takes away what is left out of a directory's entries, and settles the permissions of the others. `below` is
    /// the directory's path, empty for the top.
    pub(crate) fn apply(&self, below: &[u8], found: &mut Vec<Found>) {
        if !self.left_out.is_empty() {
            found.retain(|found| !self.leaves_out(&join(below, &found.name)));
        }
        for found in found {
            found.mode = self.mode(found.kind, found.mode);
        }
    }

    /// Says whether a path below the directory is left out by itself.
    pub(crate) fn leaves_out(&self, below: &[u8]) -> bool {
        self.left_out.contains(below)
    }

    /// Says whether patterns leave out a path that links lead to. A directory in which there may be exceptions is not.
    pub(crate) fn leaves_out_alias(&self, path: &[u8], is_directory: bool) -> bool {
        let may_hold_more = is_directory && self.exclude.has_exceptions();
        !may_hold_more && self.exclude.matches(path)
    }

    /// Returns the permissions of an entry in the image. Of what git does not record, only that is kept which no umask
    /// and no directory above makes: the set-id bits of programs, and directories with a sticky bit.
    pub fn mode(&self, kind: FileType, mode: u16) -> u16 {
        let executes = mode & OWNER_EXECUTES != 0;
        match kind {
            _ if self.keeps_modes => mode,
            FileType::Directory if mode & STICKY == 0 => EXECUTABLE,
            FileType::RegularFile if !executes => PLAIN,
            FileType::RegularFile if mode & SET_ID == 0 => EXECUTABLE,
            _ => mode,
        }
    }

    /// Says what it depends on beside the directory's entries.
    pub(crate) fn describe(&self) -> &'static str {
        if self.keeps_modes { "modes" } else { "" }
    }

    /// Returns what a person should be told of a directory.
    pub fn remarks(&self, name: &str) -> Vec<Remark> {
        let mut remarks = vec![];
        if let Some(first) = self.unasked.first() {
            let more = match self.unasked.len() {
                1 => String::new(),
                count => format!(" and {} more of its kind", count - 1),
            };
            let remark = Remark::note(format!("`{first}`{more} in `{name}` is left out"));
            remarks.push(remark.hint(format!("`--exclude '!{first}'` keeps it")));
        }
        for (attribute, paths) in &self.without {
            let first = paths.first().map_or("", String::as_str);
            let more = match paths.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let first = if first.is_empty() { "." } else { first };
            remarks.push(Remark::warning(format!(
                "the attribute `{attribute}` of `{first}`{more} in `{name}` is not in the image"
            )).hint("only `security.capability` and `user.*` are kept; for access, set owners and permissions with `permissions`"));
        }
        if let Some((first, count)) = &self.private {
            let more = match count {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let remark = Remark::warning(format!(
                "other users cannot read `{first}`{more} in `{name}`, but can in the image"
            ));
            remarks.push(
                remark.hint("keep permissions with `--keep-modes`, or set them with `permissions`"),
            );
        }
        remarks
    }
}

/// A look through a directory.
struct Look<'a> {
    directory: &'a Beneath,
    exclude: &'a Exclude,
    selection: Selection,
    /// Files that others cannot read, and how many they can.
    private: Vec<Box<[u8]>>,
    readable: usize,
}

/// A directory that the look is in.
struct Level {
    below: Vec<u8>,
    children: std::vec::IntoIter<Found>,
    /// True if something in it is in the image although the directory itself is left out.
    is_in: bool,
}

impl Look<'_> {
    fn walk(&mut self) -> Result<(), Error> {
        let mut open = vec![self.open(vec![], true)?];
        while let Some(level) = open.last_mut() {
            let Some(child) = level.children.next() else {
                let Some(done) = open.pop() else { break };
                match open.last_mut() {
                    Some(above) => above.is_in |= done.is_in,
                    None => break,
                }
                if !done.is_in {
                    self.leave_out_all(done.below);
                }
                continue;
            };
            let below = join(&level.below, &child.name);
            let is_out = self.exclude.matches(&below);
            if child.kind == FileType::Directory && (!is_out || self.exclude.has_exceptions()) {
                open.push(self.open(below, !is_out)?);
            } else if is_out {
                self.leave_out(below);
            } else {
                level.is_in = true;
                self.note(below, &child)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, below: Vec<u8>, is_in: bool) -> Result<Level, Error> {
        let failed = |errno: Errno| opening(&self.directory.place(&below), errno);
        let handle: OwnedFd = self
            .directory
            .open_at(&below, OFlags::DIRECTORY)
            .map_err(failed)?;
        let mut children = beneath::list(&handle).map_err(|(_, errno)| failed(errno))?;
        children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let read = self.selection.read_attributes(&handle, &below);
        read.map_err(failed)?;
        Ok(Level {
            below,
            children: children.into_iter(),
            is_in,
        })
    }

    fn leave_out(&mut self, below: Vec<u8>) {
        if !self.exclude.is_asked_for(&below) {
            let name = String::from_utf8_lossy(&below).into_owned();
            self.selection.unasked.push(name);
        }
        self.selection.left_out.insert(below.into());
    }

    /// Leaves out a directory of which nothing is in the image: it stands for all that is in it.
    fn leave_out_all(&mut self, below: Vec<u8>) {
        let start = join(&below, b"");
        let selection = &mut self.selection;
        selection.left_out.retain(|path| !path.starts_with(&start));
        selection
            .unasked
            .retain(|name| !name.as_bytes().starts_with(&start));
        self.leave_out(below);
    }

    /// Notes what there is to know of an entry that is in the image.
    fn note(&mut self, below: Vec<u8>, found: &Found) -> Result<(), Error> {
        if found.kind != FileType::RegularFile {
            return Ok(());
        }
        // What cannot be opened is told when its content is read.
        if let Ok(file) = self.directory.open_at(&below, OFlags::NONBLOCK) {
            let read = self.selection.read_attributes(&file, &below);
            read.map_err(|errno| opening(&self.directory.place(&below), errno))?;
        }
        if found.mode & OTHERS_READ == 0 {
            self.private.push(below.into());
        } else {
            self.readable += 1;
        }
        Ok(())
    }

    /// Finishes the look. Where nobody else can read anything, that is this machine's umask, and
    /// means nothing.
    fn finish(self) -> Selection {
        let mut selection = self.selection;
        let mixed = self.readable > 0 && !selection.keeps_modes;
        let first = self.private.first().filter(|_| mixed);
        let first = first.map(|first| String::from_utf8_lossy(first).into_owned());
        selection.private = first.map(|first| (first, self.private.len()));
        selection
    }
}

fn join(below: &[u8], name: &[u8]) -> Vec<u8> {
    match below {
        b"" => name.to_vec(),
        below => [below, b"/", name].concat(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(entries: &[(&str, u32)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for &(name, mode) in entries {
            let place = folder.path().join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, name).unwrap();
            fs::set_permissions(&place, Permissions::from_mode(mode)).unwrap();
        }
        folder
    }

    fn selection(entries: &[(&str, u32)], patterns: &[&str]) -> Selection {
        let folder = folder(entries);
        let exclude = Exclude::new(patterns.iter().copied()).unwrap();
        Selection::of(folder.path(), &exclude, false).unwrap()
    }

    #[test]
    fn directories_stay_for_what_is_taken_back_into_them() {
        let entries = [
            ("a/b/c", 0o644),
            ("a/b/d", 0o644),
            ("a/e/f", 0o644),
            ("g", 0o644),
            (".git/x", 0o644),
            ("a/.git", 0o644),
        ];
        let left_out = |patterns: &[&str]| -> Vec<String> {
            let selection = selection(&entries, patterns);
            let names = selection.left_out.iter();
            names
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect()
        };
        assert_eq!(left_out(&[]), [".git", "a/.git"]);
        assert_eq!(left_out(&["*"]), [".git", "a", "g"]);
        let kept = left_out(&["*", "!a/b/c"]);
        assert_eq!(kept, [".git", "a/.git", "a/b/d", "a/e", "g"]);
        assert_eq!(left_out(&["!.git"]), ["a/.git"]);
    }

    #[test]
    fn permissions_are_those_that_git_records_and_those_that_nobody_gets_by_chance() {
        let selection = Selection::default();
        for (kind, mode, expected) in [
            (FileType::RegularFile, 0o664, 0o644),
            (FileType::RegularFile, 0o600, 0o644),
            (FileType::RegularFile, 0o444, 0o644),
            (FileType::RegularFile, 0o775, 0o755),
            (FileType::RegularFile, 0o700, 0o755),
            (FileType::RegularFile, 0o655, 0o644),
            (FileType::RegularFile, 0o4711, 0o4711),
            (FileType::RegularFile, 0o2775, 0o2775),
            (FileType::RegularFile, 0o2664, 0o644),
            (FileType::Directory, 0o775, 0o755),
            (FileType::Directory, 0o2775, 0o755),
            (FileType::Directory, 0o1777, 0o1777),
            (FileType::Directory, 0o700, 0o755),
            (FileType::Symlink, 0o777, 0o777),
        ] {
            assert_eq!(selection.mode(kind, mode), expected, "{kind:?} {mode:o}");
            assert_eq!(Selection::all().mode(kind, mode), mode);
        }
    }

    fn told(entries: &[(&str, u32)], patterns: &[&str]) -> Vec<String> {
        let remarks = selection(entries, patterns).remarks("./site");
        remarks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_nobody_asked_for_is_told() {
        let entries = [
            ("key", 0o600),
            ("page", 0o644),
            (".git/x", 0o644),
            (".hg/x", 0o644),
        ];
        let expected = [
            "`.git` and 1 more of its kind in `./site` is left out",
            "other users cannot read `key` in `./site`, but can in the image",
        ];
        assert_eq!(told(&entries, &[]), expected);
        assert_eq!(told(&entries, &["!x"]), expected);
        let none: [&str; 0] = [];
        assert_eq!(told(&entries, &[".*", "key"]), none);
        // A umask of 077.
        let entries = [("key", 0o600), ("page", 0o600)];
        assert_eq!(told(&entries, &[]), none);
    }
}
