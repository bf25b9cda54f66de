//! Platforms: what an image runs on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use terrine_support::hint::Hint;

use super::{OtherFields, variant};

/// The platform that an image runs on, in Go's terms (OCI image specification, "Image Index").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The architecture: `amd64`, `arm64`, `arm`.
    pub architecture: String,
    /// The operating system: `linux`.
    pub os: String,
    /// The version of the operating system, where that matters: on Windows.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// The features that the operating system must have: on Windows.
    #[serde(
        rename = "os.features",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub os_features: Option<Box<[String]>>,
    /// The variant of the architecture: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The features that the processor must have. No tool reads them any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Box<[String]>>,
}

impl Platform {
    /// A platform without a version.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let variant = variant
            .filter(|variant| !variant.is_empty())
            .map(ToOwned::to_owned);
        Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: None,
            os_features: None,
            variant,
            features: None,
        }
    }

    /// Reads a platform of a document, and the fields that terrine does not know. A field of another type than it has
    /// by the specification is missing; a platform that then names no system or no architecture is none.
    pub(super) fn parse_loosely(text: &str) -> Option<(Self, OtherFields)> {
        let mut fields: OtherFields = serde_json::from_str(text).ok()?;
        let platform = Self {
            architecture: fields.take("architecture")?,
            os: fields.take("os")?,
            os_version: fields.take("os.version"),
            os_features: fields.take("os.features"),
            variant: fields
                .take("variant")
                .filter(|variant: &String| !variant.is_empty()),
            features: fields.take("features"),
        };
        platform.is_whole().then_some((platform, fields))
    }

    /// Returns true for a platform that names a system and an architecture. Any other one says nothing.
    pub fn is_whole(&self) -> bool {
        !self.os.is_empty() && !self.architecture.is_empty()
    }

    /// Reports whether a machine that is `wanted` runs images for `self`, see [`Platform::rank`].
    pub fn satisfies(&self, wanted: &Self) -> bool {
        self.rank(wanted).is_some()
    }

    /// Returns how well an image for `self` suits a machine that is `wanted`: 0 for the variant itself, more for
    /// each step to an older one, none where it does not run at all. The order is containerd's:
    /// `arm` is `arm/v7` and takes v6 and v5, too; `amd64` is `amd64/v1`, and `amd64/v3` takes v2 and v1. Unlike
    /// there, no other architecture is taken.
    pub fn rank(&self, wanted: &Self) -> Option<usize> {
        let (own, wanted) = (self.normalized(), wanted.normalized());
        if own.os != wanted.os || own.architecture != wanted.architecture {
            return None;
        }
        let accepted = variant::accepted(&wanted.architecture, wanted.variant.as_deref());
        let place = accepted
            .iter()
            .position(|variant| *variant == own.variant.as_deref().unwrap_or_default());
        match (place, wanted.variant.as_deref()) {
            (None, None) if !variant::is_ordered(&wanted.architecture) => Some(accepted.len()),
            (place, _) => place,
        }
    }

    /// Reports whether two descriptions can be of one image: an image that names no variant may be
    /// listed with one.
    pub fn agrees(&self, other: &Self) -> bool {
        let silent = self.variant.is_none() || other.variant.is_none();
        let (one, other) = (self.normalized(), other.normalized());
        one.os == other.os
            && one.architecture == other.architecture
            && (silent || one.variant == other.variant)
    }

    /// Returns the platform in Go's terms: `linux/amd64` for `Linux/x86_64`, `linux/arm/v7` for `linux/armhf`.
    /// The variant that an architecture without a variant has is left out, but for `arm`, of which it is v7.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let (architecture, variant) =
            variant::normalized(&self.architecture, self.variant.as_deref());
        let os = match self.os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            os => os.to_owned(),
        };
        Self {
            os,
            architecture,
            variant,
            ..self.clone()
        }
    }

    /// Returns the variant if not every processor of the architecture is of it: none for
    /// `arm64/v8`.
    pub fn distinct_variant(&self) -> Option<&str> {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("arm64", Some("v8")) => None,
            (_, variant) => variant,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant
            .as_ref()
            .map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// Text that is not `architecture`, `os/architecture` or `os/architecture/variant`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform such as `linux/amd64` or `linux/arm/v7`")]
pub struct ParsePlatformError(String);

impl Hint for ParsePlatformError {}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(ParsePlatformError(text.to_owned()));
        }
        match parts.as_slice() {
            // As docker and containerd take it.
            [architecture] if variant::is_known(architecture) => {
                Ok(Self::asked("linux", architecture, None))
            }
            [os, architecture] => Ok(Self::asked(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::asked(os, architecture, Some(variant))),
            _ => Err(ParsePlatformError(text.to_owned())),
        }
    }
}

impl Platform {
    /// The platform that somebody writes: other names of an architecture and its variants stand for Go's.
    fn asked(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let variant = variant.map(|variant| variant::written(architecture, variant));
        let given = Self::new(os, architecture, variant.as_deref());
        let normal = given.normalized();
        let known = given.os == normal.os && given.architecture == normal.architecture;
        if known { given } else { normal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_ordered_as_containerd_orders_them() {
        for (wanted, has, rank) in [
            ("linux/arm", "linux/arm/v7", Some(0)),
            ("linux/arm", "linux/arm", Some(0)),
            ("linux/arm/v7", "linux/arm", Some(0)),
            ("linux/arm/7", "linux/arm/v7", Some(0)),
            ("linux/arm", "linux/arm/v6", Some(1)),
            ("linux/arm/v7", "linux/arm/v5", Some(2)),
            ("linux/arm", "linux/arm/v8", None),
            ("linux/arm/v8", "linux/arm/v7", Some(1)),
            ("linux/arm/v6", "linux/arm/v7", None),
            ("linux/arm/v6", "linux/arm", None),
            ("linux/armhf", "linux/arm/v7", Some(0)),
            ("linux/armel", "linux/arm/v6", Some(0)),
            ("linux/armel", "linux/arm/v5", Some(1)),
            ("linux/arm64", "linux/arm64/v8", Some(0)),
            ("linux/arm64/v8", "linux/arm64", Some(0)),
            ("linux/aarch64", "linux/arm64", Some(0)),
            ("linux/arm64", "linux/arm64/v9", None),
            ("linux/arm64/v8.2", "linux/arm64", Some(2)),
            ("linux/arm64/v9", "linux/arm64/v8.5", Some(1)),
            ("linux/arm64/v9", "linux/arm64", Some(6)),
            ("linux/arm64", "linux/arm/v7", None),
            ("linux/amd64", "linux/amd64/v1", Some(0)),
            ("linux/amd64/v1", "linux/amd64", Some(0)),
            ("linux/amd64/v2", "linux/amd64", Some(1)),
            ("linux/amd64/v3", "linux/amd64/v2", Some(1)),
            ("linux/amd64", "linux/amd64/v2", None),
            ("linux/x86_64", "linux/amd64", Some(0)),
            ("linux/amd64", "linux/x86_64", Some(0)),
            ("Linux/AMD64", "linux/amd64", Some(0)),
            ("linux/amd64", "linux/386", None),
            ("linux/i386", "linux/386", Some(0)),
            ("linux/ppc64le", "linux/ppc64le/power9", Some(1)),
            ("linux/ppc64le/power8", "linux/ppc64le/power9", None),
            ("linux/amd64", "windows/amd64", None),
            ("macos/arm64", "darwin/arm64", Some(0)),
        ] {
            let [has_parsed, wanted_parsed] =
                [has, wanted].map(|text| text.parse::<Platform>().unwrap());
            assert_eq!(has_parsed.rank(&wanted_parsed), rank, "{wanted} {has}");
        }
    }

    #[test]
    fn a_configuration_may_leave_out_the_variant() {
        for (one, other, agree) in [
            ("linux/arm/v6", "linux/arm", true),
            ("linux/arm", "linux/arm/v5", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/x86_64", "linux/amd64", true),
            ("linux/amd64", "linux/arm64", false),
            ("linux/amd64", "windows/amd64", false),
        ] {
            let [one, other] = [one, other].map(|text| text.parse::<Platform>().unwrap());
            assert_eq!(one.agrees(&other), agree, "{one} {other}");
        }
    }

    #[test]
    fn other_names_stand_for_those_of_go() {
        for (text, expected) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/x86-64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/i686", "linux/386"),
            ("linux/powerpc64le", "linux/ppc64le"),
            ("Linux/AMD64", "linux/amd64"),
            ("linux/arm/7", "linux/arm/v7"),
            ("linux/arm/V6", "linux/arm/v6"),
            ("linux/arm64/8", "linux/arm64/v8"),
            ("linux/amd64/2", "linux/amd64/v2"),
            ("arm64", "linux/arm64"),
            ("x86_64", "linux/amd64"),
            ("AArch64", "linux/arm64"),
            ("armhf", "linux/arm/v7"),
            ("s390x", "linux/s390x"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn text_round_trips() {
        for text in ["linux/amd64", "linux/arm", "linux/arm/v7", "linux/arm64/v8"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        for text in ["", "linux", "v7", "arm64/", "linux/", "a/b/c/d"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
