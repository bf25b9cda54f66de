//! Descriptors: how one blob refers to another.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::other_fields::{self, OtherFields};
use super::{Digest, MediaType, Platform, annotation, loose};

/// Annotations: names in reverse domain notation, and their values.
pub type Annotations = BTreeMap<String, String>;

/// A reference to a blob by what it is and by its digest (OCI image specification,
/// "Content Descriptors").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The media type; empty if the descriptor has none.
    pub media_type: MediaType,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The number of bytes. Zero may also mean that the size is unknown.
    pub size: u64,
    /// The URLs that the blob can be downloaded from, besides the place of its image.
    pub urls: Vec<String>,
    /// The platform that it runs on, if it is one image of several. A platform without a system or
    /// without an architecture counts as none.
    pub platform: Option<Platform>,
    /// Fields of the platform that terrine does not know.
    pub other_of_platform: OtherFields,
    /// The annotations of the blob.
    pub annotations: Annotations,
    /// The artifact type, if it is a manifest of more than an image.
    pub artifact_type: Option<String>,
    /// The fields of the descriptor that terrine does not know.
    pub other: OtherFields,
}

/// A descriptor as documents have it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(skip_serializing_if = "MediaType::is_empty")]
    media_type: &'a MediaType,
    digest: &'a Digest,
    size: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    urls: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<WrittenPlatform<'a>>,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: &'a Annotations,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    #[serde(flatten)]
    other: &'a OtherFields,
}

#[derive(Serialize)]
struct WrittenPlatform<'a> {
    #[serde(flatten)]
    known: &'a Platform,
    #[serde(flatten)]
    other: &'a OtherFields,
}

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let platform = self.platform.as_ref().map(|known| WrittenPlatform {
            known,
            other: &self.other_of_platform,
        });
        let written = Written {
            media_type: &self.media_type,
            digest: &self.digest,
            size: self.size,
            urls: &self.urls,
            platform,
            annotations: &self.annotations,
            artifact_type: self.artifact_type.as_deref(),
            other: &self.other,
        };
        written.serialize(serializer)
    }
}

/// The fields that are known.
const FIELDS: &[&str] = &[
    "mediaType",
    "digest",
    "size",
    "urls",
    "platform",
    "annotations",
    "artifactType",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    #[serde(default, deserialize_with = "loose::or_default")]
    media_type: MediaType,
    digest: Digest,
    #[serde(default, deserialize_with = "loose::size")]
    size: u64,
    #[serde(default, deserialize_with = "loose::texts")]
    urls: Vec<String>,
    #[serde(default)]
    platform: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "loose::texts_by_name")]
    annotations: Annotations,
    #[serde(default, deserialize_with = "loose::or_default")]
    artifact_type: Option<String>,
}

impl<'de> Deserialize<'de> for Descriptor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (known, mut other) = other_fields::split::<Known, D>(deserializer, FIELDS)?;
        let platform = known.platform.as_deref();
        let platform = platform.and_then(|text| Platform::parse_loosely(text.get()));
        if let (None, Some(text)) = (&platform, known.platform) {
            other.insert("platform", text);
        }
        let (platform, other_of_platform) = platform.unzip();
        let Known {
            media_type,
            digest,
            size,
            urls,
            annotations,
            artifact_type,
            ..
        } = known;
        Ok(Self {
            media_type,
            digest,
            size,
            urls,
            platform,
            other_of_platform: other_of_platform.unwrap_or_default(),
            annotations,
            artifact_type,
            other,
        })
    }
}

impl Descriptor {
    /// The descriptor of some bytes.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor without platform and annotations.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: vec![],
            platform: None,
            other_of_platform: OtherFields::default(),
            annotations: Annotations::new(),
            artifact_type: None,
            other: OtherFields::default(),
        }
    }

    /// The descriptor of other bytes that take the place of these. What is said of the blob stays, but for
    /// what is true of its old bytes only: they themselves, and where to get them.
    #[must_use]
    pub fn replaced(&self, media_type: MediaType, digest: Digest, size: u64) -> Self {
        let mut new = Self {
            media_type,
            digest,
            size,
            ..self.clone()
        };
        if digest != self.digest {
            new.urls.clear();
            new.other.remove("data");
        }
        new.annotations = annotation::followed(&self.annotations, self, &new);
        new
    }
}

/// Go writes what is empty as `null`.
pub(super) fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(fields: &str) -> Result<Descriptor, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{"digest":"{DIGEST}","size":0{fields}}}"#))
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let text = format!(
            r#"{{"mediaType":"a/b","digest":"{DIGEST}","size":0,"urls":["https://a.example/b"],"platform":{{"architecture":"arm","os":"linux","os.features":["x"],"variant":"v7","features":["sse4"],"x":{{"y":1.50}}}},"annotations":{{"a":"b"}},"artifactType":"c/d","data":"","x":{{"y":[1.50,null]}}}}"#
        );
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), text);
        let same = descriptor.replaced(MediaType::OciLayer, descriptor.digest, 0);
        assert_eq!(same.urls, descriptor.urls);
        let replaced = descriptor.replaced(MediaType::OciLayer, Digest::of(b"x"), 1);
        let text = serde_json::to_string(&replaced).unwrap();
        assert!(!text.contains("urls") && !text.contains("data"), "{text}");
        assert!(text.contains(r#""x":{"y":[1.50,null]}"#), "{text}");
    }

    #[test]
    fn a_platform_that_says_too_little_is_none() {
        for platform in [
            "null",
            "{}",
            r#"{"os":"linux"}"#,
            r#"{"os":"linux","architecture":""}"#,
            r#"{"os":null,"architecture":"amd64"}"#,
            r#"{"os":1,"architecture":"amd64"}"#,
            r#""linux/amd64""#,
            "[]",
        ] {
            let descriptor = parse(&format!(r#","platform":{platform}"#)).unwrap();
            assert_eq!(descriptor.platform, None, "{platform}");
            let written = serde_json::to_string(&descriptor).unwrap();
            assert_eq!(written.contains(platform), platform != "null", "{written}");
        }
        let loose = r#","platform":{"os":"linux","architecture":"arm64","variant":null,"os.features":"x","os.version":"10"}"#;
        let platform = parse(loose).unwrap().platform.unwrap();
        assert_eq!(platform.to_string(), "linux/arm64");
        assert_eq!(platform.os_version.as_deref(), Some("10"));
    }

    #[test]
    fn what_is_null_or_missing_is_empty() {
        for fields in ["", r#","mediaType":null,"urls":null,"annotations":null"#] {
            let descriptor = parse(fields).unwrap();
            assert!(descriptor.media_type.is_empty(), "{fields}");
            assert_eq!(
                serde_json::to_string(&descriptor).unwrap(),
                format!(r#"{{"digest":"{DIGEST}","size":0}}"#)
            );
        }
    }

    #[test]
    fn what_is_of_another_type_costs_itself() {
        let digest = format!(r#""digest":"{DIGEST}""#);
        let parse = |fields: &str| -> Result<Descriptor, String> {
            serde_json::from_str(&format!("{{{digest}{fields}}}"))
                .map_err(|error| error.to_string())
        };
        for (size, expected) in [
            ("12", 12),
            (r#""12""#, 12),
            ("12.0", 12),
            ("null", 0),
            ("-1", 0),
        ] {
            assert_eq!(
                parse(&format!(r#","size":{size}"#)).unwrap().size,
                expected,
                "{size}"
            );
        }
        assert_eq!(parse("").unwrap().size, 0);
        for size in ["[]", "true", "12.5", r#""twelve""#, "1e300"] {
            let error = parse(&format!(r#","size":{size}"#)).unwrap_err();
            assert!(error.starts_with("`size`: the size `"), "{error}");
        }
        let odd = parse(
            r#","mediaType":5,"urls":["a",null,1],"annotations":{"a":"b","c":null,"d":1},"artifactType":{}"#,
        );
        let odd = odd.unwrap();
        assert!(odd.media_type.is_empty() && odd.artifact_type.is_none());
        assert_eq!(odd.urls, ["a"]);
        assert_eq!(odd.annotations, [("a".to_owned(), "b".to_owned())].into());
        let odd = parse(r#","urls":"a","annotations":[]"#).unwrap();
        assert!(odd.urls.is_empty() && odd.annotations.is_empty());
    }

    #[test]
    fn what_counts_twice_is_refused() {
        for fields in [r#","size":1"#, r#","platform":null,"platform":{}"#] {
            let error = parse(fields).unwrap_err().to_string();
            assert!(error.contains("duplicate field"), "{error}");
        }
        let error = serde_json::from_str::<Descriptor>("{}").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the field `digest` is missing"),
            "{error}"
        );
    }
}
