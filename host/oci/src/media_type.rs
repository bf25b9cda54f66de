//! Media types: what a blob is, as descriptors and registries say it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The type of a blob (OCI image specification, "Media Types", and the Docker types that they come
/// from).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MediaType {
    /// A list of manifests, usually one for each platform.
    OciIndex,
    /// An image manifest.
    OciManifest,
    /// An image configuration.
    OciConfig,
    /// A plain layer.
    OciLayer,
    /// A layer compressed by gzip.
    OciLayerGzip,
    /// A layer compressed by Zstandard.
    OciLayerZstd,
    /// Docker's list of manifests.
    DockerIndex,
    /// Docker's image manifest, schema 2.
    DockerManifest,
    /// Docker's image configuration.
    DockerConfig,
    /// A plain layer in Docker's terms.
    DockerLayer,
    /// A layer compressed by gzip in Docker's terms.
    DockerLayerGzip,
    /// A layer compressed by Zstandard in Docker's terms, as buildkit writes it.
    DockerLayerZstd,
    /// A plain layer that is not distributed with its image.
    OciForeignLayer,
    /// The same, compressed by gzip.
    OciForeignLayerGzip,
    /// The same, compressed by Zstandard.
    OciForeignLayerZstd,
    /// A plain layer that is not distributed with its image, in Docker's terms.
    DockerForeignLayer,
    /// The same, compressed by gzip: the base layers of Windows.
    DockerForeignLayerGzip,
    /// Anything else.
    Other(String),
}

/// Every type with its name.
const NAMES: &[(MediaType, &str)] = &[
    (
        MediaType::OciIndex,
        "application/vnd.oci.image.index.v1+json",
    ),
    (
        MediaType::OciManifest,
        "application/vnd.oci.image.manifest.v1+json",
    ),
    (
        MediaType::OciConfig,
        "application/vnd.oci.image.config.v1+json",
    ),
    (
        MediaType::OciLayer,
        "application/vnd.oci.image.layer.v1.tar",
    ),
    (
        MediaType::OciLayerGzip,
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ),
    (
        MediaType::OciLayerZstd,
        "application/vnd.oci.image.layer.v1.tar+zstd",
    ),
    (
        MediaType::DockerIndex,
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ),
    (
        MediaType::DockerManifest,
        "application/vnd.docker.distribution.manifest.v2+json",
    ),
    (
        MediaType::DockerConfig,
        "application/vnd.docker.container.image.v1+json",
    ),
    (
        MediaType::DockerLayer,
        "application/vnd.docker.image.rootfs.diff.tar",
    ),
    (
        MediaType::DockerLayerGzip,
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
    (
        MediaType::DockerLayerZstd,
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ),
    (
        MediaType::OciForeignLayer,
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
    ),
    (
        MediaType::OciForeignLayerGzip,
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ),
    (
        MediaType::OciForeignLayerZstd,
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ),
    (
        MediaType::DockerForeignLayer,
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ),
    (
        MediaType::DockerForeignLayerGzip,
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ),
];

impl MediaType {
    /// The type of that name. Parameters after a `;` do not belong to it.
    pub fn parse(text: &str) -> Self {
        let name = text.split(';').next().unwrap_or_default().trim();
        let known = NAMES.iter().find(|(_, known)| *known == name);
        known.map_or_else(|| Self::Other(name.to_owned()), |(known, _)| known.clone())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => NAMES
                .iter()
                .find(|(one, _)| one == known)
                .map_or("", |(_, name)| name),
        }
    }

    /// Reports whether it is a list of manifests.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerIndex)
    }

    /// Reports whether it is an image manifest.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::OciManifest | Self::DockerManifest)
    }

    /// Reports whether it is an image configuration.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::OciConfig | Self::DockerConfig)
    }

    /// Reports whether it says nothing: the type is missing, or the one for any bytes.
    pub fn is_generic(&self) -> bool {
        matches!(self.as_str(), "" | "application/octet-stream")
    }

    /// Reports whether registries have used this type for image configurations. The content of a
    /// blob distinguishes configurations from others.
    pub fn may_be_config(&self) -> bool {
        self.is_config()
            || self.is_generic()
            || matches!(self.as_str(), "application/json" | "text/html")
    }

    /// Reports whether it is a layer that is not distributed with its image, because its licence
    /// does not allow it.
    pub fn is_foreign(&self) -> bool {
        matches!(
            self,
            Self::OciForeignLayer
                | Self::OciForeignLayerGzip
                | Self::OciForeignLayerZstd
                | Self::DockerForeignLayer
                | Self::DockerForeignLayerGzip
        )
    }

    /// Reports whether the type is missing.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// The OCI type that means the same; itself where there is none.
    pub fn to_oci(&self) -> Self {
        match self {
            Self::DockerIndex => Self::OciIndex,
            Self::DockerManifest => Self::OciManifest,
            Self::DockerConfig => Self::OciConfig,
            Self::DockerLayer => Self::OciLayer,
            Self::DockerLayerGzip => Self::OciLayerGzip,
            Self::DockerLayerZstd => Self::OciLayerZstd,
            Self::DockerForeignLayer => Self::OciForeignLayer,
            Self::DockerForeignLayerGzip => Self::OciForeignLayerGzip,
            other => other.clone(),
        }
    }
}

impl Default for MediaType {
    /// None.
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for (media_type, name) in NAMES {
            assert_eq!(MediaType::parse(name), *media_type);
            assert_eq!(media_type.as_str(), *name);
        }
        assert_eq!(
            MediaType::parse("text/html; charset=utf-8").as_str(),
            "text/html"
        );
    }

    #[test]
    fn only_layers_are_foreign() {
        for (media_type, name) in NAMES {
            let foreign = name.contains(".foreign.") || name.contains(".nondistributable.");
            assert_eq!(media_type.is_foreign(), foreign, "{name}");
            assert_eq!(media_type.to_oci().is_foreign(), foreign, "{name}");
        }
    }

    #[test]
    fn configurations_have_been_called_otherwise() {
        for name in [
            "",
            "application/octet-stream",
            "application/json; charset=utf-8",
        ] {
            assert!(MediaType::parse(name).may_be_config(), "{name}");
        }
        assert!(!MediaType::parse("application/vnd.oci.empty.v1+json").may_be_config());
        assert!(!MediaType::OciLayer.may_be_config());
    }

    #[test]
    fn each_docker_type_has_an_oci_one() {
        for (media_type, name) in NAMES {
            assert!(media_type.to_oci().as_str().contains("vnd.oci."), "{name}");
            assert_eq!(
                media_type.to_oci().is_index(),
                media_type.is_index(),
                "{name}"
            );
        }
    }
}
