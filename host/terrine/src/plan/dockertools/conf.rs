//! `conf.json`, in which Nixpkgs' `streamLayeredImage` describes an image (docs/dockertools.md,
//! section 2.1).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;
use terrine_support::file::{self, FileError};
use terrine_support::hint::Hint;
use terrine_support::json::{self, Fault};

use crate::spec::{PermissionSpec, Wanted, When, mistaken};

/// The largest file that is read, in bytes. 100,000 store paths make some 10 MB.
pub(super) const MAX_SIZE: u64 = 64 << 20;

/// The image to stream. Keys that are not listed here are ignored, as the original does;
/// these are all needed, but for `variant`, which only newer versions write, and the last two, which
/// dockerTools has not.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct Conf {
    /// Architecture in Go's terms, or a name that the planner knows.
    pub architecture: String,
    /// Variant of the architecture; empty for none.
    #[serde(default)]
    pub variant: Option<String>,
    /// The image's `config`, as the JSON text that it is.
    pub config: Box<RawValue>,
    /// The directory where store paths lie in the image.
    pub store_dir: String,
    /// The image that this one is built on.
    #[serde(deserialize_with = "Option::deserialize")]
    pub from_image: Option<PathBuf>,
    /// The store paths of each layer, bottom to top.
    pub store_layers: Vec<Vec<String>>,
    /// A directory with `layer.tar` and its `checksum`.
    pub customisation_layer: String,
    /// The name that the image is loaded under.
    pub repo_tag: String,
    /// The time at which the image says that it was created.
    pub created: When,
    /// The time of every file in a store layer.
    pub mtime: When,
    /// Owner of every file in a store layer.
    #[serde(deserialize_with = "integer")]
    pub uid: i64,
    /// Group of every file in a store layer.
    #[serde(deserialize_with = "integer")]
    pub gid: i64,
    /// Name of that owner.
    pub uname: String,
    /// Name of that group.
    pub gname: String,
    /// Owners and permissions in store layers, by path.
    #[serde(default)]
    pub permissions: Vec<PermissionSpec>,
    /// Annotations of the image's manifest.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A `conf.json` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not JSON, or not what is needed.
    #[error("`{}` is not a valid conf.json: {}{why}", path.display(), place(field))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The field that is to blame, as `store_layers[3][0]`; empty for the whole.
        field: String,
        /// The fault, and its place in the text.
        why: String,
        /// The hint for the user.
        hint: Option<String>,
    },
}

impl Hint for ConfError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::File(error) => error.hint(),
            Self::Invalid { hint, .. } => hint.as_deref().map(Cow::from),
        }
    }
}

fn place(field: &str) -> String {
    if field.is_empty() {
        String::new()
    } else {
        format!("`{field}`: ")
    }
}

impl Conf {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is too large, or is not what it should be.
    pub fn read(path: &Path) -> Result<Self, ConfError> {
        let text = file::read(path, MAX_SIZE)?;
        Self::parse(&text).map_err(|fault| {
            let Fault { field, why, hint } = match mistaken(&text, path, Wanted::Conf) {
                Some(mistaken) => Fault {
                    field: String::new(),
                    why: mistaken.what.to_owned(),
                    hint: Some(mistaken.instead.to_owned()),
                },
                None => fault,
            };
            let path = path.to_owned();
            ConfError::Invalid {
                path,
                field,
                why,
                hint,
            }
        })
    }

    /// Reads text.
    fn parse(text: &[u8]) -> Result<Self, Fault> {
        // The parser would take an array for the fields in their order.
        let read = if text.trim_ascii_start().first() == Some(&b'[') {
            Err(Fault {
                field: String::new(),
                why: "it is an array, and must be an object".to_owned(),
                hint: None,
            })
        } else {
            json::read(text)
        };
        read.map_err(|fault| Fault {
            hint: fault.hint.clone().or_else(|| example(&fault)),
            ..fault
        })
    }
}

/// Fields as dockerTools writes them.
const EXAMPLES: &[(&str, &str)] = &[
    ("architecture", "\"amd64\""),
    ("variant", "\"v8\""),
    ("config", "{\"Cmd\": [\"/bin/web\"]}"),
    ("store_dir", "\"/nix/store\""),
    ("from_image", "null"),
    (
        "store_layers",
        "[[\"/nix/store/…-glibc\"], [\"/nix/store/…-web\"]]",
    ),
    (
        "customisation_layer",
        "\"/nix/store/…-web-customisation-layer\"",
    ),
    ("repo_tag", "\"web:1.2\""),
    ("created", "\"1970-01-01T00:00:01+00:00\""),
    ("mtime", "\"1970-01-01T00:00:01+00:00\""),
    ("uid", "0"),
    ("gid", "0"),
    ("uname", "\"root\""),
    ("gname", "\"root\""),
    ("permissions", "[{\"path\": \"/**\", \"uid\": 1000}]"),
    (
        "annotations",
        "{\"org.opencontainers.image.version\": \"1.2\"}",
    ),
];

/// Returns how the field that is to blame would be right; where none is, what makes such a file.
fn example(fault: &Fault) -> Option<String> {
    let missing = fault
        .why
        .strip_prefix("the field `")
        .and_then(|rest| rest.split('`').next());
    let field = match fault.field.split(['.', '[']).next() {
        Some("") | None => missing,
        field => field,
    };
    let known = |name: &str| EXAMPLES.iter().find(|(field, _)| *field == name);
    Some(match field.and_then(known) {
        Some((name, example)) => format!("write it as `\"{name}\": {example}`, for example"),
        None => "`dockerTools.streamLayeredImage` makes such a file: the attribute `conf` of its image has it".to_owned(),
    })
}

/// An integer, or a string that is one: dockerTools writes strings.
fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let json = Box::<RawValue>::deserialize(deserializer)?;
    let text = serde_json::from_str::<String>(json.get()).unwrap_or_else(|_| json.get().to_owned());
    text.trim()
        .parse()
        .map_err(|_| D::Error::custom(format!("`{text}` is not an integer")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = r#"{
        "architecture": "amd64", "config": {"Cmd": [1.50, "x"]}, "os": "linux",
        "store_dir": "/nix/store", "from_image": null, "store_layers": [["/nix/store/a"], []],
        "customisation_layer": "/nix/store/c", "repo_tag": "x:y",
        "created": "now", "mtime": "1970-01-01T00:00:01+00:00",
        "uid": "0", "gid": "1000", "uname": "root", "gname": "users", "later": {"a": 1}
    }"#;

    fn changed(from: &str, to: &str) -> Result<Conf, Fault> {
        assert!(CONF.contains(from), "{from}");
        Conf::parse(CONF.replacen(from, to, 1).as_bytes())
    }

    #[test]
    fn everything_is_read_and_the_config_stays_text() {
        let conf = Conf::parse(CONF.as_bytes()).unwrap();
        assert_eq!(conf.config.get(), r#"{"Cmd": [1.50, "x"]}"#);
        assert_eq!((conf.uid, conf.gid), (0, 1000));
        assert_eq!(conf.created, When::Now);
        assert_eq!(conf.store_layers, [vec!["/nix/store/a".to_owned()], vec![]]);
        assert_eq!((conf.from_image, conf.variant), (None, None));
    }

    #[test]
    fn integers_may_be_strings() {
        for (uid, expected) in [("\"7\"", 7), ("7", 7), ("\" -7 \"", -7), ("\"+7\"", 7)] {
            let conf = changed("\"uid\": \"0\"", &format!("\"uid\": {uid}")).unwrap();
            assert_eq!(conf.uid, expected);
        }
    }

    #[test]
    fn a_null_config_and_an_empty_variant_are_read() {
        let conf = changed(r#"{"Cmd": [1.50, "x"]}"#, r#"null, "variant": """#).unwrap();
        assert_eq!(
            (conf.config.get(), conf.variant.as_deref()),
            ("null", Some(""))
        );
    }

    #[test]
    fn what_is_missing_or_of_the_wrong_type_is_named() {
        let error = |from, to| {
            let Fault { field, why, hint } = changed(from, to).unwrap_err();
            assert!(hint.is_some(), "{why}");
            (
                field,
                why.split(" at line").next().unwrap_or_default().to_owned(),
            )
        };
        let table = [
            ("\"mtime\"", "\"mtyme\"", "", "the field `mtime` is missing"),
            (
                "\"from_image\"",
                "\"from\"",
                "",
                "the field `from_image` is missing",
            ),
            (
                "\"config\"",
                "\"konfig\"",
                "",
                "the field `config` is missing",
            ),
            (
                "\"amd64\"",
                "null",
                "architecture",
                "it must be a string, but is `null`",
            ),
            (
                "[\"/nix/store/a\"], []",
                "[\"/nix/store/a\"], [3]",
                "store_layers[1][0]",
                "it must be a string, but is the number `3`",
            ),
            ("\"0\"", "\"root\"", "uid", "`root` is not an integer"),
            (
                "\"0\"",
                "99999999999999999999",
                "uid",
                "`99999999999999999999` is not an integer",
            ),
            ("\"0\"", "1.5", "uid", "`1.5` is not an integer"),
            ("\"0\"", "[]", "uid", "`[]` is not an integer"),
            (
                "\"1000\"",
                "18446744073709551615",
                "gid",
                "`18446744073709551615` is not an integer",
            ),
            ("\"now\"", "\"soon\"", "created", "`soon` is not a time"),
        ];
        for (from, to, field, why) in table {
            let (actual_field, actual) = error(from, to);
            assert_eq!(actual_field, field, "{to}: {actual}");
            assert!(actual.starts_with(why), "{to}: {actual}");
        }
    }

    #[test]
    fn broken_text_is_refused() {
        for text in [
            "",
            "[]",
            "null",
            "{",
            &CONF[..100],
            &format!("{CONF} x"),
            &"[".repeat(10_000),
        ] {
            assert!(Conf::parse(text.as_bytes()).is_err(), "{text:.20}");
        }
    }
}
