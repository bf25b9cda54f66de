//! Images on top of others: every layout and compression that is about.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::archive::{digest, filter};
use terrine_tests::base::{self, BaseImage, layer};
use terrine_tests::{Archive, ConfFile, Run, TestStore, oracle, peer};

fn two_layers() -> [Vec<u8>; 2] {
    [
        layer("bin/base", b"#!\n"),
        layer("etc/base.conf", &[b'x'; 3000]),
    ]
}

fn store() -> TestStore {
    let store = TestStore::default();
    store.file("a/bin/hello", b"hello");
    store
}

/// The image of one store path on top of a base, from a file of these bytes.
fn on(store: &TestStore, bytes: &[u8]) -> Archive {
    conf_on(store, bytes).archive()
}

fn conf_on<'s>(store: &'s TestStore, bytes: &[u8]) -> ConfFile<'s> {
    let path = base::put(store, bytes);
    ConfFile::new(store, &[&["a"]])
        .with("from_image", path.to_str().unwrap())
        .with(
            "config",
            json!({"Cmd": ["/bin/hello"], "Env": ["B=own", "C=own"]}),
        )
}

#[test]
fn layers_and_environment_are_inherited_as_in_the_original() {
    let (store, layers) = (store(), two_layers());
    let image = BaseImage::old(&[&layers[0], &layers[1]], &["A=base", "B=base"]);
    let archive = oracle::agree(&conf_on(&store, &image.archive()));
    assert_eq!(archive.layers()[..2], [&layers[0][..], &layers[1]]);
    assert_eq!(archive.layers().len(), 4);
    let config = &archive.config()["config"];
    assert_eq!(
        *config,
        json!({"Cmd": ["/bin/hello"], "Env": ["A=base", "B=own", "C=own"]})
    );
}

#[test]
fn the_layout_of_newer_versions_is_read() {
    let (store, layers) = (store(), two_layers());
    let image = BaseImage::new(&[&layers[0], &layers[1]], &["A=base"]);
    let archive = oracle::agree(&conf_on(&store, &image.archive()));
    assert_eq!(
        archive.layer_names()[0],
        format!("blobs/sha256/{}", digest(&layers[0]))
    );
}

#[test]
fn a_base_without_environment_or_config_is_read() {
    let store = store();
    for config in [json!({}), json!({"Env": null}), Value::Null] {
        let mut image = BaseImage::old(&[&two_layers()[0]], &[]);
        image.configuration["config"] = config;
        let image = renamed(image);
        let archive = on(&store, &image.archive());
        assert_eq!(archive.config()["config"]["Env"], json!(["B=own", "C=own"]));
    }
    let mut image = BaseImage::old(&[&two_layers()[0]], &[]);
    image
        .configuration
        .as_object_mut()
        .unwrap()
        .remove("config");
    let archive = conf_on(&store, &renamed(image).archive())
        .with("config", Value::Null)
        .archive();
    assert_eq!(archive.config()["config"], Value::Null);
}

/// The same after its configuration was changed.
fn renamed(mut image: BaseImage) -> BaseImage {
    image.manifest[0]["Config"] = json!(format!(
        "{}.json",
        digest(image.configuration.to_string().as_bytes())
    ));
    image
}

#[test]
fn compressed_archives_are_told_by_their_bytes() {
    let (store, layers) = (store(), two_layers());
    let plain = BaseImage::old(&[&layers[0], &layers[1]], &["A=base"]).archive();
    let expected = on(&store, &plain);
    for (tool, arguments) in [
        ("gzip", &["-n"][..]),
        ("bzip2", &[]),
        ("xz", &[]),
        ("xz", &["-9"]),
        ("zstd", &["-19"]),
    ] {
        if peer::find(tool).is_none() {
            continue;
        }
        // The file is called `base.tar` all the same.
        let compressed = filter(tool, arguments, &plain);
        assert!(compressed.len() < plain.len());
        assert_eq!(on(&store, &compressed).bytes, expected.bytes, "{tool}");
        // Zeros fill up the last block on some media.
        if matches!(tool, "gzip" | "xz") {
            let padded = [&compressed[..], &vec![0; (1 << 20) - compressed.len()]].concat();
            assert_eq!(on(&store, &padded).bytes, expected.bytes, "{tool}, padded");
        }
        // Several streams one after another are what parallel compressors write.
        let (head, tail) = plain.split_at(4000);
        let twice = [filter(tool, arguments, head), filter(tool, arguments, tail)].concat();
        assert_eq!(on(&store, &twice).bytes, expected.bytes, "{tool}, twice");
        // What is cut off is not a smaller image.
        let cut = conf_on(&store, &compressed[..compressed.len() / 2]).run();
        assert_eq!(cut.code, Some(1), "{tool}: {}", cut.stderr);
        assert!(
            cut.stderr.contains("cannot be unpacked") || cut.stderr.contains("truncated"),
            "{}",
            cut.stderr
        );
    }
}

#[test]
fn compressed_layers_are_verified_and_go_in_a_form_that_all_take() {
    let store = store();
    let plain = two_layers();
    for tool in ["gzip", "bzip2", "xz", "zstd"] {
        if peer::find(tool).is_none() {
            continue;
        }
        let compressed: Vec<Vec<u8>> = plain.iter().map(|layer| filter(tool, &[], layer)).collect();
        // The members hold the compressed layers, the configuration the plain digests.
        let mut image = BaseImage::old(&[&plain[0], &plain[1]], &["A=base"]);
        for ((_, content), layer) in image.members.iter_mut().zip(&compressed) {
            content.clone_from(layer);
        }
        let archive = on(&store, &image.archive());
        // Not every consumer takes the others, so these are unpacked.
        let expected = if tool == "gzip" {
            &compressed.clone().try_into().unwrap()
        } else {
            &plain
        };
        assert_eq!(
            archive.layers()[..2],
            [&expected[0][..], &expected[1]],
            "{tool}"
        );

        image.members[1].1 = filter(tool, &[], b"something else");
        let run = conf_on(&store, &image.archive()).run();
        assert_eq!(run.code, Some(1));
        assert!(
            run.stderr.contains("has the digest sha256:"),
            "{tool}: {}",
            run.stderr
        );
        assert!(!String::from_utf8_lossy(&run.stdout).contains("manifest.json"));

        image.members[1].1 = compressed[1][..compressed[1].len() - 9].to_vec();
        let run = conf_on(&store, &image.archive()).run();
        assert_eq!(run.code, Some(1), "{tool}");
    }
}

#[test]
fn repeated_layers_are_written_once_and_listed_twice() {
    let (store, layers) = (store(), two_layers());
    let mut image = BaseImage::old(&[&layers[0], &layers[1], &layers[0]], &[]);
    image.members.truncate(2);
    let archive = on(&store, &image.archive());
    assert_eq!(archive.layers().len(), 5);
    assert_eq!(archive.layer_names()[0], archive.layer_names()[2]);
}

#[test]
fn layers_that_are_links_are_followed() {
    let (store, layers) = (store(), two_layers());
    let mut image = BaseImage::old(&[&layers[0], &layers[1], &layers[0]], &[]);
    // As `docker save` wrote a layer that was there already.
    let target = image.members[0].0.clone();
    image.members[2] = (
        "again/layer.tar".to_owned(),
        format!("-> ../{target}").into_bytes(),
    );
    image.manifest[0]["Layers"][2] = json!("again/layer.tar");
    let archive = on(&store, &image.archive());
    assert_eq!(archive.layers()[2], &layers[0][..]);
    assert_eq!(archive.layer_names()[2], "again/layer.tar");
}

#[test]
fn the_first_image_of_several_is_the_base() {
    let (store, layers) = (store(), two_layers());
    let mut image = BaseImage::old(&[&layers[0]], &["A=first"]);
    let other = BaseImage::old(&[&layers[1]], &["A=second"]);
    image
        .manifest
        .as_array_mut()
        .unwrap()
        .push(other.manifest[0].clone());
    image.members.extend(other.members.clone());
    let archive = oracle::agree(&conf_on(&store, &image.archive()));
    assert_eq!(archive.layers()[0], &layers[0][..]);
}

#[test]
fn an_image_is_a_base_for_the_next() {
    let store = store();
    store.file("b/x", b"x");
    let first = ConfFile::new(&store, &[&["a"]])
        .with("config", json!({"Env": ["A=1"]}))
        .archive();
    let second = on(&store, &first.bytes);
    assert_eq!(second.layers()[..2], first.layers());
    let third = conf_on(&store, &second.bytes)
        .with("store_layers", json!([[store.path("b")]]))
        .archive();
    assert_eq!(third.layers()[..4], second.layers());
    assert_eq!(
        third.config()["config"]["Env"],
        json!(["A=1", "B=own", "C=own"])
    );
}

#[test]
fn a_base_comes_through_a_pipe_as_well() {
    let (store, layers) = (store(), two_layers());
    let image = BaseImage::old(&[&layers[0]], &[]).archive();
    let expected = on(&store, &image);
    let conf = conf_on(&store, &image).with("from_image", "/dev/stdin");
    let mut child = conf
        .command()
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &image).unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(Archive::read(run.ok().stdout).bytes, expected.bytes);
}

#[test]
fn a_base_without_layers_is_a_base() {
    let store = store();
    for (layers, diff_ids) in [(json!([]), json!([])), (Value::Null, Value::Null)] {
        let mut image = BaseImage::old(&[], &["A=base"]);
        image.configuration["rootfs"]["diff_ids"] = diff_ids;
        image = renamed(image);
        image.manifest[0]["Layers"] = layers;
        let archive = on(&store, &image.archive());
        assert_eq!(archive.layers().len(), 2);
        assert_eq!(
            archive.config()["config"]["Env"],
            json!(["A=base", "B=own", "C=own"])
        );
    }
}

#[test]
fn a_layer_that_poses_as_something_else_is_refused() {
    let store = store();
    for name in [
        "manifest.json",
        "./manifest.json",
        "a/./../manifest.json",
        "repositories",
        "./repositories",
        "index.json",
        "evil.json",
        "manifest.json\0x",
        "x".repeat(2000).as_str(),
    ] {
        let mut image = BaseImage::old(&[&two_layers()[0]], &[]);
        image.manifest[0]["Layers"][0] = json!(name);
        // By an extended header, which can hold any name.
        let mut plain = image.clone();
        plain.members.clear();
        let record = |length: usize| format!("{length} path={name}\n");
        let length = (0..)
            .find(|&length| record(length).len() == length)
            .unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(length as u64);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, record(length).as_bytes()).unwrap();
        let mut start = builder.into_inner().unwrap();
        start.truncate(start.len() - 1024);
        start.extend(layer("placeholder", &two_layers()[0]));
        start.truncate(start.len() - 1024);
        let run = conf_on(&store, &[start, plain.archive()].concat()).run();
        assert_eq!(run.code, Some(1), "{name:?}: {}", run.stderr);
        let refused = [
            "as a layer",
            "control characters",
            "leads out of the archive",
        ];
        assert!(
            refused.iter().any(|why| run.stderr.contains(why)),
            "{name:?}: {}",
            run.stderr
        );
        assert!(run.stdout.is_empty(), "{name:?}");
    }
}

#[test]
fn what_is_no_archive_is_not_unpacked() {
    let store = store();
    let endless = conf_on(&store, b"").with("from_image", "/dev/zero").run();
    assert_eq!(endless.code, Some(1));
    assert!(
        endless.stderr.contains("no valid header at offset 0"),
        "{}",
        endless.stderr
    );
    let zeros = filter("gzip", &[], &vec![0; 10 << 20]);
    let run = conf_on(&store, &zeros).run();
    assert!(
        run.stderr.contains("no valid header at offset 0"),
        "{}",
        run.stderr
    );
    let mut sparse = layer("x", b"");
    sparse[156] = b'S';
    let sum: u32 = sparse[..512]
        .iter()
        .enumerate()
        .map(|(i, &b)| u32::from(if (148..156).contains(&i) { b' ' } else { b }))
        .sum();
    sparse[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let run = conf_on(&store, &sparse).run();
    assert!(
        run.stderr
            .contains("its member `x` is stored as a sparse file"),
        "{}",
        run.stderr
    );
}

/// A way to break a base image.
type Break = fn(&mut BaseImage);

#[test]
fn a_broken_base_is_named_and_no_image_comes_out() {
    let store = store();
    let table: &[(Break, &str)] = &[
        (
            |image| image.manifest = json!([]),
            "its `manifest.json` lists no image",
        ),
        (
            |image| image.manifest = json!({"Layers": []}),
            "its `manifest.json` cannot be read: it must be",
        ),
        (
            |image| image.manifest[0]["Layers"][0] = json!("not/there.tar"),
            "it has no member `not/there.tar`",
        ),
        (
            |image| image.manifest[0]["Layers"] = json!([]),
            "it lists 0 layers and 2 diff ids",
        ),
        (
            |image| image.configuration["rootfs"] = json!(null),
            "has the digest",
        ),
        (|image| image.members[0].1[600] ^= 1, "has the digest"),
        (
            |image| image.members.push(("../evil".to_owned(), vec![])),
            "`../evil`, which leads out of the archive",
        ),
        (
            |image| image.members.push(("/etc/evil".to_owned(), vec![])),
            "`/etc/evil`, which leads out of the archive",
        ),
        (
            |image| {
                image
                    .members
                    .push(("x".to_owned(), b"-> ../../evil".to_vec()));
            },
            "which leads out of the archive",
        ),
        (
            |image| {
                image.members.push(("loop".to_owned(), b"-> loop".to_vec()));
                image.manifest[0]["Layers"][0] = json!("loop");
            },
            "its member `loop` is a link that leads nowhere",
        ),
        (
            |image| {
                image.configuration["rootfs"]["diff_ids"][0] = json!("sha256:123");
                *image = renamed(image.clone());
            },
            "`sha256:123` is not a sha256 digest",
        ),
        (
            |image| {
                image.configuration["config"]["Env"] = json!({"A": "1"});
                *image = renamed(image.clone());
            },
            "`base.config.Env`: must be an array of strings",
        ),
    ];
    for (number, (damage, expected)) in table.iter().enumerate() {
        let layers = two_layers();
        let mut image = BaseImage::old(&[&layers[0], &layers[1]], &["A=base"]);
        damage(&mut image);
        let run = conf_on(&store, &image.archive()).run();
        assert_eq!(run.code, Some(1), "{number}: {}", run.stderr);
        assert!(
            run.stderr.contains(expected),
            "{number}: {}\n{expected}",
            run.stderr
        );
        assert!(
            !String::from_utf8_lossy(&run.stdout).contains("manifest.json"),
            "{number}"
        );
    }
}

#[test]
fn a_base_without_its_configuration_or_manifest_says_so() {
    let store = store();
    let image = BaseImage::old(&[&two_layers()[0]], &[]);
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let manifest = image.manifest.to_string();
    header.set_size(manifest.len() as u64);
    builder
        .append_data(&mut header, "manifest.json", manifest.as_bytes())
        .unwrap();
    let run = conf_on(&store, &builder.into_inner().unwrap()).run();
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr
            .contains(&format!("it has no member `{}`", image.config_name())),
        "{}",
        run.stderr
    );

    let run = conf_on(&store, &layer("oci-layout", b"{}")).run();
    assert!(
        run.stderr
            .contains("it is neither a docker-archive nor an OCI archive"),
        "{}",
        run.stderr
    );
    let run = conf_on(&store, &layer("x", b"")).run();
    assert!(
        run.stderr
            .contains("it is neither a docker-archive nor an OCI archive"),
        "{}",
        run.stderr
    );
    for nothing in [&b""[..], b"hello", &[b'x'; 2000]] {
        let run = conf_on(&store, nothing).run();
        assert_eq!(run.code, Some(1), "{}", run.stderr);
    }
    let directory = conf_on(&store, b"")
        .with("from_image", store.root().to_str().unwrap())
        .run();
    assert!(
        directory
            .stderr
            .contains("it is not an OCI layout: it has no `oci-layout`"),
        "{}",
        directory.stderr
    );
    let missing = conf_on(&store, b"")
        .with("from_image", "/nowhere/base.tar")
        .run();
    assert!(
        missing.stderr.contains("`/nowhere/base.tar`"),
        "{}",
        missing.stderr
    );
}

#[test]
fn a_base_that_is_cut_off_anywhere_is_no_image() {
    let (store, layers) = (store(), two_layers());
    let image = BaseImage::old(&[&layers[0], &layers[1]], &[]).archive();
    // The manifest is last: without all of it there is no image.
    let manifest = image
        .windows(13)
        .rposition(|window| window == b"manifest.json")
        .unwrap();
    for length in [
        1,
        511,
        512,
        700,
        1024,
        3000,
        manifest,
        manifest + 512,
        manifest + 600,
    ] {
        let run = conf_on(&store, &image[..length]).run();
        assert_eq!(run.code, Some(1), "{length}: {}", run.stderr);
        assert!(
            run.stderr.contains("base.tar` cannot be used"),
            "{length}: {}",
            run.stderr
        );
    }
}

#[test]
fn a_base_that_declares_absurd_sizes_is_refused() {
    let store = store();
    for size in [1 << 33, 1 << 50, u64::MAX / 4] {
        let mut header = tar::Header::new_gnu();
        header.set_path("manifest.json").unwrap();
        header.set_size(size);
        header.set_cksum();
        let bytes = [header.as_bytes().as_slice(), &[b'x'; 4096]].concat();
        let run = conf_on(&store, &bytes).run();
        assert_eq!(run.code, Some(1), "{size}");
        assert!(run.stderr.contains("it is truncated"), "{}", run.stderr);
    }
    // A manifest that is there and far too large, most of it a hole.
    let path = base::put(&store, b"");
    let mut header = tar::Header::new_gnu();
    header.set_path("manifest.json").unwrap();
    header.set_size(1 << 33);
    header.set_cksum();
    fs::write(&path, header.as_bytes()).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len((1 << 33) + 2048)
        .unwrap();
    let conf = ConfFile::new(&store, &[&["a"]]).with("from_image", path.to_str().unwrap());
    let run = conf.run();
    assert!(
        run.stderr
            .contains("`manifest.json` has 8589934592 bytes, but at most 16777216 are allowed"),
        "{}",
        run.stderr
    );
}
