//! Image configurations: what an image runs, and the digests of its plain layers.

use serde::Deserialize;
use terrine_support::hint::Hint;
use terrine_support::json::{in_words, read_object};

use super::descriptor::null_as_default;
use super::loose;
use super::{Digest, Platform};

/// The largest configuration that is read, in bytes.
pub const MAX_CONFIGURATION: u64 = 16 << 20;

/// An image configuration as it is stored, and what of it layers depend on (OCI image
/// specification, "Image Configuration").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    text: String,
    digest: Digest,
    view: View,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct View {
    #[serde(default, deserialize_with = "null_as_default")]
    architecture: String,
    #[serde(default, deserialize_with = "null_as_default")]
    os: String,
    #[serde(rename = "os.version", default, deserialize_with = "loose::or_default")]
    os_version: Option<String>,
    #[serde(default, deserialize_with = "loose::or_default")]
    variant: Option<String>,
    #[serde(default, deserialize_with = "loose::or_default")]
    created: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    rootfs: RootFs,
    #[serde(default, deserialize_with = "loose::list_or_default")]
    history: Vec<HistoryEntry>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct RootFs {
    /// Null or missing where there are none: Go writes empty lists in all these ways.
    #[serde(default, deserialize_with = "null_as_default")]
    diff_ids: Vec<Digest>,
}

/// The origin of a layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct HistoryEntry {
    /// The time when the layer was created.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub created: String,
    /// By what command.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub created_by: String,
    /// A comment.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub comment: String,
    /// True if the entry has no layer.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub empty_layer: bool,
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigurationError(String);

impl Hint for ConfigurationError {}

impl ConfigurationError {
    pub(super) fn new(error: impl std::fmt::Display) -> Self {
        Self(in_words(&error.to_string()))
    }
}

impl Configuration {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// Text that is not JSON, or has no list of diff ids, or one of something else.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, ConfigurationError> {
        let digest = Digest::of(&bytes);
        let view: View = read_object(&bytes).map_err(ConfigurationError)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| ConfigurationError("the text is not UTF-8".to_owned()))?;
        Ok(Self { text, digest, view })
    }

    /// The text that its digest covers.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its digest: the image id.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The digests of the uncompressed layers, bottom to top.
    pub fn diff_ids(&self) -> &[Digest] {
        &self.view.rootfs.diff_ids
    }

    /// Returns the platform that the image runs on; empty if the configuration names none.
    pub fn platform(&self) -> Platform {
        let View {
            architecture,
            os,
            os_version,
            variant,
            ..
        } = &self.view;
        Platform {
            os_version: os_version.clone(),
            ..Platform::new(os, architecture, variant.as_deref())
        }
    }

    /// Returns the time when the image was created, as the configuration states it.
    pub fn created(&self) -> Option<&str> {
        self.view.created.as_deref()
    }

    /// Returns the history of the layers, bottom to top.
    pub fn history(&self) -> &[HistoryEntry] {
        &self.view.history
    }

    /// The history of the layers alone, if there is one for each.
    pub fn layer_history(&self) -> Option<Vec<&HistoryEntry>> {
        let entries: Vec<_> = self
            .view
            .history
            .iter()
            .filter(|entry| !entry.empty_layer)
            .collect();
        (entries.len() == self.view.rootfs.diff_ids.len()).then_some(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Configuration, ConfigurationError> {
        Configuration::parse(text.as_bytes().to_vec())
    }

    #[test]
    fn what_go_leaves_out_is_empty() {
        for rootfs in ["null", "{}", r#"{"diff_ids":null}"#, r#"{"diff_ids":[]}"#] {
            let configuration = parse(&format!(
                r#"{{"rootfs":{rootfs},"history":null,"os":null}}"#
            ));
            assert_eq!(configuration.unwrap().diff_ids().len(), 0);
        }
    }

    #[test]
    fn what_is_of_another_type_costs_itself_alone() {
        let text = r#"{"rootfs":{},"created":5,"variant":null,"os.version":[],"os":"linux","architecture":"arm","history":[null,{"created":5,"created_by":["a"],"comment":"x","empty_layer":"yes"},"y"]}"#;
        let configuration = parse(text).unwrap();
        assert_eq!(configuration.created(), None);
        assert_eq!(configuration.platform().to_string(), "linux/arm");
        let only = HistoryEntry {
            comment: "x".to_owned(),
            ..HistoryEntry::default()
        };
        let none = HistoryEntry::default();
        assert_eq!(configuration.history(), [none.clone(), only, none]);
        for history in ["null", "{}", "5"] {
            let text = format!(r#"{{"rootfs":{{}},"history":{history}}}"#);
            assert_eq!(parse(&text).unwrap().history(), [], "{history}");
        }
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"rootfs":{"diff_ids":["x"]}}"#,
            r#"{"rootfs":{"diff_ids":[1]}}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        for (text, expected) in [
            ("[1]", "it must be an object, but is a list"),
            (" <html>", "it is a web page or XML, and not JSON"),
            (" ", "it is empty"),
            ("{}", "the field `rootfs` is missing at line 1 column 2"),
            (
                r#"{"os":"","os":""}"#,
                "the field `os` is given twice at line 1 column 13",
            ),
            (
                "5",
                "it must be an object, but is the number `5` at line 1 column 1",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
        // A list of the fields' values, which is an object to the parser.
        let list = r#"["amd64","linux",null,null,null,{"diff_ids":[]},[]]"#;
        assert!(parse(list).is_err());
    }

    #[test]
    fn empty_layers_are_not_layers() {
        let digest = Digest::of(b"");
        let text = format!(
            r#"{{"rootfs":{{"diff_ids":["{digest}"]}},"history":[{{"empty_layer":true}},{{"comment":"x"}}]}}"#
        );
        let configuration = parse(&text).unwrap();
        let history = configuration.layer_history().unwrap();
        assert_eq!((history.len(), history[0].comment.as_str()), (1, "x"));
        assert_eq!(configuration.diff_ids(), [digest]);
    }
}
