//! Base images in registries, and indexes of existing images.

use serde_json::{Value, json};
use terrine_tests::archive::digest;
use terrine_tests::proxy::{Proxy, Request};
use terrine_tests::registry::Registry;
use terrine_tests::shipment::Shipment;
use terrine_tests::{Run, base, skopeo};

use super::{CONFIG, GZIP, INDEX, MANIFEST, PLAIN, json_of, layers, manifest, said, text};

/// An image to build on, in a repository: its two layers, the second compressed.
fn put_base(
    registry: &Registry,
    repository: &str,
    tag: &str,
    architecture: &str,
) -> (String, Vec<String>) {
    let plain = base::layer("etc/one", architecture.as_bytes());
    let packed = terrine_tests::archive::filter("gzip", &["-nc"], &base::layer("etc/two", b"two"));
    let second = base::layer("etc/two", b"two");
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {"Env": ["BASE=1"]},
        "rootfs": {"type": "layers", "diff_ids":
            [format!("sha256:{}", digest(&plain)), format!("sha256:{}", digest(&second))]},
    });
    let blobs = [config.to_string().into_bytes(), plain, packed];
    let described: Vec<Value> = blobs
        .iter()
        .zip([CONFIG, PLAIN, GZIP])
        .map(|(blob, kind)| {
            let digest = registry.put_blob(repository, blob);
            json!({"mediaType": kind, "digest": digest, "size": blob.len()})
        })
        .collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1..]});
    let digest = registry.put_manifest(repository, tag, MANIFEST, manifest.to_string().as_bytes());
    (
        digest,
        described[1..]
            .iter()
            .map(|layer| text(&layer["digest"]))
            .collect(),
    )
}

#[test]
fn a_base_image_of_the_same_registry_is_mounted_and_not_downloaded() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let (digest, base_layers) = put_base(&registry, "base/os", "12", "amd64");
    let shipment = Shipment::small();
    let host = proxy.host();
    let spec = |reference: String| {
        shipment.at_home(
            shipment
                .spec()
                .with("fromImage", reference)
                .with("baseLinks", "replace")
                .command("build"),
        )
    };
    let mut command = spec(format!("docker://{host}/base/os:12"));
    let run = Run::of(command.args(["--to", &format!("docker://{host}/acme/web:1")])).ok();
    let gets =
        |request: &Request| request.is("GET", "/blobs/") && request.repository() == Some("base/os");
    // The configuration, and no layer but one that has to be compressed.
    let fetched: Vec<Request> = proxy.requests().into_iter().filter(gets).collect();
    assert!(
        fetched
            .iter()
            .all(|get| !get.path.contains(&base_layers[1])),
        "{}",
        proxy.story()
    );
    let web = manifest(&registry, "acme/web", "1");
    assert_eq!(layers(&web)[1], base_layers[1], "{}", run.stderr);
    assert_eq!(
        web["annotations"]["org.opencontainers.image.base.digest"],
        digest
    );
    assert!(shipment.is_valid(&format!("docker://{host}/acme/web:1")));
    // Pinned, and to a place that has all of it by now.
    proxy.forget();
    shipment.remove_files();
    let mut command = spec(format!("docker://{host}/base/os:12@{digest}"));
    Run::of(command.args(["--to", &format!("docker://{host}/acme/web:2")])).ok();
    assert_eq!(proxy.count(gets), 1, "{}", proxy.story());
    assert_eq!(proxy.count(Request::of_upload), 0, "{}", proxy.story());
    assert_eq!(registry.tags("acme/web"), ["1", "2"]);
    // Pinned to what is not there.
    let wrong = format!("sha256:{}", "0".repeat(64));
    let mut command = spec(format!("docker://{host}/base/os@{wrong}"));
    let run = Run::of(command.args(["--to", &format!("docker://{host}/acme/web:3")]));
    assert_eq!(run.code, Some(1));
    insta::assert_snapshot!(
        "pinned-to-nothing",
        said(&run, &shipment, &[(host, "[HOST]")])
    );
    assert_eq!(registry.tags("acme/web"), ["1", "2"]);
}

#[test]
fn what_a_layer_of_another_type_than_its_own_is_does_not_depend_on_who_has_it() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let plain = base::layer("etc/one", b"one");
    let packed = terrine_tests::archive::filter("zstd", &["-c"], &plain);
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&plain))]}});
    put_image(&registry, "base/os", &config, packed, GZIP);
    let shipment = Shipment::small();
    let host = registry.host();
    // Its directories are looked at for links, by whoever does not remember them.
    let own = shipment.home().join("own");
    std::fs::create_dir_all(own.join("etc")).unwrap();
    std::fs::write(own.join("etc/two"), "two").unwrap();
    let mut pushed = vec![];
    for tag in ["cold", "warm", "forgot"] {
        if tag == "forgot" {
            shipment.forget();
        }
        let spec = shipment.spec().with("copyToRoot", &*own.to_string_lossy());
        let spec = spec.with("fromImage", format!("docker://{host}/base/os:12"));
        let mut command = shipment.at_home(spec.command("build"));
        Run::of(command.args(["--to", &format!("docker://{host}/acme/web:{tag}")])).ok();
        pushed.push(manifest(&registry, "acme/web", tag));
    }
    assert_eq!(
        pushed[0]["layers"][0]["mediaType"],
        GZIP.replace("gzip", "zstd")
    );
    for other in &pushed[1..] {
        assert_eq!(other, &pushed[0]);
    }
}

/// Puts a base image of one layer of a type, tagged `12`. Returns the digest of the layer.
fn put_image(
    registry: &Registry,
    repository: &str,
    config: &Value,
    layer: Vec<u8>,
    kind: &str,
) -> String {
    let described: Vec<Value> = [(config.to_string().into_bytes(), CONFIG), (layer, kind)]
        .iter()
        .map(|(blob, kind)| {
            let digest = registry.put_blob(repository, blob);
            json!({"mediaType": kind, "digest": digest, "size": blob.len()})
        })
        .collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1..]});
    registry.put_manifest(repository, "12", MANIFEST, manifest.to_string().as_bytes());
    text(&described[1]["digest"])
}

#[test]
fn links_of_a_base_image_are_looked_for_once_and_followed() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let mut builder = tar::Builder::new(vec![]);
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "bin", "usr/bin").unwrap();
    let layer = builder.into_inner().unwrap();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))]}});
    let layer = put_image(&registry, "base/os", &config, layer, PLAIN);
    let shipment = Shipment::small();
    let host = proxy.host();
    let build = || {
        let spec = shipment
            .spec()
            .with("fromImage", format!("docker://{host}/base/os:12"))
            .with("files", json!({"/bin/hello": {"text": "hello"}}));
        Run::of(&mut shipment.at_home(spec.command("build"))).ok()
    };
    let of_layer =
        |request: &Request| request.is("GET", "/blobs/") && request.path.contains(&layer);
    for _ in 0..2 {
        proxy.forget();
        let run = build();
        let archive = terrine_tests::Archive::read(run.stdout);
        let root = terrine_tests::Archive::entries(archive.layers().last().unwrap());
        assert!(root.contains(&"./usr/bin/hello".to_owned()), "{root:?}");
        assert!(!root.contains(&"./bin/".to_owned()), "{root:?}");
        // It is in the archive as well, and downloaded for both at once.
        assert_eq!(proxy.count(of_layer), 1, "{}", proxy.story());
    }
    // What is known of it is enough where its layer need not be had.
    proxy.forget();
    let spec = shipment
        .spec()
        .with("fromImage", format!("docker://{host}/base/os:12"));
    Run::of(&mut shipment.at_home(spec.command("plan"))).ok();
    assert_eq!(proxy.count(of_layer), 0, "{}", proxy.story());
}

#[test]
fn a_base_image_is_that_of_the_platform() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let entry = |architecture: &str| {
        let (digest, _) = put_base(&registry, "base/os", architecture, architecture);
        let size = registry.manifest("base/os", &digest).unwrap().bytes.len();
        json!({"mediaType": MANIFEST, "digest": digest, "size": size,
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry("amd64"), entry("arm64")]});
    registry.put_manifest("base/os", "all", INDEX, index.to_string().as_bytes());
    let shipment = Shipment::small();
    let build = |architecture: &str| {
        let spec = shipment.spec().with(
            "fromImage",
            format!("docker://{}/base/os:all", registry.host()),
        );
        let mut command =
            shipment.at_home(spec.with("architecture", architecture).command("build"));
        Run::of(command.args([
            "--to",
            &format!("docker://{}/acme/web:{architecture}", registry.host()),
        ]))
    };
    for architecture in ["amd64", "arm64"] {
        build(architecture).ok();
        let web = manifest(&registry, "acme/web", architecture);
        let config = json_of(
            &registry
                .blob("acme/web", &text(&web["config"]["digest"]))
                .unwrap(),
        );
        assert_eq!(config["architecture"], architecture);
        let (_, expected) = put_base(&registry, "base/os", "again", architecture);
        assert_eq!(layers(&web)[1], expected[1]);
    }
    let run = build("riscv64");
    insta::assert_snapshot!(
        "no-platform",
        said(&run, &shipment, &[(registry.host(), "[HOST]")])
    );
    assert_eq!(registry.tags("acme/web"), ["amd64", "arm64"]);
}

#[test]
fn an_index_is_made_of_images_that_are_there() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let shipment = Shipment::small();
    let host = proxy.host();
    for architecture in ["amd64", "arm64"] {
        let mut command = shipment.at_home(
            shipment
                .spec()
                .with("architecture", architecture)
                .command("build"),
        );
        Run::of(command.args(["--to", &format!("docker://{host}/acme/web:{architecture}")])).ok();
    }
    proxy.forget();
    let [amd64, arm64] = ["amd64", "arm64"].map(|name| format!("docker://{host}/acme/web:{name}"));
    let to = format!("docker://{host}/acme/web:1");
    shipment
        .terrine(&["index", "--to", &to, &arm64, &amd64])
        .ok();
    assert_eq!(proxy.count(Request::of_upload), 0, "{}", proxy.story());
    let index = manifest(&registry, "acme/web", "1");
    assert_eq!(index["mediaType"], INDEX);
    let listed = |n: usize| {
        let entry = &index["manifests"][n];
        (
            text(&entry["platform"]["architecture"]),
            text(&entry["digest"]),
        )
    };
    for (number, architecture) in ["amd64", "arm64"].into_iter().enumerate() {
        let digest = registry.manifest("acme/web", architecture).unwrap().digest;
        assert_eq!(listed(number), (architecture.to_owned(), digest));
    }
    assert!(shipment.is_valid(&to));
    let raw = ["inspect", "--raw", "--tls-verify=false", &to];
    let Some(run) = skopeo::skopeo(shipment.home(), &raw) else {
        return;
    };
    assert_eq!(json_of(&run.stdout), index);
}
