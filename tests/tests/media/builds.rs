//! The same build has the same bytes everywhere, and their digests are pinned.

use std::fs;

use terrine_tests::{OciLayout, Run, hello, temporary, verify};

use super::{SETTINGS, stream};

#[test]
fn the_same_build_has_the_same_bytes() {
    let store = hello::store();
    let conf = hello::large(&store);
    let cache = temporary();
    for setting in SETTINGS {
        let make = |options: &[&str]| {
            let archive = store.root().join("out.tar");
            let layout = store.root().join("out");
            let _ = fs::remove_dir_all(&layout);
            for to in [
                format!("oci-archive:{}:1", archive.display()),
                format!("oci:{}:1", layout.display()),
            ] {
                let mut command = conf.command();
                command.env("XDG_CACHE_HOME", cache.path());
                command
                    .args(["--compression", setting, "--to", &to])
                    .args(options);
                Run::of(&mut command).ok();
                verify(&to);
            }
            (fs::read(archive).unwrap(), OciLayout::read(&layout))
        };
        let first = make(&["--jobs", "1"]);
        assert_eq!(
            first.1,
            OciLayout::read_archive(&store.root().join("out.tar")),
            "{setting}"
        );
        for options in [
            &["--jobs", "4"][..],
            &[],
            &["--no-cache"],
            &["--no-cache", "--jobs", "4"],
        ] {
            let again = make(options);
            assert!(
                first.0 == again.0,
                "{setting}, {options:?}: the archives differ"
            );
            assert_eq!(first.1.index, again.1.index, "{setting}, {options:?}");
            assert!(
                first.1.blobs == again.1.blobs,
                "{setting}, {options:?}: the blobs differ"
            );
        }
    }
}

/// The digests of the manifests of the example, which only another version of terrine or of a
/// library that compresses may change. What that is recorded in stands in the annotations.
#[test]
fn digests_are_pinned() {
    let store = hello::store();
    let layout = store.root().join("layout");
    let digests = SETTINGS.map(|setting| {
        let to = format!("oci:{}:{setting}", layout.display());
        // The digest of the planner depends on where it is built.
        // So does its name with each version.
        let options = [
            "--compression",
            setting,
            "--annotation",
            "dev.terrine.plan.component=",
        ];
        let options = [&options[..], &["--annotation", "dev.terrine.plan.planner="]].concat();
        stream(&hello::conf(&store), &to, &options);
        verify(&to);
        let image = OciLayout::read(&layout).image(Some(setting));
        format!(
            "{setting} {} {}",
            image.digest(),
            image.json()["annotations"]["dev.terrine.compression"]
        )
    });
    assert_eq!(digests.join("\n"), PINNED);
}

/// The digests that [`digests_are_pinned`] checks the example against.
const PINNED: &str = "\
none sha256:87d24ad07008ed3ad6eb248976bd4bee4865c5026158f889a8d024b0b87c27f1 \"none\"
gzip sha256:56b1877aac1b71a5de44d0f0b7fd46e339003318afc24978a7a61a66f42028c9 \"gzip level 4 by libdeflate 1.26.1 in blocks of 1 MiB\"
zstd sha256:37ab97c58477f95aa8293d78e97fc6878586406938323d58b11801aea4e3080a \"zstd level 1 by zstd 1.5.7 (parameters 2) with a window of 32 MiB in overlapping jobs of 512 KiB\"";
