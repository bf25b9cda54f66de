//! Kinds of input that an argument of `terrine replay record` can name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use terrine::oci::Reference;

use crate::failure::{Context, Failure, JsonError, Result};

/// The largest file that is looked at whole, in bytes.
const MAX_SIZE: u64 = 256 << 20;

/// The input that an argument names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// An image that exists.
    Image(Reference),
    /// An image specification.
    Spec(PathBuf),
    /// The output of `terrine plan` or `terrine build --summary`.
    Plan(Vec<u8>),
    /// A file or folder with store paths and the paths that they refer to.
    Closure(PathBuf),
}

impl Input {
    /// Finds out by what is there. Whatever is not a path is an image.
    pub(super) fn of(reference: &Reference) -> Result<Self> {
        let Reference::Path(path) = reference else {
            return Ok(Self::Image(reference.clone()));
        };
        reference.check_source()?;
        let reading = || format!("reading `{}`", path.display());
        if fs::metadata(path).with_context(reading)?.is_dir() {
            return Ok(if path.join("registration").exists() {
                Self::Closure(path.clone())
            } else {
                Self::Image(reference.clone())
            });
        }
        let mut start = [0; 512];
        let mut file = File::open(path).with_context(reading)?;
        let count = file.read(&mut start).with_context(reading)?;
        // An archive has bytes that are no text within its first header.
        let text = std::str::from_utf8(&start[..count]).unwrap_or("\0");
        match text.trim_ascii_start().bytes().next() {
            _ if text.contains('\0') => Ok(Self::Image(reference.clone())),
            Some(b'{') => Self::object(path, start[..count].to_vec(), file).with_context(reading),
            Some(b'[' | b'/') => Ok(Self::Closure(path.clone())),
            _ => Ok(Self::Image(reference.clone())),
        }
    }

    /// Finds out by the keys of a JSON object.
    fn object(path: &Path, mut text: Vec<u8>, rest: File) -> Result<Self> {
        rest.take(MAX_SIZE).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_SIZE {
            return Err(Failure::new(format!(
                "it has more than {} MiB",
                MAX_SIZE >> 20
            )));
        }
        let keys: BTreeMap<String, IgnoredAny> = serde_json::from_slice(&text)
            .map_err(JsonError)
            .context("it is not JSON")?;
        let has = |key: &str| keys.contains_key(key);
        if has("schemaVersion") && has("layers") {
            return Ok(Self::Plan(text));
        }
        if has("steps") && has("paths") {
            return Err(Failure::hinted(
                "it is a recorded sequence already",
                "`--append` adds to the one that `--output` names",
            ));
        }
        let closure = has("exportReferencesGraph")
            || has("info")
            || keys.keys().any(|key| key.starts_with('/'));
        let spec = [
            "name",
            "contents",
            "copyToRoot",
            "config",
            "closure",
            "fromImage",
        ]
        .iter()
        .any(|key| has(key));
        if spec && !closure {
            Ok(Self::Spec(path.to_owned()))
        } else {
            Ok(Self::Closure(path.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that cannot be set up has failed"
    )]

    use super::*;

    #[test]
    fn what_it_is_is_told_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        let reference = Reference::Path(path.clone());
        let image = || Input::Image(reference.clone());
        let spec = || Input::Spec(path.clone());
        let closure = || Input::Closure(path.clone());
        let plan = r#"{"schemaVersion": 1, "layers": []}"#;
        for (text, expected) in [
            ("", image()),
            ("\x1f\u{8b}", image()),
            ("/etc/passwd\0\0", image()),
            (" {\"name\": \"web\"}", spec()),
            (r#"{"contents": []}"#, spec()),
            (r#"{"name": "drv", "exportReferencesGraph": {}}"#, closure()),
            (r#"{"/nix/store/a": {}}"#, closure()),
            (r#"{"info": {}, "storeDir": ""}"#, closure()),
            ("[]", closure()),
            ("/nix/store/a\n\n0\n", closure()),
            (plan, Input::Plan(plan.as_bytes().to_vec())),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(Input::of(&reference).unwrap(), expected, "{text}");
        }
        for (text, expected) in [
            ("{", "it is not JSON"),
            (r#"{"steps": [], "paths": []}"#, "it is a recorded sequence"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Input::of(&reference).unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
        let registry: Reference = "docker://localhost/web".parse().unwrap();
        assert_eq!(Input::of(&registry).unwrap(), Input::Image(registry));
        fs::remove_file(&path).unwrap();
        assert!(Input::of(&reference).is_err());
        fs::create_dir(&path).unwrap();
        assert_eq!(Input::of(&reference).unwrap(), image());
        fs::write(path.join("registration"), "").unwrap();
        assert_eq!(Input::of(&reference).unwrap(), closure());
    }
}
