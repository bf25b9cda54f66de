//! The topics of `terrine help`: texts about what several commands have in common.

use clap::builder::{StyledStr, Styles};
use clap_mangen::roff::{Roff, bold, roman};

/// The longest line that is a heading, in bytes.
const LONGEST_HEADING: usize = 40;

/// A text that is in no command's help.
pub(super) struct Topic {
    pub(super) name: &'static str,
    /// The summary in lists of topics.
    pub(super) summary: &'static str,
    text: &'static str,
}

/// All topics.
pub(super) const ALL: [Topic; 3] = [
    Topic {
        name: "references",
        summary: "Names of images: transports, tags and digests",
        text: include_str!("references.txt"),
    },
    Topic {
        name: "compression",
        summary: "Compression of layers: none, gzip and zstd",
        text: include_str!("compression.txt"),
    },
    Topic {
        name: "layers",
        summary: "Layers of an image: policies, limits and updates",
        text: include_str!("layers.txt"),
    },
];

/// Returns the topic of a name.
pub(super) fn find(name: &str) -> Option<&'static Topic> {
    ALL.iter().find(|topic| topic.name == name)
}

/// A part of a text, between empty lines.
enum Part<'t> {
    Heading(&'t str),
    /// Lines that are shown as they are: commands and tables.
    Lines(&'t str),
    Paragraph(&'t str),
}

impl Topic {
    fn parts(&self) -> impl Iterator<Item = Part<'static>> {
        self.text.trim_end().split("\n\n").map(|part| {
            if part.starts_with(' ') {
                Part::Lines(part)
            } else if part.len() <= LONGEST_HEADING && !part.ends_with(['.', ':']) {
                Part::Heading(part)
            } else {
                Part::Paragraph(part)
            }
        })
    }

    /// Returns the text for a terminal.
    pub(super) fn styled(&self) -> StyledStr {
        let styles = Styles::styled();
        let header = styles.get_header();
        let mut text = format!("{}\n", self.summary);
        for part in self.parts() {
            text.push('\n');
            match part {
                Part::Heading(heading) => text.push_str(&format!("{header}{heading}{header:#}")),
                Part::Lines(lines) | Part::Paragraph(lines) => text.push_str(lines),
            }
            text.push('\n');
        }
        text.into()
    }

    /// Returns the name of the manual page.
    pub(super) fn page_name(&self) -> String {
        format!("terrine-{}", self.name)
    }

    /// Returns the manual page, of section 7. `source` is the program and its version.
    pub(super) fn page(&self, source: &str) -> String {
        let mut page = Roff::new();
        page.control("TH", [&self.page_name(), "7", "", source]);
        page.control("SH", ["NAME"]);
        let name = format!("{} - {}", self.page_name(), self.summary);
        page.text([roman(name)]);
        page.control("SH", ["DESCRIPTION"]);
        for part in self.parts() {
            match part {
                Part::Heading(heading) => {
                    page.control("SH", [heading.to_uppercase().as_str()]);
                }
                Part::Lines(lines) => {
                    page.control("PP", []).control("nf", []);
                    lines.lines().for_each(|line| {
                        page.text([bold(line)]);
                    });
                    page.control("fi", []);
                }
                Part::Paragraph(text) => {
                    page.control("PP", []).text([roman(text)]);
                }
            }
        }
        page.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_a_terminal_and_have_no_placeholders() {
        for topic in &ALL {
            assert!(!topic.text.contains(['{', '}', '\t']), "{}", topic.name);
            let mut lines = topic.text.lines();
            assert!(lines.all(|line| line.len() <= 80), "{}", topic.name);
            let headings = topic.parts();
            let headings = headings.filter(|part| matches!(part, Part::Heading(_)));
            assert!(headings.count() > 2, "{}", topic.name);
        }
    }

    #[test]
    fn a_page_has_the_whole_text() {
        let page = find("references").unwrap().page("terrine 0");
        assert!(page.contains(".TH terrine"), "{page}");
        assert!(page.contains(".SH REGISTRIES"), "{page}");
        assert!(
            page.contains(".nf\n\\fB    terrine inspect old.tar\\fR"),
            "{page}"
        );
        assert_eq!(page.matches(".nf\n").count(), page.matches(".fi\n").count());
    }
}
