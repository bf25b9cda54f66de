//! Folders that may be trusted with what is kept: nobody else can have put it there.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// The permissions of others than the owner to write.
const OTHERS: u32 = 0o022;
/// The bit of a directory in which only the owner of an entry may replace it.
const STICKY: u32 = 0o1000;
/// The owner that a name space of users shows for those that it does not have: root, for the most part.
const NOBODY: u32 = 65534;

/// Makes a folder for this user alone, if it is missing, and checks it as it is then.
///
/// # Errors
///
/// As [`check`]. One that cannot be made passes, if it could be made where that holds.
pub fn make(folder: &Path) -> Result<(), String> {
    // Nothing is left in a place of others.
    check(folder)?;
    // If it cannot be made, the code that writes there reports that.
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    check(folder)
}

/// Checks that nobody but this user and root can put a file into a folder, or another folder in its place.
/// A missing folder passes, if it can be made where that holds.
///
/// # Errors
///
/// Why others could, for a person.
pub fn check(folder: &Path) -> Result<(), String> {
    let real = real(folder).map_err(|error| error.to_string())?;
    for path in [folder, &real] {
        check_way(path, &|metadata| metadata.uid() == geteuid().as_raw())?;
    }
    Ok(())
}

/// Checks each directory on the way, and the links between them, whose targets are on another way.
fn check_way(folder: &Path, own: &dyn Fn(&Metadata) -> bool) -> Result<(), String> {
    let mut way: Vec<&Path> = folder.ancestors().collect();
    way.reverse();
    for path in way {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("`{}`: {error}", path.display())),
        };
        let last = path == folder;
        let owner = metadata.uid();
        if !own(&metadata) && owner != 0 && (last || owner != NOBODY) {
            return Err(format!("`{}` belongs to the user {owner}", path.display()));
        }
        let mode = metadata.mode();
        let kept = !last && mode & STICKY != 0;
        if !metadata.is_symlink() && mode & OTHERS != 0 && !kept {
            return Err(format!("others may write to `{}`", path.display()));
        }
    }
    Ok(())
}

/// Returns the place where a folder really is, or would be.
fn real(folder: &Path) -> io::Result<PathBuf> {
    for path in folder.ancestors() {
        match fs::canonicalize(path) {
            Ok(real) => {
                let rest = folder.strip_prefix(path).unwrap_or(Path::new(""));
                return Ok(real.join(rest));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_folder_is_the_users_own_or_not() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path();
        let set =
            |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let folder = top.join("cache/planner");
        assert_eq!(check(&folder), Ok(()));
        fs::create_dir_all(&folder).unwrap();
        set(&folder, 0o755);
        set(&top.join("cache"), 0o755);
        assert_eq!(check(&folder), Ok(()));
        for (path, mode, expected) in [
            (folder.clone(), 0o777, Err(&folder)),
            (folder.clone(), 0o1777, Err(&folder)),
            (folder.clone(), 0o775, Err(&folder)),
            (top.join("cache"), 0o777, Err(&top.join("cache"))),
            // As `/tmp`.
            (top.join("cache"), 0o1777, Ok(())),
        ] {
            set(&path, mode);
            let expected =
                expected.map_err(|path| format!("others may write to `{}`", path.display()));
            assert_eq!(check(&folder), expected, "{mode:o}");
            set(&path, 0o755);
        }
        // A link is as good as what it leads to.
        let link = top.join("link");
        symlink("cache/planner", &link).unwrap();
        assert_eq!(check(&link), Ok(()));
        set(&folder, 0o777);
        assert!(check(&link).is_err());
    }

    #[test]
    fn another_users_folder_is_not_ones_own() {
        let top = tempfile::tempdir().unwrap();
        if geteuid().is_root() {
            std::os::unix::fs::chown(top.path(), Some(1234), None).unwrap();
            let expected = format!("`{}` belongs to the user 1234", top.path().display());
            assert_eq!(check(&top.path().join("x")), Err(expected));
        } else {
            let strangers = |_: &Metadata| false;
            assert!(check_way(top.path(), &strangers).is_err());
        }
    }
}
