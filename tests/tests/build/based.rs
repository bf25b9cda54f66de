//! What is built on another image.

use std::fs;

use serde_json::{Value, json};
use terrine_tests::base::{self, BaseImage, merged};
use terrine_tests::{Archive, Run, SpecFile, TestStore};

use super::{diff_ids, root, spec, store};

#[test]
fn the_environment_of_the_base_is_inherited_and_overridden() {
    let store = store();
    let base =
        BaseImage::old(&[&base::layer("base/a", b"a")], &["PATH=/base", "A=base"]).write(&store);
    let config = |inherit: Value| {
        let spec = spec(&store)
            .with("fromImage", base.to_str().unwrap())
            .with("baseConfig", inherit)
            .with("config", json!({"Env": ["A=own", "B=own"]}));
        spec.archive().config()["config"].clone()
    };
    assert_eq!(
        config(Value::Null),
        json!({"Env": ["PATH=/base", "A=own", "B=own"]})
    );
    assert_eq!(
        config(json!("all")),
        json!({"Cmd": ["/bin/base"], "Env": ["PATH=/base", "A=own", "B=own"], "User": "base"})
    );
}

#[test]
fn a_base_that_holds_store_paths_is_not_given_them_again() {
    let store = TestStore::default();
    let [app, lib, libc] = [
        "1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-app",
        "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-lib",
        "0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-libc",
    ];
    store
        .file(&format!("{app}/app"), b"app")
        .file(&format!("{lib}/lib"), b"lib")
        .link(&format!("{lib}/l"), "lib");
    store.file(&format!("{libc}/libc"), b"libc");
    let graph = [(app, 10, lib), (lib, 20, libc), (libc, 30, "")];
    let base = SpecFile::new(&store, &[lib]).graph(&graph).archive();
    fs::write(store.root().join("base.tar"), &base.bytes).unwrap();
    let derived = SpecFile::new(&store, &[app])
        .graph(&graph)
        .with("fromImage", "base.tar");
    assert_eq!(derived.layers(), app);
    let archive = derived.archive();
    assert_eq!(diff_ids(&archive)[..base.layers().len()], diff_ids(&base));
    assert_eq!(archive.layers().len(), base.layers().len() + 2);
    // A path that is not the same any more is not taken for the one in the base.
    store.file(&format!("{libc}/more"), b"x");
    assert_eq!(derived.layers(), format!("{libc}|{app}"));
    // Images on images on images.
    fs::write(store.root().join("base.tar"), &archive.bytes).unwrap();
    let again = SpecFile::new(&store, &[app])
        .graph(&graph)
        .with("fromImage", "base.tar");
    assert_eq!(again.layers(), libc);
}

#[test]
fn a_base_with_a_layer_twice_is_built_upon() {
    let store = store();
    let layer = base::layer("base/a", b"a");
    let base = BaseImage::old(&[&layer, &layer], &[]).write(&store);
    let archive = spec(&store)
        .with("fromImage", base.to_str().unwrap())
        .archive();
    assert_eq!(archive.layers().len(), 6);
}

#[test]
fn files_go_through_links_of_the_base_to_directories() {
    let store = store();
    let links = [
        ("bin", "usr/bin"),
        ("lib64", "/usr/lib"),
        ("etc/file", "other"),
    ];
    let layer = merged(&links, "etc/other", b"");
    let base = BaseImage::old(&[&layer], &[]).write(&store);
    let spec = |how: &str| {
        spec(&store)
            .with("fromImage", base.to_str().unwrap())
            .with("baseLinks", how)
            .with("config", json!({"Cmd": ["/bin/app"]}))
            .with(
                "files",
                json!({"/lib64/l": {"text": ""}, "/etc/file/x": {"text": ""}}),
            )
    };
    let run = Run::of(&mut spec("follow").command("build")).ok();
    let found = root(&Archive::read(run.stdout));
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    for name in ["usr/bin/app", "usr/lib/l", "etc/file/x"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(
        !names.contains(&"bin") && !names.contains(&"lib64"),
        "{names:?}"
    );
    // A directory over a link to a file is told; the command is found through the link.
    let said =
        "warning: `/etc/file` is a link to `other` in the base image, and a directory for `files`";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    assert!(
        !run.stderr.contains("is not in the image"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("`/bin` is"), "{}", run.stderr);
    let run = Run::of(&mut spec("replace").command("build")).ok();
    let said = "warning: `/bin` is a link to `usr/bin` in the base image, and a directory for contents `/nix/store/app`";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("hint: `--base-links follow` puts files"),
        "{}",
        run.stderr
    );
    let found = root(&Archive::read(run.stdout));
    assert!(found.contains_key("bin/app") && found.contains_key("lib64/l"));
}
