//! The effect of a cache that lies.

use std::fs;
use std::process::Command;

use sha2::{Digest as _, Sha256};
use terrine_tests::registry::Registry;
use terrine_tests::shipment::Shipment;
use terrine_tests::{Run, peer};

/// The rows of a cache: kind, key and value in hexadecimal digits.
fn rows(database: &std::path::Path) -> Option<Vec<(u8, String, String)>> {
    let sqlite = peer::find("sqlite3")?;
    let query = "SELECT kind, hex(key), hex(value) FROM entries";
    let run = Run::of(Command::new(sqlite).arg(database).arg(query)).ok();
    Some(
        String::from_utf8(run.stdout)
            .unwrap()
            .lines()
            .map(|line| {
                let mut parts = line.split('|').map(str::to_owned);
                (
                    parts.next().unwrap().parse().unwrap(),
                    parts.next().unwrap(),
                    parts.next().unwrap(),
                )
            })
            .collect(),
    )
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

/// Gives a row another value, with the seal that belongs to it (`host/terrine/src/cache/row.rs`).
fn lie(database: &std::path::Path, kind: u8, key: &str, value: &str) {
    let mut hash = Sha256::new();
    let (name, content) = (bytes(key), bytes(value));
    let parts: [&[u8]; 7] = [
        b"terrine cache row 1",
        b"kind",
        &[kind],
        b"key",
        &name,
        b"value",
        &content,
    ];
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let seal: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let change = format!(
        "UPDATE entries SET value = x'{value}', seal = x'{seal}' WHERE kind = {kind} AND key = x'{key}'"
    );
    Run::of(Command::new("sqlite3").arg(database).arg(change)).ok();
}

#[test]
fn a_cache_that_lies_puts_nothing_wrong_into_an_image() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let shipment = Shipment::small();
    let push = |tag: &str| {
        let to = format!("docker://{}/acme/web:{tag}", registry.host());
        let run = shipment.build(&to, &[]).ok();
        assert!(shipment.is_valid(&to), "{tag}");
        (
            registry.manifest("acme/web", tag).unwrap().digest,
            run.stderr,
        )
    };
    let (truth, _) = push("0");
    let Some(honest) = rows(&shipment.database()) else {
        return;
    };
    let told = fs::read(shipment.database()).unwrap();
    let (mut lies, mut noticed) = (0, 0);
    for kind in [1, 2, 4] {
        let same: Vec<_> = honest.iter().filter(|row| row.0 == kind).collect();
        assert!(same.len() >= 3, "{kind}: {honest:?}");
        for (number, (_, key, value)) in same.iter().enumerate() {
            let other = &same[(number + 1) % same.len()].2;
            // What another row says; and for layers and blobs another size, and a digest of
            // nothing.
            let mut values = vec![other.clone()];
            if kind != 4 {
                values.push(format!("{}{}", &value[..64], "07".repeat(8)));
                values.push(format!("{}{}", "ab".repeat(32), &value[64..]));
                values.push(format!("{}{}", &other[..64], &value[64..]));
            }
            for wrong in values.into_iter().filter(|wrong| wrong != value) {
                fs::write(shipment.database(), &told).unwrap();
                lie(&shipment.database(), kind, key, &wrong);
                lies += 1;
                let (digest, stderr) = push("1");
                assert_eq!(digest, truth, "{kind} {key} {wrong}");
                noticed += usize::from(stderr.contains("contradict"));
            }
        }
    }
    // The others are about what is looked at anyway, or about nothing that is asked.
    assert!(lies >= 20 && noticed * 2 >= lies, "{noticed} of {lies}");
}

#[test]
fn rows_that_were_altered_are_told_of() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let shipment = Shipment::small();
    let to = format!("docker://{}/acme/web:1", registry.host());
    shipment.build(&to, &[]).ok();
    let first = registry.manifest("acme/web", "1");
    if rows(&shipment.database()).is_none() {
        return;
    }
    let change = "UPDATE entries SET value = zeroblob(40) WHERE kind = 1";
    Run::of(Command::new("sqlite3").arg(shipment.database()).arg(change)).ok();
    let run = shipment.build(&to, &[]).ok();
    assert!(
        run.stderr.contains("entries that were altered"),
        "{}",
        run.stderr
    );
    assert_eq!(registry.manifest("acme/web", "1"), first);
    // And once only.
    assert!(!shipment.build(&to, &[]).ok().stderr.contains("altered"));
}
