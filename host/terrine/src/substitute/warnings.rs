//! Failures that do not end a build, and that the user is warned of.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use terrine_support::chain;
use terrine_support::hint::Hint;
use terrine_support::remark::Remark;

use super::Error;

/// Failures that do not end a build. They are reported to the user as warnings.
#[derive(Debug, Default)]
pub struct Warnings {
    /// The failed look-ups of files that only checks are interested in, by store path.
    look_ups: Mutex<BTreeMap<String, Remark>>,
    /// The failure to read which paths this machine has.
    database: OnceLock<Remark>,
}

impl Warnings {
    /// Reports that the database of the store on this machine cannot be read. Its paths count as missing then.
    pub fn database(&self, error: &impl Hint) {
        self.database.get_or_init(|| {
            let message = format!(
                "store paths of this machine are not used, because their database cannot be read: {}",
                chain(error)
            );
            with_hint(Remark::warning(message), error)
        });
    }

    /// Reports that the files of a store path could not be looked up.
    pub(super) fn look_up(&self, path: &str, error: &Error) {
        let message = format!(
            "the files of `{path}` are not checked, because they cannot be looked up: {}",
            chain(error)
        );
        let remark = with_hint(Remark::warning(message), error);
        let mut look_ups = self.look_ups.lock().unwrap_or_else(PoisonError::into_inner);
        look_ups.entry(path.to_owned()).or_insert(remark);
    }

    /// Returns whether looking up the files of a store path failed before.
    pub(super) fn has_failed(&self, path: &str) -> bool {
        let look_ups = self.look_ups.lock().unwrap_or_else(PoisonError::into_inner);
        look_ups.contains_key(path)
    }

    /// Returns the warnings for the user. Of several look-ups that failed, the one of the first path is described.
    pub fn remarks(&self) -> Vec<Remark> {
        let look_ups = self.look_ups.lock().unwrap_or_else(PoisonError::into_inner);
        let first = look_ups.values().next().cloned();
        let others = match look_ups.len() {
            0 | 1 => None,
            2 => Some("those of another store path are not checked either".to_owned()),
            count => Some(format!(
                "those of {} more store paths are not checked either",
                count - 1
            )),
        };
        let others = others.map(Remark::warning);
        let database = self.database.get().cloned();
        database.into_iter().chain(first).chain(others).collect()
    }
}

fn with_hint(remark: Remark, error: &impl Hint) -> Remark {
    match error.hint() {
        Some(hint) => remark.hint(hint),
        None => remark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere(path: &str) -> Error {
        Error::Nowhere {
            path: path.to_owned(),
            caches: vec!["file:///c".to_owned()],
        }
    }

    #[test]
    fn the_first_failure_is_described_and_others_are_counted() {
        let warnings = Warnings::default();
        assert_eq!(warnings.remarks(), []);
        for path in ["/nix/store/b", "/nix/store/a", "/nix/store/b"] {
            warnings.look_up(path, &nowhere(path));
            assert!(warnings.has_failed(path));
        }
        assert!(!warnings.has_failed("/nix/store/c"));
        warnings.database(&nowhere("x"));
        let remarks = warnings.remarks();
        let messages: Vec<&str> = remarks.iter().map(|remark| &*remark.message).collect();
        assert_eq!(
            messages,
            [
                "store paths of this machine are not used, because their database cannot be read: `x` is in none of the binary caches: `file:///c`",
                "the files of `/nix/store/a` are not checked, because they cannot be looked up: `/nix/store/a` is in none of the binary caches: `file:///c`",
                "those of another store path are not checked either",
            ]
        );
        assert!(remarks.iter().all(Remark::is_warning));
        assert!(remarks[1].hint.as_deref().unwrap().contains("nix copy"));
    }
}
