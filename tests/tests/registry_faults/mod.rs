//! The outcome of pushes and pulls when something goes wrong between terrine and a registry:
//! each ends with a valid image or with the reason, the tag leads to a whole image at any time,
//! and a second run completes.

mod interrupted;
mod pulls;
mod pushes;

use std::time::{Duration, Instant};

use terrine_tests::proxy::{Fault, Proxy, Request, Tokens};
use terrine_tests::registry::Registry;
use terrine_tests::{Run, Shipment};

/// The time that anything may take here. Runs that wait for nothing end long before.
const PATIENCE: Duration = Duration::from_secs(120);

/// Returns the seconds that a registry with a fault may be silent.
///
/// These pass if it never answers, or its answer never ends. Other faults use up the retries, and then a slow answer
/// on a busy machine is to be no failure.
fn silence(fault: &Fault) -> &'static str {
    if matches!(fault, Fault::Stall | Fault::EndlessBody) {
        "2"
    } else {
        UNHURRIED
    }
}

/// The seconds that a registry may be silent which answers.
const UNHURRIED: &str = "10";

/// The end that a fault is to come to.
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
        self.push_within(UNHURRIED, arguments)
    }

    /// The same with another time for silence.
    fn push_within(&self, silence: &str, arguments: &[&str]) -> Run {
        let quick = ["-q", "--timeout", silence, "--retries", "2"];
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

    /// Checks that what the tag leads to is valid, past the proxy.
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
