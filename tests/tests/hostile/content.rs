//! Layers and archives that are bombs, or lead elsewhere.

use std::fs;
use std::io::Write;

use serde_json::json;
use terrine_tests::archive::{digest, filter};
use terrine_tests::{Run, TestStore, base, peer};

use super::{GZIP, Layout, Measured, TAR, ZSTD, measured, oci, refused};

#[test]
fn many_layers_with_large_windows_take_no_more_memory_than_a_few() {
    if peer::find("zstd").is_none() {
        return;
    }
    let layout = Layout::new();
    let (mut layers, mut diff_ids) = (vec![], vec![]);
    for number in 0..5 {
        let plain = base::layer(&format!("etc/{number}"), &vec![0; 64 << 20]);
        layers.push(layout.put(ZSTD, &filter("zstd", &["--long=26", "-1"], &plain)));
        diff_ids.push(format!("sha256:{}", digest(&plain)));
    }
    layout.index(&json!([layout.image(&layers, &diff_ids)]));
    let out = terrine_tests::temporary();
    let to = format!("oci:{}:x", out.path().join("x").display());
    let mut command = terrine_tests::terrine();
    let Measured { run, memory, .. } = measured(command.args([
        "-q",
        "copy",
        "--no-cache",
        "--jobs",
        "5",
        &oci(&layout),
        &to,
    ]));
    run.ok();
    assert!(memory < 200 << 10, "{memory} KiB");
}

/// As many bytes of zeros as no image has, compressed: frames may follow one another.
fn bomb(frame: &[u8], times: usize) -> Vec<u8> {
    frame.repeat(times)
}

#[test]
fn bombs_are_not_unpacked_to_their_end() {
    const GIB: usize = 1 << 30;
    let zeros = vec![0; 1 << 20];
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..GIB >> 20 {
        zstd.write_all(&zeros).unwrap();
    }
    let zstd = bomb(&zstd.finish().unwrap(), 70);
    let layout = Layout::new();
    layout.only(ZSTD, &zstd, b"");
    refused(
        "a bomb by zstd",
        &oci(&layout),
        &["unpack to more than 4294967296 bytes"],
    );
    if cfg!(debug_assertions) {
        return;
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        gzip.write_all(&zeros).unwrap();
    }
    let gzip = bomb(&gzip.finish().unwrap(), 70 << 4);
    layout.only(GZIP, &gzip, b"");
    refused(
        "a bomb by gzip",
        &oci(&layout),
        &["unpack to more than 4294967296 bytes"],
    );
    // An archive that is one as a whole comes to no more of the disk than that.
    let path = layout.store.root().join("bomb.tar.zst");
    let mut header = tar::Header::new_gnu();
    header.set_path("layer.tar").unwrap();
    header.set_size(70 << 30);
    header.set_cksum();
    // Without one the first block would be enough to refuse it.
    let start = zstd::encode_all(&header.as_bytes()[..], 1).unwrap();
    fs::write(&path, [start, zstd].concat()).unwrap();
    refused(
        "a bomb of an archive",
        &path.display().to_string(),
        &["unpack to more than 4294967296 bytes"],
    );
}

/// A layer with names that may not be.
fn layer_with(name: &str, kind: tar::EntryType, target: &str, times: usize) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for _ in 0..times {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn names_that_lead_out_lead_nowhere() {
    use tar::EntryType as Kind;
    for (what, layer) in [
        ("up", layer_with("../../evil", Kind::Regular, "", 1)),
        (
            "up within",
            layer_with("a/../../evil", Kind::Regular, "", 1),
        ),
        (
            "a hard link out",
            layer_with("link", Kind::Link, "../../../etc/passwd", 1),
        ),
        (
            "a hard link to nothing",
            layer_with("link", Kind::Link, "/etc/passwd", 1),
        ),
    ] {
        let layout = Layout::new();
        layout.only(TAR, &layer, &layer);
        let run = Run::of(
            terrine_tests::terrine()
                .args(["export", &oci(&layout), "-o"])
                .arg(layout.path().join("x.tar")),
        );
        assert!(
            run.code == Some(1) && run.stderr.contains("error: "),
            "{what}: {}",
            run.stderr
        );
        assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
    }
    // Absolute names are names of the image, and so are links that lead anywhere.
    for layer in [
        layer_with("/etc/x", Kind::Regular, "", 1),
        layer_with("etc/x", Kind::Symlink, "/../../../../etc/passwd", 1),
    ] {
        let layout = Layout::new();
        layout.only(TAR, &layer, &layer);
        let out = Run::of(terrine_tests::terrine().args(["export", &oci(&layout)]))
            .ok()
            .stdout;
        let names = terrine_tests::Archive::entries(&out);
        assert!(
            names
                .iter()
                .all(|name| !name.starts_with('/') && !name.contains("..")),
            "{names:?}"
        );
    }
}

#[test]
fn docker_archives_are_no_better() {
    let plain = base::layer("etc/x", b"x");
    let image = || base::BaseImage::old(&[&plain], &[]);
    type Change<'a> = &'a dyn Fn(&mut base::BaseImage);
    let changes: &[(&str, Change<'_>, &[&str])] = &[
        (
            "a layer that leads out",
            &|image| {
                image.manifest[0]["Layers"][0] = json!("../../etc/passwd");
            },
            &["leads out", "has no member"],
        ),
        (
            "an absolute layer",
            &|image| image.manifest[0]["Layers"][0] = json!("/etc/passwd"),
            &["no member", "leads out"],
        ),
        (
            "a layer that is a link out",
            &|image| {
                let name = image.members[0].0.clone();
                image.members[0] = (name, b"-> /etc/passwd".to_vec());
            },
            &["leads out", "no member", "is not a file", "leads nowhere"],
        ),
        (
            "a link to itself",
            &|image| {
                let name = image.members[0].0.clone();
                image.members[0] = (name, b"-> layer.tar".to_vec());
            },
            &["leads nowhere", "is a link"],
        ),
        (
            "a configuration that is the manifest",
            &|image| {
                image.manifest[0]["Config"] = json!("manifest.json");
            },
            &["cannot be"],
        ),
        (
            "a list of nothing",
            &|image| image.manifest = json!([]),
            &["lists no image"],
        ),
        (
            "no list",
            &|image| image.manifest = json!({"Config": "x"}),
            &["cannot be read"],
        ),
        (
            "other bytes",
            &|image| image.members[0].1 = base::layer("etc/x", b"y"),
            &["digest", "expected"],
        ),
        (
            "many members",
            &|image| {
                image
                    .members
                    .extend((0..30_000).map(|number| (format!("m{number}"), vec![])));
            },
            &["members"],
        ),
    ];
    for (what, change, says) in changes {
        let store = TestStore::default();
        let mut broken = image();
        change(&mut broken);
        let path = broken.write(&store);
        refused(what, &format!("docker-archive:{}", path.display()), says);
    }
}
