//! Arguments about an image's past: earlier closures and previous images.

use std::path::PathBuf;

use terrine::oci::Reference;

use super::headings;
use super::stdin;

/// Earlier closures and images.
#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// File of earlier closures, written by `terrine replay record`
    ///
    /// A policy that uses history learns from these closures how often packages change. The newest
    /// one may be the closure of the image itself.
    #[arg(long, value_name = "FILE", value_parser = stdin::file_parser(), help_heading = headings::LAYERS)]
    pub(super) history: Option<PathBuf>,

    /// Image that clients have, or its plan; may be repeated, newest first
    ///
    /// A policy that uses history keeps the layers of this image, unless clients are expected to
    /// download less with new layers. A plan is the JSON output of `terrine plan` or `terrine build
    /// --summary`. The metadata of the image must list the store paths of each layer, as terrine
    /// and dockerTools write it.
    #[arg(long, value_name = "IMAGE|PLAN", value_parser = stdin::image_or_file, help_heading = headings::LAYERS)]
    pub(super) previous: Vec<Reference>,

    /// Continue if an image of `--previous` is missing, as before the first push
    #[arg(long, help_heading = headings::LAYERS)]
    pub(super) allow_missing_previous: bool,
}

impl HistoryArgs {
    /// Returns the images that the arguments name.
    pub(super) fn named(&self) -> Vec<&Reference> {
        self.previous.iter().collect()
    }
}
