//! `terrine cache`: what is known of layers already.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use indicatif::{DecimalBytes, HumanCount};
use terrine::cache::{self, Info};

use super::exit::Usage;
use super::failure::Result;
use super::format::{Format, FormatArgs};
use super::printer::Printer;
use super::{environment, output};

/// Look after the layer cache, which spares reading and compressing what did not change
///
/// It is in `$XDG_CACHE_HOME/terrine` or `~/.cache/terrine`. No image depends on it.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show where the cache is, how large it is and what it holds
    Info(FormatArgs),
    /// Empty the cache
    ///
    /// Runs that use it at the time carry on. Compiled planners, which are kept beside it,
    /// stay.
    Clear,
}

pub(super) fn run(command: &Command, printer: &Printer) -> Result<()> {
    match command {
        Command::Info(show) => info(show.format()),
        Command::Clear => clear(printer),
    }
}

fn folder() -> Result<PathBuf, Usage> {
    environment::cache().ok_or_else(|| Usage {
        message: "there is no place for a cache".to_owned(),
        hint: "set `XDG_CACHE_HOME` or `HOME` to an absolute path",
    })
}

fn info(format: Format) -> Result<()> {
    let info = cache::info(&folder()?)?;
    output::print(&match format {
        Format::Table => table(&info, environment::today()),
        Format::Json => info.to_json(),
    })
}

fn clear(printer: &Printer) -> Result<()> {
    let cleared = cache::clear(&folder()?)?;
    let entries = HumanCount(cleared.entries);
    printer.status(&format!(
        "removed {entries} entries, freed {}",
        DecimalBytes(cleared.bytes)
    ));
    Ok(())
}

fn table(info: &Info, today: u64) -> String {
    let mut text = String::new();
    let used = match (info.oldest_use, info.newest_use) {
        (Some(oldest), Some(newest)) if oldest != newest => {
            format!("{} to {}", ago(oldest, today), ago(newest, today))
        }
        (Some(day), _) => ago(day, today),
        _ => "never".to_owned(),
    };
    for (name, value) in [
        ("cache", info.path.display().to_string()),
        ("size", DecimalBytes(info.bytes).to_string()),
        ("layers", HumanCount(info.plain).to_string()),
        ("compressed", HumanCount(info.blobs).to_string()),
        ("locations", HumanCount(info.locations).to_string()),
        ("facts", HumanCount(info.facts).to_string()),
        (
            "trees",
            format!(
                "{}, {}",
                HumanCount(info.trees),
                DecimalBytes(info.tree_bytes)
            ),
        ),
        ("last used", used),
    ] {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12}{value}");
    }
    text
}

fn ago(day: u64, today: u64) -> String {
    match today.saturating_sub(day) {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{} days ago", HumanCount(days)),
    }
}
