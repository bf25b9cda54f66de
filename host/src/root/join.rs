//! Packages joined at the root by links, as `lndir` does.

use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

use super::entry::Node;
use super::list::{Child, check_directory, children, failed};
use super::tree::{Twice, normalise};
use super::{Error, Origin, Root};

/// What version control leaves in a directory: left out, if it is a directory itself.
const VERSION_CONTROL: [&[u8]; 8] =
    [b".git", b".hg", b".svn", b"BitKeeper", b"CVS", b"CVS.adm", b"RCS", b"SCCS"];

impl Root {
    /// Joins a directory at the root: its directories are made anew, and what they hold
    /// becomes links to it. A link is made again with the target that it has. `at` is the
    /// directory's absolute path in the image, `source` where it is on this machine.
    ///
    /// As with `lndir`, what ends in `~` and the directories of version control are left
    /// out, and of several packages the first one has a path, whatever it is there.
    ///
    /// # Errors
    ///
    /// What is not a directory or can not be listed, and a path that something other
    /// than a package has as something else.
    pub fn link(&mut self, at: &str, source: &Path, origin: Origin) -> Result<(), Error> {
        let at = normalise(at)?;
        check_directory(source, &origin)?;
        let origin = Arc::new(origin);
        // Directories that are still to be listed, below the root and below `source`.
        let mut open = vec![Vec::new()];
        while let Some(directory) = open.pop() {
            let place = below(source, &directory);
            for child in children(&place)?.into_iter().filter(|child| !is_left_out(child)) {
                let path = [&directory[..], b"/", child.name.as_bytes()].concat();
                if child.kind.is_dir() {
                    if self.place(path.clone(), Node::implied(&origin), Twice::Keep)? {
                        open.push(path);
                    }
                    continue;
                }
                let target = if child.kind.is_symlink() {
                    read_link(&place.join(&child.name))?
                } else {
                    [at.as_bytes(), &path].concat()
                };
                self.place(path, Node::symlink(&target, &origin), Twice::Keep)?;
            }
        }
        Ok(())
    }
}

/// A path of the root as it is in `source`.
fn below(source: &Path, path: &[u8]) -> std::path::PathBuf {
    source.join(std::ffi::OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)))
}

fn is_left_out(child: &Child) -> bool {
    let name = child.name.as_bytes();
    name.ends_with(b"~") || (child.kind.is_dir() && VERSION_CONTROL.contains(&name))
}

pub(super) fn read_link(path: &Path) -> Result<Vec<u8>, Error> {
    let target = fs::read_link(path).map_err(|error| failed("reading", path, error))?;
    Ok(target.into_os_string().into_vec())
}
