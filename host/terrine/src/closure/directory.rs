//! The sizes of plain directories, of which no database knows.

use crate::layer::{Error, Store, StorePath, Tree};

/// The sum of the sizes of a path's files and of the lengths of its links' targets, in
/// bytes. No file is opened. A NAR is somewhat larger.
///
/// # Errors
///
/// A path that cannot be listed, or holds what a layer cannot hold.
pub fn size(store: &Store, path: &StorePath) -> Result<u64, Error> {
    let mut sum = 0_u64;
    Tree::walk(store, std::slice::from_ref(path))?.for_each(|entry| {
        let total = sum
            .checked_add(entry.size)
            .and_then(|sum| sum.checked_add(entry.link.len() as u64));
        sum = total
            .filter(|&sum| i64::try_from(sum).is_ok())
            .ok_or_else(|| Error::TooLarge {
                path: store.locate(path.as_str().as_ref()),
            })?;
        Ok::<_, Error>(())
    })?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn files_and_links_are_summed_up() {
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("nix/store");
        fs::create_dir_all(store.join("a/deep/er")).unwrap();
        fs::write(store.join("a/file"), [0; 100]).unwrap();
        fs::write(store.join("a/deep/er/file"), [0; 20]).unwrap();
        symlink("target", store.join("a/deep/link")).unwrap();
        fs::File::create(store.join("a/sparse"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        fs::write(store.join("plain"), b"12345").unwrap();
        fs::create_dir(store.join("socket")).unwrap();
        let _listener = UnixListener::bind(store.join("socket/s")).unwrap();

        let store = Store::open("/nix/store", root.path()).unwrap();
        let size = |name: &str| size(&store, &store.path(&format!("/nix/store/{name}")).unwrap());
        assert_eq!(size("a").unwrap(), 100 + 20 + 6 + (1 << 40));
        assert_eq!(size("plain").unwrap(), 5);
        assert!(matches!(size("missing"), Err(Error::Missing { .. })));
        let error = size("socket").unwrap_err().to_string();
        assert!(
            error.ends_with("/nix/store/socket/s` is a socket, which a layer cannot hold"),
            "{error}"
        );
    }
}
