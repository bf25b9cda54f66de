//! `terrine cache`: the layer cache.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use indicatif::{DecimalBytes, HumanCount};
use terrine::cache::{self, CacheOptions, Cleared, Info, PruneLimits, Transferred};
use terrine::file;

use super::exit::Usage;
use super::failure::{Context, Result};
use super::format::{Format, FormatArgs};
use super::output::Output;
use super::printer::Printer;
use super::{environment, output, stdin};

/// Manage the layer cache
///
/// The cache stores the digests of layers of store paths, before and after compression. With it,
/// unchanged layers are not read and compressed again. The cache never changes an image. Its
/// directory is `$XDG_CACHE_HOME/terrine` or `~/.cache/terrine`. Compiled planners are in the same
/// directory; these commands do not change them.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Command {
    /// Show the cache's path, its size and its entries
    ///
    /// Prints to stdout the path, the size and the last use of the cache, and the number of entries
    /// of each kind with the work that they save.
    #[command(after_help = INFO_EXAMPLES)]
    Info(FormatArgs),
    /// Remove all entries of the cache
    ///
    /// Removes every entry and reports on stderr the number of entries and bytes. Commands that use the cache at the
    /// same time are not interrupted. Compiled planners are not removed.
    #[command(after_help = CLEAR_EXAMPLES)]
    Clear,
    Prune(PruneArgs),
    Export(ExportArgs),
    Import(ImportArgs),
}

/// Remove old entries of the cache, or the least recently used ones
///
/// Removes entries that were not used for a time, or the least recently used ones until the rest
/// fits a size, and reports on stderr the number of entries and bytes. Without options, removes
/// entries that were not used for 30 days. Commands that use the cache at the same time are not
/// interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = PRUNE_EXAMPLES)]
pub(super) struct PruneArgs {
    /// Remove entries that were not used for this time, such as 30d or 4w
    #[arg(long, value_name = "TIME", value_parser = days)]
    older_than: Option<u64>,

    /// Remove the least recently used entries until the rest is not larger than this, such as 500MB
    /// or 1GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
}

/// Export the digests of layers to a file
///
/// Writes the digests of layers, before and after compression, to a file or to stdout. Use this for
/// machines that start without a cache: CI stores the file between jobs, and `terrine cache import`
/// reads it at the start of a job. Other entries, such as those about registries, are not exported.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(super) struct ExportArgs {
    /// File to write; `-` for stdout
    #[arg(default_value = "-")]
    file: PathBuf,
}

/// Import a file that `terrine cache export` wrote
///
/// Adds the entries of the file to the cache. Existing entries are kept. A file that was changed or
/// that has another version is an error. terrine trusts imported entries as it trusts its own, so
/// import only files from a source that you trust.
#[derive(Debug, clap::Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(super) struct ImportArgs {
    /// File to read; `-` for stdin
    #[arg(value_parser = stdin::file_parser())]
    file: PathBuf,

    /// Continue if the file does not exist, as in the first job
    #[arg(long)]
    allow_missing: bool,
}

const EXAMPLES: &str = "\
Examples:
  terrine cache info
  terrine cache prune --max-size 1GiB";

const INFO_EXAMPLES: &str = "\
Examples:
  terrine cache info
  terrine cache info --format json | jq .bytes";

const CLEAR_EXAMPLES: &str = "\
Examples:
  terrine cache clear";

const PRUNE_EXAMPLES: &str = "\
Examples:
  terrine cache prune
  terrine cache prune --older-than 2w --max-size 500MB";

const EXPORT_EXAMPLES: &str = "\
Examples:
  terrine cache import --allow-missing layers.cache
  terrine build image.json --to docker://ghcr.io/acme/web:1
  terrine cache export layers.cache";

const IMPORT_EXAMPLES: &str = "\
Examples:
  terrine cache import layers.cache
  terrine cache import --allow-missing layers.cache";

/// The age of what `prune` removes if nothing is asked for, in days.
const OLD: u64 = 30;
/// The largest file that is imported, in bytes.
const LARGEST: u64 = 256 << 20;

pub(super) fn run(command: &Command, printer: &Printer) -> Result<()> {
    match command {
        Command::Info(show) => info(show.format()),
        Command::Clear => clear(printer),
        Command::Prune(args) => prune(args, printer),
        Command::Export(args) => export(args, printer),
        Command::Import(args) => import(args, printer),
    }
}

fn folder() -> Result<PathBuf, Usage> {
    environment::cache().ok_or_else(|| Usage {
        message: "cannot determine the directory of the cache".to_owned(),
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
    tell(cache::clear(&folder()?)?, printer);
    Ok(())
}

fn prune(args: &PruneArgs, printer: &Printer) -> Result<()> {
    let days = match (args.older_than, args.max_size) {
        (None, None) => Some(OLD),
        (days, _) => days,
    };
    let limits = PruneLimits {
        unused_since: days.map(|days| environment::today().saturating_sub(days)),
        max_bytes: args.max_size,
    };
    tell(cache::prune(&folder()?, limits)?, printer);
    Ok(())
}

/// Says what was removed.
fn tell(cleared: Cleared, printer: &Printer) {
    let entries = HumanCount(cleared.entries);
    printer.status(&format!(
        "removed {entries} entries, freed {}",
        DecimalBytes(cleared.bytes)
    ));
}

fn export(args: &ExportArgs, printer: &Printer) -> Result<()> {
    let (text, told) = cache::export(&folder()?)?;
    let output = Output::open(Some(&args.file))?;
    (&output)
        .write_all(&text)
        .with_context(|| format!("writing `{}`", args.file.display()))?;
    output.commit()?;
    printer.status(&format!("exported {}", what(told)));
    Ok(())
}

fn import(args: &ImportArgs, printer: &Printer) -> Result<()> {
    if args.allow_missing && !args.file.exists() {
        let file = args.file.display();
        printer.status(&format!("`{file}` does not exist; nothing is imported"));
        return Ok(());
    }
    let text = file::read(&args.file, LARGEST)?;
    let options = CacheOptions::on(environment::today());
    let told = cache::import(&folder()?, options, &args.file, &text)?;
    let known = match told.known {
        0 => String::new(),
        known => format!("; {} were already known", HumanCount(known as u64)),
    };
    printer.status(&format!("imported {}{known}", what(told)));
    Ok(())
}

/// Returns in words what was exported or imported: the numbers of layers and compressed layers.
fn what(told: Transferred) -> String {
    let count = |count: usize, one: &str, more: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{} {more}", HumanCount(count as u64)),
    };
    format!(
        "entries for {} and {}",
        count(told.layers, "layer", "layers"),
        count(told.compressed, "compressed layer", "compressed layers")
    )
}

/// A number of days, as 30, 30d or 4w.
fn days(text: &str) -> Result<u64, String> {
    let (number, factor) = match text.strip_suffix('w') {
        Some(weeks) => (weeks, 7),
        None => (text.strip_suffix('d').unwrap_or(text), 1),
    };
    let days = number.parse::<u64>().ok();
    days.and_then(|days| days.checked_mul(factor))
        .ok_or_else(|| "it must be a number of days or weeks, such as 30d or 4w".to_owned())
}

/// A number of bytes, as 1000, 500MB or 1GiB.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "it must be a size, such as 500MB or 1GiB".to_owned();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim().to_lowercase();
    let factor = match unit.trim_end_matches('b') {
        "" => 1,
        "k" => 1000,
        "m" => 1000_u64.pow(2),
        "g" => 1000_u64.pow(3),
        "ki" => 1 << 10,
        "mi" => 1 << 20,
        "gi" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
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
    let all = DecimalBytes(info.bytes + info.tree_bytes);
    for (name, value) in [
        ("cache", info.path.display().to_string()),
        ("size", all.to_string()),
        ("last used", used),
    ] {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12}{value}");
    }
    text.push('\n');
    let trees = format!("are not run again; {}", DecimalBytes(info.tree_bytes));
    for (count, name, spared) in [
        (
            info.plain,
            "layers",
            "are not read again to learn their digests",
        ),
        (info.blobs, "compressed layers", "are not compressed again"),
        (
            info.locations,
            "layers in registries",
            "are not sent to a registry that has them",
        ),
        (
            info.facts,
            "facts about store paths",
            "are not looked up again",
        ),
        (info.trees, "commands at the root", &trees),
    ] {
        let _ = writeln!(
            text,
            "{:>9}  {name:<24}{spared}",
            HumanCount(count).to_string()
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_read() {
        for (text, expected) in [
            ("30", Some(30)),
            ("7d", Some(7)),
            ("2w", Some(14)),
            ("d", None),
            ("1y", None),
            ("-1", None),
        ] {
            assert_eq!(days(text).ok(), expected, "{text}");
        }
        for (text, expected) in [
            ("0", Some(0)),
            ("500MB", Some(500_000_000)),
            ("1GiB", Some(1 << 30)),
            ("2k", Some(2000)),
            ("3 mib", Some(3 << 20)),
            ("MB", None),
            ("1.5GB", None),
            ("1T", None),
            ("99999999999999GiB", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }
}
