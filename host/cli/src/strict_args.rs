//! Remarks about an image, and whether its warnings end the run.

use std::borrow::Cow;

use terrine::hint::Hint;
use terrine::remark::Remark;

use super::failure::Result;
use super::headings;
use super::printer::Printer;

/// The severity of warnings.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct StrictArgs {
    /// Treat warnings about the image as errors
    ///
    /// If there is a warning, the command fails and writes no image. Use this in CI.
    #[arg(long, help_heading = headings::OUTPUT)]
    strict: bool,
}

/// Warnings that end the run.
#[derive(Debug, thiserror::Error)]
#[error("{}, and `--strict` treats warnings as errors", counted(*.0))]
pub(super) struct Warnings(pub(super) usize);

impl Hint for Warnings {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some("fix the causes of the warnings, or leave out `--strict`".into())
    }
}

fn counted(warnings: usize) -> String {
    match warnings {
        1 => "1 warning".to_owned(),
        count => format!("{count} warnings"),
    }
}

impl StrictArgs {
    /// Prints all remarks.
    ///
    /// # Errors
    ///
    /// Warnings among them, where they are errors.
    pub(super) fn print(self, remarks: &[Remark], printer: &Printer) -> Result<()> {
        remarks.iter().for_each(|remark| printer.remark(remark));
        let warnings = remarks.iter().filter(|remark| remark.is_warning()).count();
        if self.strict && warnings > 0 {
            return Err(Warnings(warnings).into());
        }
        Ok(())
    }
}
