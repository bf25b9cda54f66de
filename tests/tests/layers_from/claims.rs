//! Layers that another machine has pushed.

use std::fs;
use std::path::Path;
use std::process::Command;

use terrine_tests::oci::OciLayout;
use terrine_tests::proxy::Proxy;
use terrine_tests::registry::Registry;
use terrine_tests::shipment::Shipment;
use terrine_tests::{NixStore, Run, temporary};

use super::{
    downloaded, empty_machine, json_of, keyed, layers, machine, manifest, mounts, uploaded,
};

const NAMES: [&str; 3] = [
    "dev.terrine.layer.key",
    "dev.terrine.layer.diff-id",
    "dev.terrine.layer.uncompressed-size",
];

/// Returns the digest of the only image of a layout.
fn digest(layout: &Path) -> String {
    OciLayout::read(layout).only().digest()
}

#[test]
fn a_manifest_names_keys_that_every_machine_finds() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let push = |shipment: &Shipment, tag: &str| {
        let to = format!("docker://{}/acme/web:{tag}", registry.host());
        shipment.build(&to, &[]).ok();
        manifest(&registry, "acme/web", tag)
    };
    let first = push(&machine(), "1");
    assert_eq!(push(&machine(), "2"), first);
    let text = json_of(&first.bytes);
    let config = text["config"]["digest"].as_str().unwrap();
    let config = json_of(&registry.blob("acme/web", config).unwrap());
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    for (layer, diff_id) in layers(&text)[..3].iter().zip(diff_ids) {
        let annotations = &layer["annotations"];
        assert!(NAMES.iter().all(|name| annotations[name].is_string()));
        assert_eq!(&annotations["dev.terrine.layer.diff-id"], diff_id);
    }
    // The root has no key, and nothing has one where NAR hashes are not known.
    assert_eq!(layers(&text)[3]["annotations"].as_object(), None);
    let without = json_of(&push(&Shipment::small(), "3").bytes);
    assert!(keyed(&without).is_empty());
}

#[test]
fn a_machine_without_files_pushes_what_the_repository_has() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let to = |tag: &str| format!("docker://{}/acme/web:{tag}", proxy.host());
    machine().build(&to("1"), &[]).ok();
    proxy.forget();
    let other = empty_machine();
    let run = other.build(&to("2"), &["--layers-from", &to("1")]).ok();
    assert_eq!(
        manifest(&registry, "acme/web", "2"),
        manifest(&registry, "acme/web", "1")
    );
    assert!(uploaded(&proxy).is_empty(), "{}", proxy.story());
    // Nothing but the configuration of the image was read.
    assert_eq!(downloaded(&proxy).len(), 1, "{}", proxy.story());
    assert!(!run.stderr.contains("used"), "{}", run.stderr);
    // Claims do not get into the cache: without them, layers of what is left are built.
    other.build(&to("3"), &[]).ok();
    assert_ne!(
        manifest(&registry, "acme/web", "3"),
        manifest(&registry, "acme/web", "1")
    );
}

#[test]
fn only_what_changed_is_built() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let to = |tag: &str| format!("docker://{}/acme/web:{tag}", proxy.host());
    machine().build(&to("1"), &[]).ok();
    proxy.forget();
    let mut other = empty_machine();
    other.change("b", 250_000);
    other.build(&to("2"), &["--layers-from", &to("1")]).ok();
    assert!(other.is_valid(&to("2")));
    let (one, two) = (
        json_of(&manifest(&registry, "acme/web", "1").bytes),
        json_of(&manifest(&registry, "acme/web", "2").bytes),
    );
    let new = &keyed(&two) - &keyed(&one);
    assert_eq!(new.len(), 1);
    let uploaded = uploaded(&proxy);
    assert!(uploaded.is_superset(&new), "{uploaded:?}");
    assert!(uploaded.is_disjoint(&keyed(&one)), "{uploaded:?}");
}

#[test]
fn another_repository_gets_layers_without_a_transfer() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let from = format!("docker://{}/acme/web:1", proxy.host());
    machine().build(&from, &[]).ok();
    proxy.forget();
    let to = format!("docker://{}/acme/other:1", proxy.host());
    let other = empty_machine();
    other.build(&to, &["--layers-from", &from]).ok();
    assert!(other.is_valid(&to));
    assert_eq!(proxy.count(mounts), 3, "{}", proxy.story());
    assert_eq!(
        manifest(&registry, "acme/other", "1"),
        manifest(&registry, "acme/web", "1")
    );
}

#[test]
fn layers_are_copied_to_where_they_are_missing() {
    let (Some(one), Some(two)) = (Registry::start(), Registry::start()) else {
        return;
    };
    let from = format!("docker://{}/acme/web:1", one.host());
    machine().build(&from, &[]).ok();
    let other = empty_machine();
    let to = format!("docker://{}/acme/web:1", two.host());
    other.build(&to, &["--layers-from", &from]).ok();
    assert!(other.is_valid(&to));
    let expected = manifest(&one, "acme/web", "1");
    assert_eq!(manifest(&two, "acme/web", "1"), expected);
    let layout = other.home().join("layout");
    let to = format!("oci:{}:1", layout.display());
    let archive = other.home().join("archive.tar");
    let also = format!("oci-archive:{}:1", archive.display());
    let arguments = [
        "--to",
        &also,
        "--compression",
        "gzip",
        "--layers-from",
        &from,
    ];
    other.build(&to, &arguments).ok();
    assert!(other.is_valid(&to) && other.is_valid(&also));
    assert_eq!(digest(&layout), expected.digest);
    // A layout claims as much as a registry.
    let last = empty_machine();
    let third = format!("oci:{}:1", last.home().join("layout").display());
    last.build(&third, &["--compression", "gzip", "--layers-from", &to])
        .ok();
    assert_eq!(digest(&last.home().join("layout")), expected.digest);
    assert_eq!(other.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn layers_of_another_compression_are_not_used() {
    let machine = machine();
    let layout = |name: &str| {
        let path = machine.home().join(name);
        (format!("oci:{}:1", path.display()), path)
    };
    let ((gzip, _), (zstd, path), (plain, own)) = (layout("gzip"), layout("zstd"), layout("own"));
    machine.build(&gzip, &["--compression", "gzip"]).ok();
    let arguments = ["--no-cache", "--compression", "gzip:1"];
    machine.build(&plain, &arguments).ok();
    let run = machine
        .build(&zstd, &[&arguments[..], &["--layers-from", &gzip]].concat())
        .ok();
    let told = "no layer of `--layers-from` is used: they are compressed by `gzip level 4";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert_eq!(digest(&path), digest(&own));
}

#[test]
fn the_target_need_not_exist_yet() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let to = format!("docker://{}/acme/web:1", proxy.host());
    let run = machine().build(&to, &["--layers-from", "target"]).ok();
    assert!(!run.stderr.contains("used"), "{}", run.stderr);
    let first = manifest(&registry, "acme/web", "1");
    proxy.forget();
    empty_machine()
        .build(&to, &["--layers-from", "target"])
        .ok();
    assert_eq!(manifest(&registry, "acme/web", "1"), first);
    assert!(uploaded(&proxy).is_empty(), "{}", proxy.story());
    // The same in a layout.
    let home = machine();
    let to = format!("oci:{}:1", home.home().join("layout").display());
    home.build(&to, &["--layers-from", "target"]).ok();
    home.forget().remove_files();
    home.build(&to, &["--layers-from", "target"]).ok();
}

#[test]
fn images_that_clients_have_serve_as_well() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let to = |tag: &str| format!("docker://{}/acme/web:{tag}", proxy.host());
    machine().build(&to("1"), &[]).ok();
    let expected = manifest(&registry, "acme/web", "1");
    proxy.forget();
    let missing = to("none");
    let arguments = [
        "--previous",
        &to("1"),
        "--previous",
        &missing,
        "--allow-missing-previous",
        "--layers-from",
        "previous",
    ];
    empty_machine().build(&to("2"), &arguments).ok();
    let layers = |stored: &[u8]| layers(&json_of(stored)).clone();
    let made = manifest(&registry, "acme/web", "2");
    assert_eq!(layers(&made.bytes), layers(&expected.bytes));
    let keyed = keyed(&json_of(&expected.bytes));
    assert!(uploaded(&proxy).is_disjoint(&keyed), "{}", proxy.story());
}

#[test]
fn an_image_that_is_named_has_to_exist() {
    let machine = machine();
    let layout = machine.home().join("none");
    let from = format!("oci:{}:1", layout.display());
    let to = format!("oci:{}:1", machine.home().join("layout").display());
    let run = machine.build(&to, &["--layers-from", &from]);
    insta::assert_snapshot!(
        "missing",
        run.snapshot(&[(machine.home(), "[HOME]"), (machine.store.root(), "[ROOT]")])
    );
    // One without keys is no help.
    let other = Shipment::small();
    let from = format!("oci:{}:1", other.home().join("layout").display());
    other.build(&from, &[]).ok();
    let run = machine.build(&to, &["--layers-from", &from]).ok();
    assert!(run.stderr.contains("has no layer keys"), "{}", run.stderr);
}

#[test]
fn a_copy_keeps_the_keys_that_are_true() {
    let machine = machine();
    let layout = |name: &str| machine.home().join(name);
    let reference = |name: &str| format!("oci:{}:1", layout(name).display());
    machine
        .build(&reference("gzip"), &["--compression", "gzip"])
        .ok();
    machine
        .terrine(&[
            "copy",
            &reference("gzip"),
            &reference("zstd"),
            "--compression",
            "zstd",
        ])
        .ok();
    machine
        .build(&reference("own"), &["--compression", "zstd", "--no-cache"])
        .ok();
    assert_eq!(digest(&layout("zstd")), digest(&layout("own")));
}

/// Builds an image of the directory `site`, and returns its messages.
fn build_site(home: &Shipment, page: &str, to: &str, arguments: &[&str]) -> String {
    let site = home.home().join("site");
    fs::create_dir_all(&site).unwrap();
    fs::write(site.join("page"), page).unwrap();
    let command = [
        "build",
        "--name",
        "web",
        "--contents",
        "site",
        "--platform",
        "linux/amd64",
    ];
    home.terrine(&[&command[..], &["--to", to], arguments].concat())
        .ok()
        .stderr
}

#[test]
fn directories_are_found_by_their_content() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let to = |tag: &str| format!("docker://{}/acme/web:{tag}", proxy.host());
    let hashed = ["--hash-contents", "--layers-from", "target"];
    build_site(&Shipment::new(&[]), "one", &to("1"), &hashed);
    let first = json_of(&manifest(&registry, "acme/web", "1").bytes);
    assert_eq!(keyed(&first).len(), 1);
    // The same image without: nothing but the key is missing.
    build_site(&Shipment::new(&[]), "one", &to("2"), &[]);
    let plain = json_of(&manifest(&registry, "acme/web", "2").bytes);
    assert!(keyed(&plain).is_empty());
    assert_eq!(plain["config"], first["config"]);
    proxy.forget();
    let other = Shipment::new(&[]);
    build_site(&other, "one", &to("1"), &hashed);
    assert!(uploaded(&proxy).is_empty(), "{}", proxy.story());
    assert_eq!(json_of(&manifest(&registry, "acme/web", "1").bytes), first);
    build_site(&other, "two", &to("1"), &hashed);
    let changed = json_of(&manifest(&registry, "acme/web", "1").bytes);
    assert!(keyed(&changed).is_disjoint(&keyed(&first)));
    // Without another image, the cache finds it.
    proxy.forget();
    let told = build_site(&other, "two", &to("3"), &["--hash-contents"]);
    assert!(uploaded(&proxy).is_empty(), "{}", proxy.story());
    assert!(told.contains("all layers already existed"), "{told}");
}

#[test]
fn a_store_of_nix_and_its_copy_have_the_same_keys() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let copy = temporary();
    let run = |program: &str, arguments: &[&str]| {
        Run::of(Command::new(program).args(arguments)).ok().stdout
    };
    let (from, to) = (store.root().join("nix"), copy.path());
    run("cp", &["-a", from.to_str().unwrap(), to.to_str().unwrap()]);
    let home = Shipment::new(&[]);
    let build = |root: &Path, name: &str| {
        let layout = home.home().join(name);
        let to = format!("oci:{}:1", layout.display());
        let root = root.to_str().unwrap();
        let app = store.path("app");
        let arguments = [
            "build",
            "--name",
            "app",
            "--contents",
            app,
            "--store-root",
            root,
        ];
        home.terrine(
            &[
                &arguments[..],
                &["--no-cache", "--to", &to, "--", "/bin/app"],
            ]
            .concat(),
        )
        .ok();
        OciLayout::read(&layout).only()
    };
    let made = build(&store.root(), "one");
    let manifest = made.json();
    let count = keyed(&manifest).len();
    assert!(count > 0 && count + 1 == layers(&manifest).len());
    assert_eq!(build(copy.path(), "two"), made);
    // Permissions that Nix does not give are not in a NAR.
    run(
        "chmod",
        &[
            "u+w",
            copy.path().join(&store.path("app")[1..]).to_str().unwrap(),
        ],
    );
    let other = build(copy.path(), "three").json();
    assert_eq!(keyed(&other).len(), count - 1);
}
