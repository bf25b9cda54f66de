//! Uploads that break off, and what is sent afterwards.

use terrine_tests::Run;
use terrine_tests::http::{Answer, ask};
use terrine_tests::proxy::{Fault, Proxy, Request, When};
use terrine_tests::registry::Registry;
use terrine_tests::shipment::Shipment;

/// The size of the path that makes the large layer.
const LARGE: usize = 24_000_000;

/// A registry, a proxy before it, and a large image.
fn scene() -> Option<(Registry, Proxy, Shipment)> {
    let registry = Registry::start()?;
    let proxy = Proxy::to(&registry);
    Some((registry, proxy, Shipment::new(&[("large", LARGE)])))
}

/// Pushes through the proxy; the image is whole then, seen without it.
fn push(registry: &Registry, proxy: &Proxy, shipment: &Shipment, retries: &str) -> Run {
    let run = shipment
        .build(
            &format!("docker://{}/acme/web:1", proxy.host()),
            &["--retries", retries],
        )
        .ok();
    shipment
        .terrine(&[
            "verify",
            &format!("docker://{}/acme/web:1", registry.host()),
        ])
        .ok();
    assert!(shipment.leftovers().is_empty());
    run
}

/// Returns true if it sends the bytes of the large layer, or some of them.
fn sends(request: &Request) -> bool {
    let length = request
        .head
        .get("content-length")
        .and_then(|length| length.parse::<usize>().ok());
    request.method == "PUT" && request.of_upload() && length.is_some_and(|length| length > 100_000)
}

fn asks(request: &Request) -> bool {
    request.method == "GET" && request.of_upload()
}

/// Returns the number of bytes that each of the requests with the large layer brought.
fn received(proxy: &Proxy) -> Vec<u64> {
    proxy
        .requests()
        .into_iter()
        .filter(sends)
        .map(|request| request.received)
        .collect()
}

#[test]
fn what_is_kept_is_not_sent_again() {
    const KEPT: u64 = 16_000_000;
    let Some((registry, proxy, shipment)) = scene() else {
        return;
    };
    proxy.fault(sends, When::Nth(1), Fault::KeepRequest(KEPT));
    let run = push(&registry, &proxy, &shipment, "1");
    let received = received(&proxy);
    assert_eq!(
        (received.len(), received[0], proxy.count(asks)),
        (2, KEPT, 1),
        "{}",
        proxy.story()
    );
    // What follows is the rest, and nothing of what was there.
    assert!(received[1] < LARGE as u64 + 100_000 - KEPT, "{received:?}");
    let last = proxy.requests().into_iter().rfind(sends).unwrap();
    let whole = KEPT + received[1];
    assert_eq!(
        last.head.get("content-range"),
        Some(&*format!("{KEPT}-{}", whole - 1))
    );
    assert!(run.stderr.contains(" sent"), "{}", run.stderr);
}

#[test]
fn an_upload_that_comes_on_may_break_off_more_often_than_anything_is_tried_again() {
    const KEPT: u64 = 4_000_000;
    let Some((registry, proxy, shipment)) = scene() else {
        return;
    };
    proxy.fault(sends, When::First(4), Fault::KeepRequest(KEPT));
    push(&registry, &proxy, &shipment, "1");
    let received = received(&proxy);
    assert_eq!(
        (received.len(), &received[..4]),
        (5, &[KEPT; 4][..]),
        "{}",
        proxy.story()
    );
    assert!(
        received.iter().sum::<u64>() < LARGE as u64 + 100_000,
        "{received:?}"
    );
    assert_eq!(proxy.count(asks), 4);
}

#[test]
fn what_docker_registry_has_lost_is_sent_again() {
    let Some((registry, proxy, shipment)) = scene() else {
        return;
    };
    proxy.fault(sends, When::Nth(1), Fault::CutRequest(16_000_000));
    push(&registry, &proxy, &shipment, "1");
    let status: Vec<_> = proxy
        .requests()
        .into_iter()
        .filter(asks)
        .map(|asked| asked.status)
        .collect();
    assert_eq!(status, [Some(404)], "{}", proxy.story());
    let received = received(&proxy);
    assert!(
        received.len() == 2 && received[1] >= LARGE as u64,
        "{received:?}"
    );
}

/// Shows why blobs are not cut into chunks: a chunk that breaks off costs those before it as well.
#[test]
fn docker_registry_forgets_the_chunks_before_a_broken_one() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let proxy = Proxy::to(&registry);
    let path = |answer: &Answer| {
        let location = answer.field("location");
        location[location.find("/v2/").unwrap()..].to_owned()
    };
    let chunk = |target: &str, range: &str| {
        let kind = [
            ("Content-Type", "application/octet-stream"),
            ("Content-Range", range),
        ];
        ask(proxy.host(), "PATCH", target, &kind, &[7; 1_000_000])
    };
    let started = ask(
        proxy.host(),
        "POST",
        "/v2/acme/web/blobs/uploads/",
        &[],
        &[],
    )
    .unwrap();
    let first = chunk(&path(&started), "0-999999").unwrap();
    assert_eq!((first.status(), &*first.field("range")), (202, "0-999999"));
    let next = path(&first);
    let status = || ask(proxy.host(), "GET", &next, &[], &[]).unwrap();
    assert_eq!(
        (status().status(), &*status().field("range")),
        (204, "0-999999")
    );
    proxy.fault(
        |request: &Request| request.method == "PATCH",
        When::Always,
        Fault::CutRequest(500_000),
    );
    assert!(chunk(&next, "1000000-1999999").is_err());
    assert_eq!(status().status(), 404);
}
