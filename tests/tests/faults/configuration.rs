//! Broken configurations, and customisation layers that are not what they say.

use std::fs::{self, File};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use terrine_tests::{ConfFile, Run, TestStore, conf};

use super::refused;

#[test]
fn a_configuration_that_is_broken_is_refused() {
    let store = TestStore::default();
    let conf = ConfFile::new(&store, &[]);
    let path = conf.write();
    let whole = fs::read(&path).unwrap();
    let stream = || {
        Run::of(
            terrine_tests::terrine()
                .arg("stream")
                .arg("--store-root")
                .arg(store.root())
                .arg(&path),
        )
    };
    for (text, why) in [
        (&whole[..whole.len() / 2], "the text ends within a string"),
        (
            b"",
            "is not a valid conf.json: the text is empty or ends where a value must be",
        ),
        (b"\xff\xff", "is not a valid conf.json: it is not text"),
        (
            b"\xff\xfe",
            "is not a valid conf.json: it is text in UTF-16",
        ),
        (
            &[b'['; 100_000],
            "is not a valid conf.json: it is an array, and must be an object",
        ),
        (
            &[&whole[..whole.len() - 1], b", \"deep\": ", &[b'['; 100_000]].concat(),
            "`deep`: the text ends within a list",
        ),
        (
            &[&whole[..], b"{}"].concat(),
            "there is more text after the JSON",
        ),
        (b"{}", "the field `architecture` is missing"),
    ] {
        fs::write(&path, text).unwrap();
        refused(&stream(), why);
    }
    // JSON as deep as this is not read further than the planner.
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (depth, why) in [
        (100_000, "`config`: not JSON: recursion limit exceeded"),
        (100, "`config`: must be an object"),
    ] {
        let whole =
            String::from_utf8_lossy(&whole).replace(r#"{"Cmd":["/bin/hello"]}"#, &nested(depth));
        fs::write(&path, whole).unwrap();
        refused(&stream(), why);
    }
    // A gigabyte that is not even there.
    File::create(&path).unwrap().set_len(1 << 30).unwrap();
    refused(&stream(), "has more than 64 MiB, which is the limit");
    fs::remove_file(&path).unwrap();
    refused(
        &stream(),
        &format!("reading `{}`\n  caused by: No such file", path.display()),
    );
    refused(
        &Run::of(terrine_tests::terrine().args(["stream", "/"])),
        "reading `/`\n  caused by: Is a directory",
    );
    refused(
        &Run::of(terrine_tests::terrine().args(["stream", "/dev/zero"])),
        "has more than 64 MiB",
    );
}

#[test]
fn a_customisation_layer_is_held_against_its_checksum() {
    let store = TestStore::default();
    let name = "0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-customisation-layer";
    let conf = ConfFile::new(&store, &[]);
    let layer = store.host(name).join("layer.tar");
    let whole = fs::read(&layer).unwrap();
    fs::remove_file(&layer).unwrap();
    let write = |bytes: &[u8]| store.file_with_mode(&format!("{name}/layer.tar"), bytes, 0o644);

    refused(&conf.run(), "layer.tar`\n  caused by: No such file");
    write(&whole[..whole.len() - 512]);
    refused(&conf.run(), "its checksum says sha256:");
    let mut other = whole.clone();
    other[700] ^= 1;
    write(&other);
    refused(&conf.run(), "its checksum says sha256:");
    write(&whole);
    terrine_tests::Archive::read(conf.run().ok().stdout);

    store.file_with_mode("bad/layer.tar", &whole, 0o644);
    for checksum in [
        "",
        "abc",
        &"0".repeat(63),
        &"g".repeat(64),
        &"0".repeat(5000),
    ] {
        store.file_with_mode("bad/checksum", checksum.as_bytes(), 0o644);
        let conf = ConfFile::new(&store, &[]).with("customisation_layer", store.path("bad"));
        refused(
            &conf.run(),
            "checksum` does not hold a sha256 digest of 64 hexadecimal digits",
        );
    }
    conf::customise(&store, "fifo", &whole);
    fs::remove_file(store.host("fifo/layer.tar")).unwrap();
    mknodat(
        CWD,
        store.host("fifo/layer.tar"),
        FileType::Fifo,
        Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    let conf = ConfFile::new(&store, &[]).with("customisation_layer", store.path("fifo"));
    refused(&conf.run(), "is not a regular file");
}
