//! `terrine man`: manual pages.

use std::fs;
use std::path::PathBuf;

use clap_mangen::Man;

use super::exit::Usage;
use super::failure::{Context, Result};
use super::{headings, output, program, topics};

/// Print a manual page, or write all of them to a directory
///
/// Prints the page of one command to stdout, which `man -l -` shows. With `--output`, writes a page
/// for each command and each topic to a directory: `terrine.1`, `terrine-copy.1`,
/// `terrine-cache-info.1`, `terrine-references.7` and so on.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Command, such as `copy` or `cache info`, or a topic [default: terrine itself]
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

/// A manual page.
struct Page {
    name: String,
    section: u8,
    text: Vec<u8>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let pages = pages()?;
    if let Some(folder) = &args.output {
        let writing = || format!("writing manual pages to `{}`", folder.display());
        fs::create_dir_all(folder).with_context(writing)?;
        for page in pages {
            let file = folder.join(format!("{}.{}", page.name, page.section));
            fs::write(file, page.text).with_context(writing)?;
        }
        return Ok(());
    }
    let name = std::iter::once("terrine")
        .chain(args.command.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join("-");
    match pages.into_iter().find(|page| page.name == name) {
        Some(page) => output::print(&String::from_utf8_lossy(&page.text)),
        None => Err(Usage {
            message: format!("there is no command `terrine {}`", args.command.join(" ")),
            hint: "`terrine --help` lists all commands",
        }
        .into()),
    }
}

/// Every page: those of commands, then those of topics.
fn pages() -> Result<Vec<Page>> {
    let mut terrine = program::commands();
    terrine.build();
    let source = format!("terrine {}", env!("CARGO_PKG_VERSION"));
    let mut pages = vec![];
    let mut commands = vec![terrine];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().cloned());
        let name = command.get_display_name().unwrap_or("terrine").to_owned();
        let mut text = vec![];
        Man::new(command)
            .source(source.clone())
            .render(&mut text)
            .context("making a manual page")?;
        let section = 1;
        pages.push(Page {
            name,
            section,
            text,
        });
    }
    pages.extend(topics::ALL.iter().map(|topic| Page {
        name: topic.page_name(),
        section: 7,
        text: topic.page(&source).into_bytes(),
    }));
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_topic_has_a_page() {
        let pages = pages().unwrap();
        let page = |name: &str, section: u8| {
            let page = pages
                .iter()
                .find(|page| page.name == name && page.section == section);
            String::from_utf8(page.unwrap().text.clone()).unwrap()
        };
        let terrine = page("terrine", 1);
        assert!(terrine.starts_with(".ie"), "{terrine}");
        assert!(page("terrine-cache-info", 1).contains("its size and its entries"));
        assert!(page("terrine-copy", 1).contains("docker://"));
        assert!(page("terrine-layers", 1).contains("make"));
        assert!(page("terrine-layers", 7).contains("POLICIES"));
        let mut names = pages.iter().map(|page| &page.name);
        assert!(!names.any(|name| name.ends_with("help")));
        assert!(!terrine.contains("help(1)"), "{terrine}");
    }
}
