//! Pushes through faults: they come to an end, and tag nothing that is not whole.

use std::time::{Duration, Instant};

use terrine_tests::SmallDisk;
use terrine_tests::proxy::{ErrorBody, Fault, Tokens, When};

use super::{End, Matches, Scene, UNHURRIED, anything, asks, silence, starts, tags, uploads};

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
        let run = scene.push_within(silence(fault), &[]);
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
fn a_push_that_cannot_be_says_why_and_tags_nothing() {
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
            "asks to retry after 3600 s",
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
        (asks, Fault::status(401), "requires credentials"),
        (asks, Fault::RedirectLoop, "redirects more than 10 times"),
        (asks, Fault::status(503), "answers 503"),
        (tags, Fault::status(400), "pushing the manifest of"),
        (tags, Fault::Stall, "did not respond for 2 s"),
        (anything, Fault::Stall, "did not respond for 2 s"),
        (anything, Fault::HugeHeaders(64 << 20), ""),
    ];
    for (matches, fault, says) in always {
        let Some(scene) = Scene::new() else { return };
        scene.proxy.fault(*matches, When::Always, fault.clone());
        let run = scene.push_within(silence(fault), &[]);
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
            let patient = ["-q", "--timeout", UNHURRIED, "--retries", "2"];
            let run = scene.shipment.build(&scene.to(), &patient);
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
                UNHURRIED,
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

#[test]
fn a_full_directory_of_temporary_files_is_named() {
    let Some(scene) = Scene::new() else { return };
    let tmp = scene.shipment.tmp();
    let Some(disk) = SmallDisk::at(&tmp, "size=64k") else {
        return;
    };
    let run = scene.push(&[]);
    disk.unmount();
    let place = format!("keeping a layer in `{}`", tmp.display());
    let why =
        "No space left on device\nhint: make room there, or set `TMPDIR` to another directory\n";
    for said in [&*place, why] {
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
    scene.check(&run, End::Says("keeping a layer"), "a full TMPDIR");
}
