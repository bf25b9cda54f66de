//! Annotations that terrine itself writes and reads.

use super::Annotations;

/// On a layer: the store paths in it, a JSON list of strings.
pub const STORE_PATHS: &str = "dev.terrine.store-paths";

/// The value of [`STORE_PATHS`] for some paths.
pub fn store_paths_value<S: AsRef<str>>(paths: &[S]) -> String {
    let paths: Vec<&str> = paths.iter().map(AsRef::as_ref).collect();
    // A list of strings does not fail to serialize.
    serde_json::to_string(&paths).unwrap_or_default()
}

/// The store paths that a layer's annotations name; none where they say nothing of them, or
/// not in that form.
pub fn store_paths(annotations: &Annotations) -> Option<Vec<String>> {
    serde_json::from_str(annotations.get(STORE_PATHS)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let paths = ["/nix/store/a", "/nix/store/\"b\""];
        let annotations = |value: String| Annotations::from([(STORE_PATHS.to_owned(), value)]);
        let value = store_paths_value(&paths);
        assert_eq!(store_paths(&annotations(value)), Some(paths.map(ToOwned::to_owned).to_vec()));
        assert_eq!(store_paths(&Annotations::new()), None);
        for value in ["", "x", "{}", "[1]", "['a']"] {
            assert_eq!(store_paths(&annotations(value.to_owned())), None);
        }
    }
}
