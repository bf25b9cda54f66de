//! The manifest of a docker-archive.

use serde::{Deserialize, Serialize};

/// One image of a docker-archive: an entry of its `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ArchiveManifest {
    /// The member that is the image configuration. Go reads names of fields in any letters; these are those that are
    /// seen.
    #[serde(alias = "config")]
    pub config: String,
    /// The names that the image is loaded under, `repository:tag`.
    #[serde(alias = "repoTags", alias = "repotags")]
    #[serde(deserialize_with = "null_as_empty", default)]
    pub repo_tags: Vec<String>,
    /// The members that are the layers, bottom to top.
    #[serde(alias = "layers")]
    #[serde(deserialize_with = "null_as_empty", default)]
    pub layers: Vec<String>,
}

impl ArchiveManifest {
    /// The text of a `manifest.json` with this one image, formatted as dockerTools
    /// does: four spaces a level, everything but printable ASCII escaped.
    pub fn to_json(&self) -> Vec<u8> {
        Self::list_to_json(std::slice::from_ref(self))
    }

    /// The same for several images.
    pub fn list_to_json(images: &[Self]) -> Vec<u8> {
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        // Strings and lists of strings do not fail to serialize into memory.
        let written = images.serialize(&mut serializer);
        debug_assert!(written.is_ok());
        escape_non_ascii(&String::from_utf8_lossy(&text)).into_bytes()
    }
}

/// Escapes what is not printable ASCII. In JSON text that only stands in strings.
fn escape_non_ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' | ' '..='~' => escaped.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}

/// Docker writes `null` for an image without a name, or without a layer.
fn null_as_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_the_original() {
        let manifest = ArchiveManifest {
            config: "c.json".to_owned(),
            repo_tags: vec!["é:\u{7f}".to_owned()],
            layers: vec!["a/layer.tar".to_owned(), "😀".to_owned()],
        };
        let expected = r#"[
    {
        "Config": "c.json",
        "RepoTags": [
            "\u00e9:\u007f"
        ],
        "Layers": [
            "a/layer.tar",
            "\ud83d\ude00"
        ]
    }
]"#;
        let text = manifest.to_json();
        assert_eq!(String::from_utf8_lossy(&text), expected);
        assert_eq!(
            serde_json::from_slice::<Vec<ArchiveManifest>>(&text).unwrap(),
            [manifest]
        );
    }

    #[test]
    fn fields_in_other_letters_are_read() {
        let json = r#"{"config": "c", "repotags": ["a:1"], "layers": ["l"]}"#;
        let manifest: ArchiveManifest = serde_json::from_str(json).unwrap();
        assert_eq!(
            (
                &*manifest.config,
                &*manifest.repo_tags[0],
                &*manifest.layers[0]
            ),
            ("c", "a:1", "l")
        );
    }

    #[test]
    fn an_image_without_names_is_read() {
        for tags in ["", r#""RepoTags": null,"#, r#""RepoTags": [],"#] {
            let json = format!(r#"{{"Config": "c", {tags} "Layers": []}}"#);
            assert!(
                serde_json::from_str::<ArchiveManifest>(&json)
                    .unwrap()
                    .repo_tags
                    .is_empty()
            );
        }
    }
}
