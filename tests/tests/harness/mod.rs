//! The tests' own registry and proxy do what they are for.

mod faults;
mod proxy;
mod registry;

use std::io;
use std::path::{Path, PathBuf};

use terrine_tests::base::{BaseImage, layer};
use terrine_tests::http::{Answer, ask};
use terrine_tests::proxy::{Fault, Proxy, When};
use terrine_tests::registry::Registry;
use terrine_tests::{TestStore, skopeo};

/// The number of layers of the image that is pushed.
const LAYERS: usize = 3;

/// The content of the blob that is pulled.
const CONTENT: &[u8] = b"0123456789";

/// A docker-archive in a folder.
fn image(store: &TestStore) -> PathBuf {
    let layers: Vec<Vec<u8>> = (0..LAYERS)
        .map(|number| layer(&format!("file{number}"), &[number as u8; 100_000]))
        .collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    BaseImage::old(&layers, &[]).write(store)
}

/// Pushes the image with skopeo; whether it succeeded.
fn push(host: &str, options: &[&str]) -> Option<bool> {
    let store = TestStore::default();
    let source = format!("docker-archive:{}", image(&store).display());
    let target = format!("docker://{host}/some/image:1");
    let mut arguments = vec!["copy", "--quiet"];
    arguments.extend(options);
    arguments.extend([source.as_str(), target.as_str()]);
    skopeo::try_skopeo(store.root(), &arguments).map(|run| run.code == Some(0))
}

/// Pulls it into a folder with skopeo; whether it succeeded.
fn pull(host: &str, folder: &Path, options: &[&str]) -> Option<bool> {
    let (source, target) = (
        format!("docker://{host}/some/image:1"),
        format!("dir:{}", folder.display()),
    );
    let mut arguments = vec!["copy", "--quiet"];
    arguments.extend(options);
    arguments.extend([source.as_str(), target.as_str()]);
    skopeo::try_skopeo(folder, &arguments).map(|run| run.code == Some(0))
}

/// A registry with one blob, a proxy in front, and the path of the blob.
fn with_blob() -> Option<(Registry, Proxy, String)> {
    let registry = Registry::start()?;
    let digest = registry.put_blob("name", CONTENT);
    let proxy = Proxy::to(&registry);
    Some((registry, proxy, format!("/v2/name/blobs/{digest}")))
}

/// Returns what the blob is like when every request for it has a fault.
fn blob_with(fault: Fault) -> Option<io::Result<Answer>> {
    let (_registry, proxy, target) = with_blob()?;
    proxy.fault(|request| request.is("GET", "/blobs/"), When::Always, fault);
    Some(ask(proxy.host(), "GET", &target, &[], &[]))
}
