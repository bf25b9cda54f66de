//! Arguments for the contents of the image: which files of directories it has at its root, and
//! under which names.

use std::path::Path;

use terrine::spec::{BaseLinksSpec, ContentsSpec, ImageSpec};

use super::failure::Result;
use super::flag_names::FlagNames;
use super::headings;
use super::image_args::named_here;

/// Rules for the files of directories in the image.
#[derive(Debug, clap::Args)]
pub(super) struct ContentsArgs {
    /// Handling of links to directories in the base image: follow or replace [default: follow]
    ///
    /// `follow` adds files below such a link to the directory that the link points to. `replace`
    /// replaces the link with a directory, so the files of the base image are no longer visible at
    /// that path.
    #[arg(long, value_name = "MODE", value_parser = base_links, help_heading = headings::CONTENT)]
    base_links: Option<BaseLinksSpec>,

    /// Exclude files that match a pattern, as in `.dockerignore`; may be repeated
    ///
    /// Patterns are relative to each directory of `--contents` and `--copy-to-root`, and the last
    /// matching pattern is used. `.git`, `.hg` and `.svn` are excluded unless a pattern such as
    /// `!.git` includes them.
    #[arg(long, value_name = "PATTERN", help_heading = headings::CONTENT)]
    exclude: Vec<String>,

    /// Keep the permissions of files and directories outside the store
    ///
    /// By default, directories and executable files get mode 0755, and other files get 0644. The
    /// image then does not depend on the umask of the machine.
    #[arg(long, help_heading = headings::CONTENT)]
    keep_modes: bool,
}

impl ContentsArgs {
    /// Changes the specification by what the flags say.
    pub(super) fn apply(&self, spec: &mut ImageSpec, names: &mut FlagNames) {
        let (before, given) = (spec.exclude.0.len(), self.exclude.iter().cloned());
        names.note_list("exclude", "--exclude", before, given);
        spec.exclude.0.extend(self.exclude.iter().cloned());
        spec.keep_modes |= self.keep_modes;
        spec.base_links = self.base_links.unwrap_or(spec.base_links);
    }
}

fn base_links(text: &str) -> Result<BaseLinksSpec, &'static str> {
    match text {
        "follow" => Ok(BaseLinksSpec::Follow),
        "replace" => Ok(BaseLinksSpec::Replace),
        _ => Err("it must be `follow` or `replace`"),
    }
}

/// Contents with a name or without. What has a slash before its first equals sign is a path.
pub(super) fn named(text: &Path, spec: &mut ImageSpec) -> Result<ContentsSpec> {
    let named = text
        .to_str()
        .and_then(|text| text.split_once('='))
        .filter(|(name, _)| !name.contains('/'));
    let (name, path) = match named {
        Some((name, path)) => (Some(name.to_owned()), Path::new(path)),
        None => (None, text),
    };
    Ok(ContentsSpec {
        name,
        path: named_here(path, spec)?,
    })
}
