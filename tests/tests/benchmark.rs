//! The benchmark runs, on small stores: every row of its table has a value. Its times and budgets are nothing to a test.

use std::process::Command;

use terrine_tests::{Run, TestStore, peer, programs, temporary};

/// The columns of the table that have the name of a row, and its value.
const NAME: usize = 34;
const VALUE: std::ops::Range<usize> = 44..54;

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(arguments);
    command
}

/// The same of one part, on a store of one path.
fn part_of(store: &TestStore, part: &str) -> Command {
    store.file("7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-a/file", b"a");
    let mut command = bench(&["--rounds", "1", "--only", part, "--store"]);
    command.arg(store.host(""));
    command
}

/// The sections of a table with the names and values of their rows.
fn sections(table: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let (_, table) = table.split_once("within\n").unwrap();
    let mut sections: Vec<(&str, Vec<(&str, &str)>)> = vec![];
    let is_row = |line: &&str| !line.is_empty() && !line.starts_with("note: ");
    for line in table.lines().filter(is_row) {
        match line.strip_prefix("== ") {
            Some(title) => sections.push((title, vec![])),
            None => {
                let (_, rows) = sections.last_mut().unwrap();
                let value = line.get(VALUE).unwrap_or_default();
                rows.push((line.get(..NAME).unwrap_or(line).trim(), value.trim()));
            }
        }
    }
    sections
}

/// Returns true for a number with its unit.
fn is_value(text: &str) -> bool {
    let Some((number, unit)) = text.split_once(' ') else {
        return false;
    };
    number.parse::<f64>().is_ok_and(|number| number >= 0.0)
        && ["ms", "s", "MB", "x"].contains(&unit)
}

#[test]
fn every_row_has_a_value() {
    let skopeo = peer::find("skopeo");
    let second: Vec<&str> = skopeo.iter().filter_map(|path| path.to_str()).collect();
    let mut command = bench(&["--small"]);
    if let [skopeo] = second[..] {
        command.args(["--skopeo", skopeo]);
    }
    let run = Run::of(&mut command).ok();
    let table = String::from_utf8(run.stdout).unwrap();
    let sections = sections(&table);
    let rows = |title: &str| {
        let section = sections.iter().find(|(name, _)| name.starts_with(title));
        section.map(|(_, rows)| rows.as_slice()).unwrap_or_default()
    };
    for (title, least) in [
        ("to a pipe, closure", 4),
        ("an image with no store layers", 4),
        ("to a pipe, a wide path", 1),
        ("a closure of 1000 paths", 5),
        ("files and layouts", 7),
    ] {
        assert!(rows(title).len() >= least, "{title}:\n{table}");
    }
    if peer::find("docker-registry").is_some() {
        let pushes = rows("pushes to a registry");
        // Each skopeo has two compressions; the rows at equal size name the newest.
        let of = |is: fn(&str) -> bool| pushes.iter().filter(|(name, _)| is(name)).count();
        let compared = of(|name| name.starts_with("skopeo "));
        let equal = of(|name| name.contains("no larger than"));
        let expected = (4 * second.len(), 2 * second.len());
        assert_eq!((compared, equal), expected, "{table}");
        assert!(pushes.len() >= 12, "{table}");
    }
    // No level may be as small as skopeo's: that is a value, too.
    let is_none = |name: &str, value| name.contains("no larger than") && value == "none";
    let all = sections.iter().flat_map(|(_, rows)| rows);
    let missing: Vec<_> = all
        .filter(|(name, value)| !is_value(value) && !is_none(name, *value))
        .collect();
    assert!(missing.is_empty(), "{missing:?}:\n{table}");
}

#[test]
fn what_cannot_be_measured_fails_and_the_rest_is_measured() {
    let folder = temporary();
    programs::script(folder.path().join("cp"), "echo no room >&2\nexit 3");
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", folder.path().display());
    let store = TestStore::default();
    let run = Run::of(part_of(&store, "layout").env("PATH", path));
    let table = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.code, Some(1), "{table}{}", run.stderr);
    assert!(
        run.stderr.ends_with("bench: layout: failed: cp -r\n"),
        "{}",
        run.stderr
    );
    assert!(
        table.contains("note: cp -r: `cp`: exit status: 3: no room\n"),
        "{table}"
    );
    let sections = sections(&table);
    let [(_, rows)] = &sections[..] else {
        panic!("{table}");
    };
    assert_eq!(rows[0], ("cp -r", "failed"));
    assert!(
        rows[1..].iter().all(|(_, value)| is_value(value)),
        "{table}"
    );
}

#[test]
fn a_second_skopeo_has_to_be_one() {
    if peer::find("docker-registry").is_none() {
        return;
    }
    for program in ["/bin/false", "./none"] {
        let store = TestStore::default();
        let run = Run::of(part_of(&store, "ship").args(["--skopeo", program]));
        assert_eq!(run.code, Some(1));
        let expected = format!("bench: ship: `{program}`");
        assert!(run.stderr.contains(&expected), "{}", run.stderr);
    }
}
