//! Transfers from servers that break off, are slow, and lead elsewhere.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use terrine_tests::Run;

use super::caches::{Caches, digest};
use super::scene::Scene;
use super::server::{Answer, Request, Server};

/// A cache that servers serve, and the image out of it.
struct Transfers {
    caches: Arc<Caches>,
    place: PathBuf,
    spec: Value,
    expected: String,
}

impl Transfers {
    fn new() -> Option<Self> {
        let caches = Caches::shared()?;
        let mut spec = caches.spec();
        spec["architecture"] = json!("amd64");
        let layout = format!("oci:{}", caches.directory().display());
        Some(Self {
            expected: digest(caches.local(&spec, &layout)),
            place: caches.cache("compression=xz&write-nar-listing=true"),
            spec,
            caches,
        })
    }

    /// A server of the cache with changed answers.
    fn server(
        &self,
        change: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::changing(&self.place, change)
    }

    fn build(&self, cache: &str) -> Command {
        let layout = format!("oci:{}", self.caches.directory().display());
        self.caches.remote(&self.spec, cache, &layout)
    }

    /// Checks that a build makes the image.
    fn succeeds(&self, command: Command) {
        assert_eq!(digest(command), self.expected);
    }
}

#[test]
fn failures_that_pass_are_tried_again() {
    let Some(transfers) = Transfers::new() else {
        return;
    };
    let count = AtomicUsize::new(0);
    // Every third answer fails.
    let server =
        transfers.server(
            move |_, answer| match count.fetch_add(1, Ordering::SeqCst) % 3 {
                2 => Answer::status(503),
                _ => answer,
            },
        );
    transfers.succeeds(transfers.build(&server.url()));
    assert!(server.asked().len() > 12);
}

#[test]
fn a_transfer_that_breaks_off_continues_where_it_was() {
    let Some(transfers) = Transfers::new() else {
        return;
    };
    let counts: Mutex<BTreeMap<String, u32>> = Mutex::default();
    let server = transfers.server(move |request, answer| {
        if !request.path.starts_with("/nar/") {
            return answer;
        }
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(request.path.clone()).or_default();
        *count += 1;
        match count {
            1 => Answer::status(500).with("Retry-After", "1"),
            2 => answer.cut(),
            3 => answer.stall(),
            _ => answer,
        }
    });
    let start = Instant::now();
    let mut command = transfers.build(&server.url());
    command.args(["--timeout", "4"]);
    transfers.succeeds(command);
    // The server asks for one second, and is silent for four.
    assert!(start.elapsed() >= Duration::from_secs(5));
    let requests = server.requests();
    let nars = requests
        .iter()
        .filter(|request| request.path.starts_with("/nar/"));
    let nars: Vec<_> = nars.collect();
    let whole = nars
        .iter()
        .filter(|request| request.head.get("range").is_none());
    // Of the four requests for each, the last two are for the rest.
    assert_eq!((nars.len(), whole.count()), (5 * 4, 5 * 2));
}

#[test]
fn a_silent_server_is_left_after_a_time() {
    let Some(transfers) = Transfers::new() else {
        return;
    };
    let Transfers {
        caches,
        place,
        spec,
        ..
    } = &transfers;
    let Some(scene) = Scene::new(spec.clone(), &caches.public, place, "") else {
        return;
    };
    for (what, part) in [("silent NARs", "/nar/"), ("silent narinfos", ".narinfo")] {
        let server = transfers.server(move |request, answer| {
            if request.path.contains(part) {
                answer.stall()
            } else {
                answer
            }
        });
        let start = Instant::now();
        let complaints = scene.complaints(what, &server.url(), &["--timeout", "4"], "for 4 s");
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
    }
}

/// A user and password as a server wants them.
const AUTHORIZATION: &str = "Basic dXNlcjpzM2NyZXQ=";

/// Answers only those who prove who they are.
fn guarded(request: &Request, answer: Answer) -> Answer {
    match request.head.get("authorization") {
        Some(AUTHORIZATION) => answer,
        _ => Answer::status(401),
    }
}

#[test]
fn credentials_do_not_follow_to_another_server() {
    let Some(transfers) = Transfers::new() else {
        return;
    };
    // The same host, so that the file of credentials is about it, too.
    let netrc = transfers
        .caches
        .file("machine 127.0.0.1 login user password s3cret\n");
    let other = Arc::new(transfers.server(|_, answer| answer));
    let to = other.url();
    let leading = transfers.server(move |request, answer| {
        let answer = guarded(request, answer);
        match answer.head.status() {
            200 => Answer::redirect(&format!("{to}{}", request.path)),
            _ => answer,
        }
    });
    let to = other.url();
    let naming = transfers.server(move |request, answer| {
        let answer = guarded(request, answer);
        let text = String::from_utf8_lossy(&answer.body);
        if !request.path.ends_with(".narinfo") {
            return answer;
        }
        let text = text.replace("URL: nar/", &format!("URL: {to}/nar/"));
        answer.body(text)
    });
    for server in [&leading, &naming] {
        let mut by_file = transfers.build(&server.url());
        by_file.arg("--netrc-file").arg(&netrc);
        let with_user = server.url().replace("http://", "http://user:s3cret@");
        for command in [by_file, transfers.build(&with_user)] {
            transfers.succeeds(command);
            assert!(!server.requests().is_empty());
            let elsewhere = other.requests();
            let nars = elsewhere
                .iter()
                .filter(|request| request.path.starts_with("/nar/"));
            assert_eq!(nars.count(), 5);
            for request in &elsewhere {
                assert_eq!(request.head.get("authorization"), None, "{}", request.path);
            }
        }
    }
}

#[test]
fn messages_show_no_credentials() {
    let Some(transfers) = Transfers::new() else {
        return;
    };
    let forever = transfers.server(|request, _| Answer::redirect(&request.path));
    let refusing = transfers.server(|_, _| Answer::status(401));
    for (server, why) in [
        (&forever, "redirect"),
        (&refusing, "rejects this user name and password"),
    ] {
        let cache = server.url().replace("http://", "http://user:s3cret@");
        let mut command = transfers.build(&cache);
        let run = Run::of(command.args(["--retries", "0"]));
        assert_eq!(run.code, Some(1));
        assert!(
            run.stderr.contains(why) && run.stderr.contains(&server.url()),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    }
}
