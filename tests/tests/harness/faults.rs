//! The faults that the proxy makes.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use terrine_tests::http::{Answer, PATIENCE, ask};
use terrine_tests::proxy::{Fault, Request, When};

use super::{CONTENT, blob_with, with_blob};

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
        let outcome = io::Read::read_exact(&mut stream, &mut read);
        match outcome.map_err(|error| error.kind()) {
            Ok(()) => assert!(endless),
            // Not closed: silent.
            Err(kind) => assert!(!endless && kind == io::ErrorKind::WouldBlock, "{kind:?}"),
        }
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
