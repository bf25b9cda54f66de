//! The tests' own registry and proxy do what they are for.

#![allow(
    clippy::unwrap_used,
    reason = "a test that can not be set up has failed"
)]

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use terrine_tests::base::{BaseImage, layer};
use terrine_tests::http::{Answer, PATIENCE, ask, values};
use terrine_tests::proxy::{Fault, Locations, Proxy, REFRESH, Request, Tokens, When};
use terrine_tests::registry::{BASIC, Registry};
use terrine_tests::{TestStore, skopeo, temporary};

/// How many layers the image has that is pushed.
const LAYERS: usize = 3;
/// What is in the blob that is pulled.
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

/// What the blob is like when every request for it has a fault.
fn blob_with(fault: Fault) -> Option<io::Result<Answer>> {
    let (_registry, proxy, target) = with_blob()?;
    proxy.fault(|request| request.is("GET", "/blobs/"), When::Always, fault);
    Some(ask(proxy.host(), "GET", &target, &[], &[]))
}

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
        "a_registry_is_gone_with_its_process",
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

#[test]
fn the_proxy_counts_what_goes_through() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    for locations in [Locations::Absolute, Locations::Relative] {
        registry.clear();
        proxy.forget();
        proxy.locations(locations);
        let Some(pushed) = push(proxy.host(), &["--dest-tls-verify=false"]) else {
            return;
        };
        assert!(pushed, "{}", proxy.story());
        assert_eq!(registry.tags("some/image"), ["1"]);
        let started = |status| {
            proxy.count(move |request: &Request| {
                request.is("POST", "/blobs/uploads/") && request.status == Some(status)
            })
        };
        assert_eq!(started(202), LAYERS + 1);
        assert_eq!(proxy.count(|request| request.is("PUT", "/manifests/1")), 1);
        assert!(proxy.count(|request| request.method == "HEAD" && request.of_blob()) > LAYERS);
        let sent: u64 = proxy
            .requests()
            .iter()
            .map(|request| request.received)
            .sum();
        let held: u64 = registry
            .blobs()
            .iter()
            .map(|blob| fs::metadata(registry.blob_file(blob)).unwrap().len())
            .sum();
        assert_eq!(sent, held);
    }
    proxy.forget();
    assert_eq!(push(proxy.host(), &["--dest-tls-verify=false"]), Some(true));
    assert_eq!(proxy.count(|request| request.method == "POST"), 0);
    let folder = temporary();
    proxy.forget();
    assert_eq!(
        pull(proxy.host(), folder.path(), &["--src-tls-verify=false"]),
        Some(true)
    );
    assert_eq!(
        proxy.count(|request| request.method == "GET" && request.of_blob()),
        LAYERS + 1
    );
}

#[test]
fn tokens_are_wanted_and_handed_out() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::with_tokens(
        &registry,
        Tokens {
            anonymous_pull: true,
            ..Tokens::default()
        },
    );
    let host = proxy.host();
    let Some(pushed) = push(host, &["--dest-tls-verify=false"]) else {
        return;
    };
    assert!(!pushed, "{}", proxy.story());
    let options = ["--dest-tls-verify=false", "--dest-creds", "terrine:wrong"];
    assert_eq!(push(host, &options), Some(false));
    assert!(registry.blobs().is_empty());
    let options = ["--dest-tls-verify=false", "--dest-creds", "terrine:secret"];
    assert_eq!(push(host, &options), Some(true), "{}", proxy.story());
    let folder = temporary();
    assert_eq!(
        pull(host, folder.path(), &["--src-tls-verify=false"]),
        Some(true),
        "{}",
        proxy.story()
    );
}

/// A token for a scope, by a form that is posted, or what the server says instead.
fn token(proxy: &Proxy, form: &str) -> Result<String, u16> {
    let answer = ask(proxy.host(), "POST", "/token", &[], form.as_bytes()).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    body["access_token"]
        .as_str()
        .map(str::to_owned)
        .ok_or(answer.status())
}

#[test]
fn tokens_are_for_a_scope_and_for_a_while() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let digest = registry.put_blob("a", CONTENT);
    let denied = vec!["secret".to_owned()];
    let proxy = Proxy::with_tokens(
        &registry,
        Tokens {
            uses: 2,
            denied,
            ..Tokens::default()
        },
    );
    let tried = |token: &str, method: &str, target: &str| {
        let value = format!("Bearer {token}");
        let answer = ask(
            proxy.host(),
            method,
            target,
            &[("Authorization", &value)],
            &[],
        )
        .unwrap();
        (
            answer.status(),
            answer
                .head
                .get("www-authenticate")
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let blob = format!("/v2/a/blobs/{digest}");
    let (status, challenge) = tried("none", "GET", &blob);
    assert_eq!(status, 401);
    let realm = format!(
        r#"Bearer realm="http://{}/token",service="terrine-test""#,
        proxy.host()
    );
    assert_eq!(
        challenge,
        format!(r#"{realm},scope="repository:a:pull",error="invalid_token""#)
    );

    let form =
        format!("grant_type=refresh_token&refresh_token={REFRESH}&scope=repository%3Aa%3Apull");
    assert_eq!(token(&proxy, &form.replace(REFRESH, "wrong")), Err(401));
    let pull = token(&proxy, &form).unwrap();
    assert_eq!(tried(&pull, "GET", &blob).0, 200);
    let (status, challenge) = tried(&pull, "POST", "/v2/a/blobs/uploads/");
    assert_eq!(status, 401);
    assert_eq!(
        challenge,
        format!(r#"{realm},scope="repository:a:pull,push",error="insufficient_scope""#)
    );
    // Both of its uses are over.
    assert!(
        tried(&pull, "GET", &blob)
            .1
            .ends_with(r#"error="invalid_token""#)
    );

    // A mount is a pull too, which is its own scope.
    let mount = format!("/v2/b/blobs/uploads/?mount={digest}&from=a");
    let both = |from: &str| {
        format!(
            "grant_type=password&username=terrine&password=secret&scope=repository:b:pull,push+repository:{from}:pull"
        )
    };
    let wrong = token(&proxy, &both("c")).unwrap();
    let (status, challenge) = tried(&wrong, "POST", &mount);
    assert_eq!(status, 401);
    assert!(
        challenge.contains(r#"scope="repository:b:pull,push repository:a:pull""#),
        "{challenge}"
    );
    let right = token(&proxy, &both("a")).unwrap();
    assert_eq!(tried(&right, "POST", &mount).0, 201);
    let none = token(&proxy, &both("secret")).unwrap();
    assert_eq!(
        tried(&none, "POST", &mount.replace("from=a", "from=secret")).0,
        401
    );
}

#[test]
fn answers_have_the_status_of_the_fault() {
    let Some((_registry, proxy, target)) = with_blob() else {
        return;
    };
    proxy.fault(Request::of_blob, When::Nth(1), Fault::too_many("7"));
    proxy.fault(Request::of_blob, When::First(3), Fault::status(503));
    proxy.fault(Request::of_blob, When::Every(5), Fault::html(502));
    let answers: Vec<Answer> = (0..6)
        .map(|_| ask(proxy.host(), "GET", &target, &[], &[]).unwrap())
        .collect();
    let statuses: Vec<u16> = answers.iter().map(Answer::status).collect();
    assert_eq!(statuses, [429, 503, 503, 200, 502, 200]);
    assert_eq!(answers[0].field("retry-after"), "7");
    let error: serde_json::Value = serde_json::from_slice(&answers[0].body).unwrap();
    assert_eq!(error["errors"][0]["code"], "TOOMANYREQUESTS");
    assert!(answers[4].body.starts_with(b"<html>"));
    let recorded: Vec<Option<u16>> = proxy
        .requests()
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(
        recorded,
        statuses.iter().copied().map(Some).collect::<Vec<_>>()
    );
    proxy.heal();
    let status = || {
        ask(proxy.host(), "HEAD", &target, &[], &[])
            .unwrap()
            .status()
    };
    assert!((0..6).all(|_| status() == 200));
}

#[test]
fn random_faults_are_the_same_at_each_run() {
    let hits = |seed| {
        let (_registry, proxy, target) = with_blob()?;
        let when = When::Random { seed, percent: 50 };
        proxy.fault(Request::of_blob, when, Fault::status(500));
        let failed: Vec<bool> = (0..40)
            .map(|_| {
                ask(proxy.host(), "HEAD", &target, &[], &[])
                    .unwrap()
                    .status()
                    == 500
            })
            .collect();
        Some(failed)
    };
    let Some(first) = hits(1) else { return };
    assert_eq!(hits(1).unwrap(), first);
    assert_ne!(hits(2).unwrap(), first);
    assert!((10..=30).contains(&first.iter().filter(|hit| **hit).count()));
}

#[test]
fn answers_are_cut_shortened_and_altered() {
    let Some(cut) = blob_with(Fault::CutAnswer(4)) else {
        return;
    };
    assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let truncated = blob_with(Fault::Truncate(4)).unwrap().unwrap_err();
    assert_eq!(truncated.kind(), io::ErrorKind::UnexpectedEof);
    let shortened = blob_with(Fault::Shorten(4)).unwrap().unwrap();
    assert_eq!(
        (shortened.status(), &shortened.body[..]),
        (200, &b"0123"[..])
    );
    assert_eq!(
        blob_with(Fault::Alter(2)).unwrap().unwrap().body,
        b"0133456789"
    );
    assert_eq!(
        blob_with(Fault::Alter(1000)).unwrap().unwrap().body,
        b"0123456788"
    );
    assert!(blob_with(Fault::NoAnswer).unwrap().is_err());
    assert!(blob_with(Fault::Reset).unwrap().is_err());
    let kind = Fault::WrongContentType("text/plain".to_owned());
    assert_eq!(
        blob_with(kind).unwrap().unwrap().field("content-type"),
        "text/plain"
    );
    let wrong = blob_with(Fault::WrongDigest).unwrap().unwrap();
    assert_eq!(
        wrong.field("docker-content-digest"),
        format!("sha256:{}", "0".repeat(64))
    );
    let huge = blob_with(Fault::HugeHeaders(1_000_000)).unwrap().unwrap();
    assert!(
        huge.head
            .fields
            .iter()
            .map(|field| field.1.len())
            .sum::<usize>()
            >= 1_000_000
    );
}

#[test]
fn answers_are_slow_or_never_end_or_never_come() {
    let start = Instant::now();
    let Some(slow) = blob_with(Fault::Slow(100)) else {
        return;
    };
    // Two bytes each 20 milliseconds.
    assert_eq!(slow.unwrap().body, CONTENT);
    assert!(start.elapsed() >= Duration::from_millis(100));

    let (_registry, proxy, target) = with_blob().unwrap();
    let short = Duration::from_millis(300);
    for (fault, endless, wait) in [
        (Fault::EndlessBody, true, PATIENCE),
        (Fault::Stall, false, short),
    ] {
        proxy.heal();
        proxy.fault(Request::of_blob, When::Always, fault);
        let mut stream = TcpStream::connect(proxy.host()).unwrap();
        stream.set_read_timeout(Some(wait)).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\n\r\n").unwrap();
        let mut read = vec![0; 1 << 20];
        assert_eq!(
            io::Read::read_exact(&mut stream, &mut read).is_ok(),
            endless
        );
    }
    // The proxy does not wait for those who are still there.
    let stalled = TcpStream::connect(proxy.host()).unwrap();
    write!(&stalled, "GET {target} HTTP/1.1\r\n\r\n").unwrap();
    drop(proxy);
}

#[test]
fn requests_are_cut() {
    let Some((registry, proxy, _)) = with_blob() else {
        return;
    };
    let upload = || {
        let answer = ask(proxy.host(), "POST", "/v2/name/blobs/uploads/", &[], &[]).unwrap();
        let location = answer.field("location");
        location[location.find("/v2/").unwrap()..].to_owned()
    };
    let kind = [("Content-Type", "application/octet-stream")];
    let target = upload();
    proxy.fault(
        |request| request.method == "PATCH",
        When::Always,
        Fault::CutRequest(1000),
    );
    assert!(ask(proxy.host(), "PATCH", &target, &kind, &[7; 1_000_000]).is_err());
    assert_eq!(
        proxy.count(|request| request.method == "PATCH" && request.status.is_none()),
        1
    );
    assert_eq!(registry.blobs().len(), 1);

    proxy.heal();
    proxy.fault(
        |request| request.method == "PATCH",
        When::Always,
        Fault::WrongLocation,
    );
    let answer = ask(proxy.host(), "PATCH", &upload(), &kind, CONTENT).unwrap();
    let location = answer.field("location");
    assert!(
        location.starts_with(&format!("http://{}/v2/name/blobs/uploads/", proxy.host())),
        "{location}"
    );
    let target = format!(
        "{}?digest=sha256:{}",
        &location[location.find("/v2/").unwrap()..],
        "0".repeat(64)
    );
    assert_eq!(
        ask(proxy.host(), "PUT", &target, &kind, &[])
            .unwrap()
            .status(),
        404
    );
}

#[test]
fn redirects_lead_to_another_port() {
    let Some((_registry, proxy, target)) = with_blob() else {
        return;
    };
    proxy.fault(Request::of_blob, When::Nth(1), Fault::Redirect);
    proxy.fault(Request::of_blob, When::Nth(3), Fault::RedirectLoop);
    let answer = ask(proxy.host(), "GET", &target, &[], &[]).unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(
        answer.field("location"),
        format!("http://{}{target}", proxy.elsewhere())
    );
    let fields = [("Authorization", "Bearer x")];
    assert_eq!(
        ask(proxy.elsewhere(), "GET", &target, &fields, &[])
            .unwrap()
            .body,
        CONTENT
    );
    let found = proxy.count(|request: &Request| {
        request.elsewhere && request.head.get("authorization") == Some("Bearer x")
    });
    assert_eq!(found, 1);
    let answer = ask(proxy.host(), "GET", &target, &[], &[]).unwrap();
    assert_eq!(
        answer.field("location"),
        format!("http://{}{target}", proxy.host())
    );
}

#[test]
fn queries_are_read_as_forms_are() {
    let values = values("a=1&b=x%3Ay%2Cz&a=2+3&c=%zz%e4", "a");
    assert_eq!(values, ["1", "2 3"]);
    assert_eq!(terrine_tests::http::values("b=x%3Ay%2Cz", "b"), ["x:y,z"]);
    assert_eq!(terrine_tests::http::values("c=%zz%", "c"), ["%zz%"]);
}
