//! Pushes to Debian's `docker-registry`, and base images from there: what is asked and sent, by
//! the proxy's record; what skopeo makes of it; who may; and what a cache does that lies.

mod base;
mod certificates;
mod lies;
mod logins;
mod progress;
mod push;
mod resumed;

use serde_json::Value;
use terrine_tests::Run;
use terrine_tests::proxy::Proxy;
use terrine_tests::registry::Registry;
use terrine_tests::shipment::Shipment;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The manifest that a tag stands for.
fn manifest(registry: &Registry, repository: &str, tag: &str) -> Value {
    json_of(&registry.manifest(repository, tag).unwrap().bytes)
}

/// The layers' digests.
fn layers(manifest: &Value) -> Vec<String> {
    manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Returns the number of blobs that were sent, as far as the registry took them.
fn uploads(proxy: &Proxy) -> usize {
    proxy.count(|request| request.is("PUT", "/blobs/uploads/") && request.status == Some(201))
}

/// Returns what a run said, with names in the place of what is another each time.
fn said(run: &Run, shipment: &Shipment, hosts: &[(&str, &str)]) -> String {
    let roots = [
        (shipment.store.root(), "[ROOT]"),
        (shipment.home(), "[HOME]"),
    ];
    let mut text = run.snapshot(&roots);
    for (host, name) in hosts {
        text = text.replace(host, name);
    }
    // Without how fast it was.
    let text = text
        .lines()
        .map(|line| line.split(" at ").next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    // Which layer is the first to fail is another each time.
    let mut parts = text.split("sha256:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "[DIGEST]" + part.get(64..).unwrap_or_default()
    })
}
