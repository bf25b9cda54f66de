//! Arguments for the contents of the image: which files of directories it has at its root, and
//! under which names.

use std::path::Path;

use terrine::spec::{BaseLinksSpec, ContentsSpec, ImageSpec};

use super::failure::Result;
use super::flag_names::FlagNames;
use super::image_args::here;

/// What of directories is in the image, and where it is put.
#[derive(Debug, clap::Args)]
pub(super) struct ContentsArgs {
    /// What becomes of files below a link to a directory in the base image
    ///
    /// `follow` puts them where the link leads, `replace` makes a directory in its place, which hides what
    /// the base has there [default: follow]
    #[arg(long, value_name = "HOW", value_parser = base_links, help_heading = "Content")]
    base_links: Option<BaseLinksSpec>,

    /// Leave out of directories what matches this pattern of `.dockerignore`; may be repeated
    ///
    /// Patterns are relative to each directory of `--contents` and `--copy-to-root`, and the last that
    /// matches decides. `.git`, `.hg` and `.svn` are left out unless `!.git` or the like takes them back.
    #[arg(long, value_name = "PATTERN", help_heading = "Content")]
    exclude: Vec<String>,

    /// Keep the permissions of files and directories that are not in the store
    ///
    /// Without it they are those that version control records: 0755 for directories and programs, 0644 for other
    /// files.
    #[arg(long, help_heading = "Content")]
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
        _ => Err("it is `follow` or `replace`"),
    }
}

/// Contents with a name or without. What has a slash before its first equals sign is a path.
pub(super) fn named(text: &Path) -> Result<ContentsSpec> {
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
        path: here(path)?,
    })
}
