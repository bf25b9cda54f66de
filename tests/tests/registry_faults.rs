//! What becomes of pushes and pulls when something goes wrong between terrine and a registry:
//! each ends with a valid image or with the reason, the tag leads to a whole image at any time,
//! and a second run completes.

#![allow(
    clippy::unwrap_used,
    reason = "a test that can not be set up has failed"
)]

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use terrine_tests::proxy::{ErrorBody, Fault, Proxy, Request, Tokens, When};
use terrine_tests::registry::Registry;
use terrine_tests::{Run, Shipment, terrine};

/// How long anything may take here. Those who wait for nothing end long before.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a fault is to come to.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It passes.
    Done,
    /// The run fails and says this.
    Says(&'static str),
    /// Either, as long as nothing is wrong afterwards.
    Either,
}

/// A registry that holds an older image, a proxy, and what is to be pushed in its place.
struct Scene {
    registry: Registry,
    proxy: Proxy,
    shipment: Shipment,
    old: String,
}

impl Scene {
    fn new() -> Option<Self> {
        Self::with(None)
    }

    fn with(tokens: Option<Tokens>) -> Option<Self> {
        let registry = Registry::start()?;
        let older = Shipment::new(&[("old", 1000)]);
        older
            .build(&format!("docker://{}/acme/web:1", registry.host()), &["-q"])
            .ok();
        let old = registry.manifest("acme/web", "1").unwrap().digest;
        let proxy = match tokens {
            Some(tokens) => Proxy::with_tokens(&registry, tokens),
            None => Proxy::to(&registry),
        };
        Some(Self {
            registry,
            proxy,
            shipment: Shipment::small(),
            old,
        })
    }

    /// Through the proxy.
    fn to(&self) -> String {
        format!("docker://{}/acme/web:1", self.proxy.host())
    }

    fn push(&self, arguments: &[&str]) -> Run {
        let quick = ["-q", "--timeout", "2", "--retries", "2"];
        let start = Instant::now();
        let run = self
            .shipment
            .forget()
            .build(&self.to(), &[&quick, arguments].concat());
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        run
    }

    /// The tag leads to the old image after a failure and to the new one after a success, which
    /// is whole; nothing of ours is left; and a run without faults completes.
    fn check(&self, run: &Run, end: End, what: &str) {
        let tagged = self.registry.manifest("acme/web", "1").unwrap().digest;
        match (end, run.code) {
            (End::Done, code) => assert_eq!(code, Some(0), "{what}: {}", run.stderr),
            (End::Says(says), code) => {
                assert_eq!(code, Some(1), "{what}: {}", run.stderr);
                assert!(run.stderr.contains(says), "{what}: {}", run.stderr);
            }
            (End::Either, code) => assert!(matches!(code, Some(0 | 1)), "{what}: {}", run.stderr),
        }
        assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
        if run.code == Some(0) {
            assert_ne!(tagged, self.old, "{what}");
        }
        self.is_whole(what);
        assert_eq!(
            self.shipment.leftovers(),
            Vec::<std::path::PathBuf>::new(),
            "{what}"
        );
        self.proxy.heal();
        let again = self.push(&[]);
        assert_eq!(
            again.code,
            Some(0),
            "{what}, a second time: {}",
            again.stderr
        );
        self.is_whole(what);
        assert_ne!(
            self.registry.manifest("acme/web", "1").unwrap().digest,
            self.old,
            "{what}"
        );
    }

    /// What the tag leads to is valid, past the proxy.
    fn is_whole(&self, what: &str) {
        let run = self.shipment.terrine(&[
            "verify",
            &format!("docker://{}/acme/web:1", self.registry.host()),
        ]);
        assert_eq!(run.code, Some(0), "{what}: {}", run.stderr);
    }
}

fn uploads(request: &Request) -> bool {
    request.is("PUT", "/blobs/uploads/")
}

fn starts(request: &Request) -> bool {
    request.is("POST", "/blobs/uploads/")
}

fn asks(request: &Request) -> bool {
    request.is("HEAD", "/blobs/")
}

fn tags(request: &Request) -> bool {
    request.is("PUT", "/manifests/")
}

fn anything(request: &Request) -> bool {
    request.path != "/v2/"
}

type Matches = fn(&Request) -> bool;

#[test]
fn a_push_passes_over_what_passes() {
    let once: &[(Matches, When, Fault)] = &[
        (uploads, When::First(1), Fault::CutRequest(0)),
        (uploads, When::Nth(2), Fault::CutRequest(50_000)),
        (uploads, When::First(2), Fault::NoAnswer),
        (uploads, When::First(1), Fault::Reset),
        (uploads, When::First(1), Fault::WrongDigest),
        (uploads, When::First(1), Fault::status(500)),
        (uploads, When::First(1), Fault::html(503)),
        (uploads, When::First(1), Fault::Stall),
        (starts, When::First(1), Fault::NoAnswer),
        (starts, When::First(2), Fault::too_many("1")),
        (starts, When::First(1), Fault::WrongLocation),
        (starts, When::First(1), Fault::CutAnswer(0)),
        (asks, When::First(1), Fault::Reset),
        (asks, When::First(1), Fault::status(502)),
        (asks, When::First(2), Fault::NoAnswer),
        (asks, When::Always, Fault::Redirect),
        (tags, When::First(1), Fault::NoAnswer),
        (tags, When::First(1), Fault::status(504)),
        (tags, When::First(1), Fault::CutRequest(10)),
        (anything, When::First(1), Fault::too_many("1")),
    ];
    for (matches, when, fault) in once {
        let Some(scene) = Scene::new() else { return };
        scene.proxy.fault(*matches, *when, fault.clone());
        let run = scene.push(&[]);
        // What a registry says wrong of what it took is not tried again.
        let end = if *fault == Fault::WrongDigest {
            End::Either
        } else {
            End::Done
        };
        scene.check(&run, end, &format!("{fault:?} {when:?}"));
    }
}

#[test]
fn a_push_that_can_not_be_says_why_and_tags_nothing() {
    let always: &[(Matches, Fault, &str)] = &[
        (
            uploads,
            Fault::status(500),
            "answers 500 Internal Server Error: made by the test (FAULT)",
        ),
        (uploads, Fault::html(503), "answers 503 Service Unavailable"),
        (
            uploads,
            Fault::status(403),
            "answers 403 Forbidden: made by the test (FAULT)",
        ),
        (uploads, Fault::CutRequest(1000), "failed"),
        (uploads, Fault::NoAnswer, "failed"),
        (uploads, Fault::Reset, "failed"),
        (uploads, Fault::WrongDigest, "it has the digest sha256:0000"),
        (uploads, Fault::HugeHeaders(4 << 20), ""),
        (
            starts,
            Fault::too_many("3600"),
            "wants to be asked again in 3600 s",
        ),
        (starts, Fault::WrongLocation, "answers 404"),
        (starts, Fault::EndlessBody, ""),
        (
            starts,
            Fault::Status {
                status: 413,
                retry_after: None,
                body: ErrorBody::Empty,
            },
            "answers 413",
        ),
        (asks, Fault::status(401), "wants a login"),
        (asks, Fault::RedirectLoop, "redirects more than 10 times"),
        (asks, Fault::status(503), "answers 503"),
        (tags, Fault::status(400), "pushing the manifest of"),
        (tags, Fault::Stall, "was silent for 2 s"),
        (anything, Fault::Stall, "was silent for 2 s"),
        (anything, Fault::HugeHeaders(64 << 20), ""),
    ];
    for (matches, fault, says) in always {
        let Some(scene) = Scene::new() else { return };
        scene.proxy.fault(*matches, When::Always, fault.clone());
        let run = scene.push(&[]);
        let what = format!("{fault:?}");
        assert!(
            run.code == Some(0) || run.stderr.contains(scene.proxy.host()),
            "{what}: {}",
            run.stderr
        );
        if run.code != Some(0) {
            assert_eq!(
                scene.registry.manifest("acme/web", "1").unwrap().digest,
                scene.old,
                "{what}"
            );
        }
        let end = if says.is_empty() {
            End::Either
        } else {
            End::Says(says)
        };
        scene.check(&run, end, &what);
    }
}

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
        let copy = ["copy", "-q", "--timeout", "2", "--retries", "3", &from, &to];
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
fn tokens_that_end_do_not_end_a_push() {
    let tokens = Tokens {
        anonymous_pull: true,
        ..Tokens::default()
    };
    let tokens = Tokens { uses: 1, ..tokens };
    let Some(scene) = Scene::with(Some(tokens)) else {
        return;
    };
    let file = scene.shipment.home().join(".docker/config.json");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let auths =
        serde_json::json!({"auths": {scene.proxy.host(): {"auth": "dGVycmluZTpzZWNyZXQ="}}});
    std::fs::write(file, auths.to_string()).unwrap();
    scene.proxy.fault(uploads, When::Every(3), Fault::NoAnswer);
    let run = scene.push(&["--jobs", "1"]);
    scene.proxy.heal();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    scene.is_whole("tokens for one request");
}

/// Seeded mixes of faults over pushes, pulls and what verify says of them.
#[test]
fn whatever_goes_wrong_nothing_half_made_is_tagged() {
    let faults = [
        Fault::CutRequest(20_000),
        Fault::NoAnswer,
        Fault::CutAnswer(500),
        Fault::Truncate(5_000),
        Fault::Shorten(50),
        Fault::Alter(10),
        Fault::Reset,
        Fault::status(500),
        Fault::html(502),
        Fault::too_many("0"),
        Fault::WrongDigest,
        Fault::WrongLocation,
        Fault::Redirect,
    ];
    let (start, mut done) = (Instant::now(), [0, 0]);
    for seed in 0.. {
        let Some(mut scene) = Scene::new() else {
            return;
        };
        for (number, fault) in faults.iter().enumerate() {
            let seed = seed * 100 + number as u64;
            scene
                .proxy
                .fault(anything, When::Random { seed, percent: 2 }, fault.clone());
        }
        for round in 0..3 {
            scene.shipment.add(&format!("new{round}"), 30_000);
            let run = scene
                .shipment
                .build(&scene.to(), &["-q", "--timeout", "2", "--retries", "2"]);
            let what = format!("seed {seed}, round {round}: {}", run.stderr);
            assert!(
                matches!(run.code, Some(0 | 1)) && !what.contains("panicked"),
                "{what}"
            );
            done[usize::from(run.code == Some(1))] += 1;
            scene.is_whole(&what);
            // A pull through the same is right or an error.
            let verified = scene.shipment.terrine(&[
                "verify",
                "--timeout",
                "2",
                "--retries",
                "2",
                &scene.to(),
            ]);
            assert!(
                matches!(verified.code, Some(0 | 1)),
                "{what}: {}",
                verified.stderr
            );
        }
        scene.proxy.heal();
        let run = scene.shipment.build(&scene.to(), &["-q"]);
        scene.check(&run, End::Done, &format!("seed {seed}"));
        if seed >= 2 && start.elapsed() > Duration::from_secs(15) || seed == 9 {
            break;
        }
    }
    assert!(done[0] > 0, "{done:?}");
}

/// A push through a slow proxy, under way.
fn under_way(scene: &Scene) -> Child {
    let mut command = scene.shipment.forget().build_command(&scene.to(), &["-q"]);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the proxy has seen so many requests, or the run is over.
fn wait_for(scene: &Scene, child: &mut Child, count: usize) {
    let start = Instant::now();
    while scene.proxy.requests().len() < count
        && child.try_wait().unwrap().is_none()
        && start.elapsed() < PATIENCE
    {
        std::thread::yield_now();
    }
}

#[test]
fn a_push_that_is_killed_is_completed_by_the_next() {
    for count in [1, 2, 4, 6, 8, 10, 12, 14, 15] {
        let Some(scene) = Scene::new() else { return };
        let mut child = under_way(&scene);
        wait_for(&scene, &mut child, count);
        let _ = child.kill();
        let _ = child.wait();
        scene.is_whole(&format!("{count} requests"));
        let run = scene.push(&[]);
        scene.check(&run, End::Done, &format!("after {count} requests"));
    }
}

#[test]
fn a_push_that_is_interrupted_leaves_nothing() {
    for count in [1, 5, 9] {
        let Some(scene) = Scene::new() else { return };
        // It is not over before it is interrupted.
        scene.proxy.fault(tags, When::Always, Fault::Stall);
        let mut child = under_way(&scene);
        wait_for(&scene, &mut child, count);
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{count}");
        assert!(scene.shipment.leftovers().is_empty(), "{count}");
        assert_eq!(
            scene.registry.manifest("acme/web", "1").unwrap().digest,
            scene.old
        );
    }
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
