//! Builds on another image.

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

/// As `LABEL` in a Dockerfile does.
#[test]
fn labels_replace_those_of_the_base() {
    let store = store();
    let base = spec(&store).with("labels", json!({"a": "base", "b": "base", "c": "base"}));
    fs::write(store.root().join("base.tar"), base.archive().bytes).unwrap();
    let own = spec(&store)
        .with("fromImage", "base.tar")
        .with("baseConfig", "all")
        .with("config", json!({"Labels": {"b": "config"}}))
        .with("labels", json!({"a": "own", "b": "own", "d": "own"}));
    assert_eq!(
        own.archive().config()["config"]["Labels"],
        json!({"a": "own", "b": "config", "c": "base", "d": "own"})
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

/// Returns the paths in the uppermost layer of an image, and the warnings about hidden files. Its
/// base has `/bin/sh` and `/opt -> usr/opt`.
fn on_directories(store: &TestStore, with: (&str, Value), how: &str) -> (Vec<String>, String) {
    let layer = merged(&[("opt", "usr/opt"), ("etc/alias", "sh")], "bin/sh", b"");
    let base = BaseImage::old(&[&layer, &base::layer("usr/opt/o", b"")], &[]).write(store);
    let spec = SpecFile::new(store, &[])
        .with("closure", Value::Null)
        .with("config", json!({"Cmd": ["/bin/sh"]}))
        .with("fromImage", base.to_str().unwrap())
        .with("baseLinks", how)
        .with(with.0, with.1);
    let run = Run::of(&mut spec.command("build")).ok();
    let found = root(&Archive::read(run.stdout)).into_keys().collect();
    let hides = |line: &&str| line.ends_with("there become unreachable");
    let warnings = run.stderr.lines().filter(hides);
    (found, warnings.collect::<Vec<_>>().join("\n"))
}

#[test]
fn links_to_directories_join_the_directories_of_the_base() {
    let store = TestStore::default();
    fs::create_dir_all(store.root().join("pkg/lib")).unwrap();
    fs::write(store.root().join("pkg/lib/y"), "").unwrap();
    std::os::unix::fs::symlink("lib", store.root().join("pkg/bin")).unwrap();
    let contents = ("contents", json!(["pkg"]));
    let (found, said) = on_directories(&store, contents.clone(), "follow");
    assert!(found.contains(&"bin/y".to_owned()), "{found:?}");
    assert_eq!(said, "");
    let (found, said) = on_directories(&store, contents, "replace");
    assert!(found.contains(&"bin".to_owned()), "{found:?}");
    let name = "`/bin` is a directory in the base image, and a link to `lib` for contents `pkg`";
    assert!(said.contains(name), "{said}");
}

#[test]
fn what_hides_a_directory_of_the_base_is_told() {
    let store = TestStore::default();
    let files = |path: &str, file: Value| ("files", json!({ path: file }));
    let link = |target: &str| json!({ "link": target });
    for (with, said) in [
        (
            files("/bin", link("usr/local/bin")),
            "`/bin` is a directory in the base image, and a link to `usr/local/bin` for `files`",
        ),
        (
            files("/bin", json!({"text": ""})),
            "`/bin` is a directory in the base image, and a file for `files`",
        ),
        (
            files("/opt", link("/srv")),
            "`/opt` is a link to `usr/opt` in the base image, and a link to `/srv` for `files`",
        ),
        (
            files("/bin/sh/x", json!({"text": ""})),
            "`/bin/sh` is a file in the base image, and a directory for `files`",
        ),
        (files("/opt", link("/usr/opt")), ""),
        (files("/etc/alias", link("other")), ""),
        (files("/bin/sh", link("bash")), ""),
        (files("/new", link("bin")), ""),
    ] {
        let (_, found) = on_directories(&store, with, "follow");
        match said {
            "" => assert_eq!(found, ""),
            said => assert_eq!(
                found,
                format!("warning: {said}: the files of the base image there become unreachable")
            ),
        }
    }
}

#[test]
fn nothing_at_the_root_hides_the_store() {
    let store = store();
    let run = Run::of(
        &mut spec(&store)
            .with("files", json!({"/nix": {"link": "/opt"}}))
            .command("build"),
    );
    assert_eq!(run.code, Some(1));
    let said =
        "`/nix` is a symbolic link in `files`, and store paths of the image are in `/nix/store`";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    let layer = merged(&[("nix", "/data/nix")], "data/nix/x", b"");
    let base = BaseImage::old(&[&layer], &[]).write(&store);
    let spec = spec(&store).with("fromImage", base.to_str().unwrap());
    let run = Run::of(&mut spec.command("build")).ok();
    let said = "warning: `/nix` is a link to `/data/nix` in the base image, and a directory for store paths";
    assert!(run.stderr.contains(said), "{}", run.stderr);
}
