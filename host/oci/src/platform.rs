//! Platforms: what an image runs on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use terrine_support::hint::Hint;

/// What an image runs on, in Go's terms (OCI image specification, "Image Index").
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
    /// What the operating system must have: on Windows.
    #[serde(
        rename = "os.features",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub os_features: Option<Box<[String]>>,
    /// The variant of the architecture: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
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
        }
    }

    /// Whether an image for `self` is what is asked for by `wanted`: system and architecture
    /// are the same, and the variant is, where one is asked for. `v8` is the variant that every
    /// `arm64` has.
    pub fn satisfies(&self, wanted: &Self) -> bool {
        let variant = wanted.distinct_variant();
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (variant.is_none() || variant == self.distinct_variant())
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

/// Text that is not `os/architecture` or `os/architecture/variant`.
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
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(ParsePlatformError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_matters_where_it_is_asked_for() {
        let satisfies = |has: &str, wanted: &str| {
            has.parse::<Platform>()
                .unwrap()
                .satisfies(&wanted.parse().unwrap())
        };
        assert!(satisfies("linux/arm/v7", "linux/arm"));
        assert!(satisfies("linux/arm/v7", "linux/arm/v7"));
        assert!(!satisfies("linux/arm/v6", "linux/arm/v7"));
        assert!(!satisfies("linux/arm", "linux/arm/v7"));
        assert!(satisfies("linux/arm64", "linux/arm64/v8"));
        assert!(satisfies("linux/arm64/v8", "linux/arm64"));
        assert!(!satisfies("windows/amd64", "linux/amd64"));
    }

    #[test]
    fn text_round_trips() {
        for text in ["linux/amd64", "linux/arm/v7"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        for text in ["", "linux", "linux/", "a/b/c/d"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
