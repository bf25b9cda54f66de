//! Documents, help and schema say the same of the built-in policies as the planner. If they forget
//! a policy, or state another default, a test fails.

use std::fs;

use serde_json::Value;
use terrine_tests::{Run, built_in, terrine, workspace};

fn read(file: &str) -> String {
    fs::read_to_string(workspace().join(file)).unwrap()
}

/// Returns the texts between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// A text without what stands in parentheses, which may be nested.
fn without_asides(text: &str) -> String {
    let mut depth = 0_usize;
    let kept = text.chars().filter(|&c| {
        depth += usize::from(c == '(');
        let outside = depth == 0;
        depth = depth.saturating_sub(usize::from(c == ')'));
        outside
    });
    kept.collect()
}

/// A text in one line.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn said(arguments: &[&str]) -> String {
    joined(&String::from_utf8(Run::of(terrine().args(arguments)).ok().stdout).unwrap())
}

#[test]
fn the_guide_lists_every_policy() {
    let built_in = built_in();
    let guide = read("docs/building.md");
    let (_, list) = guide
        .split_once("\nA policy decides which paths share a layer: ")
        .unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let list = joined(list);
    let bare = without_asides(&list);
    let mut listed = quoted(&bare);
    listed.sort_unstable();
    assert_eq!(listed, built_in.names());
    for default in [
        format!("`{}` (the default of `build` and `plan`:", built_in.build),
        format!(
            "`{}` (the default of `layers` and `replay`:",
            built_in.layers
        ),
    ] {
        assert!(list.contains(&default), "{default}");
    }
}

#[test]
fn other_pages_have_every_policy_as_well() {
    let policies = read("docs/design/policies.md") + &read("docs/least-pull.md");
    let changes = read("CHANGELOG.md");
    let built_in = built_in();
    for name in built_in.names() {
        for (page, text) in [
            ("docs/design/policies.md", &policies),
            ("CHANGELOG.md", &changes),
        ] {
            assert!(quoted(text).contains(&name), "{page} has no `{name}`");
        }
    }
    let default = format!("`build` and `plan` it is `{}`", built_in.build);
    assert!(joined(&policies).contains(&default), "{default}");
}

#[test]
fn help_and_schema_name_the_defaults() {
    let built_in = built_in();
    let of_build = format!("`build` and `plan` use `{}`", built_in.build);
    let of_layers = format!("the planner's first policy, `{}`", built_in.layers);
    for command in ["build", "plan", "layers"] {
        let help = said(&[command, "--help"]);
        assert!(help.contains(&of_build), "{command}: {help}");
        assert!(help.contains(&of_layers), "{command}: {help}");
    }
    let topic = read("host/cli/src/topics/layers.txt");
    for name in built_in.names() {
        assert!(topic.contains(&format!("\n  {name} ")), "{name}: {topic}");
    }
    for (name, default) in [
        (&built_in.build, "the default of `build`, `plan`"),
        (&built_in.layers, "the default of `layers`, `replay`"),
    ] {
        let mut lines = topic.lines();
        let found = lines
            .any(|line| line.contains(default) && line.trim_start().starts_with(name.as_str()));
        assert!(found, "{name}: {topic}");
    }
    let help = said(&["replay", "--help"]);
    assert!(
        help.contains(&format!("the planner's first, `{}`", built_in.layers)),
        "{help}"
    );
    let schema: Value = serde_json::from_str(&said(&["schema"])).unwrap();
    let planner = schema["properties"]["planner"]["description"].as_str();
    let planner = joined(planner.unwrap());
    assert!(
        planner.ends_with(&format!("Default: `{}`.", built_in.build)),
        "{planner}"
    );
}
