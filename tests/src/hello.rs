//! The example, with permissions that do not depend on the checkout, on a base whose layers are
//! compressed in several ways.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::archive::filter;
use super::base::{self, BaseImage};
use super::{ConfFile, TestStore, conf, fixture};

/// The text that the example prints.
pub const GREETING: &str = "Hello from a layer of its own.\n";
/// The name of the example.
pub const REFERENCE: &str = "hello:1.0";

/// The store path of the program.
const HELLO: &str = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0";
/// The store path of what it prints.
const TEXT: &str = "1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-greeting-1.0";
/// The store path of its customisation layer.
const CUSTOMISATION: &str = "0wdpn1fvg7k5p3x4gq2h9rl8z6cbsmjy-hello-customisation-layer";

/// A store that holds the example.
pub fn store() -> TestStore {
    let store = TestStore::default();
    let example = fixture("hello/nix/store");
    for (path, mode) in [
        (format!("{TEXT}/share/greeting.txt"), 0o444),
        (format!("{HELLO}/bin/hello"), 0o555),
    ] {
        store.file_with_mode(&path, &fs::read(example.join(&path)).unwrap(), mode);
    }
    let layer = fs::read(example.join(CUSTOMISATION).join("layer.tar")).unwrap();
    conf::customise(&store, CUSTOMISATION, &layer);
    store
}

/// The program of the example, which needs nothing.
pub fn program() -> Vec<u8> {
    fs::read(fixture("hello/nix/store").join(HELLO).join("bin/hello")).unwrap()
}

/// The example's own `conf.json`.
pub fn conf(store: &TestStore) -> ConfFile<'_> {
    let mut conf = ConfFile::new(store, &[]);
    let json = fs::read(fixture("hello/conf.json")).unwrap();
    conf.json = serde_json::from_slice::<Value>(&json).unwrap();
    conf
}

/// The same on [`base`].
pub fn on_base(store: &TestStore) -> ConfFile<'_> {
    conf(store).with("from_image", json!(base(store)))
}

/// The same with a layer that takes several blocks of gzip and several jobs of zstd.
pub fn large(store: &TestStore) -> ConfFile<'_> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Five bits of each byte are random.
        (state >> 24) as u8 & 0x1f
    };
    let content: Vec<u8> = (0..5 << 20).map(|_| noise()).collect();
    store.file("large/file", &content);
    let mut conf = on_base(store);
    conf.json["store_layers"]
        .as_array_mut()
        .unwrap()
        .push(json!([store.path("large")]));
    conf
}

/// A docker-archive with a plain layer, one by gzip and one by zstd.
pub fn base(store: &TestStore) -> PathBuf {
    let layers =
        ["plain", "gzip", "zstd"].map(|name| base::layer(&format!("base/{name}"), &[b'x'; 5000]));
    let mut image = BaseImage::old(&[&layers[0], &layers[1], &layers[2]], &["BASE=1"]);
    image.configuration["config"]["User"] = json!("0");
    let id = super::archive::digest(image.configuration.to_string().as_bytes());
    image.manifest[0]["Config"] = json!(format!("{id}.json"));
    for (member, tool) in [(1, "gzip"), (2, "zstd")] {
        let content = &mut image.members[member].1;
        *content = filter(tool, &["-c"], content);
    }
    image.write(store)
}
