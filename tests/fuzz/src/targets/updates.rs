//! Sequences of updates, and the plans of images that clients hold.

use terrine::history;
use terrine::sequence::Sequence;

use crate::format::Format;
use crate::{Limit, Target};

const WORDS: &[&str] = &[
    "name",
    "paths",
    "steps",
    "path",
    "narSize",
    "references",
    "date",
    "/nix/store/a",
    "/nix/store/b",
    "schemaVersion",
    "layers",
    "size",
    "blob",
    "2024-01-01",
    "/",
    "/a",
];

pub(super) const TARGET: Target = Target {
    name: "updates",
    format: Format::Json(WORDS),
    seeds,
    run,
    short: 8_000,
    longest: 8 << 10,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let plan = format!(
        r#"{{"schemaVersion":{},"layers":[{{"paths":[{{"path":"/nix/store/czdwrc68h50iivmdn00dcrkpn6px1bpz-a-1.0","size":1}}],"blob":{{"size":7}}}},{{"paths":[]}}]}}"#,
        terrine::plan::SCHEMA_VERSION
    );
    let sequence = r#"{"name":"x","paths":[{"path":"/nix/store/a","narSize":1},{"path":"/nix/store/b","narSize":2,"references":[0,1]}],
        "steps":[{"date":"2024-01-01","paths":[1,0]},{"paths":[0]}]}"#;
    vec![sequence.as_bytes().to_vec(), plan.into_bytes()]
}

fn run(data: &[u8]) -> bool {
    let held = history::of_plan(data);
    let Ok(sequence) = Sequence::parse(data) else {
        return held.is_ok();
    };
    let paths = sequence.paths();
    assert!(
        paths
            .iter()
            .all(|path| path.references.iter().all(|&index| index < paths.len()))
    );
    for step in sequence.steps() {
        assert!(!step.paths.is_empty() && step.paths.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(step.paths.iter().all(|&index| index < paths.len()));
        assert!(!step.label.contains(char::is_control));
    }
    let text = sequence.to_json();
    assert_eq!(
        Sequence::parse(text.as_bytes()).as_ref(),
        Ok(&sequence),
        "written and read again:\n{text}"
    );
    assert!(sequence.lost_references() <= text.len() * sequence.steps().len());
    true
}
