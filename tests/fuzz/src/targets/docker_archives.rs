//! Docker-archives, as they come from elsewhere.

use terrine::export::{Holes, export};
use terrine::inspect::inspect;
use terrine::oci::{Digest, Selector};
use terrine::source::DockerArchive;

use super::documents;
use crate::format::{Format, tar};
use crate::{Limit, Target, scratch};

pub(super) const TARGET: Target = Target {
    name: "docker_archives",
    format: Format::Tar,
    seeds,
    run,
    short: 8_000,
    longest: 24 << 10,
    limit: Limit {
        memory: 12 << 20,
        ..Limit::USUAL
    },
};

fn seeds() -> Vec<Vec<u8>> {
    let layer = tar::archive(&[tar::member(b"file", b'0', b"", b"content")]);
    let configuration = documents::configuration(&[Digest::of(&layer).to_string()]).into_bytes();
    let manifest = |config: &str, layer: &str| {
        format!(r#"[{{"Config":"{config}","RepoTags":["web:1"],"Layers":["{layer}"]}}]"#)
    };
    let named = format!("{}.json", Digest::of(&configuration).hex());
    let archive = |config: &str, linked: bool| {
        let layers = if linked {
            vec![
                tar::member(b"b/layer.tar", b'0', b"", &layer),
                tar::member(b"a/layer.tar", b'2', b"../b/layer.tar", b""),
            ]
        } else {
            vec![tar::member(b"a/layer.tar", b'0', b"", &layer)]
        };
        let mut members = layers;
        members.push(tar::member(config.as_bytes(), b'0', b"", &configuration));
        members.push(tar::member(
            b"manifest.json",
            b'0',
            b"",
            manifest(config, "a/layer.tar").as_bytes(),
        ));
        tar::archive(&members)
    };
    vec![
        archive("config.json", false),
        archive(&named, true),
        tar::archive(&[tar::member(b"manifest.json", b'0', b"", b"[]")]),
    ]
}

/// An output that takes so much and no more.
struct Bounded(usize);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn run(data: &[u8]) -> bool {
    let Ok(archive) = DockerArchive::read("archive", scratch::file(data)) else {
        return false;
    };
    let mut accepted = false;
    assert!(archive.names().len() >= archive.manifests().len());
    for (number, manifest) in archive.manifests().iter().enumerate().take(4) {
        let Ok(image) = archive.image(&Selector::Number(number)) else {
            continue;
        };
        accepted = true;
        assert_eq!(image.layers.len(), manifest.layers.len());
        assert_eq!(image.layers.len(), image.configuration.diff_ids().len());
        for layer in &image.layers {
            let name = layer.name();
            // It goes into other archives under this name.
            assert!(
                !name.is_empty()
                    && !name.starts_with('/')
                    && !name.split('/').any(|part| part == ".."),
                "{name:?}"
            );
            assert!(layer.stored_size() <= data.len() as u64);
        }
        for name in &manifest.repo_tags {
            let selected = archive.image(&Selector::Name(name.clone()));
            assert!(
                selected.is_ok(),
                "the image {name:?} is not found by its name"
            );
        }
        inspect(&image).expect("an image in a file");
        drop(export(&image, Bounded(1 << 20), Holes::Filled, &()));
    }
    accepted
}
