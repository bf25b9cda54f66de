//! Images that exist, as people read of them. What images say comes from elsewhere, and is
//! not let to the terminal as it is.

use std::fmt::Write;

use indicatif::DecimalBytes;
use terrine::diff::{Diff, Gone, MovedPath, Paths, Status};
use terrine::inspect::{Inspection, LayerFacts};
use terrine::oci::Digest;

use super::table::{line, shorten};

/// The largest number of lines in a list of paths.
const LISTED: usize = 20;

/// Returns the facts about an image, as a table with its configuration and its layers.
pub(super) fn inspection(facts: &Inspection) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: &str| line(&mut text, name, &plain(value));
    add("image", &facts.name);
    add("id", &facts.image_id.to_string());
    if let Some(manifest) = &facts.manifest {
        add(
            "manifest",
            &format!("{} {}", manifest.digest, manifest.media_type),
        );
    }
    add("platform", &facts.platform);
    add(
        "created",
        facts.created.as_deref().unwrap_or("not specified"),
    );
    for (name, value) in configuration(facts) {
        add(&name, &value);
    }
    let size = DecimalBytes(facts.size);
    add(
        "layers",
        &format!("{}, {size} as they are stored", facts.layers.len()),
    );
    text.push('\n');
    let header = ("layer", "size", "stored", "digest", "diff id", "paths");
    let (layer, size, stored, digest, diff_id, paths) = header;
    let _ = writeln!(
        text,
        "{layer:>5}  {size:>10}  {stored:<6}  {digest:<12}  {diff_id:<12}  {paths:>5}  what"
    );
    for layer in &facts.layers {
        row(layer, &mut text);
    }
    text
}

/// Returns the configuration of containers and the annotations, as pairs of a name and a value.
/// A name that has several values is given only once.
fn configuration(facts: &Inspection) -> Vec<(String, String)> {
    let config = &facts.config;
    let list = |list: &Option<Vec<String>>| list.iter().map(|list| format!("{list:?}")).collect();
    let text = |text: &String| {
        Some(text.clone())
            .filter(|text| !text.is_empty())
            .into_iter()
            .collect()
    };
    let names = |names: &terrine::oci::Names| names.keys().cloned().collect();
    let pairs = |pairs: &terrine::oci::Annotations| -> Vec<String> {
        pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    };
    let all: [(&str, Vec<String>); 10] = [
        ("entrypoint", list(&config.entrypoint)),
        ("command", list(&config.cmd)),
        ("user", text(&config.user)),
        ("directory", text(&config.working_dir)),
        ("stop signal", text(&config.stop_signal)),
        ("environment", config.env.clone()),
        ("ports", names(&config.exposed_ports)),
        ("volumes", names(&config.volumes)),
        ("labels", pairs(&config.labels)),
        ("annotations", pairs(&facts.annotations)),
    ];
    all.into_iter()
        .flat_map(|(name, values)| {
            values.into_iter().enumerate().map(move |(i, value)| {
                let name = if i == 0 { name } else { "" };
                (name.to_owned(), value)
            })
        })
        .collect()
}

fn row(layer: &LayerFacts, text: &mut String) {
    let size = DecimalBytes(layer.size).to_string();
    let digest = layer.digest.map_or("unknown".to_owned(), short);
    let paths = layer
        .store_paths
        .as_ref()
        .map_or("-".to_owned(), |paths| paths.len().to_string());
    let label = layer.label();
    let what = label
        .as_ref()
        .or(layer.urls.first())
        .or(layer.comment.as_ref())
        .or(layer.created_by.as_ref());
    // A name in an archive, and not in a store.
    let is_of_base =
        label.is_none() && what.is_some_and(|what| what.starts_with("store paths: ['"));
    let what = match what {
        Some(_) if is_of_base => "from the base image",
        Some(what) => what,
        None => "",
    };
    let what = plain(&shorten(what));
    let (number, compression, diff_id) = (layer.number, &layer.compression, short(layer.diff_id));
    let row = format!(
        "{number:>5}  {size:>10}  {compression:<6}  {digest:<12}  {diff_id}  {paths:>5}  {what}"
    );
    let _ = writeln!(text, "{}", row.trim_end());
}

/// Returns the differences between two images as text, and how much a client has to pull.
pub(super) fn diff(diff: &Diff) -> String {
    let mut text = String::new();
    for (name, side) in [("old", &diff.old), ("new", &diff.new)] {
        let what = format!(
            "{}, image id {}, {}",
            side.name,
            side.image_id,
            layers(side.layers, side.size)
        );
        line(&mut text, name, &plain(&what));
    }
    let pull = match (diff.pull_layers, diff.is_same()) {
        (0, true) => "nothing: it is the same image".to_owned(),
        (0, false) => "no layer".to_owned(),
        (count, _) => layers(count, diff.pull_bytes),
    };
    line(&mut text, "to pull", &pull);
    text.push('\n');
    let shared = diff
        .layers
        .iter()
        .filter(|layer| layer.status == Status::Shared)
        .count();
    let _ = writeln!(text, "{shared} of {} layers are shared", diff.layers.len());
    for layer in diff
        .layers
        .iter()
        .filter(|layer| layer.status != Status::Shared)
    {
        let (number, size, id) = (layer.number, DecimalBytes(layer.size), short(layer.diff_id));
        let why = match (layer.status, layer.old_number) {
            (Status::Recompressed, Some(old)) => {
                format!("  the content of old layer {old}, compressed differently")
            }
            (Status::Repeated, _) => "  repeats a lower layer".to_owned(),
            _ => String::new(),
        };
        let sign = if layer.status.is_pulled() { '+' } else { '=' };
        let (size, label) = (size.to_string(), labelled(&layer.label));
        let _ = writeln!(text, "  {sign} {number:>4}  {size:>10}  {id}{label}{why}");
    }
    for Gone {
        number,
        diff_id,
        size,
        label,
    } in &diff.gone
    {
        let (size, id, label) = (
            DecimalBytes(*size).to_string(),
            short(*diff_id),
            labelled(label),
        );
        let _ = writeln!(text, "  - {number:>4}  {size:>10}  {id}{label}");
    }
    if let Some(paths) = &diff.paths {
        causes(paths, &mut text);
    }
    if !diff.config.is_empty() {
        text.push_str("\nconfiguration\n");
    }
    for difference in &diff.config {
        for (sign, value) in [('-', &difference.old), ('+', &difference.new)] {
            if let Some(value) = value {
                let _ = writeln!(
                    text,
                    "  {sign} {}",
                    plain(&format!("{}: {value}", difference.what))
                );
            }
        }
    }
    text
}

/// The name of a layer behind its digest.
fn labelled(label: &Option<String>) -> String {
    let label = label
        .iter()
        .map(|label| format!("  {}", plain(&shorten(label))));
    label.collect()
}

/// The store paths that caused a pull.
fn causes(paths: &Paths, text: &mut String) {
    let changed = paths.changed.iter().map(|path| {
        if path.old == path.new {
            format!("~ {} (layer {})", path.new, path.layer)
        } else {
            format!("~ {} -> {}", path.old, path.new)
        }
    });
    let moved = |list: &[MovedPath]| -> Vec<String> {
        list.iter()
            .map(|moved| {
                let MovedPath {
                    path,
                    old_layer,
                    layer,
                } = moved;
                format!("= {path} (layer {old_layer} -> {layer})")
            })
            .collect()
    };
    let signed = |sign: &str, list: &[String]| -> Vec<String> {
        list.iter().map(|path| format!("{sign} {path}")).collect()
    };
    section("changed store paths", &changed.collect::<Vec<_>>(), text);
    section("new store paths", &signed("+", &paths.added), text);
    section("removed store paths", &signed("-", &paths.removed), text);
    section(
        "same store path, in another layer",
        &moved(&paths.moved),
        text,
    );
    section(
        "same store path, in a layer that changed",
        &moved(&paths.carried),
        text,
    );
    section(
        "unknown whether they changed: no hash in the name, in a layer that changed",
        &moved(&paths.unknown),
        text,
    );
}

fn section(title: &str, lines: &[String], text: &mut String) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}: {}", lines.len());
    for line in lines.iter().take(LISTED) {
        let _ = writeln!(text, "  {}", plain(line));
    }
    if lines.len() > LISTED {
        let _ = writeln!(text, "  and {} others", lines.len() - LISTED);
    }
}

fn layers(count: usize, size: u64) -> String {
    format!(
        "{count} layer{}, {}",
        if count == 1 { "" } else { "s" },
        DecimalBytes(size)
    )
}

/// The first digits of a digest.
fn short(digest: Digest) -> String {
    digest.hex().chars().take(12).collect()
}

/// Text without what would move the cursor or change colours.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_terminal_is_told_nothing_by_an_image() {
        assert_eq!(super::plain("a\u{1b}[31m\nü"), "a\\u{1b}[31m\\nü");
    }
}
