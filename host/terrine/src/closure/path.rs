//! The form of a store path.

use super::Fault;

/// A path directly below the store's directory, without the slashes at its end. Its
/// name need not begin with a hash: stores that are no Nix's have none.
///
/// # Errors
///
/// A path that is somewhere else, or whose name no store has.
pub(super) fn check(path: &str, store_dir: &str) -> Result<String, Fault> {
    let store_dir = store_dir.trim_end_matches('/');
    let plain = path.trim_end_matches('/');
    let name = plain
        .strip_prefix(store_dir)
        .and_then(|rest| rest.strip_prefix('/'));
    match name {
        Some(name) if is_name(name) => Ok(plain.to_owned()),
        _ => Err(Fault::NotAStorePath {
            path: path.to_owned(),
            store_dir: store_dir.to_owned(),
        }),
    }
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(|c: char| c == '/' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_directly_below_the_store_is_a_store_path() {
        let table = [
            ("/nix/store/a", Some("/nix/store/a")),
            ("/nix/store/a//", Some("/nix/store/a")),
            ("/nix/store/.a b", Some("/nix/store/.a b")),
            ("/nix/store/...", Some("/nix/store/...")),
            ("/nix/store", None),
            ("/nix/store/", None),
            ("/nix/store/a/b", None),
            ("/nix/store//a", None),
            ("/nix/store/.", None),
            ("/nix/store/..", None),
            ("/nix/store/../etc", None),
            ("/nix/store2/a", None),
            ("/nix/store/a\0", None),
            ("/nix/store/a\nb", None),
            ("nix/store/a", None),
            ("a", None),
            ("", None),
        ];
        for (path, expected) in table {
            for store_dir in ["/nix/store", "/nix/store/"] {
                assert_eq!(check(path, store_dir).ok().as_deref(), expected, "{path:?}");
            }
        }
        assert_eq!(check("/a", "/").as_deref(), Ok("/a"));
        let message = check("/x/y", "/nix/store").unwrap_err().to_string();
        assert_eq!(message, "`/x/y` is not a path directly below `/nix/store`");
    }
}
