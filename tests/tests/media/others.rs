//! Images that skopeo and umoci write are read, and they take what is written.

use std::fs;

use serde_json::Value;
use terrine_tests::{Archive, Generation, OciLayout, hello, verify};

use super::{MEDIA, Medium, NAME, SETTINGS, Shelf, TAG, copy, stream};

terrine_tests::for_each_generation!(
    what_skopeo_copies_is_read,
    skopeo_takes_what_is_written_and_pushed,
    what_umoci_writes_is_read,
);

fn what_skopeo_copies_is_read(generation: Generation) {
    let Some(shelf) = Shelf::new() else { return };
    let store = hello::store();
    let archive = hello::on_base(&store).archive();
    fs::write(shelf.path("source.tar"), &archive.bytes).unwrap();
    let source = format!("docker-archive:{}", shelf.path("source.tar").display());
    let host = shelf.registry.host();
    let path = |name: &str| shelf.path(name).display().to_string();
    for (number, (to, options, kind)) in [
        (format!("oci:{}:web", path("layout")), &[][..], "oci"),
        (
            format!("oci:{}:zstd", path("layout")),
            &["--dest-compress-format", "zstd"],
            "oci",
        ),
        (format!("oci-archive:{}:web", path("web.tar")), &[], "oci"),
        (
            format!("docker://{host}/v2s2:1"),
            &["--format", "v2s2"],
            "docker",
        ),
        (
            format!("docker://{host}/oci:1"),
            &["--format", "oci"],
            "oci",
        ),
        (
            format!("docker://{host}/zstd:1"),
            &["--format", "oci", "--dest-compress-format", "zstd"],
            "oci",
        ),
        (
            format!("docker-archive:{}:web:1", path("again.tar")),
            &[],
            "docker",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let copy_it = [
            &["copy", "--quiet", "--dest-tls-verify=false"],
            options,
            &[&source, &to],
        ]
        .concat();
        if generation.skopeo(shelf.folder.path(), &copy_it).is_none() {
            return;
        }
        verify(&to);
        // Of one format it makes another, and the image id is another then.
        let inspect = ["inspect", "--tls-verify=false", "--raw", &to];
        let raw = generation
            .skopeo(shelf.folder.path(), &inspect)
            .unwrap()
            .stdout;
        let raw: Value = serde_json::from_slice(&raw).unwrap();
        let id = raw["config"]["digest"]
            .as_str()
            .unwrap()
            .trim_start_matches("sha256:")
            .to_owned();
        for medium in MEDIA {
            let name = format!("copy-{number}-{medium:?}").to_lowercase();
            copy(&to, &shelf.reference(medium, &name));
            let seen = shelf.seen(medium, &name);
            assert_eq!(
                (&seen.id, seen.diff_ids),
                (&id, archive.diff_ids()),
                "{to}, {name}"
            );
            if medium == Medium::Registry && to.starts_with("docker://") {
                let own = shelf.registry.manifest(&name, TAG).unwrap();
                let repository = to.rsplit_once('/').unwrap().1.trim_end_matches(":1");
                assert_eq!(
                    own,
                    shelf.registry.manifest(repository, "1").unwrap(),
                    "{to}"
                );
                assert!(own.content_type.contains(kind), "{}", own.content_type);
            }
        }
    }
}

fn skopeo_takes_what_is_written_and_pushed(generation: Generation) {
    let Some(shelf) = Shelf::new() else { return };
    let store = hello::store();
    let conf = hello::on_base(&store);
    let archive = conf.archive();
    for setting in SETTINGS {
        for medium in MEDIA {
            let name = format!("{setting}-{medium:?}").to_lowercase();
            let options = ["--compression", setting];
            let from = shelf.reference(medium, &name);
            stream(
                &conf,
                &from,
                if medium == Medium::DockerArchive {
                    &[]
                } else {
                    &options
                },
            );
            // It makes no docker-archive of layers by zstd.
            let file = shelf.path(&format!("{name}-taken.tar"));
            let to = format!("oci-archive:{}:{NAME}", file.display());
            let arguments = ["copy", "--quiet", "--src-tls-verify=false", &from, &to];
            if generation.skopeo(shelf.folder.path(), &arguments).is_none() {
                return;
            }
            verify(&to);
            let taken = OciLayout::read_archive(&file).image(Some(NAME));
            assert_eq!(taken.diff_ids, archive.diff_ids(), "{name}");
            // Of a docker-archive it makes a configuration of its own.
            if medium != Medium::DockerArchive {
                assert_eq!(taken.id(), archive.id, "{name}");
            }
        }
    }
}

fn what_umoci_writes_is_read(generation: Generation) {
    let Some(shelf) = Shelf::new() else { return };
    let folder = shelf.folder.path();
    let store = hello::store();
    let layout = shelf.path("layout").display().to_string();
    stream(
        &hello::conf(&store),
        &format!("oci:{layout}:{TAG}"),
        &["--compression", "gzip"],
    );
    let image = format!("{layout}:{TAG}");
    if generation
        .umoci(
            folder,
            &[
                "config",
                "--image",
                &image,
                "--tag",
                "configured",
                "--config.user",
                "7",
            ],
        )
        .is_none()
    {
        return;
    }
    let from = format!("oci:{layout}:configured");
    verify(&from);
    copy(&from, &shelf.reference(Medium::DockerArchive, "configured"));
    shelf.seen(Medium::DockerArchive, "configured");
    let archive = Archive::read(fs::read(shelf.path("configured.tar")).unwrap());
    assert_eq!(archive.config()["config"]["User"], "7");
}
