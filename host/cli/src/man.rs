//! `terrine man`: manual pages.

use std::fs;
use std::path::PathBuf;

use clap_mangen::Man;

use super::exit::Usage;
use super::failure::{Context, Result};
use super::{headings, output, program};

/// Print a manual page, or write all of them to a directory
///
/// Prints the page of one command to stdout, which `man -l -` shows. With `--output`, writes a page
/// for each command to a directory: `terrine.1`, `terrine-copy.1`, `terrine-cache-info.1` and so
/// on.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Command, such as `copy` or `cache info` [default: terrine itself]
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    command: Vec<String>,

    /// Write all pages to this directory, which is created if it does not exist
    #[arg(short, long, value_name = "DIR", help_heading = headings::OUTPUT)]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  terrine man copy | man -l -
  terrine man --output ~/.local/share/man/man1";

pub(super) fn run(args: &Args) -> Result<()> {
    let pages = pages()?;
    if let Some(folder) = &args.output {
        let writing = || format!("writing manual pages to `{}`", folder.display());
        fs::create_dir_all(folder).with_context(writing)?;
        for (name, page) in pages {
            fs::write(folder.join(format!("{name}.1")), page).with_context(writing)?;
        }
        return Ok(());
    }
    let name = std::iter::once("terrine")
        .chain(args.command.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join("-");
    match pages.into_iter().find(|(page, _)| *page == name) {
        Some((_, page)) => output::print(&String::from_utf8_lossy(&page)),
        None => Err(Usage {
            message: format!("there is no command `terrine {}`", args.command.join(" ")),
            hint: "`terrine --help` lists all commands",
        }
        .into()),
    }
}

/// Every page, and the name of its command.
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    let mut terrine = program::program().disable_help_subcommand(true);
    terrine.build();
    let mut pages = vec![];
    let mut commands = vec![terrine];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().cloned());
        let name = command.get_display_name().unwrap_or("terrine").to_owned();
        let mut page = vec![];
        let source = format!("terrine {}", env!("CARGO_PKG_VERSION"));
        Man::new(command)
            .source(source)
            .render(&mut page)
            .context("making a manual page")?;
        pages.push((name, page));
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let pages = pages().unwrap();
        let page = |name: &str| {
            let (_, page) = pages.iter().find(|(page, _)| page == name).unwrap();
            String::from_utf8(page.clone()).unwrap()
        };
        assert!(page("terrine").starts_with(".ie"), "{}", page("terrine"));
        assert!(page("terrine-cache-info").contains("its size and its entries"));
        assert!(page("terrine-copy").contains("docker://"));
        let help = pages.iter().find(|(name, _)| name.ends_with("help"));
        assert_eq!(help, None);
    }
}
