//! Arguments about an image's past: earlier closures and previous images.

use std::path::PathBuf;

use terrine::oci::Reference;

use super::stdin;

/// What is known of the past.
#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// Earlier closures, in a file that `terrine replay record` wrote
    ///
    /// A policy that looks at the past learns from them how often packages change. The newest
    /// of them may be the image's own.
    #[arg(long, value_name = "UPDATES", value_parser = stdin::file_parser(), help_heading = "Layers")]
    pub(super) history: Option<PathBuf>,

    /// An image that clients hold, or its plan; may be repeated, the newest first
    ///
    /// A policy that looks at the past keeps its layers where that is cheaper than a better
    /// grouping. A plan is the JSON of `terrine plan` or of `terrine build --summary`; an image
    /// has to name the store paths in its layers, as those of terrine and dockerTools do.
    #[arg(long, value_name = "IMAGE|PLAN", value_parser = stdin::image_or_file, help_heading = "Layers")]
    pub(super) previous: Vec<Reference>,

    /// Go on if an image of `--previous` is not there, as before the first push
    #[arg(long, help_heading = "Layers")]
    pub(super) allow_missing_previous: bool,
}

impl HistoryArgs {
    /// Returns the images that the arguments name.
    pub(super) fn named(&self) -> Vec<&Reference> {
        self.previous.iter().collect()
    }
}
