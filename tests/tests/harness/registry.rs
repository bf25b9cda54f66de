//! The registry of the tests: what it holds, passwords, TLS, and its end.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use terrine_tests::http::ask;
use terrine_tests::proxy::Proxy;
use terrine_tests::registry::{BASIC, Registry};
use terrine_tests::{TestStore, skopeo, temporary};

use super::{LAYERS, image, push};

#[test]
fn a_registry_holds_what_is_pushed() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let Some(pushed) = push(registry.host(), &["--dest-tls-verify=false"]) else {
        return;
    };
    assert!(pushed);
    assert_eq!(registry.tags("some/image"), ["1"]);
    assert_eq!(registry.tags("some/other"), [""; 0]);
    let manifest = registry.manifest("some/image", "1").unwrap();
    assert_eq!(
        manifest.content_type,
        "application/vnd.docker.distribution.manifest.v2+json"
    );
    assert_eq!(
        registry.manifest("some/image", &manifest.digest),
        Some(manifest.clone())
    );
    let parsed: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
    assert_eq!(parsed["layers"].as_array().unwrap().len(), LAYERS);
    // The layers, the configuration, and the manifest.
    assert_eq!(registry.blobs().len(), LAYERS + 2);
    let config = parsed["config"]["digest"].as_str().unwrap();
    let content = registry.blob("some/image", config).unwrap();
    assert_eq!(fs::read(registry.blob_file(config)).unwrap(), content);
    registry.delete_blob("some/image", config);
    assert_eq!(registry.blob("some/image", config), None);
    registry.delete_manifest("some/image", &manifest.digest);
    assert_eq!(registry.manifest("some/image", "1"), None);
    registry.clear();
    assert!(registry.blobs().is_empty());
}

#[test]
fn a_registry_asks_for_a_password() {
    let Some(registry) = Registry::with_basic_auth() else {
        return;
    };
    let open = ["--dest-tls-verify=false"];
    let Some(pushed) = push(registry.host(), &open) else {
        return;
    };
    assert!(!pushed);
    let options = [open[0], "--dest-creds", "terrine:wrong"];
    assert_eq!(push(registry.host(), &options), Some(false));
    assert!(registry.blobs().is_empty());
    let options = [open[0], "--dest-creds", "terrine:secret"];
    assert_eq!(push(registry.host(), &options), Some(true));
    assert_eq!(registry.tags("some/image"), ["1"]);
    // The proxy leaves the password to the registry.
    let proxy = Proxy::to(&registry);
    let status = |fields: &[(&str, &str)]| {
        ask(proxy.host(), "GET", "/v2/", fields, &[])
            .unwrap()
            .status()
    };
    assert_eq!(
        (status(&[]), status(&[("Authorization", BASIC)])),
        (401, 200)
    );
}

#[test]
fn a_registry_speaks_tls() {
    let Some(registry) = Registry::with_tls() else {
        return;
    };
    let Some(pushed) = push(registry.host(), &[]) else {
        return;
    };
    assert!(!pushed, "a certificate of nobody's was trusted");
    let store = TestStore::default();
    let source = format!("docker-archive:{}", image(&store).display());
    let mut command = skopeo::command("skopeo", store.root()).unwrap();
    command.env("SSL_CERT_FILE", registry.authority());
    command.args(["--insecure-policy", "copy", "--quiet", &source]);
    let run = command.arg(format!("docker://{}/some/image:1", registry.host()));
    terrine_tests::Run::of(run).ok();
    assert_eq!(registry.tags("some/image"), ["1"]);
}

#[test]
fn a_registry_is_gone_with_its_value() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let host = registry.host().to_owned();
    TcpStream::connect(&host).unwrap();
    drop(registry);
    assert!(TcpStream::connect(&host).is_err());
}

/// Set for the process that is killed.
const VICTIM: &str = "TERRINE_TEST_VICTIM";

#[test]
fn a_registry_is_gone_with_its_process() {
    if std::env::var_os(VICTIM).is_some() {
        let registry = Registry::start().unwrap();
        writeln!(io::stderr(), "{}", registry.host()).unwrap();
        std::thread::sleep(Duration::from_secs(600));
        return;
    }
    if Registry::start().is_none() {
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "harness::registry::a_registry_is_gone_with_its_process",
        "--nocapture",
    ]);
    // It has no time to tidy up.
    let folder = temporary();
    command.env(VICTIM, "1").env("TMPDIR", folder.path());
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut host = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut host)
        .unwrap();
    TcpStream::connect(host.trim()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let start = Instant::now();
    while TcpStream::connect(host.trim()).is_ok() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the registry outlives who started it"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
