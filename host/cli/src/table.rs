//! Facts about an image, as people read them.

use std::fmt::Write;

use indicatif::DecimalBytes;
use terrine::plan::{ArchitectureSource, Explanation, Facts, LayerFacts, LayerKind};

/// The longest reason or list in a row, in characters.
const WIDTH: usize = 72;
/// The largest number of lines in a list of paths.
const LISTED: usize = 10;

/// An image: what it is called, what it is for, its layers.
pub(super) fn facts(facts: &Facts) -> String {
    let mut text = String::new();
    line(&mut text, "image", &name(facts));
    if let Some(file) = &facts.tag_after_reading {
        let tag = format!("known only after its content is read, such as `{file}`");
        line(&mut text, "tag", &tag);
    }
    let variant = facts
        .variant
        .as_ref()
        .map_or(String::new(), |variant| format!("/{variant}"));
    let platform = format!(
        "{}/{}{variant}, {}",
        facts.os,
        facts.architecture,
        source(facts)
    );
    line(&mut text, "platform", &platform);
    line(&mut text, "created", &facts.created);
    if let Some(base) = &facts.base {
        line(&mut text, "base", base);
    }
    for (i, variable) in facts.environment.iter().enumerate() {
        line(&mut text, if i == 0 { "environment" } else { "" }, variable);
    }
    line(&mut text, "layers", &budget(facts));
    let how = match facts.budget.base_layers {
        0 => "uncompressed",
        _ => "uncompressed, the base's layers as they are stored",
    };
    let is_estimated = facts.layers.iter().any(|layer| layer.size_estimated);
    let size = size(facts.size, is_estimated);
    line(&mut text, "size", &format!("{size} {how}"));
    text.push('\n');
    layers(&facts.layers, &mut text);
    text
}

/// A number of bytes.
fn size(bytes: u64, is_estimated: bool) -> String {
    let about = if is_estimated { "~" } else { "" };
    format!("{about}{}", DecimalBytes(bytes))
}

/// The name with the tag, where that is known.
fn name(facts: &Facts) -> String {
    let generated = if facts.tag_generated {
        " (tag generated)"
    } else {
        ""
    };
    let tag = facts
        .tag
        .as_ref()
        .map_or(String::new(), |tag| format!(":{tag}"));
    format!("{}{tag}{generated}", facts.name)
}

pub(super) fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{name:<12}{value}");
}

fn source(facts: &Facts) -> String {
    match &facts.architecture_source {
        ArchitectureSource::Architecture => "from `architecture`".to_owned(),
        ArchitectureSource::System => "from `system`".to_owned(),
        ArchitectureSource::Program(path) => {
            format!("from the program `{}`", facts.shown_file(path))
        }
        ArchitectureSource::Image(image) => format!("from the existing image `{image}`"),
        ArchitectureSource::Base => "from the base image".to_owned(),
        ArchitectureSource::ThisMachine => {
            "from this machine, because nothing else determines it".to_owned()
        }
    }
}

fn budget(facts: &Facts) -> String {
    let budget = &facts.budget;
    let max = budget
        .max_layers
        .map_or("no limit".to_owned(), |max| format!("at most {max}"));
    let of = facts
        .planner
        .as_ref()
        .filter(|planner| !planner.built_in)
        .map_or(String::new(), |planner| format!(" of `{}`", planner.name));
    let policy = facts
        .policy
        .as_ref()
        .map_or(String::new(), |policy| format!(" by `{policy}`{of}"));
    let count_of = |count: usize, what: &str| match count {
        0 => String::new(),
        count => format!("{count} {what}, "),
    };
    let base = count_of(budget.base_layers, "from the base image");
    let grouped = count_of(budget.store_layers, &format!("grouped{policy}"));
    format!("{} ({max}): {base}{grouped}1 root layer", budget.layers)
}

fn layers(layers: &[LayerFacts], text: &mut String) {
    let _ = writeln!(
        text,
        "{:>5}  {:>10}  {:>5}  {:<12}  why",
        "layer", "size", "paths", "diff id"
    );
    for layer in layers {
        let size = layer
            .size
            .map_or("-".to_owned(), |bytes| size(bytes, layer.size_estimated));
        let paths = match layer.kind {
            LayerKind::Store => layer.paths.len().to_string(),
            LayerKind::Base | LayerKind::Root => "-".to_owned(),
        };
        let digest = layer
            .diff_id
            .as_deref()
            .map_or("-", |id| id.trim_start_matches("sha256:"));
        let digest = &digest[..digest.len().min(12)];
        let why = shorten(&layer.reason);
        let _ = writeln!(
            text,
            "{:>5}  {size:>10}  {paths:>5}  {digest:<12}  {why}",
            layer.number
        );
    }
}

pub(super) fn shorten(text: &str) -> String {
    if text.chars().count() > WIDTH {
        text.chars().take(WIDTH - 1).chain(['…']).collect()
    } else {
        text.to_owned()
    }
}

/// Returns the reason for which a store path is in its layer, with the paths that need it and the
/// paths that it needs.
pub(super) fn explanation(explanation: &Explanation) -> String {
    let mut text = String::new();
    line(&mut text, "path", &explanation.path);
    if let Some(directory) = &explanation.directory {
        line(&mut text, "directory", directory);
    }
    line(
        &mut text,
        "size",
        &DecimalBytes(explanation.size).to_string(),
    );
    let layer = explanation
        .layer
        .map_or("none".to_owned(), |number| number.to_string());
    line(
        &mut text,
        "layer",
        &format!("{layer}: {}", explanation.reason),
    );
    if explanation.asked_for {
        line(&mut text, "because", "the image names it directly");
    } else {
        list(
            &mut text,
            "because",
            &explanation.chain,
            explanation.chain.len(),
            " ->",
        );
    }
    let needed = format!(
        "{} of the image's paths need it, directly:",
        explanation.dependents
    );
    line(
        &mut text,
        "needed by",
        if explanation.dependents == 0 {
            "nothing"
        } else {
            &needed
        },
    );
    list(&mut text, "", &explanation.referrers, LISTED, "");
    let needs = format!(
        "{} of the image's paths, directly:",
        explanation.dependencies
    );
    line(
        &mut text,
        "needs",
        if explanation.dependencies == 0 {
            "nothing"
        } else {
            &needs
        },
    );
    list(&mut text, "", &explanation.references, LISTED, "");
    text
}

fn list(text: &mut String, name: &str, items: &[String], limit: usize, separator: &str) {
    for (i, item) in items.iter().take(limit).enumerate() {
        let last = i + 1 == items.len();
        line(
            text,
            if i == 0 { name } else { "" },
            &format!("{item}{}", if last { "" } else { separator }),
        );
    }
    if items.len() > limit {
        line(text, "", &format!("and {} others", items.len() - limit));
    }
}
