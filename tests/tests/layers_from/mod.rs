//! `--layers-from`: layers of existing images in the place of the same that would be built, by the proxy's record of
//! what is asked and sent; and images that claim what is not true.

mod claims;
mod fleet;
mod lies;
mod namespaces;

use std::collections::BTreeSet;

use serde_json::Value;
use terrine_tests::proxy::{Proxy, Request};
use terrine_tests::registry::{Registry, Stored};
use terrine_tests::shipment::Shipment;

/// Three layers with keys, and the root.
fn machine() -> Shipment {
    Shipment::small().keyed()
}

/// A machine with the same closure that has no file of it.
fn empty_machine() -> Shipment {
    let machine = machine();
    machine.remove_files();
    machine
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn manifest(registry: &Registry, repository: &str, tag: &str) -> Stored {
    registry.manifest(repository, tag).unwrap()
}

/// The layers of a manifest.
fn layers(manifest: &Value) -> &Vec<Value> {
    manifest["layers"].as_array().unwrap()
}

/// The digests of the layers of a manifest that have keys.
fn keyed(manifest: &Value) -> BTreeSet<String> {
    let keyed = layers(manifest)
        .iter()
        .filter(|layer| layer["annotations"]["dev.terrine.layer.key"].is_string());
    keyed
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect()
}

/// Returns the digests of the blobs that were uploaded.
fn uploaded(proxy: &Proxy) -> BTreeSet<String> {
    let puts = proxy.requests().into_iter();
    let puts = puts.filter(|request| request.is("PUT", "/blobs/uploads/"));
    puts.filter_map(|put| put.value("digest")).collect()
}

/// Returns the digests of the blobs that were downloaded.
fn downloaded(proxy: &Proxy) -> BTreeSet<String> {
    let gets = proxy.requests().into_iter();
    let gets = gets.filter(|request| request.is("GET", "/blobs/"));
    gets.filter_map(|get| Some(get.path.rsplit_once('/')?.1.to_owned()))
        .collect()
}

fn mounts(request: &Request) -> bool {
    request.method == "POST" && request.value("mount").is_some() && request.status == Some(201)
}
