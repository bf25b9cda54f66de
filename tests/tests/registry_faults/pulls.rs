//! Pulls through faults: an image comes whole, or not at all.

use std::path::Path;
use std::time::Instant;

use terrine_tests::proxy::{Fault, Proxy, Request, Tokens, When};
use terrine_tests::registry::Registry;
use terrine_tests::{Run, Shipment, terrine};

use super::{End, Matches, PATIENCE, silence};

fn blobs(request: &Request) -> bool {
    request.is("GET", "/blobs/")
}

fn manifests(request: &Request) -> bool {
    request.is("GET", "/manifests/")
}

/// The largest layer of a pull and what goes wrong with it.
#[test]
fn a_pull_is_the_image_or_nothing() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let shipment = Shipment::small();
    shipment
        .build(&format!("docker://{}/acme/web:1", registry.host()), &["-q"])
        .ok();
    let id = |run: Run| String::from_utf8(run.ok().stdout).unwrap();
    let whole = id(shipment.terrine(&[
        "inspect",
        "--format",
        "json",
        &format!("docker://{}/acme/web:1", registry.host()),
    ]));
    for (matches, when, fault, end) in [
        (
            blobs as Matches,
            When::First(2),
            Fault::CutAnswer(1000),
            End::Done,
        ),
        (blobs, When::First(2), Fault::Truncate(70_000), End::Done),
        (
            blobs,
            When::Always,
            Fault::Truncate(0),
            End::Says("Peer disconnected"),
        ),
        (blobs, When::Every(2), Fault::CutAnswer(100_000), End::Done),
        (blobs, When::First(1), Fault::status(503), End::Done),
        (
            blobs,
            When::Always,
            Fault::status(404),
            End::Says("answers 404"),
        ),
        (blobs, When::First(1), Fault::Stall, End::Done),
        (blobs, When::Always, Fault::Redirect, End::Done),
        (
            blobs,
            When::Always,
            Fault::RedirectLoop,
            End::Says("redirects more than"),
        ),
        (blobs, When::Always, Fault::Slow(1 << 20), End::Done),
        (blobs, When::Always, Fault::Alter(5), End::Says("not ")),
        (
            blobs,
            When::Always,
            Fault::Alter(u64::MAX),
            End::Says("digest"),
        ),
        (blobs, When::Nth(3), Fault::Alter(70_000), End::Says("not ")),
        (
            blobs,
            When::Always,
            Fault::Shorten(100),
            End::Says("bytes, not"),
        ),
        (blobs, When::Always, Fault::EndlessBody, End::Says("")),
        (
            manifests,
            When::Always,
            Fault::Alter(40),
            End::Says("digest"),
        ),
        (
            manifests,
            When::Always,
            Fault::Shorten(100),
            End::Says("digest"),
        ),
        (
            manifests,
            When::Always,
            Fault::WrongDigest,
            End::Says("digest"),
        ),
        (
            manifests,
            When::Always,
            Fault::WrongContentType("text/html".to_owned()),
            End::Either,
        ),
        (
            manifests,
            When::Always,
            Fault::EndlessBody,
            End::Says("has more than 4194304 bytes"),
        ),
        (
            manifests,
            When::Always,
            Fault::HugeHeaders(8 << 20),
            End::Says(""),
        ),
        (manifests, When::First(1), Fault::CutAnswer(10), End::Done),
        (manifests, When::First(1), Fault::NoAnswer, End::Done),
    ] {
        let proxy = Proxy::to(&registry);
        proxy.fault(matches, when, fault.clone());
        let place = tempfile(&shipment, "layout");
        let (from, to) = (
            format!("docker://{}/acme/web:1", proxy.host()),
            format!("oci:{place}:web"),
        );
        let start = Instant::now();
        let silence = silence(&fault);
        let copy = [
            "copy",
            "-q",
            "--timeout",
            silence,
            "--retries",
            "3",
            &from,
            &to,
        ];
        let run = shipment.terrine(&copy);
        let what = format!("{fault:?} {when:?}");
        assert!(start.elapsed() < PATIENCE, "{what}");
        match end {
            End::Done => assert_eq!(run.code, Some(0), "{what}: {}", run.stderr),
            End::Says(says) => {
                assert_eq!(run.code, Some(1), "{what}: {}", run.stderr);
                assert!(run.stderr.contains(says), "{what}: {}", run.stderr);
            }
            End::Either => {}
        }
        if run.code == Some(1) {
            let index =
                std::fs::read_to_string(Path::new(&place).join("index.json")).unwrap_or_default();
            assert!(!index.contains("sha256:"), "{what}: {index}");
            assert!(run.stderr.contains(proxy.host()), "{what}: {}", run.stderr);
        }
        proxy.heal();
        shipment.terrine(&copy).ok();
        assert!(shipment.is_valid(&to), "{what}");
        let copied = id(shipment.terrine(&["inspect", "--format", "json", &to]));
        let image =
            |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["id"].clone();
        assert_eq!(image(&copied), image(&whole));
        std::fs::remove_dir_all(place).unwrap();
    }
    assert!(shipment.leftovers().is_empty());
}

fn tempfile(shipment: &Shipment, name: &str) -> String {
    shipment.home().join(name).display().to_string()
}

#[test]
fn what_is_read_elsewhere_gets_no_password() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let shipment = Shipment::small();
    shipment
        .build(&format!("docker://{}/acme/web:1", registry.host()), &["-q"])
        .ok();
    let proxy = Proxy::with_tokens(
        &registry,
        Tokens {
            anonymous_pull: true,
            ..Tokens::default()
        },
    );
    proxy.fault(blobs, When::Always, Fault::Redirect);
    let from = format!("docker://{}/acme/web:1", proxy.host());
    shipment.terrine(&["verify", &from]).ok();
    let elsewhere: Vec<Request> = proxy
        .requests()
        .into_iter()
        .filter(|request| request.elsewhere)
        .collect();
    assert_eq!(elsewhere.len(), 5, "{}", proxy.story());
    assert!(
        elsewhere
            .iter()
            .all(|request| request.head.get("authorization").is_none())
    );
    let first = proxy.count(|request: &Request| request.head.get("authorization").is_some());
    assert!(first >= 5);
}

#[test]
fn a_base_image_is_not_believed_either() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let base = Shipment::small();
    base.build(&format!("docker://{}/base/os:1", registry.host()), &["-q"])
        .ok();
    for (when, fault, end) in [
        (When::Always, Fault::Alter(3), End::Says("digest")),
        (When::Nth(2), Fault::Alter(60_000), End::Says("digest")),
        (When::Always, Fault::Shorten(3), End::Says("bytes, not")),
        (When::First(2), Fault::Truncate(1000), End::Done),
        (When::First(3), Fault::status(503), End::Done),
        (When::Always, Fault::Redirect, End::Done),
    ] {
        let proxy = Proxy::to(&registry);
        proxy.fault(
            |request: &Request| request.is("GET", "/base/os/blobs/"),
            when,
            fault.clone(),
        );
        let shipment = Shipment::new(&[("own", 5000)]);
        let layout = shipment.home().join("layout").display().to_string();
        let spec = shipment
            .spec()
            .with("fromImage", format!("docker://{}/base/os:1", proxy.host()));
        let mut command = shipment.at_home(spec.command("build"));
        let run =
            Run::of(command.args(["-q", "--retries", "3", "--to", &format!("oci:{layout}:web")]));
        let what = format!("{fault:?} {when:?}: {} {}", run.stderr, proxy.story());
        match end {
            End::Done => assert_eq!(run.code, Some(0), "{what}"),
            End::Says(says) => assert!(run.code == Some(1) && run.stderr.contains(says), "{what}"),
            End::Either => {}
        }
        let mut verify = shipment.at_home(terrine());
        let valid = Run::of(verify.args(["verify", &format!("oci:{layout}:web")])).code == Some(0);
        assert_eq!(valid, run.code == Some(0), "{what}");
        assert!(shipment.leftovers().is_empty(), "{what}");
    }
}
