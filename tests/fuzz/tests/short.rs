//! Every target, for a fixed number of inputs; and faults that a short run has to find.

#![allow(
    clippy::print_stdout,
    reason = "a run tells its numbers to whoever wants to see them"
)]

use std::time::{Duration, Instant};

use terrine_fuzz::format::Format;
use terrine_fuzz::meter::Meter;
use terrine_fuzz::short::{Finding, Outcome, run};
use terrine_fuzz::targets::TARGETS;
use terrine_fuzz::{Limit, Target};

#[global_allocator]
static METER: Meter = Meter;

/// Runs a target, and says what came of it.
fn short(name: &str) {
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("a target of that name");
    let start = Instant::now();
    let outcome = run(target, target.short).unwrap_or_else(|finding| kept(target, &finding));
    let Outcome {
        inputs,
        accepted,
        seeds,
        cost,
    } = outcome;
    println!(
        "{name}: {inputs} inputs in {:.1?}, {accepted} accepted, at most {} KiB and {:.1?} for one",
        start.elapsed(),
        cost.memory >> 10,
        cost.time
    );
    assert!(
        seeds > 0,
        "no seed of `{name}` is accepted, so its rules hold for nothing"
    );
    assert!(
        accepted * 50 > inputs,
        "{accepted} of {inputs} inputs of `{name}` are accepted, which tests little"
    );
}

/// Keeps an input that breaks a rule, and fails.
fn kept(target: &Target, finding: &Finding) -> Outcome {
    let place =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("finding-{}", target.name));
    std::fs::write(&place, &finding.input).expect("a place for a finding");
    panic!(
        "target `{}`: {}\nthe input is in {}",
        target.name,
        finding.why,
        place.display()
    );
}

macro_rules! short {
    ($($name:ident)*) => {
        $(#[test] fn $name() { short(stringify!($name)); })*

        #[test]
        fn every_target_has_a_test() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

short! {
    archives headers compressed layers docker_archives images documents references challenges credentials closures databases
    caches updates specifications confs policies components programs layouts nars binary_caches cache_settings claims messages
}

/// A target with a parser of this test.
fn faulty(run: fn(&[u8]) -> bool) -> Target {
    Target {
        name: "faulty",
        format: Format::Json(&["key"]),
        seeds: || vec![br#"{"a":[1,2,{"b":"text"}]}"#.to_vec()],
        run,
        short: 0,
        longest: 4096,
        limit: Limit {
            memory: 1 << 20,
            memory_per_byte: 0,
            time: Duration::from_millis(100),
        },
    }
}

#[test]
fn a_fault_is_found() {
    fn fails(data: &[u8]) -> bool {
        let value = serde_json::from_slice::<serde_json::Value>(data);
        assert!(
            value.is_ok_and(|value| value.get("key").is_none()),
            "it has the key"
        );
        true
    }
    let finding = run(&faulty(fails), 10_000).expect_err("a finding");
    assert!(
        finding.why.contains("it panics: it has the key"),
        "{}",
        finding.why
    );
    assert_eq!(
        run(&faulty(fails), 10_000).expect_err("a finding"),
        finding,
        "the same each time"
    );
}

#[test]
fn memory_without_bound_is_found() {
    let finding = run(
        &faulty(|data| {
            let items = serde_json::from_slice::<serde_json::Value>(data)
                .map_or(0, |value| value.as_object().map_or(0, serde_json::Map::len));
            vec![1_u8; items << 20].len() > 1
        }),
        10_000,
    );
    let finding = finding.expect_err("a finding");
    assert!(
        finding
            .why
            .contains("bytes of memory, and 1048576 are allowed"),
        "{}",
        finding.why
    );
}

#[test]
fn time_without_bound_is_found() {
    let finding = run(
        &faulty(|data| {
            std::thread::sleep(Duration::from_millis(if data.contains(&b'k') {
                150
            } else {
                0
            }));
            true
        }),
        10_000,
    );
    assert!(
        finding
            .expect_err("a finding")
            .why
            .contains("and 100ms are allowed")
    );
}
