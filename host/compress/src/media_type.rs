//! The compression that a media type stands for, and the media type of a compressed layer.

use terrine_oci::MediaType;

use super::Compression;

impl Compression {
    /// The OCI media type of a layer that is compressed in this way, if there is one (OCI image
    /// specification, "Layers").
    pub fn media_type(self) -> Option<MediaType> {
        match self {
            Self::None => Some(MediaType::OciLayer),
            Self::Gzip => Some(MediaType::OciLayerGzip),
            Self::Zstd => Some(MediaType::OciLayerZstd),
            Self::Bzip2 | Self::Xz => None,
        }
    }

    /// The compression of a layer of this type; none for a type that is not a layer's.
    pub fn of(media_type: &MediaType) -> Option<Self> {
        match media_type {
            MediaType::OciLayer
            | MediaType::DockerLayer
            | MediaType::OciForeignLayer
            | MediaType::DockerForeignLayer => Some(Self::None),
            MediaType::OciLayerGzip
            | MediaType::DockerLayerGzip
            | MediaType::OciForeignLayerGzip
            | MediaType::DockerForeignLayerGzip => Some(Self::Gzip),
            MediaType::OciLayerZstd
            | MediaType::DockerLayerZstd
            | MediaType::OciForeignLayerZstd => Some(Self::Zstd),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_of_layers_round_trip() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let media_type = compression.media_type().unwrap();
            assert_eq!(Compression::of(&media_type), Some(compression));
        }
        assert_eq!(Compression::Bzip2.media_type(), None);
        assert_eq!(Compression::Xz.media_type(), None);
    }

    #[test]
    fn docker_types_mean_the_compression_of_their_oci_ones() {
        for docker in [
            MediaType::DockerLayer,
            MediaType::DockerLayerGzip,
            MediaType::DockerLayerZstd,
            MediaType::DockerForeignLayer,
            MediaType::DockerForeignLayerGzip,
            MediaType::DockerConfig,
        ] {
            assert_eq!(
                Compression::of(&docker),
                Compression::of(&docker.to_oci()),
                "{docker}"
            );
        }
    }
}
