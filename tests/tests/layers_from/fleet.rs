//! A repository where machines share layers: what they find there, what they leave there, and whom they believe.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use terrine_tests::proxy::{Fault, Proxy, When};
use terrine_tests::registry::Registry;
use terrine_tests::shipment::Shipment;

use super::{
    downloaded, empty_machine, json_of, keyed, layers, machine, manifest, mounts, uploaded,
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Made by `nix-store --generate-binary-cache-key` of Nix 2.8.
const SECRET: &str = "test-1:gquWGDNuKyzZ4rDw1R17JctBLhqzC2YjQeHHvBzcO0wDQxuJkgUPdC4zhLISbw+Pe6/RC2bN94oAEquiU+bN3g==";
const PUBLIC: &str = "test-1:A0MbiZIFD3QuM4SyEm8Pj3uv0QtmzfeKABKrolPmzd4=";

/// A registry with a repository of layers, and a proxy before it.
struct Fleet {
    registry: Registry,
    proxy: Proxy,
}

impl Fleet {
    fn new() -> Option<Self> {
        let registry = Registry::start()?;
        let proxy = Proxy::to(&registry);
        Some(Self { registry, proxy })
    }

    /// The reference of an image.
    fn image(&self, name: &str) -> String {
        format!("docker://{}/acme/{name}", self.proxy.host())
    }

    /// The reference of the repository of layers.
    fn layers(&self) -> String {
        format!("docker://{}/acme/layers", self.proxy.host())
    }

    /// Builds an image with arguments in which `LAYERS` stands for the repository of layers. Returns the messages.
    fn build(&self, machine: &Shipment, name: &str, arguments: &[&str]) -> String {
        let layers = self.layers();
        let arguments: Vec<&str> = arguments
            .iter()
            .map(|argument| {
                if *argument == "LAYERS" {
                    &layers
                } else {
                    *argument
                }
            })
            .collect();
        machine.build(&self.image(name), &arguments).ok().stderr
    }

    /// The entries by their tags.
    fn entries(&self) -> BTreeMap<String, Value> {
        let tags = self.registry.tags("acme/layers").into_iter();
        let tags = tags.filter(|tag| tag.starts_with("layer-"));
        tags.map(|tag| {
            let stored = manifest(&self.registry, "acme/layers", &tag);
            (tag, json_of(&stored.bytes))
        })
        .collect()
    }

    /// Puts another entry with a tag.
    fn put(&self, tag: &str, entry: &Value) {
        let bytes = entry.to_string();
        self.registry
            .put_manifest("acme/layers", tag, MANIFEST, bytes.as_bytes());
    }
}

/// The digests of the blobs of entries.
fn blobs(entries: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let blobs = entries.values();
    blobs
        .map(|entry| entry["layers"][0]["digest"].as_str().unwrap().to_owned())
        .collect()
}

/// Returns the warnings about claims: all but the one about the image itself.
fn doubts(told: &str) -> Vec<&str> {
    let warnings = told.lines().filter(|line| line.starts_with("warning: "));
    warnings
        .filter(|line| !line.contains("`/bin/hello`"))
        .collect()
}

/// Returns a file with the secret key.
fn secret_key(folder: &Path) -> PathBuf {
    let file = folder.join("secret");
    fs::write(&file, SECRET).unwrap();
    file
}

#[test]
fn machines_share_layers_in_a_repository() {
    let Some(fleet) = Fleet::new() else { return };
    fleet.build(
        &machine(),
        "one:1",
        &["--layers-to", "LAYERS", "--layers-author", "ci 7"],
    );
    let one = manifest(&fleet.registry, "acme/one", "1");
    let entries = fleet.entries();
    // The root has no key, and so no entry.
    assert_eq!(blobs(&entries), keyed(&json_of(&one.bytes)));
    for entry in entries.values() {
        assert_eq!(
            entry["artifactType"],
            "application/vnd.dev.terrine.layer.v1+json"
        );
        assert_eq!(entry["annotations"]["dev.terrine.layer.author"], "ci 7");
    }
    // Each blob was sent once: the second repository has taken it over.
    assert_eq!(fleet.proxy.count(mounts), 3, "{}", fleet.proxy.story());

    fleet.proxy.forget();
    let other = empty_machine();
    let told = fleet.build(&other, "two:1", &["--layers-from", "LAYERS"]);
    assert_eq!(doubts(&told), [""; 0]);
    assert_eq!(manifest(&fleet.registry, "acme/two", "1"), one);
    assert!(
        downloaded(&fleet.proxy).is_empty(),
        "{}",
        fleet.proxy.story()
    );
    // The root and the configuration are its own.
    assert_eq!(uploaded(&fleet.proxy).len(), 2, "{}", fleet.proxy.story());
    assert_eq!(fleet.proxy.count(mounts), 3, "{}", fleet.proxy.story());
}

#[test]
fn a_machine_adds_what_it_makes_and_nothing_else() {
    let Some(fleet) = Fleet::new() else { return };
    let both = ["--layers-from", "LAYERS", "--layers-to", "LAYERS"];
    fleet.build(&machine(), "one:1", &both);
    let before = fleet.entries();
    let mut other = empty_machine();
    other.change("b", 250_000);
    fleet.proxy.forget();
    fleet.build(&other, "two:1", &both);
    let entries = fleet.entries();
    let new: Vec<&String> = entries
        .keys()
        .filter(|tag| !before.contains_key(*tag))
        .collect();
    let two = json_of(&manifest(&fleet.registry, "acme/two", "1").bytes);
    assert_eq!(new.len(), 1);
    assert!(keyed(&two).is_subset(&blobs(&entries)));
    for (tag, entry) in &before {
        assert_eq!(&entries[tag], entry);
    }
    // Entries that exist are not written again, whoever comes.
    let entry = |request: &terrine_tests::proxy::Request| request.is("PUT", "/manifests/layer-");
    assert_eq!(fleet.proxy.count(entry), 1, "{}", fleet.proxy.story());
    fleet.proxy.forget();
    let third = machine();
    fleet.build(&third, "one:1", &["--layers-to", "LAYERS"]);
    assert_eq!(fleet.proxy.count(entry), 0, "{}", fleet.proxy.story());
    // Another compression is another layer.
    fleet.build(
        &third,
        "one:2",
        &["--layers-to", "LAYERS", "--compression", "zstd"],
    );
    assert_eq!(fleet.entries().len(), 7);
}

#[test]
fn layers_go_to_other_registries_and_to_layouts() {
    let (Some(fleet), Some(other)) = (Fleet::new(), Registry::start()) else {
        return;
    };
    let maker = machine();
    let layout = format!("oci:{}:1", maker.home().join("layout").display());
    let shared = fleet.layers();
    // The layout is not compressed, and the repository is.
    maker.build(&layout, &["--layers-to", &shared]).ok();
    assert!(maker.is_valid(&layout));
    assert_eq!(fleet.entries().len(), 3);
    let reader = empty_machine();
    let to = format!("docker://{}/acme/web:1", other.host());
    reader.build(&to, &["--layers-from", &shared]).ok();
    assert!(reader.is_valid(&to));
    let to = format!("oci:{}:1", reader.home().join("layout").display());
    let arguments = ["--compression", "gzip", "--layers-from", &shared];
    reader.build(&to, &arguments).ok();
    assert!(reader.is_valid(&to));
    assert_eq!(reader.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn a_signature_is_needed_if_a_key_is_given() {
    let Some(fleet) = Fleet::new() else { return };
    let signer = machine();
    let key = secret_key(signer.home());
    let key = key.to_str().unwrap();
    fleet.build(&machine(), "plain:1", &["--layers-to", "LAYERS"]);
    let expected = manifest(&fleet.registry, "acme/plain", "1");
    let unsigned = fleet.entries();
    // What is not signed is named, and made.
    let reader = machine();
    let arguments = ["--layers-from", "LAYERS", "--trusted-layers-key", PUBLIC];
    let told = fleet.build(&reader, "two:1", &arguments);
    for tag in unsigned.keys() {
        let expected = format!(
            "{}:{tag}` has no signature by a trusted key",
            fleet.layers()
        );
        assert_eq!(told.matches(&expected).count(), 1, "{told}");
    }
    assert_eq!(manifest(&fleet.registry, "acme/two", "1"), expected);
    // A machine that makes the layers signs them, in the place of entries without a signature.
    fleet.build(
        &signer,
        "three:1",
        &["--layers-to", "LAYERS", "--layers-key", key],
    );
    let signed = fleet.entries();
    assert_eq!(signed.len(), 3);
    let signature = |entry: &Value| entry["annotations"]["dev.terrine.layer.signature"].clone();
    assert!(
        signed
            .values()
            .all(|entry| signature(entry).as_str().unwrap().starts_with("test-1:"))
    );
    let told = fleet.build(&empty_machine(), "four:1", &arguments);
    assert_eq!(doubts(&told), [""; 0]);
    assert_eq!(manifest(&fleet.registry, "acme/four", "1"), expected);
    // A signature is of one claim: that of another layer does not do.
    let (tags, entries): (Vec<&String>, Vec<&Value>) = signed.iter().unzip();
    let mut moved = entries[0].clone();
    moved["layers"] = entries[1]["layers"].clone();
    fleet.put(tags[0], &moved);
    let told = fleet.build(&machine(), "five:1", &arguments);
    let expected_text = format!("{}:{}` has no signature", fleet.layers(), tags[0]);
    assert!(told.contains(&expected_text), "{told}");
    assert_eq!(manifest(&fleet.registry, "acme/five", "1"), expected);
}

#[test]
fn a_poisoned_entry_is_named_and_replaced() {
    let Some(fleet) = Fleet::new() else { return };
    let maker = machine();
    fleet.build(&maker, "one:1", &["--layers-to", "LAYERS"]);
    let honest = fleet.entries();
    let (tags, entries): (Vec<&String>, Vec<&Value>) = honest.iter().unzip();
    // Somebody puts the layer of another key there, with all that belongs to it.
    let mut poisoned = entries[1].clone();
    let key = entries[0]["annotations"]["dev.terrine.layer.key"].clone();
    poisoned["annotations"]["dev.terrine.layer.key"] = key;
    poisoned["annotations"]["dev.terrine.layer.author"] = json!("mallory");
    fleet.put(tags[0], &poisoned);
    let author = format!("`{}:{} by mallory`", fleet.layers(), tags[0]);
    // A machine that knows the layer does not believe it.
    let to = format!("oci:{}:1", maker.home().join("layout").display());
    let shared = fleet.layers();
    let compressed = ["--compression", "gzip", "--layers-from", &shared];
    let told = maker.build(&to, &compressed).ok().stderr;
    let expected = format!("the layer cache and {author} contradict each other");
    assert!(told.contains(&expected), "{told}");
    assert_eq!(told.matches("mallory").count(), 1, "{told}");
    // One that makes it says so, and mends the repository.
    let told = fleet.build(&machine(), "two:1", &["--layers-to", "LAYERS"]);
    let expected = format!("{author} claimed another layer than the one that was made");
    assert_eq!(told.matches(&expected).count(), 1, "{told}");
    assert_eq!(blobs(&fleet.entries()), blobs(&honest));
    // An entry whose layer is not what it says is not used either.
    let mut lying = entries[0].clone();
    lying["annotations"]["dev.terrine.layer.diff-id"] = json!(format!("sha256:{}", "0".repeat(64)));
    lying["annotations"]["dev.terrine.layer.author"] = json!("mallory");
    fleet.put(tags[0], &lying);
    let reader = machine();
    let to = format!("oci:{}:1", reader.home().join("layout").display());
    let told = reader.build(&to, &compressed).ok().stderr;
    let expected = format!("{author} claims the layer");
    assert_eq!(told.matches(&expected).count(), 1, "{told}");
    assert!(reader.is_valid(&to));
    // Something else with the tag of an entry.
    let mut other = entries[0].clone();
    other["artifactType"] = json!("application/vnd.example");
    fleet.put(tags[0], &other);
    let told = fleet.build(&machine(), "three:1", &["--layers-from", "LAYERS"]);
    let expected = format!("`{}:{}` is not an entry", fleet.layers(), tags[0]);
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn a_repository_that_fails_costs_no_image() {
    let Some(fleet) = Fleet::new() else { return };
    let of_layers =
        |request: &terrine_tests::proxy::Request| request.repository() == Some("acme/layers");
    fleet
        .proxy
        .fault(of_layers, When::Always, Fault::status(403));
    let told = fleet.build(&machine(), "one:1", &["--layers-from", "LAYERS"]);
    let expected = format!("the layers of `{}` are not used", fleet.layers());
    assert_eq!(told.matches(&expected).count(), 1, "{told}");
    // Sharing was asked for, so that it is a failure; the image is there all the same.
    let writer = machine();
    let shared = fleet.layers();
    let run = writer.build(&fleet.image("two:1"), &["--layers-to", &shared]);
    assert_ne!(run.code, Some(0));
    let expected = format!("cannot share layers in `{shared}`");
    assert!(run.stderr.contains(&expected), "{}", run.stderr);
    assert!(writer.is_valid(&fleet.image("two:1")));
    assert_eq!(
        manifest(&fleet.registry, "acme/two", "1"),
        manifest(&fleet.registry, "acme/one", "1")
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let machine = machine();
    let secret = machine.home().join("secret");
    fs::write(&secret, PUBLIC).unwrap();
    let secret = secret.to_str().unwrap();
    let cases: &[(&str, &[&str])] = &[
        (
            "tag",
            &["--layers-to", "docker://localhost:1/acme/layers:1"],
        ),
        ("layout", &["--layers-to", "oci:layers"]),
        (
            "author",
            &[
                "--layers-to",
                "docker://localhost:1/acme/layers",
                "--layers-author",
                "a\nb",
            ],
        ),
        ("author_alone", &["--layers-author", "ci"]),
        (
            "public",
            &[
                "--layers-to",
                "docker://localhost:1/acme/layers",
                "--layers-key",
                secret,
            ],
        ),
        (
            "image",
            &[
                "--layers-from",
                "docker://localhost:1/acme/web:1",
                "--trusted-layers-key",
                PUBLIC,
            ],
        ),
        (
            "key",
            &[
                "--layers-from",
                "docker://localhost:1/acme/layers",
                "--trusted-layers-key",
                SECRET,
            ],
        ),
    ];
    let to = format!("oci:{}:1", machine.home().join("layout").display());
    let mut told = String::new();
    for (name, arguments) in cases {
        let run = machine.build(&to, arguments);
        let text = run.snapshot(&[(machine.home(), "[HOME]"), (machine.store.root(), "[ROOT]")]);
        told.push_str(&format!("# {name}\n{text}\n"));
        assert!(!run.stderr.contains("gquWGD"), "{}", run.stderr);
    }
    insta::assert_snapshot!("fleet_refused", told);
    assert!(!machine.home().join("layout").exists());
}

#[test]
fn ten_machines_at_once_make_few_layers_more_than_once() {
    const MACHINES: usize = 10;
    let Some(fleet) = Fleet::new() else { return };
    let shared = fleet.layers();
    // Related images: nine of ten paths are the same.
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let packages: Vec<(&str, usize)> = names.iter().map(|name| (*name, 400_000)).collect();
    let machines: Vec<Shipment> = (0..MACHINES)
        .map(|number| {
            let own = format!("own{number}");
            let packages = [&packages[..], &[(own.as_str(), 200_000)]].concat();
            Shipment::new(&packages).keyed()
        })
        .collect();
    let image = |number: usize| fleet.image(&format!("image{number}:1"));
    let summary = |machine: &Shipment| machine.home().join("summary.json");
    let start = |(number, machine): (usize, &Shipment)| -> Child {
        let summary = summary(machine);
        let arguments = [
            "--layers-from",
            &shared,
            "--layers-to",
            &shared,
            "--summary",
            summary.to_str().unwrap(),
        ];
        let mut command = machine.build_command(&image(number), &arguments);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<Child> = machines.iter().enumerate().map(start).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert_eq!(doubts(&told), [""; 0]);
    }
    // How many machines have a layer, and how many made it.
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (number, machine) in machines.iter().enumerate() {
        assert!(machine.is_valid(&image(number)));
        let facts = json_of(&fs::read(summary(machine)).unwrap());
        for layer in layers(&facts) {
            let id = layer["diffId"].as_str().unwrap().to_owned();
            let (had, made) = counts.entry(id).or_default();
            *had += 1;
            *made += usize::from(layer["source"] == "made");
        }
    }
    let entries = fleet.entries();
    assert_eq!(entries.len(), names.len() + MACHINES);
    let keyed = entries.values().map(|entry| {
        &counts[entry["annotations"]["dev.terrine.layer.diff-id"]
            .as_str()
            .unwrap()]
    });
    let (shared, own): (Vec<&(usize, usize)>, Vec<_>) =
        keyed.partition(|(had, _)| *had == MACHINES);
    assert_eq!((shared.len(), own.len()), (names.len(), MACHINES));
    assert!(own.iter().all(|counts| **counts == (1, 1)), "{own:?}");
    // A registry cannot let one of two leases win, so some layers are made twice, and more often on a busy machine.
    // Without leases each machine would make nearly all of them.
    let made: usize = shared.iter().map(|(_, made)| made).sum();
    assert!(
        (names.len()..=3 * names.len()).contains(&made),
        "{shared:?}"
    );
}

#[test]
fn false_layers_are_found_by_building_them_again() {
    let Some(fleet) = Fleet::new() else { return };
    let machine = machine();
    let root = machine.store.root().to_str().unwrap().to_owned();
    let image = fleet.image("one:1");
    machine
        .build(&image, &["--layers-to", &fleet.layers()])
        .ok();
    let verify = |image: &str| {
        let arguments = ["verify", "--against-store", "--store-root", &root, image];
        machine.terrine(&arguments)
    };
    let run = verify(&image).ok();
    let expected = "3 layers equal to the store; 1 other layer not compared";
    assert!(run.stderr.contains(expected), "{}", run.stderr);
    // Another machine believes an entry that leads to another layer.
    let honest = fleet.entries();
    let (tags, entries): (Vec<&String>, Vec<&Value>) = honest.iter().unzip();
    let mut poisoned = entries[1].clone();
    let key = entries[0]["annotations"]["dev.terrine.layer.key"].clone();
    poisoned["annotations"]["dev.terrine.layer.key"] = key;
    fleet.put(tags[0], &poisoned);
    let other = fleet.image("two:1");
    empty_machine()
        .build(&other, &["--layers-from", &fleet.layers()])
        .ok();
    // It is an image in itself, and not the one that the store makes.
    assert!(machine.is_valid(&other));
    let run = verify(&other);
    assert_eq!(run.code, Some(1));
    let digest = |entry: &Value| entry["annotations"]["dev.terrine.layer.diff-id"].clone();
    let (right, wrong) = (digest(entries[0]), digest(entries[1]));
    let expected = format!(
        "built again from the store: expected {}, found {}",
        right.as_str().unwrap(),
        wrong.as_str().unwrap()
    );
    assert_eq!(run.stderr.matches(&expected).count(), 1, "{}", run.stderr);
    // With other owners the key is another one, and is found all the same.
    let third = fleet.image("three:1");
    let spec = machine
        .spec()
        .with("uid", 7)
        .with("uname", "me")
        .with("mtime", "@5");
    let mut command = machine.at_home(spec.command("build"));
    terrine_tests::Run::of(command.args(["--to", &third])).ok();
    assert!(verify(&third).ok().stderr.contains("3 layers equal"));
    // What is not in the store is told.
    machine.remove_files();
    let run = verify(&image);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("no layer to compare with, because"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_false_layer_is_published_nowhere_if_it_is_built_for_one_place() {
    let Some(fleet) = Fleet::new() else { return };
    let shared = fleet.layers();
    fleet.build(&machine(), "one:1", &["--layers-to", &shared]);
    let honest = fleet.entries();
    let (tags, entries): (Vec<&String>, Vec<&Value>) = honest.iter().unzip();
    let mut poisoned = entries[1].clone();
    let key = entries[0]["annotations"]["dev.terrine.layer.key"].clone();
    poisoned["annotations"]["dev.terrine.layer.key"] = key;
    fleet.put(tags[0], &poisoned);
    // The repository has no entry for layers that are not compressed, so that the layout's are built.
    let builder = machine();
    let layout = builder.home().join("layout");
    let also = format!("oci:{}:1", layout.display());
    let arguments = ["--to", &also, "--layers-from", &shared];
    let told = builder.build(&fleet.image("two:1"), &arguments).ok().stderr;
    assert_eq!(doubts(&told).len(), 1, "{told}");
    assert_eq!(
        manifest(&fleet.registry, "acme/two", "1"),
        manifest(&fleet.registry, "acme/one", "1")
    );
}

#[test]
fn what_a_registry_refuses_ends_no_build() {
    let Some(fleet) = Fleet::new() else { return };
    let both = ["--layers-from", "LAYERS", "--layers-to", "LAYERS"];
    // As registries whose tags cannot be moved.
    fleet.proxy.fault(
        |request| request.is("PUT", "/manifests/lease-"),
        When::Always,
        Fault::status(403),
    );
    let told = fleet.build(&machine(), "one:1", &both);
    let expected = format!("builds do not wait for each other in `{}`", fleet.layers());
    assert_eq!(told.matches(&expected).count(), 1, "{told}");
    assert_eq!(doubts(&told).len(), 1, "{told}");
    assert_eq!(fleet.entries().len(), 3);
}

#[test]
fn an_entry_without_a_signature_replaces_none_with_one() {
    let Some(fleet) = Fleet::new() else { return };
    let signer = machine();
    let key = secret_key(signer.home());
    let key = key.to_str().unwrap();
    fleet.build(
        &signer,
        "one:1",
        &["--layers-to", "LAYERS", "--layers-key", key],
    );
    let signed = fleet.entries();
    fleet.build(&machine(), "two:1", &["--layers-to", "LAYERS"]);
    assert_eq!(fleet.entries(), signed);
    // A signature is for what a run has made: not for what its cache says.
    signer
        .build(&fleet.image("three:1"), &["--compression", "zstd"])
        .ok();
    let arguments = [
        "--compression",
        "zstd",
        "--layers-to",
        "LAYERS",
        "--layers-key",
        key,
    ];
    fleet.build(&signer, "four:1", &arguments);
    assert_eq!(fleet.entries(), signed);
}
