//! Annotations: their names, and what terrine itself writes.

use super::{Annotations, Descriptor};

/// The tag of an image in an OCI layout (OCI image specification, "Annotations").
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The time when the image was created (OCI image specification).
pub const CREATED: &str = "org.opencontainers.image.created";
/// The version of what is in the image: its tag (OCI image specification).
pub const VERSION: &str = "org.opencontainers.image.version";
/// The prefix of the names of the OCI image specification's own annotations.
pub const STANDARD: &str = "org.opencontainers.image.";
/// The name of the base image (OCI image specification).
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The digest of the base image's manifest (OCI image specification).
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// The image's full name in an OCI layout, as containerd writes and reads it.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// On a layer: the store paths in it, as a JSON list of strings in the order of its archive.
pub const STORE_PATHS: &str = "dev.terrine.store-paths";
/// On a layer: the key of what it is made of, which is the same wherever the layer is made, as a
/// digest.
pub const LAYER_KEY: &str = "dev.terrine.layer.key";
/// On a layer with a key: the digest of the layer without compression.
pub const LAYER_DIFF_ID: &str = "dev.terrine.layer.diff-id";
/// On a layer with a key: the size of the layer without compression, in bytes as a decimal number.
pub const LAYER_SIZE: &str = "dev.terrine.layer.uncompressed-size";
/// On a manifest: how terrine's own layers are compressed, by which library and version.
pub const COMPRESSION: &str = "dev.terrine.compression";
/// On a manifest: the policy that grouped the store paths.
pub const POLICY: &str = "dev.terrine.plan.policy";
/// On a manifest: the name and version of the planner component, as it says itself.
pub const PLANNER: &str = "dev.terrine.plan.planner";
/// On a manifest: the digest of the planner component.
pub const COMPONENT: &str = "dev.terrine.plan.component";
/// On a manifest: the digest of what the planner was asked.
pub const REQUEST: &str = "dev.terrine.plan.request";

/// The value of [`STORE_PATHS`] for some paths.
pub fn store_paths_value<S: AsRef<str>>(paths: &[S]) -> String {
    let paths: Vec<&str> = paths.iter().map(AsRef::as_ref).collect();
    // A list of strings does not fail to serialize.
    serde_json::to_string(&paths).unwrap_or_default()
}

/// The store paths that a layer's annotations name; none where they say nothing of them, or
/// not in that form.
pub fn store_paths(annotations: &Annotations) -> Option<Vec<String>> {
    serde_json::from_str(annotations.get(STORE_PATHS)?).ok()
}

/// Removes what annotations of a layer say of its key: of a layer whose compression the manifest
/// does not name.
pub fn remove_key(annotations: &mut Annotations) {
    for name in [LAYER_KEY, LAYER_DIFF_ID, LAYER_SIZE] {
        annotations.remove(name);
    }
}

/// Prefixes of the names of annotations that are true of a layer's compressed bytes only: indexes
/// of their content, by which some tools read layers that they have not pulled.
const BOUND: &[&str] = &[
    "containerd.io/snapshot/stargz/",
    "containerd.io/snapshot/nydus-",
    "containerd.io/snapshot/overlaybd/",
    "io.containers.estargz.",
    "io.github.containers.zstd-chunked.",
];

/// Returns annotations that speak of a blob as they are when `new` has taken its place. Digest and size of the old
/// one become those of the new one, and what is true of the old bytes only is left out. What is said of the plain
/// layer stays.
pub fn followed(annotations: &Annotations, old: &Descriptor, new: &Descriptor) -> Annotations {
    let mut annotations = annotations.clone();
    if old.digest == new.digest {
        return annotations;
    }
    let (old_hex, new_hex) = (old.digest.hex(), new.digest.hex());
    let (old_size, new_size) = (old.size.to_string(), new.size.to_string());
    annotations.retain(|name, value| {
        let name = name.to_ascii_lowercase();
        if BOUND.iter().any(|prefix| name.starts_with(prefix)) {
            return false;
        }
        if ["uncompressed", "diffid", "diff-id", "diff_id"]
            .iter()
            .any(|plain| name.contains(plain))
        {
            return true;
        }
        if *value == old_hex || *value == old.digest.to_string() {
            *value = value.replace(&old_hex, &new_hex);
        } else if *value == old_size && name.contains("size") {
            value.clone_from(&new_size);
        }
        !value.contains(&old_hex)
    });
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MediaType;

    #[test]
    fn what_is_said_of_bytes_follows_them() {
        let old = Descriptor::of(MediaType::OciLayerGzip, b"old");
        let new = Descriptor::of(MediaType::OciLayerZstd, b"newer");
        let (old_digest, new_digest) = (old.digest.to_string(), new.digest.to_string());
        let all = |pairs: &[(&str, &str)]| -> Annotations {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let annotations = all(&[
            ("a.digest", &old_digest),
            ("a.hex", &old.digest.hex()),
            ("a.size", "3"),
            ("a.count", "3"),
            ("a.uncompressed-size", "3"),
            ("containerd.io/uncompressed", &old_digest),
            ("containerd.io/snapshot/stargz/toc.digest", "sha256:x"),
            ("io.github.containers.zstd-chunked.manifest-position", "1:2"),
            ("a.proof", &format!("signed {old_digest}")),
            (STORE_PATHS, "[]"),
            // A layer without compression is its own blob.
            (LAYER_KEY, "sha256:x"),
            (LAYER_DIFF_ID, &old_digest),
            (LAYER_SIZE, "3"),
        ]);
        assert_eq!(followed(&annotations, &old, &old), annotations);
        let expected = all(&[
            ("a.digest", &new_digest),
            ("a.hex", &new.digest.hex()),
            ("a.size", "5"),
            ("a.count", "3"),
            ("a.uncompressed-size", "3"),
            ("containerd.io/uncompressed", &old_digest),
            (STORE_PATHS, "[]"),
            (LAYER_KEY, "sha256:x"),
            (LAYER_DIFF_ID, &old_digest),
            (LAYER_SIZE, "3"),
        ]);
        assert_eq!(followed(&annotations, &old, &new), expected);
        let mut expected = expected;
        remove_key(&mut expected);
        assert_eq!(expected.len(), 7);
    }

    #[test]
    fn what_is_written_is_read() {
        let paths = ["/nix/store/a", "/nix/store/\"b\""];
        let annotations = |value: String| Annotations::from([(STORE_PATHS.to_owned(), value)]);
        let value = store_paths_value(&paths);
        assert_eq!(
            store_paths(&annotations(value)),
            Some(paths.map(ToOwned::to_owned).to_vec())
        );
        assert_eq!(store_paths(&Annotations::new()), None);
        for value in ["", "x", "{}", "[1]", "['a']"] {
            assert_eq!(store_paths(&annotations(value.to_owned())), None);
        }
    }
}
