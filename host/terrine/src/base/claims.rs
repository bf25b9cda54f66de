//! The claims of an image, in its history, about what it holds.

use std::collections::BTreeSet;

use terrine_oci::{Configuration, ROOT_COMMENT, store_paths};

/// The store paths that an image's history tells of, if no layer can have changed them since:
/// above the first layer of store paths there may only be more of these, and the layer of the
/// root that dockerTools and terrine put on top.
pub(super) fn of(configuration: &Configuration, store_dir: &str) -> BTreeSet<String> {
    let Some(history) = configuration.layer_history() else {
        return BTreeSet::new();
    };
    let mut claimed = BTreeSet::new();
    for entry in history {
        let paths = store_paths(&entry.comment);
        match paths {
            Some(paths) if paths.iter().all(|path| is_below(path, store_dir)) => {
                claimed.extend(paths);
            }
            _ if entry.comment == ROOT_COMMENT => {}
            _ => claimed.clear(),
        }
    }
    claimed
}

/// Says whether a path is somewhere below a store's directory.
fn is_below(path: &str, store_dir: &str) -> bool {
    path.strip_prefix(store_dir)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(comments: &[&str]) -> Vec<String> {
        let digest = terrine_oci::Digest::of(b"");
        let layers: Vec<String> = comments.iter().map(|_| digest.to_string()).collect();
        let history: Vec<_> = comments
            .iter()
            .map(|comment| serde_json::json!({ "comment": comment }))
            .collect();
        let text = serde_json::json!({"rootfs": {"diff_ids": layers}, "history": history});
        let configuration = Configuration::parse(text.to_string().into_bytes()).unwrap();
        of(&configuration, "/nix/store").into_iter().collect()
    }

    #[test]
    fn layers_of_store_paths_are_believed_unless_something_is_on_top() {
        let (a, b) = (
            "store paths: ['/nix/store/a']",
            "store paths: ['/nix/store/b', '/nix/store/c']",
        );
        assert_eq!(
            claims(&[a, b, ROOT_COMMENT]),
            ["/nix/store/a", "/nix/store/b", "/nix/store/c"]
        );
        assert_eq!(claims(&["", a]), ["/nix/store/a"]);
        assert_eq!(claims(&[a, "RUN rm -rf /nix"]), Vec::<String>::new());
        assert_eq!(
            claims(&[a, "store paths: ['x/layer.tar']", b]),
            ["/nix/store/b", "/nix/store/c"]
        );
    }
}
